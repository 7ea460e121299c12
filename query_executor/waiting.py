"""Waits that end in time, for calls that have no time-out: the look-up of a name while the DNS server is silent."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Mapping

import psycopg2

from query_executor.errors import StalledError

TYPE_CHECKING = False  # that of `typing` would make the cold start import typing
if TYPE_CHECKING:
    from typing import Any

_FRESH_S = 10  # after this time, a result that no caller waited for no longer counts


class Work:
    """A call that runs in a thread of its own. The thread starts at once."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: Exception | None = None
        self._ended_at = math.inf
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()  # the process may end before the call

    def _run(self) -> None:
        try:
            self._value = self._call()
        except Exception as error:  # noqa: BLE001 - value() raises it in the thread that waits
            self._error = error
        self._ended_at = time.time()
        self.ended.set()

    @property
    def is_stale(self) -> bool:
        """Whether it ended long ago, and no caller took the result.

        It is measured with time.time(). While Lambda freezes the process, time.monotonic() may stop.
        """
        return time.time() - self._ended_at > _FRESH_S

    def value(self) -> Any:
        """What the call has returned. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


class Waiting:
    """The calls that run. If a call outlives its caller, the next caller waits for the same call."""

    def __init__(self) -> None:
        self._running: dict[object, Work] = {}

    def start(self, name: object, call: Callable[[], Any]) -> None:
        """Start the call, unless a call of this name still runs or has just ended."""
        if name not in self._running or self._running[name].is_stale:
            self._running[name] = Work(call)

    def value(self, name: object, deadline: float) -> Any:
        """What the call of this name returns by `deadline`, a time.monotonic().

        Raises `StalledError` if the call still runs then, and the call's own error.
        """
        left_s = deadline - time.monotonic()
        if not self._running[name].ended.wait(None if left_s == math.inf else max(0.0, left_s)):
            raise StalledError("no answer in time")
        return self._running.pop(name).value()


def addresses(parts: Mapping[str, str], waiting: Waiting, deadline: float) -> dict[str, str]:
    """The parameters of libpq, with the addresses of their hosts. A certificate still has to be that of the name.

    libpq's own look-up blocks for 10 s and more if a DNS server is silent. `deadline` is a time.monotonic().
    Raises `StalledError`, and `psycopg2.OperationalError` if no name has an address.
    """
    hosts = parts.get("host", "").split(",")
    ports = parts.get("port", "").split(",")
    named = list(dict.fromkeys(host for host in hosts if _is_name(host)))
    if not named or parts.get("hostaddr") or len(ports) not in {1, len(hosts)}:
        return dict(parts)
    for host in named:
        waiting.start(host, functools.partial(_looked_up, host))
    found: dict[str, list[str]] = {host: [""] for host in hosts if host not in named}
    problem: Exception | None = None
    for host in named:
        # A name without an answer must not take the time of the other names.
        now = time.monotonic()
        until = deadline if host == named[-1] and not found else now + (deadline - now) / 2
        try:
            found[host] = waiting.value(host, until)
        except (OSError, StalledError) as error:
            problem = error
    if not found:
        said = f'could not translate host name "{named[-1]}" to address'
        if isinstance(problem, OSError):
            raise psycopg2.OperationalError(f"{said}: {problem.strerror}") from problem
        raise StalledError(f"{said}: the DNS server did not answer in time") from problem
    places = [
        (host, address, ports[number % len(ports)])
        for number, host in enumerate(hosts)
        for address in found.get(host, ())
    ]
    names, numbers, listed_ports = (",".join(column) for column in zip(*places, strict=True))
    return {**parts, "host": names, "hostaddr": numbers, **({"port": listed_ports} if listed_ports.strip(",") else {})}


def _is_name(host: str) -> bool:
    return bool(host) and host[0] not in "/@" and ":" not in host and not host.replace(".", "").isdigit()


def _looked_up(host: str) -> list[str]:
    import socket  # noqa: PLC0415 - a unix socket does not need it

    found = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)  # of a str, IDNA would refuse some names
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
