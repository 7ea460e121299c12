"""Compares scanner.scan with PostgreSQL: a server prepares one statement, and refuses several in one text.

Only Parse of the extended protocol shows whether a text has several statements (SQLSTATE 42601, "cannot insert
multiple commands into a prepared statement"). psycopg2 does not use this protocol, but its libpq has it.
"""

from __future__ import annotations

import ctypes
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from query_executor.contract import InvalidRequestError, Param, Typed
from query_executor.handler import create_local_handler
from query_executor.scanner import scan
from query_executor.values import bound
from tests.conftest import execute as run_sql
from tests.properties import examples

ONE, SEVERAL, NONE, ERROR = "one statement", "several", "none", "another error"

# The extension module that links libpq. It finds the functions of libpq, whose file has different names.
_LIBPQ = ctypes.CDLL(psycopg2._psycopg.__file__)
_LIBPQ.PQprepare.restype = _LIBPQ.PQresultErrorField.restype = ctypes.c_void_p
_LIBPQ.PQprepare.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
_LIBPQ.PQresultErrorField.argtypes = [ctypes.c_void_p, ctypes.c_int]
_LIBPQ.PQclear.argtypes = [ctypes.c_void_p]
_SQLSTATE, _MESSAGE = ord("C"), ord("M")  # PG_DIAG_SQLSTATE and PG_DIAG_MESSAGE_PRIMARY, libpq's postgres_ext.h

Ask = Callable[[str], str]


def opinion(connection: Any, sql: str) -> str:
    """How many statements the server finds in a text. The server only parses it."""
    result = _LIBPQ.PQprepare(connection.pgconn_ptr, b"", sql.encode(), 0, None)
    try:
        sqlstate, message = (
            ctypes.string_at(field).decode() if field else ""
            for field in (_LIBPQ.PQresultErrorField(result, code) for code in (_SQLSTATE, _MESSAGE))
        )
    finally:
        _LIBPQ.PQclear(result)
    if "multiple commands" in message:
        return SEVERAL
    # If only a table or a type is missing, the text was parsed. 42601 is a syntax error, class 22 a malformed literal.
    return ERROR if sqlstate == "42601" or sqlstate.startswith("22") else ONE


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(postgres_url)) as own:
        own.autocommit = True
        yield own


@pytest.fixture(scope="module")
def ask(connection: Any) -> Ask:
    return lambda sql: opinion(connection, sql)


def verdict(sql: str) -> str:
    """What scan() says about a text, in the words of `opinion`. For another refusal, it is the message."""
    try:
        scan(sql)
    except InvalidRequestError as error:
        return SEVERAL if "more than one" in str(error) else NONE if "no statement" in str(error) else str(error)
    return ONE


# --- Texts with difficult parts for a scanner ---------------------------------------------------------------------

_TRICKY = st.sampled_from(
    ["'", "''", '"', '""', "\\", "\\'", "\\\\", "$", "$$", "$a$", "$b$", "$A$", "$1$", "$é$", ";", "--", "/*", "*/",
     "\n", "\r", "\t", " ", "a", "E", "e'", "U&'", "x'", "B'", "N'", "é", "\x7f", "\x80", "\xa0", "\u2028", "😀", "1",
     "1.", ".5", "1e", "1e5", "0x1", "1_0", "@", "@-", "-", "+", "*", "/", "%", "|", "=", "<", "::", ":", ":=", "(",
     ")", "[", "]", ",", ".", "\f", "\v", "_", "&", "?", "#", "!", "~", "^", "`", "{", "}"]
)  # fmt: skip
_INSIDE = st.lists(_TRICKY, max_size=6).map("".join)
_SPACE = st.sampled_from(
    [" ", "\n", "\t", "\r", "\f", "\v", " \n ", "--\n", "-- ;'\n", "--\r", "--'\r\n", "/**/", "/*;*/"]
)
_GAP = st.lists(_SPACE, max_size=3).map("".join)


def _escape_string(content: str) -> str:
    escaped = content.replace("\\", "\\\\")
    return "E'" + re.sub("''|'", lambda quote: "\\'" if quote[0] == "''" else "''", escaped) + "'"


_STRING = _INSIDE.map(lambda inside: "'" + inside.replace("'", "''") + "'")
_ESCAPE = st.builds(
    lambda first, gap, more: _escape_string(first) + "".join(f"{gap}'{one.replace(chr(92), '')}'" for one in more),
    _INSIDE,
    st.sampled_from(["\n", " \n", "\r", "--x'\n", " -- ;\n\n --\r "]),
    st.lists(st.sampled_from(["", "a;b", "--", "/*", "$$", "é"]), max_size=2),
)
_QUOTED = _INSIDE.map(lambda inside: '"a' + inside.replace('"', '""') + '"')
_DOLLAR = st.builds(
    # The inside must not contain the end tag, and must not end in half of it.
    lambda tag, inside: tag + (inside if (inside + tag).index(tag) == len(inside) else inside.replace("$", "")) + tag,
    st.sampled_from(["$$", "$a$", "$ab$", "$A$", "$_1$", "$é$", "$e$"]),
    _INSIDE,
)
_COMMENT = st.sampled_from(
    [
        "/**/",
        "/***/",
        "/*/**/*/",
        "/*/*/**/*/*/",
        "/* ; /* ' */ ; */",
        "/*--*/",
        "/*$$*/",
        "-- ;\n",
        "--'\r",
        "--/*\n",
    ]
)
_WORD = st.sampled_from(
    ["a", "a$b", "a$$", "b$a$", "é", "aé$", "_x", "e", "u", "U", "E", "x", "n", "null", "SELECT", "1", "1.5", "1e5",
     "$1", "1$a$", "a.b", "t.*", "(1)", "ARRAY[1,2][1:2]", "x[1:2]", "1::int", "'1'::int", "@-1", "1 @-- \n 1",
     "1 +/**/ 1", "f(1)", "f(a := 1)", "U&'a\\0061'", "U&\"a\\0061\"", "x'1f'", "b'01'", "N'a'"]
)  # fmt: skip
_PIECE = st.one_of(_STRING, _ESCAPE, _QUOTED, _DOLLAR, _WORD)
_BETWEEN = st.sampled_from([",", " , ", "||", "=", " @-- ;\n", "+/*;*/", ",--'\r", "<--\n>", " - ", "*", "/ "])


def _joined(piece: st.SearchStrategy[str], between: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(between, st.one_of(piece, st.builds("{}{}".format, _COMMENT, piece))), max_size=most - 1)
    return st.builds(lambda first, more: first + "".join(a + b for a, b in more), piece, pairs)


_STATEMENT = st.one_of(_joined(_PIECE, _BETWEEN, 4).map("SELECT {}".format), st.just("DROP TABLE nowhere"), st.just(""))
_LIKELY = _joined(_STATEMENT, st.sampled_from([";", " ; ", ";;", "\n;--;\n", ";/*;*/"]), 3)
_ANYTHING = st.lists(st.one_of(_TRICKY, _PIECE, _SPACE, _COMMENT), max_size=10).map("".join)
# Texts with one broken place: a character is missing, or there is one too many.
_BROKEN = st.builds(
    lambda text, at, piece, gone: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) + gone :],
    _LIKELY,
    st.integers(0, 200),
    st.one_of(st.just(""), _TRICKY),
    st.integers(0, 1),
)
# A text whose second statement may be inside a quote.
_HIDDEN = st.builds(
    "SELECT {}{}; SELECT 1 {}{}".format,
    _joined(_PIECE, _BETWEEN, 2),
    _TRICKY,
    st.sampled_from(["", ",", "--", "+ "]),
    _TRICKY,
)
TEXTS = st.one_of(_LIKELY, _LIKELY, _HIDDEN, _BROKEN, _ANYTHING.map("SELECT ".__add__), _ANYTHING)
_NAMED = re.compile(r":[A-Za-z_\x80-\U0010ffff]")

property_test = settings(
    max_examples=examples(500), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@property_test
@given(sql=TEXTS)
def test_scan_and_the_server_agree_on_what_one_statement_is(ask: Ask, sql: str) -> None:
    found = verdict(sql)
    says = ask(sql)
    event(f"server: {says}, scan: {found if found in {ONE, SEVERAL, NONE} else 'refused'}")
    if says == SEVERAL:
        assert found != ONE
    # ":name" is not SQL, so the server cannot judge such a text. Further down, values replace the names.
    elif says == ONE and not _NAMED.search(sql):
        assert found in {ONE, NONE} or "cannot" in found


_GLUED_LEFT = st.builds(
    "SELECT {}{}".format, st.one_of(_PIECE, _TRICKY, st.just("")), st.one_of(_TRICKY, _SPACE, st.just(""))
)
_GLUED_RIGHT = st.builds(
    "{}{}{}".format,
    st.one_of(_TRICKY, _SPACE, st.just("")),
    st.sampled_from(["", "; SELECT 1", "\\', '; SELECT 1; --", "a$; SELECT 1", "; SELECT 1; --", " ; SELECT 'a"]),
    st.one_of(_TRICKY, st.just("$a$"), st.just("")),
)
_VALUES: list[Param] = [
    "a", "'", "\\", "\\'; SELECT 1; --", "'; SELECT 1; --", "$$", "$a$", "--", "*/", ["'", "\\"], None, True, 5,
    -5, -0.5, 1e300, Typed("text", "\\'; SELECT 1; --"), Typed("int4", None),
]  # fmt: skip


@property_test
@given(left=_GLUED_LEFT, right=_GLUED_RIGHT)
def test_no_value_in_place_of_a_param_makes_a_second_statement(connection: Any, left: str, right: str) -> None:
    found = verdict(f"{left}:p{right}")
    event("scan: " + (found if found in {ONE, SEVERAL, NONE} else "refused"))
    if found == ONE:
        scanned = scan(f"{left}:p{right}")
        with connection.cursor() as cursor:
            for one in _VALUES:
                params = dict.fromkeys(scanned.names, bound(one, []))
                sql = cursor.mogrify(scanned.sql, params or None).decode()
                assert opinion(connection, sql) != SEVERAL


# --- Single statements that are refused, and unusual texts that are accepted --------------------------------------


@pytest.mark.parametrize(
    ("sql", "server", "scanned"),
    [
        # A body in standard SQL contains semicolons, so scan() refuses this single statement. It accepts a body in a
        # string.
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", ONE, SEVERAL),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 2 $$", ONE, ONE),
        ("CREATE FUNCTION f() RETURNS int RETURN 1", ONE, ONE),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY a; NOTIFY b)", ONE, ONE),
        ("CREATE OR REPLACE RULE r AS ON UPDATE TO t DO INSTEAD (DELETE FROM t; ; SELECT (1);)", ONE, ONE),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (NOTIFY a; NOTIFY b); SELECT 1", SEVERAL, SEVERAL),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO ((NOTIFY a); NOTIFY b); SELECT 1", ERROR, SEVERAL),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY a; NOTIFY b", SEVERAL, SEVERAL),
        ("CREATE TABLE rule (n int); SELECT (1; SELECT 2)", ERROR, SEVERAL),
        ("SELECT (1; SELECT 2)", ERROR, SEVERAL),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY a", ONE, ONE),
        ("DO $$ BEGIN PERFORM 1; PERFORM 2; END $$", ONE, ONE),
        ("CREATE SCHEMA s CREATE TABLE t (n int) CREATE VIEW v AS SELECT 1", ONE, ONE),
        ("", ONE, NONE),
        (" ;; /* */ -- ", ONE, NONE),
        ("SELECT U&'\\0027' \n '; SELECT 2'", ONE, ONE),
        ("SELECT '1' -- \n ';' /* */ ", ONE, ONE),
        ("SELECT E'\\'' --\n--\n '\\';'", ONE, ONE),
        ("SELECT E'\\'' /**/\n '\\'; SELECT '", ERROR, SEVERAL),  # only after a line comment can a string continue
        ("SELECT '\\' \n '\\'; SELECT 1", SEVERAL, SEVERAL),
        ("SELECT 1a; SELECT 2", ERROR, SEVERAL),
        ("SELECT a$$ ; SELECT b$$", SEVERAL, SEVERAL),
        ("SELECT 1$$ ; SELECT 1$$", ERROR, ONE),  # a number beside a string
        ("SELECT $1$$ ; SELECT 1$$", ERROR, ONE),
        ("SELECT $a$ $A$ $ $a $a$, 1", ONE, ONE),
        ("SELECT é$$; SELECT é$$", SEVERAL, SEVERAL),
        ("SELECT \u2028$$; SELECT \xa0$$", SEVERAL, SEVERAL),  # PostgreSQL reads these as letters and not as spaces
    ],
)
def test_what_the_two_say_of_a_text(ask: Ask, sql: str, server: str, scanned: str) -> None:
    assert (ask(sql), verdict(sql)) == (server, scanned)


@pytest.mark.parametrize(
    "sql",
    ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "SET x.y = 1", "SET SESSION x.y = 1", "RESET ALL", "LISTEN a",
     "PREPARE a AS SELECT 1", "DEALLOCATE a", "DISCARD ALL", "DECLARE a CURSOR FOR SELECT 1", "COPY t FROM STDIN",
     "COPY t TO STDOUT", "SET LOCAL transaction_read_only = off", "SET LOCAL TRANSACTION READ WRITE",
     'SET LOCAL U&"transaction_read\\005fonly" = off', 'SET LOCAL "Transaction_Read_Only" = 0'],
)  # fmt: skip
def test_what_reaches_beyond_its_transaction_is_refused_though_the_server_would_take_it(ask: Ask, sql: str) -> None:
    assert ask(sql) == ONE
    assert "cannot" in verdict(sql)


# --- Params ----------------------------------------------------------------------------------------------------------

_COLUMN = st.one_of(
    st.tuples(st.just("{}::text"), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)),
    st.tuples(st.just("({}::text)"), st.sampled_from(["'", "\\", "%s", "%(p0)s", ":p0", "$$", "--", "';--", "E'"])),
    st.tuples(st.just("{}::int8"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("{}::bool"), st.booleans()),
    st.tuples(st.just("{}::int"), st.none()),
    st.tuples(st.just("{}::float8"), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(
        st.just("{}::text[]"), st.lists(st.sampled_from(["a", "'", "\\", '"', "{", ",", "NULL", None]), min_size=1)
    ),
)
_DISTRACTION = st.one_of(
    _STRING, _ESCAPE, _DOLLAR, st.sampled_from(["':p0'", "$$:p0$$", "E'\\':p0'", "'%(p0)s'", "'%s'", "'%%'"])
)


@settings(property_test, max_examples=examples(100))
@given(columns=st.lists(st.tuples(_DISTRACTION, _COMMENT, _GAP, _COLUMN), min_size=1, max_size=4))
def test_a_param_is_found_where_it_stands_and_nowhere_else(
    kept_call: Callable[..., Any], columns: list[tuple[str, str, str, tuple[str, Any]]]
) -> None:
    parts, params = [], {}
    for number, (distraction, comment, gap, (column, one)) in enumerate(columns):
        parts += [f"{distraction}{comment} || ''", gap + column.format(f":p{number}")]
        params[f"p{number}"] = one
    answer = kept_call({"sql": f"SELECT {', '.join(parts)}, 7 % 4, :p0 IS NULL", "params": params}, None)
    assert "failure" not in answer, answer
    row = answer["results"][0]["rows"][0]
    assert list(row[1:-2:2]) == list(params.values())
    assert list(row[-2:]) == [3, params["p0"] is None]


@pytest.fixture(scope="module")
def kept_call(postgres_url: str) -> Callable[..., Any]:
    return create_local_handler(postgres_url)


@pytest.mark.parametrize(
    "sql",
    ["SELECT E'a'\n:p", "SELECT E'a' -- b\n :p", "SELECT 'a'\n:p", "SELECT E'a':p", "SELECT U&'a' /* */ :p"],
)
def test_a_param_that_would_go_on_a_string_is_refused(sql: str) -> None:
    assert "right after a string" in verdict(sql)


# --- A database on which backslashes are escapes -----------------------------------------------------------------


@pytest.mark.parametrize("where", ["DATABASE", "ROLE"])
def test_a_database_or_role_with_escaping_backslashes_fools_neither_scanner_nor_params(
    database_url: str, where: str
) -> None:
    name, role = run_sql(database_url, "SELECT current_database(), current_user")[0]
    run_sql(database_url, "CREATE TABLE t (n int)")
    target = name if where == "DATABASE" else f"{role} IN DATABASE {name}"
    run_sql(database_url, f"ALTER {where} {target} SET standard_conforming_strings = off")
    run_sql(database_url, f"ALTER {where} {target} SET backslash_quote = on")
    assert run_sql(database_url, "SHOW standard_conforming_strings") == [("off",)]
    call = create_local_handler(database_url)
    for text in ("\\'; DROP TABLE t; --", "\\", "\\\\", "'", "\\n"):
        typed = call({"sql": "SELECT :a::text, :b", "params": {"a": text, "b": {"type": "text", "value": text}}}, None)
        assert typed["results"] == [
            {
                "columns": [{"name": "text", "type": "text"}] * 2,
                "rows": [(text, text)],
                "row_count": 1,
                "truncated": False,
            }
        ]
        batch: Any = call({"sql": "SELECT :a::text", "batch": [{"a": text}] * 101}, None)
        assert "failure" not in batch
    hidden: Any = call({"sql": "SELECT 'a\\', '; DROP TABLE t; --'"}, None)
    assert hidden["results"][0]["rows"] == [("a\\", "; DROP TABLE t; --")]
    call({"sql": "SELECT set_config('a.b', 'c', false)"}, None)  # cleans the session, which resets the settings
    assert call({"sql": "SELECT :a", "params": {"a": "\\'; DROP TABLE t; --"}}, None)["results"]
    assert run_sql(database_url, "SELECT * FROM t") == []


@pytest.mark.parametrize("setting", ["standard_conforming_strings = off", "client_encoding = 'SJIS'"])
@pytest.mark.parametrize("way", ["SET LOCAL {0}", "DO $$ BEGIN SET LOCAL {0}; END $$", "DO $$ BEGIN SET {0}; END $$"])
def test_a_transaction_cannot_change_how_its_next_statement_is_read(database_url: str, setting: str, way: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    call = create_local_handler(database_url)
    second = {"sql": "SELECT 'a\\', '; COMMIT; DROP TABLE t; --'"}
    answer: Any = call({"statements": [{"sql": way.format(setting)}, second]}, None)
    assert (answer["failure"]["code"], answer["failure"]["statement"]) == ("statement_failed", 0)
    one_by_one: list[Any] = [call({"sql": way.format(setting)}, None), call(second, None)]
    assert one_by_one[1]["results"][0]["rows"] == [("a\\", "; COMMIT; DROP TABLE t; --")]
    assert run_sql(database_url, "SELECT * FROM t") == []


def test_a_batch_cannot_change_how_its_next_message_is_read(database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    sql = "SELECT set_config('standard_conforming_strings', :off, true), 'a\\', '; COMMIT; DROP TABLE t; --'"
    answer: Any = create_local_handler(database_url)({"sql": sql, "batch": [{"off": "off"}] * 101}, None)
    assert answer["failure"]["code"] == "statement_failed"
    assert run_sql(database_url, "SELECT * FROM t") == []


def test_a_trigger_that_changes_how_statements_are_read_does_not_last(database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    run_sql(
        database_url,
        """CREATE FUNCTION sly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             SET standard_conforming_strings = off; SET DateStyle = 'SQL, DMY'; RETURN NEW; END $$""",
    )
    run_sql(database_url, "CREATE TRIGGER sly BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sly()")
    call = create_local_handler(database_url)
    assert "results" in call({"sql": "INSERT INTO t VALUES (1)"}, None)
    answer: Any = call({"sql": "SELECT 'a\\', '; DROP TABLE t; --', '2026-03-01'::date"}, None)
    assert answer["results"][0]["rows"] == [("a\\", "; DROP TABLE t; --", "2026-03-01")]


# --- Time --------------------------------------------------------------------------------------------------------

_BEFORE = ["SELECT ", "SELECT '", "SELECT E'a'\n", "SELECT $a$", "/*"]


def _seconds_to_scan(piece: str, length: int) -> float:
    started = time.process_time()
    for before in _BEFORE:
        verdict(before + piece * (length // len(piece)))
    return time.process_time() - started


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "piece",
    ["--\t", "'", '"', "E'", "E'\\'", "E''\n", "E'' --\n", "$", "$$", "$a$", "$a", "/*", "*/", "/*/", "/**/", ";", "; ",
     ":", "::", ":a ", "a ", "\\", "(", "1,", "\n", "-", "--\r", "é", "é$", "U&'", "a.", "INTO a."],
)  # fmt: skip
def test_whatever_a_text_repeats_it_is_read_in_linear_time(piece: str) -> None:
    # For a text that is eight times as long, a quadratic reader takes 64 times as long. The limits suit slow machines.
    short = _seconds_to_scan(piece, 8 * 1024)
    assert _seconds_to_scan(piece, 64 * 1024) < 24 * short + 0.2


def test_a_long_string_takes_no_memory_to_speak_of() -> None:
    tracemalloc.start()
    try:
        for text in ("SELECT '" + "a''" * 1_000_000 + "'", "SELECT E'" + "a\\'" * 1_000_000 + "'"):
            assert verdict(text) == ONE
            assert tracemalloc.get_traced_memory()[1] < 20 * len(text)
    finally:
        tracemalloc.stop()
