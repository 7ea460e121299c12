"""scanner.scan reads one statement in a text, with the rules of PostgreSQL."""

from __future__ import annotations

import time

import pytest

from query_executor.contract import DEADLINE_EXCEEDED, Failure, InvalidRequestError, Request, Statement
from query_executor.database import Database
from query_executor.errors import ScanTimeoutError
from query_executor.scanner import scan
from query_executor.settings import Settings

ONE = [
    "SELECT 1",
    "SELECT 1;",
    " ; ;SELECT 1 ; ; -- ; the end",
    "SELECT ';'",
    "SELECT 'it''s; fine'",
    r"SELECT 'a\'; -- a backslash is a character in a standard string",
    r"SELECT E'a\';b'",
    "SELECT e'a'\n  'b\\';c'",
    "SELECT e'a' -- told apart\n  'b\\';c'",
    "SELECT U&'d\\0061;t'",
    'SELECT 1 AS "a;""b"',
    "SELECT $$a;b$$, $tag$ $$ ; $other$ $tag$",
    "SELECT a$b$c FROM (SELECT 1 AS a$b$c) AS t",
    "SELECT 1 /* ; /* ; */ ; */ + 1",
    "SELECT 'é;', $é$;$é$",
    "DO $body$ BEGIN PERFORM 1; PERFORM 2; END $body$",
]
MORE = [
    "SELECT 1; SELECT 2",
    "SELECT 1;;SELECT 2",
    r"SELECT 'a\'; DROP TABLE x; --'",
    "SELECT type'a\\'; DROP TABLE x",
    "SELECT 1 /* /* */ */; SELECT 2",
    "SELECT 1 -- one\n; SELECT 2",
    "SELECT 1 -- one\r; SELECT 2",
    "SELECT $a$ $b$ $a$; SELECT $b$",
    "SELECT a$$; SELECT 1$$",
    "SELECT E'a'\t'b\\'; SELECT '",
]


@pytest.mark.parametrize("sql", ONE)
def test_one_statement_is_taken_whatever_its_quotes_hold(sql: str) -> None:
    assert scan(sql).names == frozenset()


@pytest.mark.parametrize("sql", MORE)
def test_a_second_statement_is_found_and_refused(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="more than one statement"):
        scan(sql)


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing", "/* nothing */ ;"])
def test_a_text_without_a_statement_is_refused(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="no statement"):
        scan(sql)


@pytest.mark.parametrize("sql", ["SELECT 'a", 'SELECT "a', "SELECT E'a\\'", "SELECT $x$ a $y$", "SELECT 1 /* /* */"])
def test_a_quote_or_comment_that_is_not_closed_is_refused(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="not closed"):
        scan(sql)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("begin", "the request is the transaction"), ("/* x */ COMMIT", "the request is the transaction"),
        ("Rollback TO a", "the request is the transaction"), ("END", "the request is the transaction"),
        ("prepare x AS SELECT 1", "the session"), ("LISTEN x", "the session"), ("DISCARD ALL", "the session"),
        ("SET x = 1", "SET LOCAL"), ("SET SESSION x = 1", "SET LOCAL"), ("RESET ALL", "the session"),
        ("COPY t FROM STDIN", "no stream"),
    ],
)  # fmt: skip
def test_what_reaches_beyond_the_request_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        scan(sql)


@pytest.mark.parametrize(
    "sql", ["SET LOCAL x = 1", "SET CONSTRAINTS ALL DEFERRED", "SELECT 'commit'", "SELECT begin FROM t"]
)
def test_what_ends_with_the_request_is_taken(sql: str) -> None:
    scan(sql)


PLAIN = [
    "SELECT * FROM t", "VALUES (1)", "TABLE t", "INSERT INTO t (a) VALUES (1)", 'INSERT INTO "s" . "t" ("a") SELECT 1',
    "WITH x AS (SELECT count(*) FROM t) SELECT * FROM x", "UPDATE t SET a = upper(b) WHERE c IN (1, 2)",
    "DELETE FROM t", "SELECT * FROM unnest(:a) WITH ORDINALITY AS listed (one, n)", "TABLE t UNION VALUES (1)",
    "SELECT * FROM (VALUES (1)) AS v(n)", 'SELECT * FROM (SELECT 1) AS "v" ("n")',
    "SELECT * FROM (SELECT 1) as /* x */ v -- y\n (n)", "INSERT INTO t AS f (a) VALUES (1)",
    "WITH x (n) AS (SELECT 1) SELECT * FROM x", "WITH RECURSIVE x (n) AS (SELECT 1 UNION SELECT n + 1 FROM x) TABLE x",
    "SELECT * FROM a JOIN LATERAL (SELECT 1) AS b (n) ON true", "SELECT CAST(a AS varchar(3)) FROM t",
]  # fmt: skip
NOT_PLAIN = [
    "SELECT set_config('a', 'b', false)", "SELECT pg_catalog.set_config('a', 'b', false)",
    "SELECT pg_advisory_lock (1)",
    'SELECT "set_config"(1)', "SELECT my_function()", "SELECT f /* x */ (1)", "CREATE TEMP TABLE t (a int)",
    "SELECT 1 INTO TEMP t", "DO $$ $$", "CALL p()", "SET LOCAL x = 1", "EXPLAIN ANALYZE SELECT f()",
    "SELECT * FROM f(1) AS g (n)", "SELECT * FROM (VALUES (f(1))) AS v (n)", "SELECT 1 AS a, f(1)",
    "SELECT * FROM t AS f, f(1)", "SELECT * FROM t AS a (n), f(n)", "SELECT * FROM t AS a JOIN f(1) AS b ON true",
    'SELECT "as" f(1)', "SELECT :as f(1)", "SELECT CAST(f(1) AS text)", "WITH x AS (SELECT f(1)) SELECT * FROM x",
    "WITH x (n) AS (SELECT f(1)) SELECT * FROM x", "SELECT DISTINCT ON (a) f(1) FROM t", "SELECT (a) AS b, f(1) FROM t",
    "WITH RECURSIVE x (n) AS (SELECT 1 UNION SELECT f(n) FROM x) TABLE x", "SELECT * FROM t AS a (n) WHERE f(n)",
    "SELECT with.f(1)", "SELECT * FROM s.f(1) AS a (n)", "SELECT recursive(1)", "SELECT \"with\"(1)",
    "INSERT INTO t SELECT f(1)", "INSERT INTO t (a) VALUES (f(1))", "INSERT INTO a.b.c SELECT x.f(1)",
]  # fmt: skip


@pytest.mark.parametrize(("sql", "plain"), [(sql, True) for sql in PLAIN] + [(sql, False) for sql in NOT_PLAIN])
def test_a_statement_is_plain_when_all_it_calls_is_known(sql: str, plain: bool) -> None:
    assert scan(sql).is_plain is plain


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        ("SELECT 1", True), ("(SELECT 1)", True), ("WITH a AS (SELECT 1) TABLE a", True), ("VALUES (1)", True),
        ("SELECT 'insert'", True), ("SELECT 1 INTO t", False), ("SELECT 1 FROM t FOR UPDATE", False),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", False), ("INSERT INTO t SELECT 1", False),
        ("SHOW x", False),
    ],
)  # fmt: skip
def test_a_query_is_told_from_a_change(sql: str, query: bool) -> None:
    assert scan(sql).is_query is query


def test_params_are_found_only_where_a_value_can_stand() -> None:
    scanned = scan("""SELECT :a::text, ':b', ":c", $$:d$$, /* :e */ x[1 : 2], f(n := :g) -- :h""")
    assert scanned.names == {"a", "g"}
    assert "%(a)s::text" in scanned.sql
    assert "n := %(g)s" in scanned.sql


def test_percent_signs_are_doubled_only_when_the_driver_will_format_the_text() -> None:
    assert scan("SELECT 5 % 2").sql == "SELECT 5 % 2"
    assert scan("SELECT :a % 2, '%'").sql == "SELECT %(a)s %% 2, '%%'"


@pytest.mark.parametrize(
    "sql",
    ["SELECT (1::bigint).pg_advisory_lock", "SELECT (0.5::float8).setseed", "SELECT a[1].pg_advisory_lock FROM t",
     "SELECT :a.pg_advisory_lock", 'SELECT (1) /* x */ . "pg_advisory_lock"', "SELECT (t.a).b.pg_advisory_lock FROM t",
     "SELECT (SELECT 1).pg_advisory_lock"],
)  # fmt: skip
def test_a_function_that_is_called_like_a_column_is_a_call(sql: str) -> None:
    assert not scan(sql).is_plain


@pytest.mark.parametrize("sql", ["SELECT t.a, (t).* FROM s.t", "SELECT (a + b) FROM t", "SELECT a[1], t.b FROM t"])
def test_a_column_is_no_call(sql: str) -> None:
    assert scan(sql).is_plain


@pytest.mark.parametrize(
    "sql",
    ["ALTER ROLE CURRENT_USER SET default_transaction_read_only = on", "ALTER USER me PASSWORD 'x'",
     "alter role all reset all",
     'ALTER ROLE "me" SET statement_timeout = 1', "ALTER /* x */ DATABASE d SET search_path = x",
     "ALTER USER SESSION_USER VALID UNTIL 'now'",
     "ALTER SYSTEM SET x = 1", "ALTER GROUP g ADD USER u"],
)  # fmt: skip
def test_what_later_sessions_begin_with_cannot_be_changed(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="lock the executor out"):
        scan(sql)


@pytest.mark.parametrize("sql", ["ALTER USER MAPPING FOR u SERVER s OPTIONS (a '1')", "ALTER TABLE role ADD n int"])
def test_other_things_can_be_altered(sql: str) -> None:
    assert scan(sql).sql == sql


@pytest.mark.parametrize(
    ("sql", "is_preparable"),
    [
        ("SELECT a FROM t WHERE b = :x", True), ("SELECT a FROM t WHERE b = 'x'", False), ("SELECT $1, :x", False),
        ("SELECT a FROM t ORDER BY a LIMIT :x", True), ("SELECT a FROM t ORDER BY :x", False),
        ("SELECT a FROM t GROUP BY (a, (:x))", False), ("SELECT DISTINCT ON (:x) a FROM t", False),
        ("SELECT DISTINCT a FROM t WHERE b = :x", True), ("SELECT a FROM t WHERE b IS DISTINCT FROM :x", True),
        ("(SELECT a FROM t ORDER BY a) UNION SELECT :x", True), ("SELECT a$b FROM t WHERE c = :x", True),
        ("SELECT sum(a) OVER (ORDER BY b), :x FROM t", True), ("SELECT a FROM t GROUP BY a HAVING max(b) = :x", True),
        ("SELECT a FROM t GROUP BY a ORDER BY a OFFSET :x", True),
        ("SELECT a FROM t WHERE b = E'\\n' OR b = :x", False),
    ],
)  # fmt: skip
def test_what_may_be_prepared_is_told_by_the_text(sql: str, is_preparable: bool) -> None:
    assert scan(sql).is_preparable == is_preparable


def test_a_name_may_begin_with_any_letter() -> None:
    assert scan("SELECT :été, :_a1, :名").names == {"été", "_a1", "名"}


def test_no_text_is_read_after_the_deadline_however_short_it_is() -> None:
    # If the scanner read this text, it would refuse the quote.
    failure = Database(lambda: Settings({})).run(Request([Statement("SELECT '")]), remaining_ms=-1)
    assert isinstance(failure, Failure)
    assert failure.code == DEADLINE_EXCEEDED


def test_the_reading_of_a_text_ends_at_the_deadline() -> None:
    with pytest.raises(ScanTimeoutError):
        scan("SELECT " + "1," * 100_000, deadline=time.monotonic())
