"""Every wait of the executor ends in time, for any fault of the database, the network or the function itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from query_executor.database import Database
from query_executor.handler import create_handler
from query_executor.settings import IDLE_IN_TRANSACTION_MS, REPLY_MARGIN_MS, Settings
from tests.conftest import execute
from tests.executor import HANG_S, Context, Executor, connected, eventually, failure, value, within
from tests.messages import Messages
from tests.network import BOTH, Direction, Proxy, proxy_to, silent_port

DEADLINE_MS = 200
SLOW = "INSERT INTO t SELECT 1 FROM pg_sleep(60)"
PLAIN_SLOW = "INSERT INTO t SELECT a FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b"


@pytest.fixture
def name() -> str:
    """The name of the executor in pg_stat_activity."""
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
def url(database_url: str) -> str:
    execute(database_url, "CREATE TABLE t (n int)")
    return database_url


@contextmanager
def locked(url: str, statement: str) -> Iterator[None]:
    """Another client's transaction, which has run this statement and holds its locks."""
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute(statement)
        yield


def rows(url: str) -> object:
    return execute(url, "SELECT count(*) FROM t")[0][0]


def assert_no_work_is_left(url: str, name: str) -> None:
    """Wait until the server works no more. Without the deadline, the work would take longer or leave rows."""
    busy = f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{name}' AND state <> 'idle'"
    eventually(lambda: not execute(url, busy), HANG_S)


@pytest.mark.parametrize(
    "request_",
    [
        {"sql": SLOW},
        {"sql": "SELECT pg_sleep(60)", "read_only": True},
        {"sql": "SELECT pg_sleep(60)", "max_rows": 1},
        {"statements": [{"sql": "INSERT INTO t VALUES (1)"}, {"sql": SLOW}]},
        {"statements": [{"sql": "INSERT INTO t SELECT :n FROM pg_sleep(60)", "batch": [{"n": 1}, {"n": 2}]}]},
    ],
    ids=["write", "read", "bounded read", "transaction", "batch"],
)
def test_slow_work_is_cancelled_and_rolled_back(url: str, name: str, request_: dict[str, Any]) -> None:
    call = Executor(url, name=name)
    pid = value(call("SELECT pg_backend_pid()"))
    with within(DEADLINE_MS):
        answer = call(**request_, deadline_ms=DEADLINE_MS)
    assert failure(answer, "code", "sqlstate") == ("deadline_exceeded", "57014")
    assert_no_work_is_left(url, name)
    assert rows(url) == 0
    assert value(call("SELECT pg_backend_pid()")) == pid  # after a slow query the connection stays
    call.close()


def test_the_statements_of_a_transaction_share_one_deadline(url: str) -> None:
    call = connected(Executor(url))
    each_in_time = [{"sql": "INSERT INTO t SELECT 1 FROM pg_sleep(0.6)"}] * 10
    with within(1_500):
        answer = call(statements=each_in_time, deadline_ms=1_500)
    assert failure(answer, "code") == "deadline_exceeded"
    assert failure(answer, "statement") < 9
    assert rows(url) == 0
    call.close()


def test_the_sets_of_a_batch_share_one_deadline(url: str, name: str) -> None:
    call = connected(Executor(url, name=name))
    batch = [{"n": n} for n in range(100)]
    each_in_time = {"sql": "INSERT INTO t SELECT :n FROM pg_sleep(0.1)", "batch": batch}
    with within(1_500):
        answer = call(statements=[each_in_time], deadline_ms=1_500)
    assert failure(answer, "code") in {"deadline_exceeded", "outcome_unknown"}  # if its last message is lost
    assert_no_work_is_left(url, name)
    assert rows(url) == 0  # without the deadline, all rows would be there now
    call.close()


@pytest.mark.parametrize(
    ("deadline_ms", "statement_ms", "remaining_ms"),
    [
        (DEADLINE_MS, 60_000, None),
        (60_000, DEADLINE_MS, None),
        (None, DEADLINE_MS, None),
        (None, 60_000, REPLY_MARGIN_MS + DEADLINE_MS),
        (60_000, 60_000, REPLY_MARGIN_MS + DEADLINE_MS),
        (None, 60_000, 10),  # less than the margin
    ],
)
def test_the_smallest_of_the_limits_is_the_deadline(
    url: str, deadline_ms: int | None, statement_ms: int, remaining_ms: int | None
) -> None:
    call = connected(Executor(url, statement_ms=statement_ms))
    with within(DEADLINE_MS):
        answer = call(SLOW, deadline_ms=deadline_ms, context=remaining_ms and Context(remaining_ms))
    assert failure(answer, "code", "sqlstate") == ("deadline_exceeded", "57014")
    assert rows(url) == 0
    call.close()


def test_the_session_cancels_what_a_plain_statement_does_too_long(url: str) -> None:
    call = connected(Executor(url, statement_ms=DEADLINE_MS))
    with within(DEADLINE_MS):
        answer = call(PLAIN_SLOW)
    assert failure(answer, "code", "sqlstate") == ("deadline_exceeded", "57014")
    assert rows(url) == 0
    call.close()


def test_a_trigger_cannot_free_the_statements_after_it(url: str) -> None:
    """No statement shows what the trigger does to the session, so these requests look plain."""
    execute(
        url,
        """CREATE TABLE watched (ms text, local bool);
           CREATE FUNCTION sets() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM set_config('statement_timeout', NEW.ms, NEW.local); RETURN NEW; END $$;
           CREATE TRIGGER sets BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION sets()""",
    )
    call = connected(Executor(url, statement_ms=DEADLINE_MS))

    def sets(ms: str, *, local: bool) -> dict[str, Any]:
        return {"sql": "INSERT INTO watched VALUES (:ms, :local)", "params": {"ms": ms, "local": local}}

    with within(DEADLINE_MS):
        answer = call(statements=[sets("0", local=True), {"sql": PLAIN_SLOW}])
    assert failure(answer, "code", "sqlstate", "statement") == ("deadline_exceeded", "57014", 1)
    call.close()
    call = connected(Executor(url, statement_ms=60_000))
    assert "results" in call(**sets("1", local=False))
    limit = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
    with within(1):
        call(PLAIN_SLOW)  # the trigger left too little time for it
    assert value(call(limit)) == "60000"
    call.close()


@pytest.mark.parametrize(
    ("statement_ms", "deadline_ms", "local"),
    [
        (20_000, None, False),
        (20_000, 19_500, True),
        (20_000, 20_000, False),
        (10_000, 5_000, True),
        (10_000, None, False),
    ],
)
def test_a_plain_statement_has_a_limit_of_its_own_only_if_its_sessions_is_longer(
    url: str, statement_ms: int, deadline_ms: int | None, local: bool
) -> None:
    with closing(Database(lambda: Settings({"dsn": url}, statement_ms=statement_ms))) as database:
        messages = Messages(url, create_handler(database))
        for _ in range(3):  # sent as it is, then prepared, then already prepared
            # With the session's time-out, a slow machine may have less time left, and then sets a limit.
            sent = [messages.of({"sql": "INSERT INTO t VALUES (1)", "deadline_ms": deadline_ms})[0] for _ in range(5)]
            has_limit = ["SET LOCAL statement_timeout" in message for (message,) in sent]
            assert all(has_limit) if local else not all(has_limit), sent


FREED = "SELECT set_config('statement_timeout', '0', :local)"


@pytest.mark.parametrize(
    "statements",
    [
        [{"sql": "SET LOCAL statement_timeout = 0"}, {"sql": SLOW}],
        [{"sql": FREED, "params": {"local": True}}, {"sql": SLOW}],
        [{"sql": FREED, "params": {"local": False}}, {"sql": SLOW}],
        [{"sql": f"{FREED}, pg_sleep(60)", "params": {"local": False}}],
        [{"sql": "INSERT INTO t SELECT 1 FROM set_config('statement_timeout', '0', true), pg_sleep(1)",
          "batch": [{}] * 50}],
        [{"sql": "INSERT INTO t SELECT 1 FROM set_config('statement_timeout', '0', true), "
                 "set_config('transaction_timeout', '0', true) AS other, pg_sleep(1)", "batch": [{}] * 50}],
    ],
    ids=["SET LOCAL", "set_config", "for the session", "in the statement itself", "batch", "every limit"],
)  # fmt: skip
def test_a_statement_cannot_free_itself_from_the_deadline(url: str, name: str, statements: list[object]) -> None:
    call = Executor(url, name=name)
    call("SELECT 1")
    with within(DEADLINE_MS):
        answer = call(statements=statements, deadline_ms=DEADLINE_MS)
    # A request that removes every limit loses its connection. If it was one message, its outcome is unknown.
    assert failure(answer, "code") in {"deadline_exceeded", "outcome_unknown"}
    assert_no_work_is_left(url, name)
    assert rows(url) == 0
    with within(DEADLINE_MS):  # it cannot remove the limit of the next request
        assert failure(call(SLOW, deadline_ms=DEADLINE_MS), "code") == "deadline_exceeded"
    call.close()


@pytest.mark.parametrize("statement_ms", [60_000, DEADLINE_MS], ids=["the request's", "the session's"])
def test_the_triggers_that_a_commit_runs_are_under_the_deadline(url: str, name: str, statement_ms: int) -> None:
    execute(
        url,
        """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
           CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION slow()""",
    )
    call = connected(Executor(url, name=name, statement_ms=statement_ms))
    one = {"sql": "INSERT INTO t VALUES (1)"}
    for statements in ([one], [one, one]):
        # A slow machine may miss the last message of the server.
        with within(5 * DEADLINE_MS):
            answers = (call(statements=statements, deadline_ms=DEADLINE_MS) for _ in range(5))
            assert any(failure(one, "code", "sqlstate") == ("deadline_exceeded", "25P04") for one in answers)
        assert_no_work_is_left(url, name)
        assert rows(url) == 0
    call.close()


def test_a_lock_that_is_held_can_be_tried_again_later(url: str, name: str) -> None:
    call = Executor(url, name=name, lock_ms=200)
    with locked(url, "LOCK TABLE t"), within(200):
        answer = call("INSERT INTO t VALUES (1)", deadline_ms=10_000)
    assert failure(answer, "code", "sqlstate", "retryable") == ("statement_failed", "55P03", True)
    assert_no_work_is_left(url, name)
    assert call("INSERT INTO t VALUES (1)")["results"]
    call.close()


def test_a_wait_for_a_lock_ends_at_the_deadline(url: str, name: str) -> None:
    call = connected(Executor(url, name=name, lock_ms=60_000))
    with locked(url, "LOCK TABLE t"), within(DEADLINE_MS):
        answer = call("INSERT INTO t VALUES (1)", deadline_ms=DEADLINE_MS)
    assert failure(answer, "code", "sqlstate") == ("deadline_exceeded", "57014")
    assert_no_work_is_left(url, name)
    call.close()


def test_a_server_that_takes_a_connection_and_says_nothing(proxy: Proxy) -> None:
    proxy.fail("stall", "requests")
    call = Executor(proxy.url)
    with within(DEADLINE_MS):
        answer = call("SELECT 1", deadline_ms=DEADLINE_MS)
    assert failure(answer, "code", "retryable") == ("unavailable", True)
    proxy.heal()
    assert value(call("SELECT 1")) == 1
    call.close()


def test_an_address_where_nothing_answers(database_url: str) -> None:
    with silent_port() as port:
        call = Executor({"dsn": database_url, "host": "127.0.0.1", "port": str(port)})
        with within(DEADLINE_MS):
            answer = call("SELECT 1", deadline_ms=DEADLINE_MS)
    assert failure(answer, "code", "retryable") == ("unavailable", True)


def test_a_connect_ends_in_time_wherever_it_stalls(database_url: str) -> None:
    """This includes start-up and the set-up of the session: the server stalls after each 30th byte."""

    def stalled(after: int) -> object:
        with proxy_to(database_url) as proxy:
            proxy.fail("stall", "replies", after=after)
            call = Executor(proxy.url)
            with within(100):
                answer = call("SELECT 1", deadline_ms=100)
            return failure(answer, "code")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(stalled, range(0, 450, 30))) == {"unavailable"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"sql": SLOW}, "outcome_unknown"),
        ({"sql": "SELECT pg_sleep(60)", "read_only": True}, "deadline_exceeded"),
        # The executor never sent its COMMIT.
        ({"statements": [{"sql": "INSERT INTO t VALUES (1)"}, {"sql": SLOW}]}, "deadline_exceeded"),
    ],
    ids=["write", "read", "transaction"],
)
def test_a_network_that_stalls_while_it_acknowledges(url: str, name: str, request_: dict[str, Any], code: str) -> None:
    def stalled(directions: tuple[Direction, ...]) -> object:
        with proxy_to(url) as proxy:
            call = Executor(proxy.url, name=name)
            call("SELECT 1")
            proxy.fail("stall", *directions)
            with within(DEADLINE_MS):
                answer = call(**request_, deadline_ms=DEADLINE_MS)
            # The server does not know that its client is gone, but ends the work.
            assert_no_work_is_left(url, name)
            proxy.heal()
            assert value(call("SELECT 1")) == 1
            call.close()
            return failure(answer, "code")

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(stalled, [("requests",), ("replies",), BOTH])) == [code] * 3
    assert rows(url) == 0


def test_a_large_request_into_a_network_that_stalls(proxy: Proxy) -> None:
    call = Executor(proxy.url)
    call("SELECT 1")
    proxy.fail("stall", "requests")
    with within(DEADLINE_MS):
        answer = call("SELECT length(:text)", {"text": "x" * 5_000_000}, read_only=True, deadline_ms=DEADLINE_MS)
    assert failure(answer, "code") == "deadline_exceeded"


def test_a_write_whose_reply_stalls_is_not_said_to_be_undone(url: str) -> None:
    with proxy_to(url) as proxy:
        call = Executor(proxy.url)
        call("SELECT 1")
        proxy.fail("stall", "replies")
        with within(3_000):
            answer = call("INSERT INTO t VALUES (1)", deadline_ms=3_000)  # enough time to finish
        assert failure(answer, "code", "retryable") == ("outcome_unknown", False)
        assert rows(url) == 1


def test_the_cleaning_of_the_session_ends_in_time_too(url: str) -> None:
    with proxy_to(url) as proxy:
        call = Executor(proxy.url)
        proxy.seen["replies"].clear()
        call("SELECT 1")
        before = len(proxy.seen["replies"])
        call("SELECT pg_backend_pid()", max_rows=1)  # the statement is not plain, so the session is cleaned after it
        answered = proxy.seen["replies"][before:].index(b"Z") + 6  # ReadyForQuery is the end of the answer
        proxy.fail("stall", "replies", after=answered)
        with within(3_000):
            assert call("SELECT pg_backend_pid()", max_rows=1, deadline_ms=3_000)["results"]
        proxy.heal()
        assert value(call("SELECT 1")) == 1
        call.close()


# It stops itself when the params of the second statement are bound. Then the first has run, and its locks are held.
FROZEN = """
import json, os, signal, sys
from query_executor.contract import Request, Statement, encode_answer
from query_executor.database import Database
from query_executor.settings import Settings

class Freezing(dict):
    calls = 0
    def items(self):
        Freezing.calls += 1
        if Freezing.calls == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return super().items()

database = Database(lambda: Settings({"dsn": sys.argv[1]}, name=sys.argv[2]))
two = [Statement("UPDATE t SET n = n + 1"), Statement("SELECT :n::int4", Freezing(n=1))]
print(json.dumps(encode_answer(database.run(Request(two, deadline_ms=int(sys.argv[3]))))))
print(json.dumps(encode_answer(database.run(Request([Statement("UPDATE t SET n = n + 10")])))))
"""


@pytest.mark.parametrize(("deadline_ms", "ended_by"), [(60_000, "25P03"), (3_000, "25P04")], ids=["idle", "deadline"])
def test_a_function_frozen_in_its_transaction_does_not_keep_its_locks(
    url: str, name: str, deadline_ms: int, ended_by: str
) -> None:
    execute(url, "INSERT INTO t VALUES (0)")
    frozen = subprocess.Popen(
        [sys.executable, "-c", FROZEN, url, name, str(deadline_ms)], stdout=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(frozen.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        blocked = Executor(url, lock_ms=100)
        with within(100):
            assert failure(blocked("UPDATE t SET n = n + 100"), "sqlstate") == "55P03"
        with within(DEADLINE_MS):
            hasty = connected(Executor(url))
            assert failure(hasty("UPDATE t SET n = 1", deadline_ms=DEADLINE_MS), "code") == "deadline_exceeded"
        patient = Executor(url, lock_ms=60_000, statement_ms=60_000)
        with within(IDLE_IN_TRANSACTION_MS):
            assert patient("UPDATE t SET n = n + 1000")["results"][0]["row_count"] == 1
        assert_no_work_is_left(url, name)
        os.kill(frozen.pid, signal.SIGCONT)
        late, following = map(json.loads, frozen.communicate(timeout=100)[0].splitlines())
    finally:
        if frozen.poll() is None:
            frozen.kill()
            frozen.communicate()
    assert failure(late, "code", "sqlstate") == ("deadline_exceeded", ended_by)
    assert following["results"][0]["row_count"] == 1
    assert execute(url, "SELECT n FROM t") == [(1010,)]
