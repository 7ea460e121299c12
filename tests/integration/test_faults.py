"""Servers, connections and executors fail under load: each acknowledged row is stored once, and all recover.

`pytest -m soak` runs a hundred faults, the default run a dozen of the same kinds. After each fault the writers
reconnect, and have to look up the type of an array again. The server of these tests syncs its writes (fsync on), so
only a power failure of the machine loses data.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from tests.conftest import execute
from tests.executor import Executor, eventually, failure, value
from tests.servers import OwnServer, own_server
from tests.writer import TABLE, WRITE

_PROJECT = Path(__file__).resolve().parents[2]
_TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
_NO_TOKEN = "local all postgres trust\nlocal all all password\n"
_WRITERS = 4
_AWS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}


class CuttingProxy:
    """Forwards TCP to the server's socket, even while nobody listens there, and can cut the reply to a commit."""

    def __init__(self, url: str) -> None:
        parts = parse_dsn(url)
        self._upstream = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = make_dsn(url, host="127.0.0.1", port=self._listener.getsockname()[1])
        self._armed = threading.Event()
        self.was_cut = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut_next_commit(self) -> None:
        """Lose the reply and the connection of the next request that commits a row."""
        self.was_cut.clear()
        self._armed.set()
        assert self.was_cut.wait(100), "nothing was written"

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(self._upstream)
                except OSError:  # the server is restarting
                    client.close()
                    server.close()
                    continue
                loses = threading.Event()
                pumps = [
                    threading.Thread(target=self._requests, args=(client, server, loses)),
                    threading.Thread(target=self._replies, args=(server, client, loses)),
                ]
                self._threads += pumps
                for pump in pumps:
                    pump.start()

    def _requests(self, client: socket.socket, server: socket.socket, loses: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                commits = b"COMMIT" in data or (WRITE[:19].encode() in data and b"BEGIN" not in data)
                if commits and self._armed.is_set():
                    self._armed.clear()
                    loses.set()
                server.sendall(data)
        _end(client, server)

    def _replies(self, server: socket.socket, client: socket.socket, loses: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if loses.is_set():  # the server has answered, so the commit is done
                    self.was_cut.set()
                    break
                client.sendall(data)
        _end(server, client)
        client.close()
        server.close()


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class Writers:
    """Processes that write through their own executors, and everything that they printed."""

    def __init__(self, url: str, count: int) -> None:
        self._told = threading.Condition()
        self.requests: dict[int, list[dict[str, Any]]] = {n: [] for n in range(count)}
        self.acknowledged: dict[int, list[tuple[str, float]]] = {n: [] for n in range(count)}
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.writer", url, str(n)],
                cwd=_PROJECT, env=os.environ | _AWS, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True,
            )
            for n in range(count)
        ]  # fmt: skip
        self._readers = [threading.Thread(target=self._read, args=one) for one in enumerate(self._processes)]
        for reader in self._readers:
            reader.start()

    def have_written_since(self, then: float, rows: int = 3) -> None:
        """Wait until this is true for each writer."""

        def all_have() -> bool:
            self._all_live()
            return all(sum(at > then for _, at in one[-rows:]) == rows for one in self.acknowledged.values())

        with self._told:
            assert self._told.wait_for(all_have, 100), "a writer is stuck"

    def have_failed_since(self, then: float, word: str) -> None:
        """Wait until each writer has met a failure that contains this word."""

        def all_have() -> bool:
            self._all_live()
            return all(
                any(word in json.dumps(one["failure"]) for one in requests if one["started"] > then)
                for requests in self.requests.values()
            )

        with self._told:
            assert self._told.wait_for(all_have, 100), f"a writer did not meet {word}"

    def end(self) -> None:
        """Let each writer finish its current row."""
        for process in self._processes:
            assert process.stdin
            process.stdin.close()
        for reader in self._readers:
            reader.join(100)
        errors = []
        for process in self._processes:
            assert process.stderr
            assert process.stdout
            errors.append(process.stderr.read())
            process.stderr.close()
            process.stdout.close()
        assert [process.wait(100) for process in self._processes] == [0] * len(self._processes), errors

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _all_live(self) -> None:
        assert all(process.poll() is None for process in self._processes), "a writer gave up"

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            with self._told:
                if "acknowledged" in told:
                    self.acknowledged[number].append((told["acknowledged"], told["at"]))
                else:
                    self.requests[number].append(told)
                self._told.notify_all()


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server("fsync = on", "max_connections = 30", "superuser_reserved_connections = 3", hba=_TRUST) as one:
        execute(one.url, "CREATE ROLE writer LOGIN SUPERUSER PASSWORD 'no token'")
        yield one


@contextmanager
def _writing(server: OwnServer) -> Iterator[tuple[CuttingProxy, Writers]]:
    execute(server.url, TABLE)
    with ExitStack() as stack:
        proxy = stack.enter_context(closing(CuttingProxy(server.url)))
        writers = Writers(make_dsn(proxy.url, user="writer"), _WRITERS)
        stack.callback(writers.kill)
        yield proxy, writers


def _restart(server: OwnServer) -> None:
    server.stop("immediate")
    server.start()


def _kill_backends(server: OwnServer) -> None:
    ours = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'query_executor'"
    assert execute(server.url, ours), "no executor had a connection"


def _cannot_be_written(server: OwnServer, writers: Writers) -> None:
    def is_read_only() -> bool:
        return execute(server.url, "SHOW default_transaction_read_only") == [("on",)]

    then = time.monotonic()
    execute(server.url, "ALTER SYSTEM SET default_transaction_read_only = on")
    server.reload()
    writers.have_failed_since(then, "25006")
    execute(server.url, "ALTER SYSTEM RESET default_transaction_read_only")
    server.reload()
    eventually(lambda: not is_read_only())


def _token_is_refused(server: OwnServer, writers: Writers) -> None:
    then = time.monotonic()
    server.write("pg_hba.conf", _NO_TOKEN)
    server.reload()
    # When the server refuses a connection, it has read its file again.
    eventually(lambda: _is_refused(make_dsn(server.url, user="writer", password="token")))
    _kill_backends(server)
    writers.have_failed_since(then, "password authentication failed")
    server.write("pg_hba.conf", _TRUST)
    server.reload()
    eventually(lambda: not _is_refused(make_dsn(server.url, user="writer", password="token")))


def _is_refused(url: str) -> bool:
    try:
        execute(url, "SELECT 1")
    except psycopg2.OperationalError:
        return True
    return False


def _survive(server: OwnServer, faults: int) -> None:
    with _writing(server) as (proxy, writers):
        kinds: dict[str, Callable[[], None]] = {
            "immediate restart": lambda: _restart(server),
            "backend kill": lambda: _kill_backends(server),
            "reply cut after COMMIT": proxy.cut_next_commit,
            "read-only server": lambda: _cannot_be_written(server, writers),
            "token refused": lambda: _token_is_refused(server, writers),
        }
        order = [kind for _ in range(-(-faults // len(kinds))) for kind in kinds][:faults]
        random.Random(7).shuffle(order)  # noqa: S311 - any order, the same each time
        over: list[tuple[str, float]] = []
        writers.have_written_since(0)
        for kind in order:
            kinds[kind]()
            over.append((kind, time.monotonic()))
            writers.have_written_since(over[-1][1])
        writers.end()
        stored = Counter(one for (one,) in execute(server.url, "SELECT id FROM written"))
        promised = {one for per_writer in writers.acknowledged.values() for one, _ in per_writer}
        assert not promised - stored.keys(), "an acknowledged write is lost"
        assert not {one for one, times in stored.items() if times > 1}, "a write is doubled"
        assert stored.keys() == promised, "a write is there that nobody was told of"
        for number, requests in writers.requests.items():
            for kind, then in over:
                first_two = [request for request in requests if request["started"] > then][:2]
                assert any(request["failure"] is None for request in first_two), (number, kind, first_two)
        failed = [
            request["failure"] for requests in writers.requests.values() for request in requests if request["failure"]
        ]
        unknown = [one for one in failed if one["code"] == "outcome_unknown"]
        assert len(unknown) >= order.count("reply cut after COMMIT"), "the faults met nobody at work"
        kinds_met, told = dict(Counter(order)), f"{len(stored)} rows, {len(failed)} failures, {len(unknown)} unknown"
        print(f"{faults} faults {kinds_met}: {told}")  # noqa: T201 - for `make soak`


def test_a_dozen_faults_under_load_lose_and_double_nothing(server: OwnServer) -> None:
    _survive(server, 12)


@pytest.mark.soak
@pytest.mark.timeout(1_200)  # seconds, for a busy machine
def test_a_hundred_faults_under_load_lose_and_double_nothing(server: OwnServer) -> None:
    _survive(server, 100)


def test_a_lost_reply_means_outcome_unknown_and_the_row_is_there(server: OwnServer) -> None:
    execute(server.url, TABLE)
    with closing(CuttingProxy(server.url)) as proxy, closing(Executor(proxy.url)) as call:
        insert = {"sql": WRITE, "params": {"id": "a"}}
        for statements in ([insert], [insert, {"sql": "SELECT 1"}]):
            assert call("SELECT 1")
            cutting = threading.Thread(target=proxy.cut_next_commit)
            cutting.start()
            eventually(proxy._armed.is_set)
            code, retryable = failure(call(statements=statements), "code", "retryable")
            cutting.join()
            assert (code, retryable) == ("outcome_unknown", False)
        assert value(call("SELECT count(*) FROM written")) == 2


_HOLDS_A_LOCK = """
import sys
from tests.executor import Executor
Executor(sys.argv[1])(statements=[
    {"sql": "SELECT pg_advisory_xact_lock(7)"}, {"sql": "UPDATE locked SET n = 1"}, {"sql": sys.argv[2]},
])
"""


@pytest.mark.parametrize("over", ["socket", "tcp"])
@pytest.mark.parametrize("busy", ["SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 1000000000)"])
def test_the_locks_of_a_killed_executor_are_soon_free(server: OwnServer, over: str, busy: str) -> None:
    execute(server.url, "DROP TABLE IF EXISTS locked")
    execute(server.url, "CREATE TABLE locked AS SELECT 0 AS n")
    url = server.url if over == "socket" else make_dsn(server.url, host="127.0.0.1")
    killed = subprocess.Popen([sys.executable, "-c", _HOLDS_A_LOCK, url, busy], cwd=_PROJECT)
    try:
        started = re.escape(busy.partition("(")[0])
        works = (
            f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ '{started}' AND pid <> pg_backend_pid()"
        )
        eventually(lambda: execute(server.url, works))
        assert execute(server.url, "SELECT pg_try_advisory_lock(7)") == [(False,)]
        killed.send_signal(signal.SIGKILL)
        at = time.monotonic()
        assert (
            execute(server.url, "SET lock_timeout = '60s'; SELECT pg_advisory_lock(7); UPDATE locked SET n = 2") == []
        )
        # The server checks for its client every half second. Otherwise, statement_timeout would end the work after 20
        # s.
        assert time.monotonic() - at < 10
    finally:
        killed.kill()
        killed.wait()


def test_a_full_server_refuses_with_a_hint_and_takes_the_executors_when_there_is_room(server: OwnServer) -> None:
    execute(server.url, "DROP ROLE IF EXISTS crowd")
    execute(server.url, "CREATE ROLE crowd LOGIN")
    url = make_dsn(server.url, user="crowd")
    executors = [Executor(url) for _ in range(3)]
    with ExitStack() as stack:
        for executor in executors:
            stack.callback(executor.close)
        assert value(executors[0]("SELECT 1")) == 1
        crowd = [psycopg2.connect(url)]
        with suppress(psycopg2.OperationalError):
            while True:
                crowd.append(psycopg2.connect(url))
        for one in crowd:
            stack.callback(one.close)
        assert value(executors[0]("SELECT 2")) == 2  # the executor that is connected stays connected
        for executor in executors[1:]:
            code, retryable, pause = failure(executor("SELECT 1"), "code", "retryable", "retry_after_ms")
            assert (code, retryable) == ("unavailable", True)
            assert pause > 0
        for one in crowd[:2]:
            one.close()
        for executor in executors[1:]:
            # A backend ends a moment after its client.
            eventually(lambda executor=executor: "results" in executor("SELECT 1"))  # type: ignore[misc]
