"""A request leaves nothing in its session: invocations share a connection and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from query_executor.database import Database
from query_executor.handler import create_handler, create_local_handler
from query_executor.settings import STATEMENT_MS, Settings
from tests.conftest import execute as run_sql
from tests.messages import Messages

Call = Callable[..., dict[str, Any]]

# The state of a session that another request must not see. The last column must be the same as in a new session.
_STATE = """
    SELECT 'setting', name, setting FROM pg_settings
      WHERE name NOT IN ('application_name', 'transaction_timeout', 'statement_timeout', 'transaction_read_only',
                         'transaction_isolation', 'transaction_deferrable', 'random_page_cost')
    UNION ALL SELECT 'own setting', 'my.x', coalesce(current_setting('my.x', true), '')
    UNION ALL SELECT 'role', current_user, session_user
    UNION ALL SELECT 'schemas', '', current_schemas(false)::text
    UNION ALL SELECT 'temporary', relname::text, '' FROM pg_class
      WHERE relpersistence = 't' AND relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'lock', objid::text, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'channel', one, '' FROM pg_listening_channels() AS one
    UNION ALL SELECT 'prepared', name, statement FROM pg_prepared_statements
    UNION ALL SELECT 'cursor', name, is_holdable::text FROM pg_cursors WHERE name NOT LIKE 'result_%'
    ORDER BY 1, 2, 3
"""

# This statement is plain, so it runs with the time-outs of the session.
_TIME_OUTS = "SELECT name, setting FROM pg_settings WHERE name IN ('transaction_timeout', 'statement_timeout')"

_SCHEMA = """
    CREATE SCHEMA other;
    CREATE TABLE t (id serial PRIMARY KEY, n int);
    CREATE ROLE session_tester;
    CREATE FUNCTION does(command text) RETURNS int LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE command; RETURN 1; END $$;
    CREATE FUNCTION other.upper(command text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE command; RETURN command; END $$;
    CREATE PROCEDURE calls(command text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
"""

COMMANDS = [
    "SET my.x = 'leaked'", "SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'Asia/Kolkata'", "SET search_path = other",
    "SET bytea_output = 'escape'", "SET IntervalStyle = 'sql_standard'", "SET extra_float_digits = -15",
    "SET lock_timeout = 0", "SET idle_in_transaction_session_timeout = 0", "SET client_connection_check_interval = 0",
    "SET standard_conforming_strings = off", "SET default_transaction_read_only = on",
    "SET statement_timeout = 1", "SET transaction_timeout = 0",
    "SET ROLE session_tester", "SET SESSION AUTHORIZATION session_tester", "SET row_security = off",
    "CREATE TEMP TABLE leaked (n int)", "CREATE TABLE pg_temp.leaked (n int)", "CREATE TEMP TABLE t (leaked int)",
    "CREATE TEMP VIEW leaked AS SELECT 1", "CREATE TEMP SEQUENCE leaked", "LISTEN leaked",
    "PREPARE leaked AS SELECT 1", "DECLARE leaked CURSOR WITH HOLD FOR SELECT 1",
    "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_lock_shared(7)", "SELECT pg_try_advisory_lock(1, 2)",
    "SELECT set_config('my.x', 'leaked', false)", "SELECT set_config('search_path', 'other', false)",
    "SELECT set_config('TimeZone', 'Asia/Kolkata', false), set_config('role', 'session_tester', false)",
    "SELECT set_config('session_authorization', 'session_tester', false)",
]  # fmt: skip
_REFUSED = ("SET ", "LISTEN", "PREPARE", "DECLARE")


@pytest.fixture
def call(database_url: str) -> Call:
    run_sql(database_url, "DROP ROLE IF EXISTS session_tester")
    run_sql(database_url, _SCHEMA)
    handle = create_local_handler(database_url)

    def invoke(sql: str | None = None, params: object = None, **more: object) -> dict[str, Any]:
        event = more if sql is None else {"sql": sql, "params": params, **more}
        wire: dict[str, Any] = json.loads(json.dumps(handle(json.loads(json.dumps(event)), None)))
        return wire

    return invoke


def state(call: Call) -> list[list[str]]:
    rows: list[list[str]] = call(_STATE)["results"][0]["rows"]
    time_outs: list[list[str]] = call(_TIME_OUTS)["results"][0]["rows"]
    return rows + time_outs


def _ways(command: str) -> list[dict[str, Any]]:
    function = {"sql": "SELECT does(:command)", "params": {"command": command}}
    fails = {"sql": "SELECT 1/0"}
    ways: list[dict[str, Any]] = [
        function,
        {"statements": [{"sql": "SELECT 1"}, function]},
        {"statements": [function, fails]},
        {"statements": [function, {"sql": "SELECT 1", "expect_rows": 2}]},
        {"sql": "CALL calls(:command)", "params": {"command": command}},
        {"sql": f"DO $do$ BEGIN EXECUTE $x${command}$x$; END $do$"},
        {"sql": "SELECT other.upper(:command)", "params": {"command": command}},
        {"sql": "SELECT does(:command)", "batch": [{"command": command}]},
        {"sql": "SELECT does(:command)", "params": {"command": command}, "max_rows": 1},
    ]
    if not command.startswith(_REFUSED):
        ways += [{"sql": command}, {"statements": [{"sql": command}, fails]}]
    return ways


# A request that sets a limit of a millisecond may reach it before the limit is removed.
_GIVEN_UP = {"expectation_failed", "deadline_exceeded"}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_of_the_session_is_there_for_the_next_request(call: Call, command: str) -> None:
    call("SELECT does('SELECT 1')")  # PL/pgSQL adds settings
    new = state(call)
    assert ["statement_timeout", str(STATEMENT_MS)] in new
    pid = call("SELECT pg_backend_pid()")["results"]
    if command.startswith("SET transaction_timeout") and not any("transaction_timeout" in row for row in new):
        pytest.skip("a server before 17 has no transaction_timeout")
    for way in _ways(command):
        answer = call(**way)
        failure = answer.get("failure")
        assert failure is None or failure["sqlstate"] == "22012" or failure["code"] in _GIVEN_UP \
            or "changed" in failure["message"] or "session_tester" in command, (way, failure)  # fmt: skip
        assert state(call) == new, way
    assert call("SELECT pg_backend_pid()")["results"] == pid  # it is the same session after cleaning


@pytest.mark.parametrize("command", ["SET my.x = 'leaked'", "LISTEN leaked", "PREPARE leaked AS SELECT 1"])
def test_a_command_that_would_outlive_the_request_is_refused_by_its_name(call: Call, command: str) -> None:
    assert command.split(maxsplit=1)[0] in call(command)["failure"]["message"]


def test_a_temporary_table_that_a_query_makes_is_gone(call: Call) -> None:
    for into in ("TEMP leaked", "TEMPORARY TABLE leaked", "pg_temp.leaked", '"pg_temp".leaked',
                 'U&"pg\\005ftemp".leaked', "LOCAL TEMP leaked", "pg_temp . leaked"):  # fmt: skip
        assert "results" in call(f"SELECT 1 AS n INTO {into}"), into
        assert call("SELECT * FROM leaked")["failure"]["sqlstate"] == "42P01", into


@pytest.mark.parametrize("fails", [False, True])
def test_another_connection_can_take_an_advisory_lock_right_after_the_reply(
    call: Call, database_url: str, fails: bool
) -> None:
    also = ", 1/(n - 1) FROM generate_series(1, 1) AS n" if fails else ""
    assert ("failure" in call(f"SELECT pg_advisory_lock(7){also}")) is fails
    assert run_sql(database_url, "SELECT pg_try_advisory_lock(7)") == [(True,)]


def test_setting_a_value_for_the_transaction_works_and_ends_with_it(call: Call) -> None:
    answer = call(statements=[{"sql": "SET LOCAL my.x = 'here'"}, {"sql": "SELECT current_setting('my.x')"}])
    assert answer["results"][1]["rows"] == [["here"]]
    assert call("SELECT current_setting('my.x', true)")["results"][0]["rows"] == [[""]]


def test_a_role_for_the_transaction_works_and_ends_with_it(call: Call) -> None:
    answer = call(statements=[{"sql": "SET LOCAL ROLE session_tester"}, {"sql": "SELECT current_user"}])
    assert answer["results"][1]["rows"] == [["session_tester"]]
    assert call("SELECT current_user = session_user")["results"][0]["rows"] == [[True]]


@pytest.mark.parametrize("uses", ["INSERT INTO t (n) VALUES (1)", "SELECT nextval('t_id_seq')"])
def test_the_next_request_does_not_learn_which_number_a_sequence_gave(call: Call, uses: str) -> None:
    own = call(statements=[{"sql": uses}, {"sql": "SELECT currval('t_id_seq'), lastval()"}])
    assert len(set(own["results"][1]["rows"][0])) == 1
    for asks in ("SELECT lastval()", "SELECT currval('t_id_seq')"):
        call(uses)
        assert call(asks)["failure"]["sqlstate"] == "55000"
        call(uses)
        assert call(statements=[{"sql": "SELECT 1"}, {"sql": asks}])["failure"]["sqlstate"] == "55000"


def test_values_read_as_before_after_a_session_was_cleaned(call: Call) -> None:
    probe = ("SELECT '2026-03-01 00:00:00+00'::timestamptz, '\\x5c'::bytea, '1 day'::interval, 0.1::float8, 'a\\b', "
             "'2026-03-04'::date, 'Ω'")  # fmt: skip
    before = call(probe)
    for command in COMMANDS:
        call("SELECT does(:command)", {"command": command})
        assert call(probe) == before


def test_a_plain_statement_costs_one_message_and_any_other_one_more(database_url: str) -> None:
    run_sql(database_url, _SCHEMA.replace("CREATE ROLE session_tester;", ""))
    messages = Messages(database_url, create_local_handler(database_url))
    for sql in ("INSERT INTO t (n) VALUES (1)", "UPDATE t SET n = 2", "DELETE FROM t WHERE n > 5",
                "INSERT INTO t (n) VALUES (1) ON CONFLICT (id) DO NOTHING"):  # fmt: skip
        sent, answer = messages.of({"sql": sql})
        assert (len(sent), "results" in answer) == (1, True), sent
    for sql in ("SELECT * FROM t", "WITH x AS (SELECT count(*) FROM t) SELECT * FROM x", "TABLE t", "VALUES (1)",
                "INSERT INTO t (n) VALUES (3) RETURNING id", "SELECT pg_catalog.upper('a')"):  # fmt: skip
        plain = "pg_catalog" not in sql
        sent, answer = messages.of({"sql": sql, "max_rows": 10})
        assert (len(sent), "results" in answer) == (1 if plain else 2, True), sent
        sent, _ = messages.of({"sql": sql})
        assert len(sent) == (2 if plain else 3), sent  # COMMIT, because without max_rows there may be too many rows
    for sql in ("SELECT does('SELECT 1')", "SELECT other.upper('SELECT 1')", "SELECT nextval('t_id_seq')"):
        sent, answer = messages.of({"sql": sql, "max_rows": 10})
        assert (len(sent), "results" in answer) == (2, True), sent
        assert "CLOSE ALL" in sent[1]
    sent, _ = messages.of({"statements": [{"sql": "INSERT INTO t (n) VALUES (1)"}] * 3})
    assert len(sent) == 4  # BEGIN is in the first message


@pytest.mark.parametrize("of", ["request", "function"])
def test_read_only_lets_nothing_be_written(database_url: str, of: str) -> None:
    run_sql(database_url, _SCHEMA.replace("CREATE ROLE session_tester;", ""))
    run_sql(database_url, "CREATE SEQUENCE s")
    everything = of == "function"
    handle = create_handler(Database(lambda: Settings({"dsn": database_url}, read_only=everything)))
    flag = {} if everything else {"read_only": True}
    writes = [
        "INSERT INTO t (n) VALUES (1)", "DELETE FROM t", "UPDATE t SET n = 1", "MERGE INTO t USING t AS o ON true "
        "WHEN MATCHED THEN DELETE", "WITH x AS (INSERT INTO t (n) VALUES (1) RETURNING 1) SELECT * FROM x",
        "SELECT does('INSERT INTO t (n) VALUES (1)')", "CALL calls('INSERT INTO t (n) VALUES (1)')",
        "DO $$ BEGIN INSERT INTO t (n) VALUES (1); END $$", "SELECT nextval('s')", "SELECT setval('s', 9)",
        "CREATE TABLE u (n int)", "DROP TABLE t", "TRUNCATE t", "SELECT * FROM t FOR UPDATE", "ALTER TABLE t ADD m int",
        "SELECT 1 AS n INTO u", "CREATE TABLE u AS SELECT 1", "GRANT SELECT ON t TO public",
        "COMMENT ON TABLE t IS 'x'", "EXPLAIN ANALYZE INSERT INTO t (n) VALUES (1)",
        "SELECT lo_create(0)", "REFRESH MATERIALIZED VIEW t",
    ]  # fmt: skip
    for sql in writes:
        for bound in ({}, {"max_rows": 5}):
            answer = handle({"sql": sql, **flag, **bound}, None)
            failure: Any = answer.get("failure")
            assert failure, sql
            assert failure["sqlstate"] == "25006", (sql, failure)
    # A request cannot leave the READ ONLY mode either.
    out = ["SET LOCAL transaction_read_only = off", "SET LOCAL TRANSACTION READ WRITE",
           "SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE", "SET LOCAL Transaction_Read_Only TO 0",
           'SET LOCAL "transaction_read_only" = off', 'SET LOCAL U&"transaction\\005fread_only" = off',
           "SET LOCAL TRANSACTION READ/**/WRITE",
           "SELECT set_config('transaction_read_only', 'off', true)", "DO $$ BEGIN SET TRANSACTION READ WRITE; END $$",
           "DO $$ BEGIN COMMIT; INSERT INTO t (n) VALUES (1); END $$", "CALL calls('SET TRANSACTION READ WRITE')",
           "SET LOCAL default_transaction_read_only = off",
           "SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
           "DO $$ BEGIN SET LOCAL transaction_read_only = off; EXCEPTION WHEN others THEN END $$"]  # fmt: skip
    for sql in out:
        several = [{"sql": sql}, {"sql": "INSERT INTO t (n) VALUES (1)"}]
        assert "failure" in handle({"statements": several, **flag}, None), sql
        handle({"sql": sql, **flag}, None)
        assert handle({"sql": "INSERT INTO t (n) VALUES (1)", **flag}, None).get("failure"), sql
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(0,)]
    assert run_sql(database_url, "SELECT last_value, is_called FROM s") == [(1, False)]
    after = handle({"sql": "INSERT INTO t (n) VALUES (1)"}, None)
    assert ("failure" in after) is everything


def test_a_read_only_request_reads(call: Call) -> None:
    call("INSERT INTO t (n) VALUES (1), (2)")
    for more in ({}, {"max_rows": 1}, {"max_rows": 5_000}):
        answer = call("SELECT n FROM t ORDER BY n", read_only=True, **more)["results"][0]
        assert answer["rows"] == [[1], [2]][: more.get("max_rows")]
    isolated = [{"sql": "SET LOCAL transaction_isolation = 'repeatable read'"}, {"sql": "SHOW transaction_isolation"}]
    assert call(statements=isolated, read_only=True)["results"][1]["rows"] == [["repeatable read"]]


@pytest.mark.parametrize(
    "sql", ["LOCK TABLE t", "LOCK t IN ACCESS SHARE MODE", "SELECT lo_create(0)", "SELECT lo_unlink(1)"]
)
def test_a_request_that_only_reads_locks_nothing_and_changes_no_large_object(call: Call, sql: str) -> None:
    assert call(sql, read_only=True)["failure"]["sqlstate"] == "25006"


def test_a_lock_that_attribute_notation_takes_ends_with_the_request(call: Call, database_url: str) -> None:
    for _ in range(2):
        call("SELECT (7::bigint).pg_advisory_lock", max_rows=1)
        assert run_sql(database_url, "SELECT pg_try_advisory_lock(7)") == [(True,)]


@pytest.mark.parametrize(
    "setting",
    ["statement_timeout = 200", "transaction_timeout = 200", "exit_on_error = on", "array_nulls = off",
     "transform_null_equals = on"],
)  # fmt: skip
def test_what_the_role_says_of_its_sessions_does_not_count(database_url: str, setting: str) -> None:
    if setting.startswith("transaction") and run_sql(database_url, "SHOW server_version_num")[0][0] < "170000":
        pytest.skip("a server before 17 has no transaction_timeout")
    name = run_sql(database_url, "SELECT current_database()")[0][0]
    run_sql(database_url, f"ALTER DATABASE {name} SET {setting}")
    handle = create_local_handler(database_url)
    for _ in range(2):
        failed: Any = handle({"sql": "SELECT 1/(length(pg_sleep(0.3)::text))"}, None)
        assert failed["failure"]["sqlstate"] == "22012"
        answer: Any = handle({"sql": "SELECT :a::int[], NULL = :b", "params": {"a": [1, None], "b": None}}, None)
        assert answer["results"][0]["rows"] == [([1, None], None)]
