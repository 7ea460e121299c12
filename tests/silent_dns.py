"""A private network whose only DNS server is silent until a test lets it answer. It runs under `unshare`.

    unshare --map-root-user --net --mount python -m tests.silent_dns URL [ROUNDS]

It prints a line of JSON for each request to an executor. A proxy leads to the unix socket of the database. At the end,
the DNS server becomes silent ROUNDS times, while a writer has lost its connection.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.executor import Executor
from tests.network import proxy_to

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
# A look-up that blocks takes about 10 min. With ndots:1, it asks for one name only.
_RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:30 attempts:5 ndots:1\n"


class Dns:
    """The DNS server. It is silent at first. Later it answers 127.0.0.1 for every name."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._questions: list[tuple[bytes, tuple[str, int]]] = []
        self._changed = threading.Condition()
        self._answers = False
        threading.Thread(target=self._listen, daemon=True).start()

    def be_silent(self) -> None:
        with self._changed:
            self._answers = False
            self._questions.clear()

    def answer(self) -> None:
        """Answer all questions, also those that came before."""
        with self._changed:
            self._answers = True
            for question, address in self._questions:
                self._send(question, address)

    @property
    def asked(self) -> int:
        return len(self._questions)

    def _listen(self) -> None:
        while True:
            question, address = self._socket.recvfrom(512)
            with self._changed:
                self._questions.append((question, address))
                if self._answers:
                    self._send(question, address)

    def _send(self, question: bytes, address: tuple[str, int]) -> None:
        end = question.index(b"\0", 12) + 5  # the end of the name, its type and its class
        is_ipv4 = question[end - 4 : end - 2] == b"\0\1"
        head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_ipv4), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton("127.0.0.1") if is_ipv4 else b""
        self._socket.sendto(head + question[12:end] + record, address)


def _lost_and_found(dns: Dns, executor: Executor, number: int) -> int:
    """Whether a write without a connection failed while the DNS server was silent. Later it succeeds, once."""
    insert: dict[str, Any] = {"sql": "INSERT INTO silences VALUES (:n)", "params": {"n": number}}
    dns.be_silent()
    executor.close()
    refused = executor(**insert, deadline_ms=1)
    dns.answer()
    while "failure" in executor(**insert):
        pass
    return int(refused.get("failure", {}).get("code") == "unavailable")


def main() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "resolv.conf"
        conf.write_text(_RESOLV_CONF)
        subprocess.run(["mount", "--bind", str(conf), str(Path("/etc/resolv.conf").resolve())], check=True)
        dns = Dns()
        with proxy_to(sys.argv[1]) as proxy:
            place = {"dsn": proxy.url, "hostaddr": "", "host": "db.silent.test"}

            def tell(what: str, executor: Executor, **more: object) -> None:
                started = time.monotonic()
                answer = executor("SELECT 7", **more)
                line = {"what": what, "took_s": time.monotonic() - started, "answer": answer, "asked": dns.asked}
                sys.stdout.write(json.dumps(line) + "\n")

            one = Executor(place)
            tell("silent", one, deadline_ms=1_000)
            tell("silent still", one, deadline_ms=1_000)
            both = Executor(place | {"host": "db.silent.test,127.0.0.1", "port": f"{proxy.port},{proxy.port}"})
            tell("silent, and another host", both)
            os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
            secret = Executor(place, secret_arn="arn", region="eu-west-1")
            tell("silent secret", secret, deadline_ms=1_000)
            dns.answer()
            tell("answered", one)
            counts = [_lost_and_found(dns, one, number) for number in range(int(sys.argv[2]))]
            rows = one("SELECT count(*)::int4, count(DISTINCT n)::int4 FROM silences")["results"][0]["rows"]
            sys.stdout.write(json.dumps({"what": "rounds", "failed": sum(counts), "rows": rows}) + "\n")
            sys.stdout.flush()
            os._exit(0)  # threads still wait for their look-ups


if __name__ == "__main__":
    main()
