"""Values of any type come out, and go back in unchanged: types of PostgreSQL, of extensions and of the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_executor import pg_types
from tests.conftest import execute as run_sql
from tests.executor import Executor, eventually, failure, value
from tests.integration.test_requests import SAMPLES
from tests.network import Fault, proxy_to
from tests.properties import examples

# Types that the server does not have: an enum, composite types, domains, a range, a base type with another delimiter.
_SCHEMA = r"""
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION cube;
    CREATE TYPE mood AS ENUM ('ok', 'sad', 'NULL', 'null', '', ' ', 'a"b', 'a\b', '{}', 'a,b', 'a;b');
    CREATE TYPE pair AS (a int, b text);
    CREATE TYPE pairs AS (first pair, more pair[]);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN row_of_ints AS int[];
    CREATE TYPE floatrange AS RANGE (subtype = float8, multirange_type_name = floatmultirange);
    CREATE TYPE spot;
    CREATE FUNCTION spot_in(cstring) RETURNS spot LANGUAGE internal STRICT IMMUTABLE AS 'point_in';
    CREATE FUNCTION spot_out(spot) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'point_out';
    CREATE TYPE spot (INPUT = spot_in, OUTPUT = spot_out, INTERNALLENGTH = 16, ALIGNMENT = double, DELIMITER = ':');
    CREATE TABLE moods (n int, all_of mood[], bounds int[]);
"""
# Texts of values that tests/integration/test_requests.py does not have.
_TEXTS: dict[str, list[str]] = {
    "mood": ["ok", "sad", "NULL", "null", "", " ", 'a"b', "a\\b", "{}", "a,b", "a;b"],
    "pair": ["(1,x)", '(,"a ""b"" \\\\ , é")', '(,"")', "(,)", "(7,{})"],
    "pairs": ['("(1,x)","{""(1,x)"",""(2,y)""}")', "(,)"],
    "positive": ["1", "2147483647"],
    "row_of_ints": ["{1,2}", "{}", "{{1,NULL},{3,4}}"],
    "floatrange": ["[0.5,1.5)", "empty", "(,1e+300]"],
    "floatmultirange": ["{[0.5,1.5),[2,3)}", "{}"],
    "spot": ["(1,2)", "(-0.5,1e+300)"],
    "citext": ["a", "A", ""],
    "hstore": ['"a"=>"1", "b"=>NULL', ""],
    "ltree": ["a.b.c", ""],
    "cube": ["(1, 2)", "(0),(1)"],
    "text": ["", "NULL", "null", "{", '"', "\\", "é😀\U0010ffff\t\n", ",", ";", " a ", "[1:2]={1}", "%s :x"],
    "bytea": ["\\x", "\\x00ff5c27"],
    "char": ["a", "\\"],
    "bit": ["0", "1"],
    "numeric": ["NaN", "-Infinity", "0.000", "-1.50"],
    "jsonb": ["null", '"a"', '{"a": "\\\\{\\"}"}'],
    "interval": ["P1Y2M3DT4H5M6.789S", "PT-0.000001S", "PT0S"],
    "name": ["a b", "NULL"],
    "box": ["(1,1),(0,0)", "(3,3),(2,2)"],
    "aclitem": ["postgres=r/postgres"],
    "refcursor": ["a"],
}
for _name, _sample in SAMPLES.items():
    if isinstance(_sample, str):
        _TEXTS[_name] = list(dict.fromkeys([_sample, *_TEXTS.get(_name, [])]))
del _TEXTS["xml"]  # not every server is built with xml
_OTHER_DELIMITER = {"box": ";", "spot": ":"}


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    run_sql(postgres_url, "CREATE DATABASE types")
    url = urlsplit(postgres_url)._replace(path="/types").geturl()
    run_sql(url, _SCHEMA)
    return url


@pytest.fixture
def call(url: str) -> Iterator[Executor]:
    with closing(Executor(url)) as executor:
        yield executor


@pytest.fixture(scope="module")
def lasting(url: str) -> Iterator[Executor]:
    """An executor that keeps its connection, so that it knows all types after a while."""
    with closing(Executor(url)) as executor:
        yield executor


def reconnected(call: Executor) -> None:
    """Let the connection die."""
    assert failure(call("SELECT pg_terminate_backend(pg_backend_pid())"), "code") == "outcome_unknown"


ARRAYS: list[tuple[str, Any, str]] = [
    ("'[1:2][0:1]={{1,2},{3,4}}'::int[]", [[1, 2], [3, 4]], "int4[]"),
    ("'[0:2]={a,NULL,\"NULL\"}'::text[]", ["a", None, "NULL"], "text[]"),
    ("'[-5:-4]={t,f}'::bool[]", [True, False], "bool[]"),
    ("'[2:2]={0.5}'::float8[]", [0.5], "float8[]"),
    ("'[2:3]={1.10,NaN}'::numeric[]", ["1.10", "NaN"], "numeric[]"),
    ("ARRAY[box '(1,1),(0,0)', box '(3,3),(2,2)']", ["(1,1),(0,0)", "(3,3),(2,2)"], "box[]"),
    ("'[0:1]={(1,1),(0,0);NULL}'::box[]", ["(1,1),(0,0)", None], "box[]"),
    ("ARRAY[ARRAY[box '(1,1),(0,0)'], ARRAY[NULL::box]]", [["(1,1),(0,0)"], [None]], "box[]"),
    ("'{}'::box[]", [], "box[]"),
    ("ARRAY[spot '(1,2)', NULL, spot '(3,4)']", ["(1,2)", None, "(3,4)"], "spot[]"),
    ("ARRAY[macaddr '08:00:2b:01:02:03']", ["08:00:2b:01:02:03"], "macaddr[]"),
    ("'1 2 3'::int2vector", "1 2 3", "int2vector"),
    ("'1 2 3'::oidvector", "1 2 3", "oidvector"),
    ("ARRAY['1 2'::int2vector]", ["1 2"], "int2vector[]"),
    ("ARRAY['sad', 'NULL', NULL, 'a\"b', 'a\\b', '']::mood[]", ["sad", "NULL", None, 'a"b', "a\\b", ""], "mood[]"),
    ("'[0:0][3:4]={{sad,ok}}'::mood[]", [["sad", "ok"]], "mood[]"),
    ("'{}'::mood[]", [], "mood[]"),
    ("NULL::mood[]", None, "mood[]"),
    ("ARRAY[(1, 'x')::pair, NULL]", ["(1,x)", None], "pair[]"),
    ("ARRAY[ROW(1, 'x'), ROW(2, 'y')]", ["(1,x)", "(2,y)"], "record[]"),
    ("ARRAY[1, 2]::positive[]", ["1", "2"], "positive[]"),
    ("ARRAY[ARRAY[1, 2]::row_of_ints]", ["{1,2}"], "row_of_ints[]"),
    ("ARRAY[floatrange(0.5, 1.5)]", ["[0.5,1.5)"], "floatrange[]"),
    ("ARRAY['a=>1'::hstore]", ['"a"=>"1"'], "hstore[]"),
    ("'{1,2}'::row_of_ints", [1, 2], "int4[]"),  # PostgreSQL reports the base type of a domain
    ("histogram_bounds", None, "anyarray"),
    ("(1, 'x')::pair", "(1,x)", "pair"),
    ("'sad'::mood", "sad", "mood"),
    ("'sad'::\"char\"", "s", "char"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected", "name"), ARRAYS)
def test_every_array_is_a_list_each_time(url: str, sql: str, expected: object, name: str) -> None:
    select = f"SELECT {sql} AS v" + (" FROM (SELECT NULL::anyarray AS histogram_bounds)" if name == "anyarray" else "")
    if name == "anyarray":
        select = "SELECT most_common_vals AS v FROM pg_stats WHERE false UNION ALL SELECT NULL"
    with closing(Executor(url)) as call:
        for more in ({"max_rows": 5}, {}, {"columns": False}, {"read_only": True}, {"max_rows": 5}, {"max_rows": 5}):
            for again in (False, True):
                answer = call(select, **more)
                assert "results" in answer, answer
                (result,) = answer["results"]
                assert result["rows"] == [[expected]]
                assert [column["type"] for column in result["columns"]] == ([] if "columns" in more else [name])
                if not again:
                    reconnected(call)


def test_every_column_of_the_servers_own_tables_and_views_is_read(url: str) -> None:
    relations = run_sql(
        url,
        """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v')
             AND c.relname !~ '_numa$'""",  # not every machine has these
    )
    assert len(relations) > 150
    with closing(Executor(url)) as call:
        for (relation,) in relations:
            for whole in ("*", "one", "ARRAY[one]"):
                answer = call(f"SELECT {whole} FROM {relation} AS one LIMIT 20", max_rows=20)
                assert "results" in answer, (relation, answer)


def test_every_type_of_the_catalogue_has_arrays_that_are_lists(url: str) -> None:
    found = run_sql(
        url,
        """SELECT format('%I.%I', n.nspname, t.typname), t.typdelim
           FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
           WHERE t.typarray <> 0 AND t.typtype <> 'p' AND n.nspname <> 'pg_toast' ORDER BY t.oid""",
    )
    assert len(found) > 300
    with closing(Executor(url)) as call:
        for start in range(0, len(found), 100):
            names = found[start : start + 100]
            columns = ", ".join(
                f"NULL::{name}, '{{}}'::{name}[], '{{NULL{delimiter}NULL}}'::{name}[]" for name, delimiter in names
            )
            answer = call(f"SELECT {columns}", max_rows=1)
            assert "results" in answer, answer
            (row,) = answer["results"][0]["rows"]
            assert row == [None, [], [None, None]] * len(names)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _element(one: str | None) -> str:
    return "NULL" if one is None else '"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(whole: Any, delimiter: str) -> str:
    if isinstance(whole, list):
        return "{" + delimiter.join(_array(one, delimiter) for one in whole) + "}"
    return _element(whole)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, Any, str]:
    """A type, the nested list of an array, and PostgreSQL's text of the array, sometimes with lower bounds."""
    name = draw(st.sampled_from(sorted(_TEXTS)))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    one = st.none() | st.sampled_from(_TEXTS[name])
    if name == "text":
        one |= st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)

    def nested(sizes: list[int]) -> Any:
        if not sizes:
            return draw(one)
        return [nested(sizes[1:]) for _ in range(sizes[0])]

    whole = nested(sizes)
    text = _array(whole, _OTHER_DELIMITER.get(name, ","))
    if draw(st.booleans()):
        lows = draw(st.lists(st.integers(-2, 2), min_size=len(sizes), max_size=len(sizes)))
        text = "".join(f"[{low}:{low + size - 1}]" for low, size in zip(lows, sizes, strict=True)) + f"={text}"
    return name, whole, text


@settings(max_examples=examples(50), deadline=None)
@given(arrays())
def test_a_random_array_of_any_type_comes_out_and_goes_back_in(
    url: str, lasting: Executor, case: tuple[str, Any, str]
) -> None:
    name, whole, text = case
    quoted = f'"{name}"'
    select = f"SELECT {literal(text)}::{quoted}[] AS v"
    with closing(Executor(url)) as new:
        for call in (new, new, lasting):
            assert value(call(select, max_rows=1)) == whole
        reconnected(new)
        assert value(new(select)) == whole
        # The value goes back in as a list, or as a text if the delimiter is not a comma.
        cast = "text[]::" if name in _OTHER_DELIMITER else ""
        assert value(new(f"SELECT :v::{cast}{quoted}[]", {"v": whole})) == whole
        if f"{name}[]" in pg_types.CASTS:
            assert value(new("SELECT :v", {"v": {"type": f"{name}[]", "value": whole}})) == whole
        first = {"sql": select}
        if name != "spot":
            again = {"sql": f"SELECT :v::{quoted}[]", "params": {"v": {"result": 0, "column": "v"}}}
            assert new(statements=[first, again])["results"][1]["rows"] == [[whole]]


@settings(max_examples=examples(30), deadline=None)
@given(st.data())
def test_a_random_value_of_any_type_comes_out_and_goes_back_in(
    url: str, lasting: Executor, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(_TEXTS)))
    text = data.draw(st.sampled_from(_TEXTS[name]))
    quoted = f'"{name}"'
    written = "SET intervalstyle = iso_8601; SET timezone = UTC; SELECT format('%s', {}::{})"
    ((expected,),) = run_sql(url, written.format(literal(text), quoted))
    with closing(Executor(url)) as new:
        for call in (new, new, lasting):
            out = value(call(f"SELECT {literal(text)}::{quoted} AS v", max_rows=1))
            assert value(call(f"SELECT :v::{quoted}", {"v": out}, max_rows=1)) == out
            if not isinstance(out, list) and name not in {"positive", "char"}:
                assert out == expected


FLOATS = [-0.0, 0.0, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, -1e300, 0.1, 2.5, 123456789012345.67, 1e15, 1e16]


@pytest.mark.parametrize("one", FLOATS)
def test_a_float_is_the_same_on_every_way_in(call: Executor, url: str, one: float) -> None:
    def told(out: Any) -> str:
        return repr(float(out))

    for way in ("SELECT :x::float8", "SELECT x FROM (VALUES (:x::float8)) AS v (x)"):
        for _ in range(3):
            assert told(value(call(way, {"x": one}, max_rows=1))) == repr(one)
    assert told(value(call("SELECT :x", {"x": {"type": "float8", "value": one}}))) == repr(one)
    assert told(value(call("SELECT :x::float8[]", {"x": [one]}))[0]) == repr(one)
    first = {"sql": "SELECT :x::float8 AS x", "params": {"x": one}}
    again = {"sql": "SELECT :x::float8 AS x", "params": {"x": {"result": 0, "column": "x"}}}
    assert told(call(statements=[first, again])["results"][1]["rows"][0][0]) == repr(one)
    run_sql(url, "DROP TABLE IF EXISTS z; CREATE TABLE z (f float8)")
    for _ in range(3):
        assert told(value(call("INSERT INTO z VALUES (:x) RETURNING f", {"x": one}, max_rows=1))) == repr(one)
    batch = [{"x": one}, {"x": {"type": "float8", "value": one}}, {"x": str(one)}]
    assert "results" in call("INSERT INTO z VALUES (:x)", batch=batch)
    for (stored,) in run_sql(url, "SELECT f FROM z"):
        assert repr(stored) == repr(one)


def test_a_zero_with_a_sign_is_a_number_wherever_a_number_is(call: Executor, url: str) -> None:
    run_sql(url, "DROP TABLE IF EXISTS z; CREATE TABLE z (i int, n numeric, f float4, t text)")
    assert call("INSERT INTO z VALUES (:x, :x, :x, 'a') RETURNING i, n, f", {"x": -0.0})["results"][0]["rows"] == [
        [0, "0", -0.0]
    ]
    assert value(call("SELECT :x + 1", {"x": -0.0})) == 1
    assert value(call("SELECT count(*) FROM z WHERE i = :x AND n = :x AND f = :x", {"x": -0.0})) == 1


@pytest.mark.parametrize("one", [2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**40, -(10**40)])
def test_an_integer_of_any_size_keeps_its_digits(call: Executor, one: int) -> None:
    assert value(call("SELECT :x::numeric", {"x": one})) == str(one)
    assert value(call("SELECT :x", {"x": {"type": "numeric", "value": one}})) == str(one)
    assert value(call("SELECT :x::numeric[]", {"x": [one]})) == [str(one)]
    fits = -(2**63) <= one < 2**63
    answer = call("SELECT :x::int8", {"x": one})
    assert value(answer) == one if fits else failure(answer, "sqlstate") == "22003"


def test_what_a_change_returns_is_read_or_nothing_is_stored(call: Executor, url: str) -> None:
    run_sql(url, "TRUNCATE moods")
    insert = "INSERT INTO moods VALUES (1, '[0:1]={sad,ok}', '[1:2][0:1]={{1,2},{3,4}}') RETURNING all_of, bounds"
    for _ in range(3):
        assert call(insert, max_rows=10)["results"][0]["rows"] == [[["sad", "ok"], [[1, 2], [3, 4]]]]
    assert value(call("SELECT count(*) FROM moods")) == 3


def test_a_type_that_cannot_be_looked_up_after_the_commit_is_text(url: str) -> None:
    run_sql(url, "TRUNCATE moods; DROP ROLE IF EXISTS blind; CREATE ROLE blind LOGIN; GRANT ALL ON moods TO blind")
    run_sql(url, "REVOKE SELECT ON pg_catalog.pg_type FROM public")
    insert = "INSERT INTO moods VALUES (1, '{sad,ok}') RETURNING n, all_of"
    try:
        with closing(Executor({"dsn": url, "user": "blind"})) as call:
            for stored in (1, 2):
                (result,) = call(insert, max_rows=10)["results"]
                assert result["rows"] == [[1, "{sad,ok}"]]
                assert [column["type"] for column in result["columns"]] == ["int4", "unknown"]
                assert value(call("SELECT count(*)::int4 FROM moods")) == stored
            # It is an error in a transaction that can still be rolled back.
            assert failure(call(statements=[{"sql": insert}, {"sql": "SELECT 1"}]), "sqlstate") == "42501"
            assert value(call("SELECT count(*)::int4 FROM moods")) == 2
    finally:
        run_sql(url, "GRANT SELECT ON pg_catalog.pg_type TO public; DROP OWNED BY blind; DROP ROLE blind")


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_connection_lost_while_a_type_is_looked_up_does_not_undo_what_is_stored(url: str, fault: Fault) -> None:
    run_sql(url, "TRUNCATE moods")
    insert = "INSERT INTO moods VALUES (1, '{sad,ok}') RETURNING all_of"
    with proxy_to(url) as proxy:
        with closing(Executor(proxy.url)) as first:
            first("SELECT 1")
            proxy.seen["replies"].clear()
            first(insert, max_rows=10, deadline_ms=3_000)
            answered = proxy.seen["replies"].index(b"Z\0\0\0\5I") + 6  # ReadyForQuery: the row is committed
        with closing(Executor(proxy.url)) as second:
            second("SELECT 1")
            proxy.fail(fault, "replies", after=answered, new=False)
            answer = second(insert, max_rows=10, deadline_ms=3_000)
            assert "results" in answer, answer
            assert value(answer) == "{sad,ok}"
            proxy.heal()
            assert value(second("SELECT count(*)::int4 FROM moods")) == 2
            assert value(second(insert, max_rows=10)) == ["sad", "ok"]


def test_a_type_made_in_the_transaction_is_known_in_it(call: Executor) -> None:
    for _ in range(2):
        made = call(
            statements=[{"sql": "CREATE TYPE new AS ENUM ('a')"}, {"sql": "SELECT ARRAY['a']::new[] AS v"},
                        {"sql": "DROP TYPE new"}, {"sql": "SELECT ARRAY['sad']::mood[]"}]
        )  # fmt: skip
        assert made["results"][1]["rows"] == [[["a"]]]
        assert made["results"][1]["columns"] == [{"name": "v", "type": "new[]"}]
        failed = call(statements=[{"sql": "CREATE TYPE new AS ENUM ('a')"}, {"sql": "SELECT ARRAY['a']::new[]"},
                                  {"sql": "SELECT 1/0"}])  # fmt: skip
        assert failure(failed, "sqlstate", "statement") == ("22012", 2)


def test_a_type_that_is_made_anew_is_looked_up_anew(call: Executor, url: str) -> None:
    for made in ("ENUM ('a')", "(x text)", "RANGE (subtype = text)", "ENUM ('a')"):
        run_sql(url, f"DROP TYPE IF EXISTS renewed; CREATE TYPE renewed AS {made}")
        text = {"E": "a", "(": "(a)", "R": "[a,b)"}[made[0]]
        for _ in range(2):
            answer = call(f"SELECT ARRAY['{text}']::renewed[] AS v")
            assert "results" in answer, answer
            (result,) = answer["results"]
            assert (result["rows"], result["columns"][0]["type"]) == ([[[text]]], "renewed[]")
    run_sql(url, "DROP TYPE renewed")


def test_a_type_belongs_to_the_database_of_its_connection(postgres_url: str) -> None:
    """The same oid is an enum in one database and an array in another. A change of servers can cause this."""
    server = urlsplit(postgres_url)
    names = ["of_types", "of_other_types"]
    made = ["CREATE TYPE mood AS ENUM ('{sad}')", "CREATE TYPE other AS ENUM ('sad')"]
    for name, type_ in zip(names, made, strict=True):
        run_sql(postgres_url, f"CREATE DATABASE {name}")
        run_sql(server._replace(path=f"/{name}").geturl(), type_)
    try:
        with closing(Executor(server._replace(path="/of_types").geturl())) as call:
            for name, text in (("mood", "{sad}"), ("other", "sad"), ("mood", "{sad}")):
                for _ in range(2):
                    answer = call(f"SELECT ARRAY['{text}']::{name}[] AS v, '{text}'::{name} AS w", max_rows=1)
                    assert answer["results"][0]["rows"] == [[[text], text]]
                    assert [column["type"] for column in answer["results"][0]["columns"]] == [f"{name}[]", name]
                call.close()
                for old, new in (("of_types", "spare"), ("of_other_types", "of_types"), ("spare", "of_other_types")):
                    eventually(lambda old=old: not connected(postgres_url, old))  # type: ignore[misc]
                    run_sql(postgres_url, f"ALTER DATABASE {old} RENAME TO {new}")
    finally:
        for name in names:
            run_sql(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def connected(url: str, database: str) -> bool:
    return bool(run_sql(url, f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}'"))


def test_what_is_no_utf8_is_refused_before_it_is_stored(postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE DATABASE bytes_only TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    url = urlsplit(postgres_url)._replace(path="/bytes_only").geturl()
    try:
        run_sql(url, "CREATE TABLE t (x text)")
        with closing(Executor(url)) as call:
            latin = "INSERT INTO t VALUES (convert_from('\\xe9', 'SQL_ASCII')) RETURNING x"
            for more in ({"max_rows": 1}, {}):
                assert failure(call(latin, **more), "code", "sqlstate") == ("statement_failed", "22021")
                assert run_sql(url, "SELECT count(*) FROM t") == [(0,)]
            assert value(call("INSERT INTO t VALUES ('é') RETURNING x", max_rows=1)) == "é"
    finally:
        run_sql(postgres_url, "DROP DATABASE bytes_only WITH (FORCE)")
