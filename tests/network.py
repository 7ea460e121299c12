"""A network that fails when a test wants it: a TCP proxy in front of a server, and a port that never answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from psycopg2.extensions import make_dsn, parse_dsn

Direction = Literal["requests", "replies"]
Fault = Literal["stall", "cut", "reset"]
BOTH: tuple[Direction, Direction] = ("requests", "replies")


class Proxy:
    """Forwards TCP connections to the server of `url`, over its unix socket or TCP, until a test lets it fail.

    A fault happens at the first byte after the limit. So all bytes before it have reached the other side.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        parts = parse_dsn(url)
        self._upstream = (parts.get("hostaddr") or parts["host"], int(parts.get("port", 5432)))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.changed = threading.Condition()
        self._connections: list[_Connection] = []
        self._faults: dict[Direction, tuple[Fault, int | bytes]] = {}
        self.accepted = 0
        self.failed = threading.Event()  # whether a fault has happened
        self.seen: dict[Direction, bytearray] = {"requests": bytearray(), "replies": bytearray()}
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The URL of the server through this proxy."""
        return str(make_dsn(self._url, host="127.0.0.1", hostaddr="", port=self.port))

    def fail(self, fault: Fault, *directions: Direction, after: int | bytes = 0, new: bool = True) -> None:
        """Fail after this number of bytes, or before these bytes. With `new`, later connections fail, too.

        "stall" forwards nothing more, while TCP still acknowledges everything. "cut" and "reset" close the connection.
        """
        with self.changed:
            self.failed.clear()
            for direction in directions:
                if new:
                    self._faults[direction] = (fault, after)
                for connection in self._connections:
                    connection.faults[direction] = (fault, after)

    def heal(self) -> None:
        """Forward everything again, including the bytes that were held back."""
        with self.changed:
            self._faults.clear()
            for connection in self._connections:
                connection.faults.clear()
            self.changed.notify_all()

    def drop(self, *, reset: bool = False) -> None:
        """Close all open connections. They are closed when this returns."""
        with self.changed:
            dropped, self._connections = self._connections, []
            for connection in dropped:
                connection.faults.clear()
                connection.end(reset=reset)
            self.changed.notify_all()
        for connection in dropped:
            connection.join()

    def close(self) -> None:
        """Close the port and all connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.changed:
                    self.accepted += 1
                    connection = _Connection(self, client, _connected(*self._upstream), dict(self._faults))
                    self._connections.append(connection)


class _Connection:
    """One connection through the proxy. `faults` has the next fault of each direction, and when it happens."""

    def __init__(
        self,
        proxy: Proxy,
        client: socket.socket,
        server: socket.socket,
        faults: dict[Direction, tuple[Fault, int | bytes]],
    ) -> None:
        self.faults = faults
        self._proxy, self._client, self._server = proxy, client, server
        self._reset = False
        pumps = [
            threading.Thread(target=self._pump, args=one)
            for one in (("requests", client, server), ("replies", server, client))
        ]
        self._closing = threading.Thread(target=self._close, args=(pumps,))
        self._closing.start()

    def end(self, *, reset: bool) -> None:
        self._reset = reset
        if reset:  # then close() sends a RST instead of a FIN
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for one, how in (
            (self._client, socket.SHUT_RD if reset else socket.SHUT_RDWR),
            (self._server, socket.SHUT_RDWR),
        ):
            with suppress(OSError):
                one.shutdown(how)

    def join(self) -> None:
        self._closing.join()

    def _close(self, pumps: list[threading.Thread]) -> None:
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        self._client.close()
        self._server.close()

    def _pump(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._proxy.changed:
                    self._proxy.seen[direction] += data
                    passed = self._passed(direction, data)
                sink.sendall(data[:passed])
                if passed < len(data):
                    if not self._survives(direction):
                        return
                    sink.sendall(data[passed:])
            if not self._reset:
                sink.shutdown(socket.SHUT_WR)

    def _passed(self, direction: Direction, data: bytes) -> int:
        if direction not in self.faults:
            return len(data)
        fault, after = self.faults[direction]
        if isinstance(after, bytes):
            found = data.find(after)
            return len(data) if found < 0 else found
        self.faults[direction] = (fault, max(0, after - len(data)))
        return min(len(data), after)

    def _survives(self, direction: Direction) -> bool:
        """Let the fault happen. Return whether it was a stall that has ended."""
        with self._proxy.changed:
            fault, _ = self.faults.get(direction, (None, 0))
            if fault in {"cut", "reset"}:
                self.end(reset=fault == "reset")
            self._proxy.failed.set()
            self._proxy.changed.wait_for(lambda: self.faults.get(direction, ("cut", 0))[0] != "stall")
            return fault == "stall"


def _connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 that never answers a SYN, because the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        try:
            while True:
                filler = socket.socket()
                fillers.append(filler)
                filler.settimeout(0.2)
                try:
                    filler.connect(listener.getsockname())
                except TimeoutError:
                    break
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()
