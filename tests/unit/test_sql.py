"""sql.scan: one statement a text, read as PostgreSQL reads it."""

from __future__ import annotations

import pytest

from query_executor.contract import InvalidRequestError
from query_executor.sql import scan

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
    "sql", ["begin", "/* x */ COMMIT", "Rollback TO a", "savepoint a", "END", "prepare x AS SELECT 1"]
)
def test_transaction_control_is_refused(sql: str) -> None:
    with pytest.raises(InvalidRequestError, match="the request is the transaction"):
        scan(sql)


def test_copy_is_refused_because_its_data_has_no_way_in() -> None:
    with pytest.raises(InvalidRequestError, match="COPY"):
        scan("COPY t FROM STDIN")


def test_params_are_found_only_where_a_value_can_stand() -> None:
    scanned = scan("""SELECT :a::text, ':b', ":c", $$:d$$, /* :e */ x[1 : 2], f(n := :g) -- :h""")
    assert scanned.names == {"a", "g"}
    assert "%(a)s::text" in scanned.text
    assert "n := %(g)s" in scanned.text


def test_percent_signs_are_doubled_only_when_the_driver_will_format_the_text() -> None:
    assert scan("SELECT 5 % 2").text == "SELECT 5 % 2"
    assert scan("SELECT :a % 2, '%'").text == "SELECT %(a)s %% 2, '%%'"
