"""Waits that end in time for what cannot be told to: a name looked up while the DNS server is silent."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Mapping

import psycopg2

from query_executor.failures import StalledError

TYPE_CHECKING = False  # typing's own costs the cold start typing
if TYPE_CHECKING:
    from typing import Any


_FRESH_S = 10  # how long something counts that nobody waited for


class Work:
    """A call that runs in a thread of its own, from now on."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: Exception | None = None
        self._ended_at = math.inf
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()  # the process may end before it does

    def _run(self) -> None:
        try:
            self._value = self._call()
        except Exception as error:  # noqa: BLE001 - it is the waiting thread's
            self._error = error
        self._ended_at = time.time()
        self.ended.set()

    @property
    def is_stale(self) -> bool:
        """Whether it ended long ago, unnoticed. By the wall's clock, for frozen ones may stop."""
        return time.time() - self._ended_at > _FRESH_S

    def value(self) -> Any:
        """What the call has returned. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value


class Waiting:
    """What runs. A call that outlives its caller is not made again beside itself: the next caller waits for it too."""

    def __init__(self) -> None:
        self._running: dict[object, Work] = {}

    def start(self, name: object, call: Callable[[], Any]) -> None:
        """Makes the call, unless the one of this name still runs, or has just ended."""
        if name not in self._running or self._running[name].is_stale:
            self._running[name] = Work(call)

    def value(self, name: object, deadline: float) -> Any:
        """What the call of this name returns by `deadline`, a time.monotonic(). Raises `StalledError`, or its error."""
        left_s = deadline - time.monotonic()
        if not self._running[name].ended.wait(None if left_s == math.inf else max(0.0, left_s)):
            raise StalledError("no answer in time")
        return self._running.pop(name).value()


def addresses(parts: Mapping[str, str], waiting: Waiting, deadline: float) -> dict[str, str]:
    """The parameters of libpq, with the addresses of the hosts that they name. A certificate is held to the name.

    libpq's own look-up blocks, for 10 s and more where a DNS server is silent. `deadline` is a time.monotonic().
    Raises `StalledError`, and `psycopg2.OperationalError` when no name has an address.
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
        # A silent name must not take the time of the others.
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
    names, numbers, each = (",".join(one) for one in zip(*places, strict=True))
    return {**parts, "host": names, "hostaddr": numbers, **({"port": each} if each.strip(",") else {})}


def _is_name(host: str) -> bool:
    return bool(host) and host[0] not in "/@" and ":" not in host and not host.replace(".", "").isdigit()


def _looked_up(host: str) -> list[str]:
    import socket  # noqa: PLC0415 - a unix socket, and a command that fails before, do without

    found = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)  # a str may be no name of the IDNA's
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
