"""What happens to a request when its connection is refused, dies, or leads to the wrong server."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from query_executor.contract import Reply, Request, Statement
from query_executor.database import Database
from query_executor.settings import Settings
from tests.conftest import execute
from tests.executor import Answer, Executor, eventually, failure, value, within
from tests.network import Proxy, proxy_to
from tests.servers import OwnServer, own_server

INSERT = "INSERT INTO t VALUES (1)"
TRANSACTION: dict[str, Any] = {"statements": [{"sql": INSERT}, {"sql": "INSERT INTO t VALUES (2)"}]}


@pytest.fixture
def database_url(database_url: str) -> str:
    execute(database_url, "CREATE TABLE t (n int)")
    return database_url


@pytest.fixture
def call(proxy: Proxy) -> Iterator[Executor]:
    """An executor behind the proxy. It keeps its connection."""
    executor = Executor(proxy.url)
    assert value(executor("SELECT 1")) == 1
    yield executor
    executor.close()


def rows(url: str) -> int:
    count: int = execute(url, "SELECT count(*) FROM t")[0][0]
    return count


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("request_", [{"sql": INSERT}, TRANSACTION], ids=["statement", "transaction"])
def test_a_write_on_a_connection_found_dead_runs_once_on_a_new_one(
    call: Executor, proxy: Proxy, database_url: str, request_: dict[str, Any], reset: bool
) -> None:
    proxy.drop(reset=reset)
    assert len(call(**request_)["results"]) == rows(database_url)
    assert proxy.accepted == 2


def test_a_connection_that_went_silent_while_idle_is_found_dead_before_the_write(
    proxy: Proxy, database_url: str
) -> None:
    call = Executor(proxy.url, ping_after_ms=0)  # every connection counts as idle for long
    call("SELECT 1")
    proxy.fail("stall", "requests", new=False)
    with within(10_000):
        assert call(INSERT, deadline_ms=10_000)["results"][0]["row_count"] == 1
    proxy.heal()  # the bytes that were held back have no effect now
    proxy.drop()
    assert rows(database_url) == 1
    call.close()


def test_a_connection_in_use_is_not_asked_whether_it_lives(call: Executor, proxy: Proxy) -> None:
    proxy.seen["replies"].clear()
    call("SELECT 1", max_rows=1)
    assert proxy.seen["replies"].count(b"Z\0\0\0\5I") == 1  # ReadyForQuery: one round trip


def answers_cut(
    database_url: str, request_: dict[str, Any], direction: str, fault: str
) -> Iterator[tuple[Answer, int]]:
    """Cut the connection at about 15 places of the request or its reply. Yield each answer and the number of rows."""
    with proxy_to(database_url) as proxy:
        call = Executor(proxy.url)
        call("SELECT 1")
        proxy.seen[direction].clear()  # type: ignore[index]
        call(**request_)
        size = len(proxy.seen[direction])  # type: ignore[index]
        for after in {*range(0, size, size // 15), size - 1}:
            execute(database_url, "TRUNCATE t")
            call("SELECT 1")
            proxy.fail(fault, direction, after=after, new=False)  # type: ignore[arg-type]
            answer = call(**request_)
            proxy.drop()
            # With this lock, the request has been committed or rolled back. TRUNCATE takes the same lock.
            execute(database_url, "BEGIN; LOCK TABLE t; COMMIT")
            yield answer, rows(database_url)
        call.close()


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("request_", [{"sql": INSERT}, TRANSACTION], ids=["statement", "transaction"])
@pytest.mark.parametrize("direction", ["replies", "requests"])
def test_a_write_whose_connection_is_cut_anywhere_is_never_sent_again(
    database_url: str, request_: dict[str, Any], direction: str, fault: str
) -> None:
    whole = 1 if request_ == {"sql": INSERT} else 2
    seen = set()
    for answer, count in answers_cut(database_url, request_, direction, fault):
        assert failure(answer, "code", "retryable") == ("outcome_unknown", False)
        seen.add(count)
    # The outcome is really unknown: the rows are there if the reply was cut after COMMIT. They are not there if the
    # request was cut before its end.
    if direction == "requests":
        assert seen == {0}
    else:
        assert seen == ({whole} if whole == 1 else {0, whole})


def test_a_read_whose_connection_is_cut_anywhere_is_sent_once_more(database_url: str) -> None:
    for direction in ("replies", "requests"):
        read = {"statements": [{"sql": "SELECT 7"}, {"sql": "SELECT 8"}], "read_only": True}
        for answer, _ in answers_cut(database_url, read, direction, "cut"):
            assert [one["rows"] for one in answer["results"]] == [[[7]], [[8]]]


def test_a_read_that_is_cut_twice_is_given_up(call: Executor, proxy: Proxy) -> None:
    proxy.fail("cut", "replies", new=False)
    proxy.seen["replies"].clear()
    assert value(call("SELECT 1", read_only=True)) == 1
    connect = len(proxy.seen["replies"])
    proxy.drop()
    proxy.fail("cut", "replies", after=connect - 50)
    answer = call("SELECT repeat('x', 100)", read_only=True)
    assert failure(answer, "code", "retryable") == ("unavailable", True)


def test_a_backend_killed_in_a_write_is_not_asked_again(call: Executor, database_url: str) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(call, "INSERT INTO t SELECT 1 FROM pg_sleep(60)", deadline_ms=20_000)
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%INTO t SELECT 1 FROM pg_s%'"
        eventually(lambda: execute(database_url, f"{kill} AND pid <> pg_backend_pid()"))
        assert failure(waiting.result(), "code", "retryable") == ("outcome_unknown", False)
    assert rows(database_url) == 0
    assert value(call("SELECT 1")) == 1


@pytest.fixture
def pair(database_url: str, locked_server: OwnServer) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A primary, the server that will replace it, and the parameters to connect to the server that accepts writes."""
    name = urlsplit(database_url).path[1:]
    execute(locked_server.url, f"CREATE DATABASE {name}")
    first = make_dsn(locked_server.url, dbname=name)
    execute(first, "CREATE TABLE t (n int)")
    with proxy_to(first) as one, proxy_to(database_url) as other:
        both = {"host": "127.0.0.1,127.0.0.1", "port": f"{one.port},{other.port}", "user": "postgres", "dbname": name}
        yield first, database_url, both
    execute(locked_server.url, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_primary_demoted_under_a_connection_is_left_for_the_new_one(
    pair: tuple[str, str, dict[str, str]], locked_server: OwnServer
) -> None:
    old, new, both = pair
    call = Executor(both)
    assert call(INSERT)["results"][0]["row_count"] == 1
    assert (rows(old), rows(new)) == (1, 0)
    try:
        execute(locked_server.url, "ALTER SYSTEM SET default_transaction_read_only = on")
        locked_server.reload()
        eventually(lambda: execute(locked_server.url, "SHOW default_transaction_read_only") == [("on",)])
        pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'query_executor'"
        assert execute(old, pid)  # it is still connected, and its next write will get 25006
        for expected in (1, 2):
            assert call(INSERT)["results"][0]["row_count"] == 1
            assert (rows(old), rows(new)) == (1, expected)
        assert call(**TRANSACTION)["results"]
        assert (rows(old), rows(new)) == (1, 4)
    finally:
        with closing(psycopg2.connect(locked_server.url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute("ALTER SYSTEM RESET default_transaction_read_only")
        locked_server.reload()
        call.close()


def test_a_primary_that_came_back_as_a_standby_is_passed_over(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    with own_server(hba="local all all trust") as server:
        execute(server.url, f"CREATE DATABASE {name}")
        first = make_dsn(server.url, dbname=name)
        execute(first, "CREATE TABLE t (n int)")
        with proxy_to(first) as one, proxy_to(database_url) as other:
            both = {"host": "127.0.0.1,127.0.0.1", "port": f"{one.port},{other.port}", "user": "postgres"}
            call = Executor(both | {"dbname": name})
            reader = Executor(both | {"dbname": name}, read_only=True)
            assert call(INSERT)["results"]
            server.stop()
            server.write("standby.signal", "")
            server.start()
            assert call(INSERT)["results"]
            assert (rows(first), rows(database_url)) == (1, 1)
            assert value(reader("SELECT pg_is_in_recovery()")) is True  # a standby is good enough for reading
            alone = Executor(make_dsn(first))
            code, sqlstate, message, retryable = failure(alone(INSERT), "code", "sqlstate", "message", "retryable")
            assert (code, sqlstate, retryable) == ("statement_failed", "25006", True)  # the standby may be promoted
            assert message.endswith("the server is a standby")
            assert value(alone("SELECT count(*) FROM t")) == 1
            alone.close()
            call.close()
            reader.close()


READ_ONLY_WAYS = [
    "DATABASE {name} SET default_transaction_read_only = on",
    "ROLE {role} SET default_transaction_read_only = on",
]


@pytest.mark.parametrize("way", READ_ONLY_WAYS, ids=["database", "role"])
@pytest.mark.parametrize("hosts", ["one host", "two hosts"])
def test_where_nothing_can_be_written_reads_are_served_and_writes_are_refused_with_the_reason(
    database_url: str, role: str, way: str, hosts: str
) -> None:
    name = urlsplit(database_url).path[1:]
    execute(database_url, f"GRANT ALL ON t TO {role}; INSERT INTO t VALUES (7)")
    execute(database_url, f"ALTER {way.format(name=name, role=role)}")
    place = {"dsn": make_dsn(database_url, user=role)}
    if hosts == "two hosts":
        socket, port = parse_dsn(database_url)["host"], parse_dsn(database_url)["port"]
        place |= {"host": f"{socket},{socket}", "port": f"{port},{port}"}
    with closing(Executor(place)) as call:
        for _ in range(3):
            for read in ("SELECT n FROM t", "SELECT n FROM t WHERE pg_backend_pid() > 0"):  # plain, not plain
                for more in ({}, {"max_rows": 1}, {"read_only": True}):
                    assert value(call(read, **more)) == 7
            for write in ({"sql": INSERT}, {"sql": f"{INSERT} RETURNING n", "max_rows": 1}, TRANSACTION):
                code, sqlstate, message, retryable = failure(call(**write), "code", "sqlstate", "message", "retryable")
                assert (code, sqlstate, retryable) == ("statement_failed", "25006", False)
                assert message.endswith("in a read-only transaction: default_transaction_read_only is on")
            # A request that asks for read_only gets the usual message.
            assert failure(call(INSERT, read_only=True), "message").endswith("in a read-only transaction")
    with closing(Executor(place, read_only=True)) as reader:
        assert value(reader("SELECT n FROM t")) == 7
    assert execute(database_url, "SELECT count(*) FROM t") == [(1,)]
    everywhere = database_url.replace(f"/{name}", "/postgres")
    execute(everywhere, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    execute(database_url, f"REVOKE ALL ON t FROM {role}")


def test_a_database_that_can_be_written_again_is_written_at_once(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with closing(Executor(database_url)) as call:
        assert failure(call(INSERT), "sqlstate") == "25006"
        assert value(call("SELECT count(*) FROM t")) == 0
        execute(
            database_url.replace(f"/{name}", "/postgres"), f"ALTER DATABASE {name} RESET default_transaction_read_only"
        )
        assert call(INSERT)["results"][0]["row_count"] == 1


def serialised(url: str, level: str) -> None:
    name = urlsplit(url).path[1:]
    execute(url, f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")


def waits_for_a_lock(url: str) -> Callable[[], bool]:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'query_executor'"
    return lambda: bool(execute(url, waiting))


def test_a_serialisation_failure_runs_the_whole_transaction_again(database_url: str) -> None:
    serialised(database_url, "repeatable read")
    execute(database_url, INSERT)
    call = Executor(database_url)
    read_then_write = [
        {"sql": "SELECT n FROM t"},
        {"sql": "UPDATE t SET n = :n::int4 + 10", "params": {"n": {"result": 0, "column": "n"}}},
    ]
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute("UPDATE t SET n = 100")
        waiting = pool.submit(call, statements=read_then_write, deadline_ms=60_000)
        eventually(waits_for_a_lock(database_url))
        other.commit()
        assert waiting.result()["results"][0]["rows"] == [[100]]  # it was read again: the first time it was 1
    assert execute(database_url, "SELECT n FROM t") == [(110,)]
    call.close()


def test_increments_from_everywhere_at_once_are_all_done(database_url: str) -> None:
    serialised(database_url, "serializable")
    execute(database_url, "INSERT INTO t VALUES (0)")

    def increments(_: int) -> None:
        call = Executor(database_url)
        for _ in range(20):
            assert call("UPDATE t SET n = n + 1", deadline_ms=20_000)["results"][0]["row_count"] == 1
        call.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(increments, range(4)))
    assert execute(database_url, "SELECT n FROM t") == [(80,)]


def test_deadlocked_transactions_are_both_done_in_the_end(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    execute(database_url, f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    execute(database_url, "CREATE TABLE u (id int PRIMARY KEY, n int); INSERT INTO u VALUES (1, 0), (2, 0)")

    def transfer(first: int, second: int) -> Answer:
        update = "UPDATE u SET n = n + 1 WHERE id = :id"
        meeting = {"sql": "SELECT pg_advisory_xact_lock_shared(1)"}
        ids = [{"sql": update, "params": {"id": one}} for one in (first, second)]
        call = Executor(database_url)
        answer = call(statements=[ids[0], meeting, ids[1]], deadline_ms=60_000)
        call.close()
        return answer

    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        both = [pool.submit(transfer, 1, 2), pool.submit(transfer, 2, 1)]
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: len(execute(database_url, waiting)) == 2)
        other.commit()
        for one in both:
            assert len(one.result()["results"]) == 3
    assert execute(database_url, "SELECT n FROM u") == [(2,), (2,)]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    eventually(lambda: execute(database_url, deadlocks)[0][0] >= 1)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_conflicts_without_end_are_given_up_at_the_deadline(database_url: str, sqlstate: str) -> None:
    execute(
        database_url,
        f"""CREATE SEQUENCE tries;
            CREATE FUNCTION conflict() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN PERFORM nextval('tries'); RAISE 'conflict' USING ERRCODE = '{sqlstate}'; END $$""",
    )
    call = Executor(database_url)
    with within(2_000):
        answer = call("SELECT conflict()", deadline_ms=2_000)
    assert failure(answer, "code", "sqlstate", "retryable") == ("statement_failed", sqlstate, True)
    assert execute(database_url, "SELECT last_value BETWEEN 3 AND 12 FROM tries") == [(True,)]  # the pauses grow
    call.close()


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    name = f"role_{uuid4().hex[:8]}"
    execute(database_url, f"CREATE ROLE {name} LOGIN")
    yield name
    execute(database_url, f"DROP ROLE {name}")


@pytest.mark.parametrize("limited", ["ROLE", "DATABASE"])
def test_too_many_connections_can_be_tried_again_after_a_while(database_url: str, role: str, limited: str) -> None:
    name = urlsplit(database_url).path[1:]
    execute(database_url, f"ALTER {limited} {role if limited == 'ROLE' else name} CONNECTION LIMIT 1")
    first, second = Executor(make_dsn(database_url, user=role)), Executor(make_dsn(database_url, user=role))
    eventually(lambda: "results" in first("SELECT 1"))  # the backend that set the limit counts until it has ended
    answer = second("SELECT 1")
    assert failure(answer, "code", "retryable", "retry_after_ms") == ("unavailable", True, 1_000)
    first.close()
    eventually(lambda: "results" in second("SELECT 1"))
    second.close()
    eventually(lambda: not execute(database_url, f"SELECT 1 FROM pg_stat_activity WHERE usename = '{role}'"))


def test_a_full_server_can_be_tried_again_after_a_while(locked_server: OwnServer) -> None:
    execute(locked_server.url, "CREATE ROLE crowded LOGIN")
    call = Executor(make_dsn(locked_server.url, user="crowded"))
    for crowd in ("crowded", "postgres"):  # all connections except the reserved ones, then all
        with ExitStack() as connections:
            while True:
                try:
                    connections.enter_context(closing(psycopg2.connect(locked_server.url, user=crowd)))
                except psycopg2.OperationalError:
                    break
            answer = call("SELECT 1")
        assert failure(answer, "code", "retryable", "retry_after_ms") == ("unavailable", True, 1_000)
    call.close()


def test_a_server_that_is_down_can_be_tried_again(database_url: str) -> None:
    with proxy_to(database_url) as proxy:
        url = proxy.url
    assert failure(Executor(url)("SELECT 1"), "code", "retryable") == ("unavailable", True)


PASSWORD = "a5ecret p'ss\\w@rd/%"


@pytest.mark.parametrize(
    "change",
    [
        {"user": "keyed_one", "password": "wr0ng " + PASSWORD},
        {"user": "keyed_one", "password": ""},
        {"user": "keyed_nobody", "password": PASSWORD},
        {"user": "nobody_at_all", "password": PASSWORD},
        {"user": "rejected", "password": PASSWORD},
        {"user": "keyed_one", "password": PASSWORD, "dbname": "nowhere"},
        {"user": "keyed_one", "password": PASSWORD, "dbname": "closed"},
        {"user": "keyed_idle", "password": PASSWORD},
    ],
    ids=["wrong password", "no password", "unknown role that needs one", "unknown role", "rejected", "unknown database",
         "no permission", "no login"],
)  # fmt: skip
def test_what_will_not_be_let_in_later_either_is_not_to_be_tried_again(
    locked_server: OwnServer, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    caplog.set_level(logging.DEBUG)
    keyed = locked_server.url
    if not execute(keyed, "SELECT 1 FROM pg_roles WHERE rolname = 'keyed_one'"):
        with closing(psycopg2.connect(keyed)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for one, can in (("keyed_one", "LOGIN"), ("keyed_idle", "NOLOGIN")):
                cursor.execute(f"CREATE ROLE {one} {can} PASSWORD %s", [PASSWORD])
            cursor.execute("CREATE DATABASE closed")
            cursor.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    answer = Executor({"dsn": keyed, **change})("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    said = json.dumps(answer) + caplog.text
    assert change["password"] == "" or not any(
        word in said for word in (PASSWORD, json.dumps(PASSWORD)[1:-1], "a5ecret")
    )
    assert value(Executor({"dsn": keyed, "user": "keyed_one", "password": PASSWORD})("SELECT 1")) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@ushed@localhost/db",
        "postgresql://me:hush/hushed@localhost/db",
        "postgresql://me:9/hushed@localhost/db",
        "postgresql://me:hush%hushed@localhost/db",
        "postgresql://me:hush#hushed@localhost:x/db",
        "postgresql://me:hush?hushed@@localhost/db",
        "postgresql://me:hush hushed@localhost/db",
        "host=localhost password=hush hushed",
        "host=localhost password='hush",
    ],
)
def test_a_password_that_is_not_encoded_does_not_get_into_the_failure(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = Executor({"dsn": url, "port": "1"} if "localhost/" in url and "me:" not in url else url)("SELECT 1")
    assert failure(answer, "code") == "unavailable"
    said = json.dumps(answer) + caplog.text
    assert "hush" not in said
    assert "ushed" not in said


class Failing(dict[str, int]):
    """Params that cannot be bound the second time. The second time is after the first statement ran."""

    looked_at = 0

    def items(self) -> Any:
        self.looked_at += 1
        if self.looked_at == 2:
            raise RuntimeError
        return super().items()


def test_an_error_that_nobody_expected_leaves_no_transaction_open(database_url: str) -> None:
    database = Database(lambda: Settings({"dsn": database_url}))
    with pytest.raises(RuntimeError):
        database.run(Request([Statement(INSERT), Statement("SELECT :n::int4", Failing(n=1))]))
    assert isinstance(database.run(Request([Statement(INSERT), Statement("SELECT 1")])), Reply)
    assert rows(database_url) == 1
    database.close()
