"""A prepared statement means the same as the unprepared statement: with any param and value, repeated, after DDL.

The first answer comes from the text as it is, the third from a statement that was just prepared, and the eighth from
PostgreSQL's plan for all values. In a request with several statements, none is prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from query_executor.scanner import scan
from tests.conftest import execute as run_sql
from tests.executor import Answer, Executor
from tests.properties import examples

pytestmark = pytest.mark.every_postgres

_TYPES = {
    "text": "x", "varchar(3)": "abc", "char(4)": "ab", "name": "n", "int2": "5", "int4": "7", "int8": "9",
    "numeric(5,2)": "1.50", "numeric": "1.25", "float8": "1.5", "bool": "true", "date": "2026-01-31",
    "timestamp": "2026-01-31 10:30:00", "timestamptz(0)": "2026-01-31 10:30:00Z", "time": "10:30", "interval": "PT5M",
    "interval minute": "PT5M", "uuid": "00000000-0000-4000-8000-000000000000", "bytea": "\\x00ff", "jsonb": '{"a": 1}',
    "json": '{"a": 1}', "inet": "10.0.0.1", "bit(3)": "101", "mood": "sad", "short": "abc", "soon": "PT5M",
    "int4[]": "{1,2}", "text[]": "{a,b}", "int4range": "[1,5)", "pair": "(1,x)", "regclass": "pg_class",
}  # fmt: skip
_COLUMNS = {name: f"c{number}" for number, name in enumerate(_TYPES)}
_OWN_TYPES = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN short AS varchar(5) CHECK (value <> 'no');
    CREATE DOMAIN soon AS interval minute;
    CREATE TYPE pair AS (a int, b text);
"""
_TABLES = f"""
    {_OWN_TYPES}
    CREATE TABLE t (id int, {", ".join(f"{column} {name}" for name, column in _COLUMNS.items())});
    CREATE TABLE written (LIKE t);
    CREATE TABLE u (k int, LIKE t);
    INSERT INTO u (k) VALUES (1), (2);
    INSERT INTO t (id) VALUES (1), (2);
    {"".join(f"UPDATE t SET {column} = '{_TYPES[name]}' WHERE id = 1;" for name, column in _COLUMNS.items())}
"""


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    name = "prepared_properties"
    run_sql(postgres_url, f"CREATE DATABASE {name}")
    url = postgres_url.replace("/postgres?", f"/{name}?", 1)
    run_sql(url, _TABLES)
    run_sql(url, f"ALTER DATABASE {name} SET search_path = early, public")
    yield url
    run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def executor(database: str) -> Iterator[Executor]:
    one = Executor(database)
    yield one
    one.close()


Run = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def run(database: str) -> Iterator[Run]:
    """Run commands on another connection, as one transaction. Return the rows of the last command."""
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True

        def execute(sql: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

        yield execute


_TEXTS = [*_TYPES.values(), "5", "0", "", "abcdef", "no", "1", "60", "infinity", "(", "%a%", "2", "99999999999", "tRuE"]
_TEXT = st.one_of(st.sampled_from(_TEXTS), st.text(st.sampled_from("05a-: {}.,'\\$"), max_size=4))
_PARAM: st.SearchStrategy[Any] = st.one_of(
    _TEXT,
    _TEXT,
    _TEXT,
    st.sampled_from([None, True, 0, 1, -5, 1.5, [1, 2], ["a", "b"], [], 3_000_000_000]),
    st.builds(
        lambda name, text: {"type": name, "value": text},
        st.sampled_from(
            ["text", "int4", "int8", "numeric", "interval", "date", "timestamptz", "jsonb", "int4[]", "varchar"]
        ),
        _TEXT,
    ),
)
_CAST = [
    "text", "varchar(3)", "char", "char(2)", "int", "int8", "numeric(5,2)", "float4", "bool", "date", "timestamp(0)",
    "timestamptz", "time", "interval", "interval minute", "interval(0)", "interval day to second", "uuid", "bytea",
    "jsonb", "bit(3)", "varbit(2)", "mood", "short", "soon", "int[]", "text[]", "varchar(2)[]", "pair", "inet", "name",
    "regclass", "regtype", "int4range", "money", "tsvector", "point", '"char"',
]  # fmt: skip
_COLUMN = st.sampled_from([*_COLUMNS.values(), "id"])
_EXPRESSION = st.one_of(
    st.builds(":x::{}".format, st.sampled_from(_CAST)),
    st.builds("CAST(:x AS {})".format, st.sampled_from(_CAST)),
    st.builds(":x::{}::{}".format, st.sampled_from(_CAST), st.sampled_from(_CAST)),
    st.builds("{} {} :x".format, _COLUMN, st.sampled_from("= < >= <> || + - @> -> ~ LIKE".split())),
    st.builds(":x {} ({})".format, st.sampled_from(["=", "<", "||", "+", "*", "IS DISTINCT FROM", "= ANY"]), _COLUMN),
    st.builds("{} {}".format, _COLUMN, st.sampled_from(["IN (:x, :y)", "= ANY(:x)", "BETWEEN :x AND :y"])),
    st.builds(
        "{}({}, :x)".format,
        st.sampled_from("coalesce nullif greatest concat array_append date_trunc".split()),
        _COLUMN,
    ),
    st.builds(
        "{}(:x)".format,
        st.sampled_from("upper length abs to_json cardinality sum max md5 pg_typeof date extract".split()),
    ),
    st.sampled_from([
        ":x", ":x || :y", ":x = :y", ":x IS NULL", "CASE WHEN :x = :y THEN 1 ELSE 2 END", "CASE :x WHEN :y THEN :x END",
        "ARRAY[:x, :y]", "ROW(:x, :y)", "(:x, id) = (:y, 1)", "repeat(:x, 2)", "id + :x", "id / :x", ":x COLLATE \"C\"",
        "(SELECT :x)", "(SELECT max(v) FROM (VALUES (:x), (:y)) AS v (v))", "interval :x", "date :x", "to_char(id, :x)",
        "string_agg(:x, :y)", "count(DISTINCT :x)", "row_number() OVER (ORDER BY :x)", "sum(id) OVER (PARTITION BY :x)",
        "jsonb_build_object(:x, :y)", "id :: text || :x", ":x AT TIME ZONE :y", "substring(:x from 2)", ":x[1]",
        "(:x)[1]", ":x minute", "position(:x in :y)", "date_trunc(:x, now()) IS NULL",
        "exists(SELECT FROM t WHERE c0 = :x)",
    ]),
)  # fmt: skip
_STATEMENT = st.one_of(
    st.builds("SELECT {} FROM t ORDER BY id".format, _EXPRESSION),
    st.builds("SELECT {}".format, _EXPRESSION),
    st.builds("SELECT {} FROM t WHERE false".format, _EXPRESSION),
    st.builds("SELECT {} FROM t WHERE id = 99".format, _EXPRESSION),
    st.builds("SELECT id FROM t WHERE {} ORDER BY id".format, _EXPRESSION),
    st.builds("SELECT id FROM t WHERE id = 99 AND {}".format, _EXPRESSION),
    st.builds("SELECT {} AS a FROM t GROUP BY a".format, _EXPRESSION),
    st.builds("SELECT id FROM t {} BY {}".format, st.sampled_from(["ORDER", "GROUP"]), _EXPRESSION),
    st.builds("SELECT id FROM t {} BY id, {}".format, st.sampled_from(["ORDER", "GROUP"]), _EXPRESSION),
    st.builds("SELECT id FROM t GROUP BY ROLLUP (id, {})".format, _EXPRESSION),
    st.builds("SELECT DISTINCT ON ({}) id FROM t".format, _EXPRESSION),
    st.builds("SELECT DISTINCT {}, id FROM t ORDER BY id".format, _EXPRESSION),
    st.builds("SELECT id FROM t ORDER BY id {}".format, st.sampled_from(["LIMIT :x", "LIMIT :x OFFSET :y"])),
    st.builds("SELECT {} FROM t WHERE id = 1 UNION ALL SELECT {}".format, _COLUMN, _EXPRESSION),
    st.builds("VALUES ({}), ({})".format, _EXPRESSION, _EXPRESSION),
    st.builds("WITH w AS (SELECT {} AS v) SELECT v, pg_typeof(v)::text FROM w".format, _EXPRESSION),
    st.builds("INSERT INTO written ({0}) VALUES (:x) RETURNING {0}".format, _COLUMN),
    st.builds("INSERT INTO written ({0}) SELECT :x RETURNING {0}".format, _COLUMN),
    st.builds("INSERT INTO written (id, {0}) VALUES (1, :x), (2, :y) RETURNING {0}".format, _COLUMN),
    st.builds("UPDATE u SET {0} = :x WHERE k = 99 RETURNING {0}".format, _COLUMN),
    st.builds("WITH s AS (UPDATE u SET {0} = :x WHERE k = 2 RETURNING {0}) SELECT {0} FROM s".format, _COLUMN),
    st.builds("DELETE FROM written WHERE id = 99 AND {}".format, _EXPRESSION),
    st.sampled_from(["SELECT $1::text, :x", "SELECT :x FROM t WHERE id = $1", "SELECT 'a', :x", "SELECT $$a$$, :x"]),
)  # fmt: skip


_FITTING = [
    "SELECT {c} FROM t WHERE {c} = :x", "SELECT id FROM t WHERE {c} = ANY(ARRAY[:x, :y]::{t}[])",
    "SELECT :x::{t}, :y::{t}", "SELECT coalesce({c}, :x) FROM t ORDER BY id", "SELECT nullif({c}, :x) FROM t",
    "INSERT INTO written (id, {c}) VALUES (1, :x) RETURNING {c}", "SELECT ARRAY[{c}, :x] FROM t",
    "INSERT INTO written (id, {c}) SELECT id, :x FROM t RETURNING {c}", "SELECT {c} FROM t ORDER BY id, :x",
    "WITH s AS (UPDATE u SET {c} = :x WHERE k = 2 RETURNING {c}) SELECT {c} FROM s",
    "SELECT {c} FROM t WHERE id = 1 UNION ALL SELECT :x", "SELECT id FROM t WHERE ({c}, id) <= (:x, 5)",
    "SELECT CASE WHEN id = 1 THEN {c} ELSE :x END FROM t ORDER BY id",
    "SELECT {c} FROM t WHERE {c} IN (:x, :y) LIMIT 1",
    "SELECT max(v::text) FROM (SELECT {c} FROM t UNION ALL SELECT :x) AS w (v)",
]  # fmt: skip
_CASE = st.one_of(
    st.tuples(_STATEMENT, _PARAM, _PARAM),
    st.builds(
        lambda sql, name, y: (sql.format(c=_COLUMNS[name], t=name), _TYPES[name], y if y else _TYPES[name]),
        st.sampled_from(_FITTING),
        st.sampled_from(list(_TYPES)),
        st.one_of(st.none(), _PARAM),
    ),
)


def _outcome(answer: Answer) -> Any:
    if "failure" in answer:
        return answer["failure"]["code"], answer["failure"]["sqlstate"], answer["failure"]["message"]
    return answer["results"][0]


def _unprepared(executor: Executor, sql: str, params: dict[str, Any]) -> Any:
    return _outcome(executor(statements=[{"sql": sql, "params": params}, {"sql": "SELECT 1"}], max_rows=5))


property_test = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@settings(property_test, max_examples=examples(120))
@given(case=_CASE)
def test_a_statement_that_comes_again_is_answered_as_it_was(executor: Executor, case: tuple[str, Any, Any]) -> None:
    sql, x, y = case
    params = {name: one for name, one in (("x", x), ("y", y)) if f":{name}" in sql}
    answers = [_outcome(executor(sql, params, max_rows=5)) for _ in range(8)]
    text = _unprepared(executor, sql, params)
    event("failure" if isinstance(text, tuple) else "rows")
    assert answers == [answers[0]] * 8
    # A literal may fail because of its value even if no row needs it. A statement that can be prepared then succeeds
    # each time.
    is_unfit = isinstance(text, tuple) and text[1].startswith(("22", "23502", "23514"))
    if not is_unfit or isinstance(answers[0], tuple):
        assert answers[0] == text


# --- DDL -------------------------------------------------------------------------------------------------------------

_ON_D = [
    "INSERT INTO {d} (id, c) VALUES (2, :x) RETURNING c",
    "INSERT INTO {d} (id, c) VALUES (2, :x)",
    "UPDATE {d} SET c = :x WHERE id = 1 RETURNING c",
    "SELECT id FROM {d} WHERE c = :x",
    "SELECT id FROM {d} WHERE c = ANY(ARRAY[:x])",
    "SELECT coalesce(c, :x), coalesce(:x, c) FROM {d} WHERE id = 1",
    "SELECT c FROM {d} WHERE id = 1 UNION ALL SELECT :x",
    "SELECT one.id FROM {d} AS one JOIN (SELECT 1) AS other (k) ON one.c > :x",
]
# A statement that is not plain would clean the session, so nothing would stay prepared.
assert all(scan(one.format(d="d")).is_preparable for one in _ON_D)

_MADE = """
    DROP SCHEMA IF EXISTS early, late CASCADE; CREATE SCHEMA early;
    DROP TABLE IF EXISTS d, was, kept CASCADE; DROP DOMAIN IF EXISTS made, old CASCADE;
    DROP FUNCTION IF EXISTS f CASCADE;
"""
_TABLE = "CREATE TABLE {name} (id int, c {type}); INSERT INTO {name} VALUES (1, '{value}')"
_OLD = _TABLE.format(name="public.d", type="{old}", value="{of_old}")
_NEW = _TABLE.format(name="public.d", type="{new}", value="{of_new}")
_VIEW = "CREATE VIEW v AS SELECT * FROM d"
_FUNCTION = """CREATE FUNCTION f() RETURNS {type} STABLE LANGUAGE sql AS $$ SELECT '{value}'::{type} $$;
               CREATE VIEW v AS SELECT id, f() AS c FROM d"""

# The objects, their change, and the name in the statements.
_KINDS: dict[str, tuple[str, str, str]] = {
    "column altered": (_OLD, "ALTER TABLE d ALTER c TYPE {new} USING NULL", "d"),
    "column altered below a view": (
        f"{_OLD}; {_VIEW}", f"DROP VIEW v; ALTER TABLE d ALTER c TYPE {{new}} USING NULL; {_VIEW}", "v",
    ),
    "column made anew": (_OLD, "ALTER TABLE d DROP c; ALTER TABLE d ADD c {new}", "d"),
    "column renamed": (_OLD, "ALTER TABLE d RENAME c TO was; ALTER TABLE d ADD c {new}", "d"),
    "table made anew": (_OLD, f"DROP TABLE d; {_NEW}", "d"),
    "table made anew below a view": (f"{_OLD}; {_VIEW}", f"DROP TABLE d CASCADE; {_NEW}; {_VIEW}", "v"),
    "table replaced": (_OLD, f"ALTER TABLE d RENAME TO was; {_NEW}", "d"),
    "view replaced": (
        f"{_OLD}; {_VIEW}", f"DROP VIEW v; ALTER TABLE d RENAME TO was; {_NEW}; {_VIEW}", "v",
    ),
    "table in place of a view": (f"{_OLD}; {_VIEW}", f"DROP VIEW v; {_NEW.replace('public.d', 'v')}", "v"),
    "type made anew": (
        "CREATE DOMAIN made AS {old}; CREATE TABLE d (id int, c made); INSERT INTO d VALUES (1, '{of_old}')",
        "ALTER DOMAIN made RENAME TO old; CREATE DOMAIN made AS {new}; ALTER TABLE d ALTER c TYPE made USING NULL", "d",
    ),
    "table earlier in the search_path": (_OLD, _NEW.replace("public", "early"), "d"),
    "table no longer earlier in the search_path": (
        f"{_OLD.replace('public', 'early')}; {_NEW}", "DROP TABLE early.d", "d",
    ),
    "type earlier in the search_path": (
        f"CREATE DOMAIN public.made AS {{old}}; {_OLD}", "CREATE DOMAIN early.made AS {new}", "d",
    ),
    "schema renamed": (f"{_OLD.replace('public', 'early')}; {_NEW}", "ALTER SCHEMA early RENAME TO late", "d"),
    "function made anew": (
        f"{_OLD}; {_FUNCTION.format(type='{old}', value='{of_old}')}",
        f"DROP FUNCTION f CASCADE; {_FUNCTION.format(type='{new}', value='{of_new}')}", "v",
    ),
}  # fmt: skip

# Families of types that PostgreSQL converts to each other without a cast.
_FAMILIES = [
    ["date", "timestamp", "timestamptz(0)"], ["int2", "int4", "int8", "numeric(5,2)", "numeric", "float8"],
    ["text", "varchar(3)", "char(4)", "name", "short", "regclass"], ["interval", "interval minute", "soon", "time"],
    ["json", "jsonb", "text"],
]  # fmt: skip
_PAIR = st.one_of(
    st.tuples(st.sampled_from(sorted(_TYPES)), st.sampled_from(sorted(_TYPES))),
    *[st.tuples(st.sampled_from(family), st.sampled_from(family)) for family in (*_FAMILIES, *_FAMILIES[:1] * 3)],
)


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", _KINDS)
@settings(property_test, max_examples=examples(1))
@given(pair=_PAIR, extra=st.sampled_from(_TEXTS))
@example(pair=("date", "timestamptz(0)"), extra="1")
@example(pair=("timestamp", "date"), extra="1")
def test_after_ddl_a_prepared_statement_means_what_it_would_mean_then(
    database: str, run: Run, kind: str, pair: tuple[str, str], extra: str
) -> None:
    old, new = pair
    made, change, of = (sql.format(old=old, new=new, of_old=_TYPES[old], of_new=_TYPES[new]) for sql in _KINDS[kind])
    executor = Executor(database)  # a new executor has prepared nothing for another type
    run(f"{_MADE}; {made}")
    statements = [one.format(d=of) for one in _ON_D] + ["SELECT :x::made"] * ("DOMAIN" in made)
    for sql in statements * 3:
        executor(sql, {"x": _TYPES[old]}, max_rows=5)
    run(f"{change}; CREATE TABLE kept AS SELECT id, c FROM {of}")
    refill = f"DELETE FROM {of}; INSERT INTO {of} (id, c) SELECT * FROM kept"
    for value in (_TYPES[new], _TYPES[old], extra):
        for sql in statements:
            told = []
            for way in (executor, executor, None):
                if not kind.startswith("function"):  # their view cannot be changed
                    run(refill)
                params = {"x": value}
                outcome = _unprepared(executor, sql, params) if way is None else _outcome(way(sql, params, max_rows=5))
                told.append((outcome, run(f"SELECT id, c::text FROM {of} ORDER BY id")))
            assert told == [told[2]] * 3, (sql, value)
    executor.close()
