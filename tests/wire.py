"""A server that answers each HTTP request with the bytes that a test gives it, and keeps what it was sent.

It stands in the place of Lambda's endpoint, or of a proxy before it.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

REPLY = b'{"results": []}'


class Sent(NamedTuple):
    """One request. `connection` counts the connections from 1. The names of the headers are in lower case."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes


def answer(body: bytes = REPLY, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A response of HTTP/1.1. A _ in a header means -. `length` is what it says of its length."""
    said = {"Content-Length": str(len(body) if length is None else length), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Wire:
    """Answers each request with the next of `answers`, and afterwards with an empty reply.

    An entry None answers nothing and closes the connection; "hang" answers nothing. With `closes`, the connection ends
    after each answer without a word about it in the answer. `tunnels_to` is the address to which it forwards CONNECT.
    """

    def __init__(
        self,
        *answers: bytes | str | None,
        tls: ssl.SSLContext | None = None,
        closes: bool = False,
        tunnels_to: Callable[[str], int] | None = None,
    ) -> None:
        self.requests: list[Sent] = []
        self.connections = 0
        self.closed = threading.Event()  # after it closed a connection
        self._answers = deque(answers)
        self._tls, self._closes, self._tunnels_to = tls, closes, tunnels_to
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Wire:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        raw.settimeout(0.05)  # so that it sees the end of the test
        sock = raw
        with suppress(OSError):
            if self._tls is not None:
                raw.settimeout(60)
                sock = self._tls.wrap_socket(raw, server_side=True)
                sock.settimeout(0.05)
            self._answer_all(sock, number)
            if isinstance(sock, ssl.SSLSocket):
                with suppress(OSError):
                    sock.unwrap()  # TLS's close_notify
        sock.close()
        self.closed.set()

    def _answer_all(self, sock: socket.socket, number: int) -> None:
        unread = b""
        while True:
            request, unread = self._read(sock, number, unread)
            if request is None:
                return
            self.requests.append(request)
            if request.line.startswith("CONNECT ") and self._tunnels_to is not None:
                self._tunnel(sock, self._tunnels_to(request.line.split()[1]))
                return
            reply = self._answers.popleft() if self._answers else answer()
            if reply == "hang":
                self._ending.wait()
                return
            if not isinstance(reply, bytes):
                return
            sock.settimeout(60)
            sock.sendall(reply)
            sock.settimeout(0.05)
            if self._closes:
                return

    def _read(self, sock: socket.socket, number: int, data: bytes) -> tuple[Sent | None, bytes]:
        while b"\r\n\r\n" not in data:
            data += (more := self._more(sock))
            if not more:
                return None, b""
        head, _, data = data.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", 0))
        while len(data) < length:
            data += (more := self._more(sock))
            if not more:
                return None, b""
        return Sent(number, line, headers, data[:length]), data[length:]

    def _more(self, sock: socket.socket) -> bytes:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                return sock.recv(1_000_000)
        return b""

    def _tunnel(self, sock: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as other:
            other.settimeout(0.05)
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._forward, args=(other, sock))
            back.start()
            self._forward(sock, other)
            back.join()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := self._more(source):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    """Close it so that the other side gets RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
