"""The features of a request: typed params, earlier results, expectations, batches and limited results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from query_executor import pg_types
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.executor import Executor, failure, value
from tests.messages import Messages


@pytest.fixture
def call(database_url: str) -> Iterator[Executor]:
    with closing(Executor(database_url)) as executor:
        yield executor


@pytest.fixture(scope="module")
def reads(postgres_url: str) -> Iterator[Executor]:
    """An executor for requests that change nothing. Its database is shared, and its table t has one row, 1."""
    run_sql(postgres_url, "CREATE DATABASE requests")
    url = urlsplit(postgres_url)._replace(path="/requests").geturl()
    run_sql(url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    with closing(Executor(url)) as executor:
        yield executor


def typed(name: str, one: object) -> dict[str, object]:
    return {"type": name, "value": one}


# --- Typed params ------------------------------------------------------------------------------------------------

SAMPLES: dict[str, Any] = {
    "int2": -1, "int4": 5, "int8": -(2**63), "oid": 2**32 - 1, "float4": 0.5, "float8": -1e300, "bool": True,
    "text": "a'\\\"{},%s:x", "varchar": "a", "bpchar": "a", "name": "a", "numeric": "-12345678901234567890.1234567890",
    "bytea": "\\x00ff5c27", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "date": "2026-02-28", "time": "23:59:59.5",
    "timetz": "23:59:59+05:30", "timestamp": "2026-02-28 12:00:00", "timestamptz": "2026-02-28 12:00:00+00",
    "interval": "P1Y2M3DT4H5M6.789S", "json": '{"a" : 1.10}', "jsonb": '{"a": 1.10}', "inet": "10.0.0.1",
    "cidr": "10.0.0.0/8",
    "money": "$1.50", "xml": "<a>b</a>", "regclass": "pg_class", "int4range": "[1,5)", "int8range": "[1,5)",
    "numrange": "[1.5,2.5)", "daterange": "[2026-01-01,2026-02-01)",
    "tsrange": '["2026-01-01 00:00:00","2026-02-01 00:00:00")',
    "tstzrange": '["2026-01-01 00:00:00+00","2026-02-01 00:00:00+00")',
    "int4multirange": "{[1,5),[7,9)}", "int8multirange": "{[1,5)}", "nummultirange": "{[1.5,2.5)}",
    "datemultirange": "{[2026-01-01,2026-02-01)}", "tsmultirange": '{["2026-01-01 00:00:00","2026-02-01 00:00:00")}',
    "tstzmultirange": '{["2026-01-01 00:00:00+00","2026-02-01 00:00:00+00")}', "varbit": "101",
    "macaddr": "08:00:2b:01:02:03", "macaddr8": "08:00:2b:ff:fe:01:02:03", "point": "(1,-2.5)", "line": "{1,-1,0}",
    "lseg": "[(0,0),(1,1)]", "box": "(1,1),(0,0)", "path": "[(0,0),(1,1),(2,0)]", "polygon": "((0,0),(1,1),(2,0))",
    "circle": "<(0,0),2>", "tsvector": "'a':1 'it''s':2B", "tsquery": "'a' & !'b'", "jsonpath": '$."a"[*]',
    "regtype": "integer", "pg_lsn": "16/B374D848", "xid": "7", "xid8": "70000000000", "tid": "(0,1)",
    "int2vector": "1 2", "oidvector": "1 2",
}  # fmt: skip


def test_every_type_that_a_param_can_say_is_tried() -> None:
    assert {name.removesuffix("[]") for name in pg_types.CASTS} == SAMPLES.keys()


@pytest.mark.parametrize("name", sorted(pg_types.CASTS))
def test_a_param_has_the_type_it_says(reads: Executor, name: str) -> None:
    sample = SAMPLES[name.removesuffix("[]")]
    whole = [sample, None, sample] if name.endswith("[]") else sample
    answer = reads("SELECT pg_typeof(:v)::oid = :name::regtype::oid, :v AS v", {"v": typed(name, whole), "name": name})
    if name.startswith("xml") and "failure" in answer and failure(answer, "sqlstate") == "0A000":
        return  # this PostgreSQL is built without XML
    assert answer["results"][0]["columns"][1] == {"name": "v", "type": name}
    assert answer["results"][0]["rows"] == [[True, whole]]


@pytest.mark.parametrize("name", ["int4", "text", "timestamptz", "jsonb", "uuid[]"])
def test_a_null_has_the_type_it_says(reads: Executor, name: str) -> None:
    answer = reads("SELECT pg_typeof(:v)::text, :v", {"v": typed(name, None)})
    assert answer["results"][0]["columns"][1]["type"] == name
    assert answer["results"][0]["rows"][0][1] is None


@pytest.mark.parametrize(
    ("name", "one", "text"),
    [
        ("jsonb", {"a": [1, None, {"b": "é'\\\"\n"}]}, '{"a": [1, null, {"b": "é\'\\\\\\"\\n"}]}'),
        ("jsonb", [1, "a", [True]], '[1, "a", [true]]'), ("jsonb", 1.5, "1.5"), ("jsonb", True, "true"),
        ("jsonb", [], "[]"), ("jsonb", {}, "{}"), ("jsonb", '"a string is JSON\'s text"', '"a string is JSON\'s text"'),
        ("json", {"a": 1}, '{"a": 1}'), ("jsonb[]", ['{"a": 1}', "[]"], ['{"a": 1}', "[]"]),
        ("int4[]", [[1, 2], [3, None]], [[1, 2], [3, None]]), ("text[]", [], []),
        ("bool[]", [True, False], [True, False]),
        ("numeric", 1.10, "1.1"), ("int8", "7", 7), ("text", 7, "7"), ("bool", "yes", True),
        ("numeric[]", [1, "2.50"], ["1", "2.50"]),
    ],
)  # fmt: skip
def test_a_typed_value_may_be_any_json(reads: Executor, name: str, one: object, text: object) -> None:
    assert value(reads("SELECT :v", {"v": typed(name, one)})) == text


@pytest.mark.parametrize("name", ["integer", "no_such_type", "int4; DROP TABLE t", "int4[][]", "TEXT", "", "void"])
def test_an_unknown_type_is_refused_by_the_name_of_its_param(reads: Executor, name: str) -> None:
    code, message = failure(reads("SELECT :v", {"v": typed(name, "1")}), "code", "message")
    assert code == "invalid_request"
    assert message.startswith("statements[0].params.v.type must be one of")


def test_a_value_that_its_type_cannot_hold_is_refused_by_the_server(reads: Executor) -> None:
    assert failure(reads("SELECT :v", {"v": typed("int4", "x")}), "sqlstate") == "22P02"
    assert failure(reads("SELECT :v", {"v": typed("int2", 99999)}), "sqlstate") == "22003"


def test_an_array_deeper_than_postgresqls_is_refused_before_anything_is_done(call: Executor) -> None:
    run = {"sql": "CREATE TABLE t (n int)"}
    deep: Any = "x"
    for _ in range(6):
        deep = [deep]
    assert value(call("SELECT :v::text[]", {"v": deep})) == deep
    for _ in range(300):
        deep = [deep]
    for one in (deep, typed("text[]", deep)):
        refused = call(statements=[run, {"sql": "SELECT :v::text[]", "params": {"v": one}}])
        code, message = failure(refused, "code", "message")
        assert (code, "more dimensions than the 6" in message) == ("invalid_request", True)
    assert "results" in call(**run)


# --- Values of earlier statements --------------------------------------------------------------------------------

TABLES = """
    CREATE TABLE parent
      (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, born timestamptz DEFAULT now(), data bytea);
    CREATE TABLE child (parent uuid NOT NULL REFERENCES parent, n int PRIMARY KEY, parent_born timestamptz, data bytea);
"""
ADD_PARENT = {
    "sql": "INSERT INTO parent (name, data) VALUES (:n, '\\x00ff5c27') RETURNING id, born, data",
    "params": {"n": "a"},
}


def of(result: int, column: str) -> dict[str, object]:
    return {"result": result, "column": column}


def test_a_child_takes_its_parents_new_key(call: Executor, database_url: str) -> None:
    run_sql(database_url, TABLES)
    child = {
        "sql": "INSERT INTO child VALUES (:p, 1, :b, :d)",
        "params": {"p": of(0, "id"), "b": of(0, "born"), "d": of(0, "data")},
    }
    assert "results" in call(statements=[ADD_PARENT, child])
    same = "SELECT born = parent_born AND parent.data = child.data FROM parent JOIN child ON parent.id = child.parent"
    assert value(call(same)) is True


@pytest.mark.parametrize("sets", [1, 100, 250])
def test_a_batch_of_children_takes_their_parents_new_key(call: Executor, database_url: str, sets: int) -> None:
    run_sql(database_url, TABLES)
    children = {
        "sql": "INSERT INTO child VALUES (:p, :n)",
        "batch": [{"p": of(0, "id"), "n": n} for n in range(sets)],
    }
    count = {"sql": "SELECT count(*) FROM child JOIN parent ON parent.id = :p", "params": {"p": of(0, "id")}}
    answer = call(statements=[ADD_PARENT, children, count])
    assert answer["results"][1] == {"columns": [], "rows": [], "row_count": None, "truncated": False}
    assert answer["results"][2]["rows"] == [[sets]]


@pytest.mark.parametrize(
    ("one", "two"),
    [("1::int8", 1), ("-1", -1), ("1.50", "1.50"), ("NULL::int", None), ("true", True), ("ARRAY['a','{']", ["a", "{"]),
     ("'é''\\'", "é'\\"), ("-0.5::float8", -0.5), ("'NaN'::float8", "NaN"), ("'\\x00'::bytea", "\\x00")],
)  # fmt: skip
def test_a_value_of_any_type_goes_from_one_statement_to_the_next(reads: Executor, one: str, two: object) -> None:
    # A string has no type here, as everywhere in a request. It gets the type that its place needs.
    cast = one.partition("::")[2] or ("text[]" if isinstance(two, list) else "")
    then = f"SELECT :v{'::' * bool(cast)}{cast}"
    answer = reads(statements=[{"sql": f"SELECT {one} AS v"}, {"sql": then, "params": {"v": of(0, "v")}}])
    assert answer["results"][1]["rows"] == [[two]]


def test_a_value_is_of_the_first_row_though_more_are_answered(reads: Executor) -> None:
    first = {"sql": "SELECT n FROM generate_series(7, 3000) AS n"}
    answer = reads(statements=[first, {"sql": "SELECT :v", "params": {"v": of(0, "n")}}], max_rows=1)
    assert answer["results"][1]["rows"] == [[7]]


@pytest.mark.parametrize("max_rows", [None, 1, 5000])
def test_columns_can_be_left_out_and_a_later_statement_still_knows_them(reads: Executor, max_rows: int | None) -> None:
    first = {"sql": "SELECT n, ARRAY['a']::text[] AS a FROM generate_series(7, 8) AS n"}
    later = {"sql": "SELECT :v::int8 AS v", "params": {"v": of(0, "n")}}
    for statements in ([first], [first], [first], [first, later]):
        whole = reads(statements=statements, max_rows=max_rows)["results"]
        assert [[column["name"] for column in one["columns"]] for one in whole] == [["n", "a"], ["v"]][: len(whole)]
        without = reads(statements=statements, max_rows=max_rows, columns=False)["results"]
        assert without == [one | {"columns": []} for one in whole]


def test_a_row_that_is_missing_fails_the_request_and_rolls_it_back(call: Executor, database_url: str) -> None:
    run_sql(database_url, TABLES)
    nobody = {"sql": "SELECT id FROM parent WHERE name = 'nobody'"}
    child = {"sql": "INSERT INTO child VALUES (:p, 1)", "params": {"p": of(1, "id")}}
    answer = call(statements=[ADD_PARENT, nobody, child])
    code, at, message = failure(answer, "code", "statement", "message")
    assert (code, at, message) == ("expectation_failed", 2, "result 1 has no row to take id from")
    answer = call(statements=[ADD_PARENT, child | {"params": {"p": of(0, "nowhere")}}])
    code, at, message = failure(answer, "code", "statement", "message")
    assert (code, at, message) == ("invalid_request", 1, "result 0 has no column nowhere")
    assert value(call("SELECT count(*) FROM parent")) == 0


# --- Expectations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM t", 3), ("SELECT * FROM t WHERE n > 9", 0), ("UPDATE t SET n = n", 3),
        ("DELETE FROM t WHERE n = 1", 1),
        ("INSERT INTO t VALUES (4), (5) RETURNING n", 2), ("WITH x AS (DELETE FROM t RETURNING n) SELECT * FROM x", 3),
        ("SELECT * FROM t FOR UPDATE", 3), ("CREATE TABLE u (n int)", 0), ("SELECT generate_series(1, 2500)", 2500),
    ],
)  # fmt: skip
def test_an_expectation_is_of_the_rows_that_were_met_not_of_those_answered(
    call: Executor, database_url: str, sql: str, rows: int
) -> None:
    run_sql(database_url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2), (3)")
    first = {"sql": "INSERT INTO t VALUES (7)"}
    for max_rows in (None, 1, 2, 3, 5_000):
        for wrong in {0, rows - 1, rows + 1, rows * 2} - {rows, -1}:
            for statements in ([{"sql": sql, "expect_rows": wrong}], [{"sql": sql, "expect_rows": wrong}, first]):
                failed = call(statements=statements, max_rows=max_rows)
                code, at, message = failure(failed, "code", "statement", "message")
                assert (code, at) == ("expectation_failed", 0)
                assert message.endswith(f"rows, not {wrong}")
        assert run_sql(database_url, "SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]
        undone = [{"sql": sql, "expect_rows": rows}, {"sql": "SELECT 1", "expect_rows": 2}]
        assert failure(call(statements=undone, max_rows=max_rows), "statement") == 1
    answer = call(sql, expect_rows=rows, max_rows=2)["results"][0]
    if answer["columns"]:
        assert answer["row_count"] == len(answer["rows"]) == min(rows, 2)
        assert answer["truncated"] is (rows > 2)


def test_an_expectation_that_does_not_hold_undoes_what_was_before_it(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    failed = call(
        statements=[{"sql": "INSERT INTO t VALUES (1)", "expect_rows": 1}, {"sql": "DELETE FROM t", "expect_rows": 2},
                    {"sql": "INSERT INTO t VALUES (2)"}]
    )  # fmt: skip
    assert failure(failed, "statement", "message") == (1, "the statement met 1 rows, not 2")
    assert run_sql(database_url, "SELECT * FROM t") == []


# --- Changes that are wanted or not -------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["true", "false", "NULL::bool", "1", "'true'"])
@pytest.mark.parametrize("first", [[], [{"sql": "INSERT INTO t VALUES (1)"}]])
def test_a_request_commits_if_its_last_result_says_so(
    call: Executor, database_url: str, wanted: str, first: list[Any]
) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    sql = f"WITH stored AS (INSERT INTO t VALUES (2) RETURNING n) SELECT n, {wanted} AS wanted FROM stored"
    for _ in range(3):  # the third time, the statement would be prepared
        answer = call(statements=[*first, {"sql": sql}], commit_if="wanted", max_rows=1, columns=False)
        assert answer["results"][-1]["rows"][0][0] == 2
        assert answer["results"][-1]["columns"] == []
    assert len(run_sql(database_url, "SELECT * FROM t")) == (3 * (len(first) + 1) if wanted == "true" else 0)


def test_a_request_without_what_says_so_commits_nothing(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    assert call("INSERT INTO t VALUES (1)", commit_if="n")["results"][0]["row_count"] == 1
    none = "WITH stored AS (INSERT INTO t VALUES (1) RETURNING n) SELECT true AS wanted FROM stored WHERE n > 1"
    assert call(none, commit_if="wanted")["results"][0]["rows"] == []
    failed = call("INSERT INTO t VALUES (1) RETURNING true AS wanted", commit_if="missing")
    assert failure(failed, "code", "message") == ("invalid_request", "result 0 has no column missing")
    assert run_sql(database_url, "SELECT * FROM t") == []


# --- Batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", [1, 99, 100, 101, 1000])
def test_a_batch_is_all_or_nothing_in_few_round_trips(database_url: str, sets: int) -> None:
    run_sql(database_url, "CREATE TABLE t (n int PRIMARY KEY)")
    messages = Messages(database_url, create_local_handler(database_url))
    insert = {"sql": "INSERT INTO t VALUES (:n) -- a comment at the end", "batch": [{"n": n} for n in range(sets)]}
    for broken in {0, sets // 2, sets - 1}:
        batch = [{"n": "x" if n == broken else n} for n in range(sets)]
        failed: Any = messages.of(insert | {"batch": batch})[1]
        assert failed["failure"]["sqlstate"] == "22P02"
        twice = [*insert["batch"][:broken], {"n": broken}, *insert["batch"][broken:]]
        failed = messages.of(insert | {"batch": twice})[1]
        assert failed["failure"]["sqlstate"] == "23505"
        assert run_sql(database_url, "SELECT count(*) FROM t") == [(0,)]
    sent, answer = messages.of(insert)
    assert answer["results"] == [{"columns": [], "rows": [], "row_count": None, "truncated": False}]
    hundreds = -(-sets // 100)
    assert len(sent) == (1 if hundreds == 1 else hundreds + 1)  # COMMIT, if there is more than one message
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(sets,)]


def test_a_batch_among_other_statements_is_part_of_their_transaction(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int PRIMARY KEY)")
    batch = {"sql": "INSERT INTO t VALUES (:n)", "batch": [{"n": n} for n in range(150)]}
    failed = call(statements=[batch, {"sql": "SELECT 1/0"}])
    assert failure(failed, "statement", "sqlstate") == (1, "22012")
    failed = call(statements=[{"sql": "INSERT INTO t VALUES (149)"}, batch])
    assert failure(failed, "statement", "sqlstate") == (1, "23505")
    done = call(statements=[batch, {"sql": "SELECT count(*) FROM t", "expect_rows": 1}])
    assert done["results"][1]["rows"] == [[150]]


def test_a_batch_may_have_no_params_and_sets_of_several_types(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int, b bytea, a text[])")
    call("INSERT INTO t DEFAULT VALUES", batch=[{}, {}, {}])
    sets: list[Any] = [
        {"n": None, "b": typed("bytea", "\\x00"), "a": ["'", "\\"]}, {"n": -1, "b": None, "a": None},
        {"n": "7", "b": "\\xff", "a": []},
    ]  # fmt: skip
    call("INSERT INTO t VALUES (:n, :b, :a)", batch=sets)
    rows = call("SELECT n, b, a FROM t WHERE n IS NOT NULL OR b IS NOT NULL")["results"][0]["rows"]
    assert rows == [[None, "\\x00", ["'", "\\"]], [-1, None, None], [7, "\\xff", []]]
    assert value(call("SELECT count(*) FROM t")) == 6


def test_a_batch_that_lacks_a_param_is_refused_whole(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    failed = call("INSERT INTO t VALUES (:n)", batch=[{"n": 1}] * 150 + [{}])
    assert failure(failed, "code") == "invalid_request"
    assert run_sql(database_url, "SELECT * FROM t") == []


# --- Limited and complete results --------------------------------------------------------------------------------

SERIES = "SELECT n FROM generate_series(1, :rows) AS n"


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("max_rows", [1, 2, 99, 100, 101, 999, 1000, 1001, 2500, None])
def test_a_result_is_cut_at_max_rows_exactly(
    reads: Executor, max_rows: int | None, several: bool, read_only: bool
) -> None:
    for rows in sorted({0, 1, 2500, *(max(0, (max_rows or 2500) + more) for more in (-1, 0, 1))}):
        one = {"sql": SERIES, "params": {"rows": rows}}
        answer = reads(
            statements=[{"sql": "SELECT 1"}, one] if several else [one], max_rows=max_rows, read_only=read_only
        )
        result = answer["results"][-1]
        expected = min(rows, max_rows or rows)
        assert result["rows"] == [[n] for n in range(1, expected + 1)]
        assert (result["row_count"], result["truncated"]) == (expected, rows > expected)


@pytest.mark.parametrize("max_rows", [1, 3, 1500, None])
def test_what_a_change_returns_is_cut_and_still_all_of_it_is_done(
    call: Executor, database_url: str, max_rows: int | None
) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    result = call("INSERT INTO t SELECT generate_series(1, 2000) RETURNING n", max_rows=max_rows)["results"][0]
    expected = min(2000, max_rows or 2000)
    assert (len(result["rows"]), result["row_count"], result["truncated"]) == (expected, expected, expected < 2000)
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(2000,)]


@pytest.mark.parametrize("max_rows", [None, 1, 5000])
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("sql", "names", "rows"),
    [
        ("SELECT 1 AS a, 2 AS a, 3", ["a", "a", "?column?"], [[1, 2, 3]]),
        ("SELECT FROM t", [], [[]]), ("SELECT", [], [[]]), ("TABLE t", ["n"], [[1]]),
        ("VALUES (1, 'a')", ["column1", "column2"], [[1, "a"]]),
        ("SELECT n FROM t -- the end", ["n"], [[1]]), ("SELECT n FROM t; -- the end", ["n"], [[1]]),
        ("SELECT n FROM t;;", ["n"], [[1]]),
        ("; SELECT n FROM t /* ; */ ; /* ' */", ["n"], [[1]]), ("SELECT n FROM t --", ["n"], [[1]]),
        ("(SELECT n FROM t)", ["n"], [[1]]),
        ("SELECT n FROM t WHERE n = :one;--:two", ["n"], [[1]]), ("SELECT :one -- '", ["?column?"], [[1]]),
        ("WITH x AS (SELECT n FROM t) SELECT n FROM x", ["n"], [[1]]),
        ("WITH RECURSIVE x AS (SELECT 1) TABLE x", ["?column?"], [[1]]),
        ("SHOW server_encoding", ["server_encoding"], [["UTF8"]]),
        ("SELECT n FROM t UNION ALL SELECT 2 LIMIT 1", ["n"], [[1]]),
        ("SELECT n FROM t FOR SHARE OF t", ["n"], [[1]]), ("SELECT n FROM t FOR UPDATE", ["n"], [[1]]),
        ("SELECT n % 5, '%', '%s' FROM t", ["?column?"] * 3, [[1, "%", "%s"]]),
        ("SELECT :one % 5, '%(one)s'", ["?column?"] * 2, [[1, "%(one)s"]]),
        ("SELECT NULL AS \"a;b\"", ["a;b"], [[None]]),
    ],
)  # fmt: skip
def test_every_form_of_a_query_is_answered(
    reads: Executor,
    sql: str,
    names: list[str],
    rows: list[Any],
    read_only: bool,
    max_rows: int | None,
) -> None:
    params = {"one": 1} if ":one" in sql.replace(":one'", "") else None
    locks = read_only and "FOR " in sql
    for statements in ([{"sql": sql, "params": params}], [{"sql": "SELECT 1"}, {"sql": sql, "params": params}]):
        answer = reads(statements=statements, read_only=read_only, max_rows=max_rows)
        if locks:
            assert failure(answer, "sqlstate") == "25006"
            continue
        assert "results" in answer, answer
        result = answer["results"][-1]
        assert ([column["name"] for column in result["columns"]], result["rows"]) == (names, rows)


def test_a_query_that_explains_or_changes_is_answered(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int PRIMARY KEY)")
    changes = "WITH x AS (INSERT INTO t VALUES (1), (2) RETURNING n) SELECT sum(n) AS s FROM x"
    assert call(changes)["results"][0]["rows"] == [[3]]
    for more in ({}, {"max_rows": 1}):
        plan = call("EXPLAIN SELECT * FROM t WHERE n = :n", {"n": 1}, **more)["results"][0]
        assert plan["columns"] == [{"name": "QUERY PLAN", "type": "text"}]
        assert len(plan["rows"]) == 1 if more else len(plan["rows"]) > 1
    if run_sql(database_url, "SHOW server_version_num")[0][0] < "170000":
        return  # MERGE of an older version has no RETURNING
    merge = """MERGE INTO t USING (VALUES (1), (3)) AS v (n) ON t.n = v.n WHEN NOT MATCHED THEN INSERT VALUES (v.n)
               RETURNING merge_action(), t.n"""
    merged = call(merge)["results"][0]
    assert merged["rows"] == [["INSERT", 3]]


def test_a_whole_result_takes_few_round_trips(database_url: str) -> None:
    messages = Messages(database_url, create_local_handler(database_url))
    for rows, most in ((50, 2), (100, 3), (1_000, 3), (10_000, 5), (30_000, 8)):
        sent, answer = messages.of({"sql": SERIES, "params": {"rows": rows}})
        assert len(answer["results"][0]["rows"]) == rows
        assert len(sent) <= most, len(sent)
    sent, _ = messages.of({"sql": SERIES, "params": {"rows": 5_000}, "max_rows": 999})
    assert len(sent) == 1


def test_each_statement_of_a_request_has_the_bound(reads: Executor) -> None:
    answer = reads(statements=[{"sql": SERIES, "params": {"rows": rows}} for rows in (1, 2, 3)], max_rows=2)
    assert [(result["row_count"], result["truncated"]) for result in answer["results"]] == [
        (1, False),
        (2, False),
        (2, True),
    ]


def test_a_hundred_statements_are_one_transaction(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (n int)")
    inserts = [{"sql": "INSERT INTO t VALUES (:n)", "params": {"n": n}} for n in range(100)]
    assert failure(call(statements=[*inserts, {"sql": "SELECT 1/0"}]), "statement") == 100
    assert len(call(statements=inserts)["results"]) == 100
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(100,)]


@pytest.mark.parametrize("max_rows", [1, None])
def test_what_follows_a_param_is_no_part_of_its_type(call: Executor, max_rows: int | None) -> None:
    array = {"a": typed("int4[]", [5, 6])}
    for _ in range(3):
        assert call("SELECT :a[1]", array, max_rows=max_rows)["results"][0]["rows"] == [[5]]
        assert call("SELECT :a[2:2]", array, max_rows=max_rows)["results"][0]["rows"] == [[[6]]]
        for sql in ("SELECT :a(3)", "SELECT :a with time zone", "SELECT :a array"):
            assert failure(call(sql, {"a": typed("time", "10:30")}, max_rows=max_rows), "sqlstate") == "42601"
    assert call("SELECT :été", {"été": 5}, max_rows=max_rows)["results"][0]["rows"] == [[5]]


def test_a_rule_of_several_commands_is_made(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE w (n int); CREATE TABLE log (n int)")
    call("CREATE RULE r AS ON INSERT TO w DO ALSO (INSERT INTO log VALUES (NEW.n); INSERT INTO log VALUES (NEW.n + 1))")
    call("INSERT INTO w VALUES (1)")
    assert run_sql(database_url, "SELECT n FROM log ORDER BY n") == [(1,), (2,)]


def test_a_text_of_more_than_a_million_characters_is_refused(call: Executor) -> None:
    assert failure(call("SELECT " + "1" * 1_000_000), "code") == "invalid_request"


def test_the_reading_of_a_text_counts_towards_the_deadline(call: Executor) -> None:
    answer = call("SELECT " + "1," * 400_000 + "1", deadline_ms=1)
    assert failure(answer, "code") == "deadline_exceeded"
