"""The query executor's handler on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from query_executor.database import Database
from query_executor.errors import SettingsError
from query_executor.handler import create_handler, create_local_handler
from query_executor.settings import Settings
from tests.conftest import execute as run_sql

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(database_url: str) -> Call:
    """Invokes the handler like Lambda: everything goes through JSON."""
    return calling(database_url)


@pytest.fixture(scope="module")
def asking(api_database: str) -> Call:
    """The same on a shared database, for tests that use no table."""
    return calling(api_database)


def calling(url: str) -> Call:
    handle = create_local_handler(url)

    def invoke(sql: str | None = None, params: object = None, context: object = None, **more: object) -> dict[str, Any]:
        event = more if sql is None else {"sql": sql, "params": params, **more}
        answer = handle(json.loads(json.dumps(event)), context)
        wire: dict[str, Any] = json.loads(json.dumps(answer, allow_nan=False))
        return wire

    return invoke


def value(answer: dict[str, Any]) -> Any:
    ((only,),) = answer["results"][0]["rows"]
    return only


WHOLE = [
    ("numeric", "12345678901234567890.123456789000"), ("numeric", "NaN"), ("numeric", "-Infinity"),
    ("int8", 9223372036854775807), ("int8", -9223372036854775808), ("int4", 0), ("int2", -1), ("oid", 4294967295),
    ("bool", True), ("bool", False), ("float8", 0.1), ("float8", 1e308), ("float4", 0.1), ("float8", "NaN"),
    ("float8", "-Infinity"), ("text", ""), ("text", "é😀\U0010ffff \t\n\\'\"%:x"), ("text", "NULL"),
    ("varchar", "x"), ("bpchar", "x"), ("bytea", "\\x00ff5c27"), ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "2026-02-28"), ("date", "infinity"), ("date", "0044-03-15 BC"), ("time", "23:59:59.999999"),
    ("timetz", "23:59:59+05:30"), ("timestamp", "2026-02-28 12:00:00.123456"),
    ("timestamptz", "2026-02-28 12:00:00.123456+00"), ("interval", "P1Y2M3DT4H5M6.789S"), ("interval", "PT-0.000001S"),
    ("json", '{"a" : 1.10, "a": 1e400}'), ("jsonb", '{"a": 1.10, "b": [null, "é"]}'), ("inet", "10.0.0.1/8"),
    ("int4range", "[1,5)"), ("money", "$1.50"),
    ("int4[]", [1, None, 3]), ("int8[]", []), ("text[]", ['a"b', "c\\d", "{}", "NULL", None, "", "x,y", " "]),
    ("numeric[]", [["1.10", "2"], ["NaN", "4.000"]]), ("bool[]", [True, False, None]), ("float8[]", [0.5, "NaN"]),
    ("uuid[]", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]), ("timestamptz[]", ["2026-02-28 12:00:00+00"]),
    ("jsonb[]", ['{"a": 1.10}']), ("bytea[]", ["\\x00ff"]), ("date[]", ["2026-02-28", None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "whole"), WHOLE)
def test_a_value_of_every_type_comes_out_as_it_went_in(asking: Call, kind: str, whole: object) -> None:
    answer = asking(f"SELECT :v::{kind} AS v", {"v": whole})
    assert answer == {
        "results": [{"columns": [{"name": "v", "type": kind}], "rows": [[whole]], "row_count": 1, "truncated": False}]
    }
    assert type(value(answer)) is type(whole)


@pytest.mark.parametrize("kind", ["int4", "numeric", "bool", "text", "bytea", "timestamptz", "jsonb", "text[]"])
def test_null_is_null_in_every_type(asking: Call, kind: str) -> None:
    assert value(asking(f"SELECT :v::{kind}", {"v": None})) is None


def test_types_of_the_users_own_have_their_names(call: Call) -> None:
    call("CREATE TYPE mood AS ENUM ('happy', 'sad')")
    for _ in range(2):  # the first time it looks the types up
        answer = call("SELECT 'sad'::mood AS one, '{happy,sad,NULL}'::mood[] AS several, ROW(1, 'x') AS both")
        assert answer["results"][0]["columns"] == [
            {"name": "one", "type": "mood"}, {"name": "several", "type": "mood[]"}, {"name": "both", "type": "record"},
        ]  # fmt: skip
        assert answer["results"][0]["rows"] == [["sad", ["happy", "sad", None], "(1,x)"]]


def test_values_do_not_depend_on_how_the_role_is_set_up(call: Call, database_url: str) -> None:
    name = run_sql(database_url, "SELECT current_database()")[0][0]
    for setting in ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kolkata'", "bytea_output = 'escape'",
                    "IntervalStyle = 'sql_standard'", "extra_float_digits = -15", "standard_conforming_strings = off",
                    "client_encoding = 'LATIN1'"):  # fmt: skip
        run_sql(database_url, f'ALTER DATABASE "{name}" SET {setting}')
    answer = call(
        "SELECT '2026-03-01 00:00:00+00'::timestamptz, '\\x5c'::bytea, '1 day'::interval, 0.1::float8, 'a\\b', 'Ω'"
    )
    assert answer["results"][0]["rows"] == [["2026-03-01 00:00:00+00", "\\x5c", "P1D", 0.1, "a\\b", "Ω"]]


def test_params_are_values_and_never_sql(call: Call) -> None:
    for text in ("'; DROP TABLE x; --", "\\'; --", "%s %(a)s :b", "$1", "E'\\''", "/*", "NULL"):
        assert value(call("SELECT :v::text", {"v": text})) == text


def test_row_counts_are_those_of_the_statement(call: Call) -> None:
    assert call("CREATE TABLE t (n int)")["results"] == [
        {"columns": [], "rows": [], "row_count": 0, "truncated": False}
    ]
    assert call("INSERT INTO t SELECT generate_series(1, 5)")["results"][0]["row_count"] == 5
    assert call("DELETE FROM t WHERE n > :n", {"n": 2})["results"][0]["row_count"] == 3
    assert call("SELECT n FROM t WHERE n = ANY(:n)", {"n": [1, 7]})["results"][0]["rows"] == [[1]]


def test_several_statements_are_one_transaction(call: Call) -> None:
    call("CREATE TABLE t (n int PRIMARY KEY)")
    answer = call(statements=[{"sql": "INSERT INTO t VALUES (:n)", "params": {"n": 1}}, {"sql": "SELECT n FROM t"}])
    assert [result["row_count"] for result in answer["results"]] == [1, 1]
    failed = call(statements=[{"sql": "INSERT INTO t VALUES (2)"}, {"sql": "INSERT INTO t VALUES (1)"}])
    assert (failed["failure"]["statement"], failed["failure"]["sqlstate"]) == (1, "23505")
    assert value(call("SELECT count(*) FROM t")) == 1


def test_a_constraint_checked_at_commit_fails_the_request(call: Call) -> None:
    call("CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    twice = {"sql": "INSERT INTO t VALUES (1)"}
    assert call(statements=[twice, twice])["failure"]["sqlstate"] == "23505"
    assert call("INSERT INTO t VALUES (1), (1)")["failure"]["sqlstate"] == "23505"
    assert value(call("SELECT count(*) FROM t")) == 0


def test_read_only_refuses_a_write(call: Call) -> None:
    call("CREATE TABLE t (n int)")
    assert call("INSERT INTO t VALUES (1)", read_only=True)["failure"]["sqlstate"] == "25006"
    several = call(statements=[{"sql": "SELECT 1"}, {"sql": "INSERT INTO t VALUES (1)"}], read_only=True)
    assert (several["failure"]["sqlstate"], several["failure"]["statement"]) == ("25006", 1)
    assert call("INSERT INTO t VALUES (1)")["results"][0]["row_count"] == 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO t VALUES (1, 1)", {"sqlstate": "23505", "constraint": "t_pkey", "table": "t"}),
        ("INSERT INTO t VALUES (2, NULL)", {"sqlstate": "23502", "column": "m", "table": "t"}),
        ("INSERT INTO t VALUES (2, -1)", {"sqlstate": "23514", "constraint": "positive", "table": "t"}),
        ("SELECT 1/0", {"sqlstate": "22012", "table": None}),
        ("SELECT * FROM nowhere", {"sqlstate": "42P01"}),
        ("SELEC", {"sqlstate": "42601"}),
    ],
)
def test_a_failure_says_what_postgresql_said(call: Call, sql: str, expected: dict[str, object]) -> None:
    call("CREATE TABLE t (n int PRIMARY KEY, m int NOT NULL CONSTRAINT positive CHECK (m > 0))")
    call("INSERT INTO t VALUES (1, 1)")
    failure = call(sql)["failure"]
    assert {"code": "statement_failed", "retryable": False, "statement": 0} | expected == {
        name: failure[name] for name in {"code", "retryable", "statement", *expected}
    }
    assert failure["message"]


@pytest.mark.parametrize(
    ("sqlstate", "retryable"),
    [
        ("53100", True), ("53200", True), ("53300", True), ("53400", True), ("53000", True),  # disk, memory, room
        ("40001", True), ("40P01", True), ("55P03", True), ("57P01", True), ("57P03", True), ("08006", True),
        ("40002", False), ("40003", False), ("55000", False), ("54000", False), ("58030", False), ("52000", False),
        ("23505", False), ("25006", False), ("22P02", False), ("XX000", False), ("P0001", False),
    ],
)  # fmt: skip
def test_what_may_pass_can_be_tried_again(call: Call, sqlstate: str, retryable: bool) -> None:
    failure = call(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{sqlstate}'; END $$", deadline_ms=300)["failure"]
    assert (failure["code"], failure["sqlstate"], failure["retryable"]) == ("statement_failed", sqlstate, retryable)


def test_a_message_that_repeats_a_large_value_is_cut(call: Call) -> None:
    failure = call("SELECT :v::int", {"v": "x" * 1_000_000})["failure"]
    assert failure["sqlstate"] == "22P02"
    assert len(failure["message"]) == 4_000


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"sql": "SELECT 1; SELECT 2"}, "more than one statement"),
        ({"sql": "COMMIT"}, "COMMIT"),
        ({"sql": "SELECT :a"}, "lacks a"),
        ({"sql": "SELECT 1", "params": {"a": 1}}, "params.a is not in its sql"),
        ({}, "statements"),
    ],
)
def test_a_request_that_is_refused_touches_no_database(event: dict[str, object], words: str) -> None:
    def no_settings() -> Settings:
        raise AssertionError("the database was asked for")

    failure: Any = create_handler(Database(no_settings))(event, None)["failure"]
    assert failure["code"] == "invalid_request"
    assert words in failure["message"]


def test_one_connection_is_kept_between_invocations(call: Call) -> None:
    first = value(call("SELECT pg_backend_pid()"))
    assert call("SELECT 1/0")["failure"]
    assert value(call("SELECT pg_backend_pid()")) == first


def test_a_connection_that_died_between_invocations_is_replaced_unnoticed(call: Call, database_url: str) -> None:
    call("CREATE TABLE t (n int)")
    pid = value(call("SELECT pg_backend_pid()"))
    # With the second argument, PostgreSQL waits until the backend has ended. Then its last message has arrived.
    assert run_sql(database_url, f"SELECT pg_terminate_backend({pid}, 60000)") == [(True,)]
    assert call("INSERT INTO t VALUES (1)")["results"][0]["row_count"] == 1
    assert value(call("SELECT pg_backend_pid()")) != pid


def test_a_write_on_a_connection_lost_on_the_way_is_not_sent_again(call: Call) -> None:
    call("CREATE TABLE t (n int)")
    killing = "WITH w AS (INSERT INTO t VALUES (1)) SELECT pg_terminate_backend(pg_backend_pid())"
    failure = call(killing)["failure"]
    assert (failure["code"], failure["retryable"]) == ("outcome_unknown", False)
    assert value(call("SELECT count(*) FROM t")) == 0


def test_a_read_on_a_connection_lost_on_the_way_is_sent_once_more(call: Call) -> None:
    pid = value(call("SELECT pg_backend_pid()"))
    kills_the_first = "SELECT pg_backend_pid() = :pid AND pg_terminate_backend(:pid)"
    assert value(call(kills_the_first, {"pid": pid}, read_only=True)) is False


def test_a_read_that_loses_its_connection_twice_is_given_up(call: Call) -> None:
    failure = call("SELECT pg_terminate_backend(pg_backend_pid())", read_only=True)["failure"]
    assert (failure["code"], failure["retryable"]) == ("unavailable", True)


def test_a_transaction_that_lost_its_connection_says_which_statement(call: Call) -> None:
    lost = call(statements=[{"sql": "SELECT 1"}, {"sql": "SELECT pg_terminate_backend(pg_backend_pid())"}])["failure"]
    assert (lost["code"], lost["statement"]) == ("outcome_unknown", 1)
    assert value(call("SELECT 1")) == 1


@pytest.mark.parametrize("several", [False, True])
def test_a_statement_is_cancelled_at_the_deadline_and_rolled_back(call: Call, several: bool) -> None:
    call("CREATE TABLE t (n int)")
    slow = [{"sql": "INSERT INTO t SELECT 1 FROM pg_sleep(60)"}]
    failure = call(statements=[{"sql": "INSERT INTO t VALUES (2)"}] * several + slow, deadline_ms=50)["failure"]
    assert (failure["code"], failure["sqlstate"]) == ("deadline_exceeded", "57014")
    assert value(call("SELECT count(*) FROM t")) == 0


def test_the_time_lambda_has_left_is_a_deadline_too(call: Call) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 1_050

    assert call("SELECT pg_sleep(60)", context=Context())["failure"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize(
    ("change", "retryable"),
    [({"dbname": "nowhere"}, False), ({"user": "nobody"}, False), ({"host": "/nowhere"}, True)],
)
def test_a_database_that_lets_nobody_in_is_unavailable(
    database_url: str, change: dict[str, str], retryable: bool
) -> None:
    handle = create_handler(Database(lambda: Settings({"dsn": database_url, **change})))
    failure: Any = handle({"sql": "SELECT 1"}, None)["failure"]
    assert (failure["code"], failure["retryable"]) == ("unavailable", retryable)


def test_a_missing_setting_is_named() -> None:
    handle = create_handler(Database(lambda: Settings.from_environment({})))
    failure: Any = handle({"sql": "SELECT 1"}, None)["failure"]
    assert "DATABASE_URL" in failure["message"]


def test_settings_come_from_the_guides_variables_too() -> None:
    environ = {"DB_HOST": "h", "DB_PORT": "5433", "DB_NAME": "n", "DB_USER": "u", "DB_PASSWORD": "p'w"}
    settings = Settings.from_environment(environ | {"STATEMENT_MS": "5"})
    assert settings.connect == {"host": "h", "port": "5433", "dbname": "n", "user": "u", "password": "p'w"}
    assert settings.statement_ms == 5
    with pytest.raises(SettingsError, match="STATEMENT_MS"):
        Settings.from_environment(environ | {"STATEMENT_MS": "0"})
