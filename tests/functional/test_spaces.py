"""PostgreSQL cuts spaces beyond varchar(n) and char(n) without an error. A text that it would cut is refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import quote

import pytest
from msgspec import Struct, field

from crud_api.executor.seam import Execute
from crud_api.resource import Reference, Resource
from crud_api.resource.columns.composite import Composite
from crud_api.resource.columns.field import column_of
from tests.conftest import execute as run_sql
from tests.functional.any_table import api_over, declared
from tests.functional.client import Api, Response

pytestmark = pytest.mark.in_process

MERGE = {"prefer": "resolution=merge-duplicates"}


class Pair(Struct):
    n: int
    t: str
    tags: list[str] | None = None


PAIR = Annotated[Pair, Composite("demo.tight_pair")]
# The declaration, the column of three characters, and values that end with a space: one that fits, and one to be cut.
COLUMNS: list[tuple[Any, str, Any, Any]] = [
    (str, "varchar(3)", "ab ", "ab  "),
    (str, "varchar(3)", "   ", "    "),
    (str, "varchar(3)", "äö ", "äö  "),
    (str, "char(3)", "ab ", "ab  "),
    (str, "demo.tight", "ab ", "ab  "),
    (str, "demo.tighter", "ab ", "ab  "),
    (Literal["ab ", "ab  "], "varchar(3)", "ab ", "ab  "),
    (list[str], "varchar(3)[]", ["x", "ab "], ["x", "ab  "]),
    (list[str], "varchar(3)[]", ["ab ", 'a" '], "{x,ab\\ \\ }"),
    (list[str], "demo.tight[]", ["ab "], ["ab  "]),
    (list[str], "demo.tights", ["ab "], ["ab  "]),
    (list[list[str]], "varchar(3)[]", [["x"], ["ab "]], [["x"], ["ab  "]]),
    (PAIR, "demo.tight_pair", {"n": 1, "t": "ab ", "tags": None}, {"n": 1, "t": "ab  "}),
    (PAIR, "demo.tight_pair", {"n": 1, "t": 'a" ', "tags": None}, {"n": 1, "t": '"a" '}),
    (PAIR, "demo.tight_pair", {"n": 1, "t": "x", "tags": ["ab "]}, {"n": 1, "t": "x", "tags": ["x", "ab  "]}),
    (list[PAIR], "demo.tight_pair[]", [{"n": 1, "t": "ab ", "tags": None}], '{"(1,ab  ,)"}'),
    (list[PAIR], "demo.tight_pair[]", [{"n": 1, "t": "ab ", "tags": None}], [{"n": 1, "t": "ab  "}]),
]


@pytest.fixture(scope="module")
def types(api_database: str) -> str:
    for sql in (
        "DROP TYPE IF EXISTS demo.tight_pair CASCADE", "DROP DOMAIN IF EXISTS demo.tight CASCADE",
        "DROP DOMAIN IF EXISTS demo.tights CASCADE",
        "CREATE DOMAIN demo.tight AS varchar(3) CHECK (VALUE !~ '[_x]')", "CREATE DOMAIN demo.tighter AS demo.tight",
        "CREATE DOMAIN demo.tights AS varchar(3)[]",
        "CREATE TYPE demo.tight_pair AS (n int, t demo.tight_text, tags varchar(3)[])",
    ):  # fmt: skip
        if "demo.tight_text" in sql:
            run_sql(api_database, "DROP DOMAIN IF EXISTS demo.tight_text CASCADE")
            run_sql(api_database, "CREATE DOMAIN demo.tight_text AS varchar(3)")
        run_sql(api_database, sql)
    return api_database


def refuses(answer: Response, *pointers: str) -> None:
    assert (answer.status, answer.pointers) == (422, list(pointers)), answer.body
    assert all("at most 3 characters" in error["detail"] for error in answer.json["errors"])


@pytest.mark.parametrize(("kind", "column", "fitting", "long"), COLUMNS)
def test_no_request_stores_a_text_without_the_spaces_that_were_sent(
    execute: Execute, types: str, kind: Any, column: str, fitting: Any, long: Any
) -> None:
    name = f"tight{COLUMNS.index((kind, column, fitting, long))}"
    columns = f"id int PRIMARY KEY, v {column}, spaced text"
    api = api_over(execute, types, name, columns, {"id": int, "v": kind, "spaced": str})
    row = api("POST", f"/{name}", {"id": 1, "v": fitting, "spaced": "text has no limit   "})
    assert (row.status, row.json["v"], row.json["spaced"]) == (201, fitting, "text has no limit   "), row.body
    (created,) = api("POST", f"/{name}", [{"id": 2, "v": fitting, "spaced": "s   "}]).json
    assert (created["v"], created["spaced"]) == (fitting, "s   ")
    refuses(api("POST", f"/{name}", {"id": 3, "v": long, "spaced": "s   "}), "#/v")
    refuses(api("POST", f"/{name}", [{"id": 3}, {"id": 4, "v": fitting}, {"id": 5, "v": long}]), "#/2/v")
    refuses(api("POST", f"/{name}", {"id": 3, "v": long}, **MERGE), "#/v")
    refuses(api("POST", f"/{name}", [{"id": 1, "v": long}], **MERGE), "#/0/v")
    refuses(api("POST", f"/{name}", {"id": 3, "v": long}, idempotency_key=f"spaces-{name}"), "#/v")
    refuses(api("PATCH", f"/{name}/1", {"v": long}), "#/v")
    refuses(api("PUT", f"/{name}/1", {"v": long}, if_match=row.headers["etag"]), "#/v")
    answer = api("POST", f"/{name}", [{"id": n, "v": long} for n in range(10, 310)])
    assert answer.status == 422
    assert "In one of the rows v is too long: its column holds at most 3 characters" in answer.json["detail"]
    assert api("PATCH", f"/{name}/1", {"v": fitting}).json["v"] == fitting
    assert [row["v"] for row in api("GET", f"/{name}").json["items"]] == [fitting] * 2


def test_a_default_and_the_rows_of_a_row_keep_their_spaces(execute: Execute, types: str) -> None:
    class Whole(Struct):
        id: str
        word: str = "ab  "

    class Part(Struct):
        id: int
        whole: str | None = None
        words: list[str] = field(default_factory=list)

    run_sql(types, "DROP TABLE IF EXISTS demo.spaced_part, demo.spaced_whole CASCADE")
    run_sql(types, "CREATE TABLE demo.spaced_whole (id varchar(3) PRIMARY KEY, word varchar(3))")
    run_sql(
        types,
        "CREATE TABLE demo.spaced_part (id int PRIMARY KEY, whole varchar(3) REFERENCES demo.spaced_whole, "
        "words varchar(3)[])",
    )
    up = Reference(resource="spaced_whole", name="above", reverse="parts")
    whole = Resource(name="spaced_whole", table="demo.spaced_whole", model=Whole, key="id")
    part = Resource(name="spaced_part", table="demo.spaced_part", model=Part, key="id", references={"whole": up})
    api = Api(execute, [whole, part])
    refuses(api("POST", "/spaced_whole", {"id": "a"}), "#/word")
    refuses(api("POST", "/spaced_whole", {"id": "ab  ", "word": "x"}), "#/id")
    parts = [{"id": 1, "words": ["x"]}, {"id": 2, "words": ["ab  "]}]
    refuses(api("POST", "/spaced_whole", {"id": "a", "word": "x", "parts": parts}), "#/parts/1/words")
    assert api("POST", "/spaced_whole", {"id": "ab ", "word": "x", "parts": parts[:1]}).status == 201
    refuses(api("POST", "/spaced_part", {"id": 3, "whole": "ab  "}), "#/whole")
    assert api("GET", "/spaced_whole/ab%20%20").status == 404
    assert api("DELETE", "/spaced_whole/ab%20%20").status == 404
    for query in ("id=ab%20%20", "id[in]=ab%20%20,x", "word=x%20"):
        assert api("GET", f"/spaced_whole?{query}").json["items"] == [], query
    assert api("GET", "/spaced_part?words=%5B%22x%20%20%20%20%22%5D").json["items"] == []


def test_a_filter_of_a_composite_type_is_not_cut(execute: Execute, types: str) -> None:
    columns = "id int PRIMARY KEY, v demo.tight_pair, vs demo.tight_pair[]"
    api = api_over(execute, types, "filtered_pairs", columns, {"id": int, "v": PAIR, "vs": list[PAIR]})
    row = {"v": {"n": 1, "t": "ab "}, "vs": [{"n": 1, "t": "ab "}]}
    assert api("POST", "/filtered_pairs", {"id": 1, **row}).status == 201
    for name, value in row.items():
        fitting = quote(json.dumps(value))
        long = quote(json.dumps(value).replace("ab ", "ab  "))
        for operator in ("", "[gte]", "[ne]"):
            answer = api("GET", f"/filtered_pairs?{name}{operator}={fitting}")
            assert len(answer.json["items"]) == (operator != "[ne]"), answer.body
            answer = api("GET", f"/filtered_pairs?{name}{operator}={long}")
            assert (answer.status, answer.json["errors"][0]["parameter"]) == (400, f"{name}{operator}")


def test_a_column_may_have_the_name_of_the_param_that_the_check_has(execute: Execute, types: str) -> None:
    columns = "id int PRIMARY KEY, spaced varchar(3), spaced_ varchar(3)"
    api = api_over(execute, types, "named", columns, {"id": int, "spaced": str, "spaced_": str})
    assert api("POST", "/named", {"id": 1, "spaced": "a ", "spaced_": "b "}).json["spaced_"] == "b "
    refuses(api("POST", "/named", {"id": 2, "spaced": "a ", "spaced_": "b    "}), "#/spaced_")


def test_a_view_and_a_partitioned_table_refuse_what_their_columns_would_cut(execute: Execute, types: str) -> None:
    for sql in (
        "DROP TABLE IF EXISTS demo.halves CASCADE",
        "CREATE TABLE demo.halves (id int PRIMARY KEY, v varchar(3)) PARTITION BY RANGE (id)",
        "CREATE TABLE demo.halves_1 PARTITION OF demo.halves DEFAULT",
        "CREATE VIEW demo.looked AS SELECT id, v FROM demo.halves",
    ):
        run_sql(types, sql)
    api = Api(execute, [declared(name, {"id": int, "v": str}) for name in ("halves", "looked")])
    for n, name in enumerate(("halves", "looked")):
        assert api("POST", f"/{name}", {"id": n, "v": "ab "}).status == 201
        refuses(api("POST", f"/{name}", {"id": n, "v": "ab  "}), "#/v")
        refuses(api("PATCH", f"/{name}/{n}", {"v": "ab  "}), "#/v")


def test_a_text_that_ends_with_a_space_takes_one_invocation(execute: Execute, types: str) -> None:
    api = api_over(execute, types, "once_spaced", "id int PRIMARY KEY, v varchar(3)", {"id": int, "v": str})
    assert api("POST", "/once_spaced", {"id": 1, "v": "ab "}).status == 201
    assert api("PATCH", "/once_spaced/1", {"v": "a "}).status == 200
    assert api.invocations == 2


@pytest.mark.parametrize(
    "text", ["{}", '{"(1,"}', '{"(1,a ,{"}', '{"(1,\\"\\"\\" ,)"}', '{"x "}', '{"(1,a ,b )"}', "{(}"]
)
def test_a_text_that_is_no_row_is_refused_by_postgresql(execute: Execute, types: str, text: str) -> None:
    columns = {"id": int, "v": list[PAIR]}
    api = api_over(execute, types, "malformed", "id int PRIMARY KEY, v demo.tight_pair[]", columns)
    assert api("POST", "/malformed", {"id": 1, "v": text}).status == (201 if text == "{}" else 422)


@pytest.mark.parametrize(
    "text", ['{"(' + '\\"' * 100_000, "{" + " " * 400_000 + '" ', "{" + "\\ " * 200_000, '{"(' + "a" * 400_000 + ' "}']
)
def test_a_long_text_that_is_no_array_is_read_once(text: str) -> None:
    column = column_of(list[PAIR])
    assert list(column.spaced(text)) == []
