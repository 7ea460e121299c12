"""/rest/v1: a table is read in PostgREST's query language, over both executors."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.resource import Resource
from crud_api.resource.columns.json import Json, Jsonb
from crud_api.resource.columns.other import Tsvector
from crud_api.resource.columns.ranges import Int4Range
from crud_api.tables import RESOURCES
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional import test_rest_embedding
from tests.functional.client import Api, Response


class Book(Struct):
    id: int
    title: str
    pages: int | None = None
    price: float | None = None
    lent: bool | None = None
    data: Jsonb | None = None
    raw: Json | None = None
    tags: list[str] | None = None
    shelf: Int4Range | None = None
    words: Tsvector | None = None


books = Resource(name="books", table="demo.books", model=Book, key="id")
SQL = """
    DROP TABLE IF EXISTS demo.books;
    CREATE TABLE demo.books (id int PRIMARY KEY, title text NOT NULL, pages int, price numeric(6, 2), lent boolean,
      data jsonb, raw json, tags text[], shelf int4range, words tsvector);
    INSERT INTO demo.books VALUES
      (1, 'Emma', 474, 12.50, true, '{"by": {"name": "Austen"}, "years": [1815, 1816]}', '{"x": 1}', '{novel,classic}', '[1,5)', to_tsvector('english', 'a clever woman')),
      (2, 'Dracula', 418, 9.90, false, '{"by": {"name": "Stoker"}, "years": [1897]}', '{"x": 2}', '{novel,horror}', '[5,9)', to_tsvector('english', 'the clever count')),
      (3, 'Faust', NULL, 7.00, NULL, '{"by": {"name": "Goethe"}, "years": []}', NULL, '{play}', '[9,12)', to_tsvector('english', 'a pact')),
      (4, '1,984 "now"', 328, NULL, true, NULL, NULL, NULL, NULL, NULL),
      (5, 'Ünder (the) sun', 328, 10.00, false, '{"years": null}', NULL, '{}', '[2,3)', NULL);
"""  # noqa: E501 - a row a line


@pytest.fixture(scope="session")
def library(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, SQL)
    return Api(execute, [*RESOURCES, books])


def get(api: Api, query: str, method: str = "GET", **headers: str) -> Response:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    sent = "&".join(f"{quote(name)}={quote(text)}" for name, _, text in pairs)
    return api(method, f"/rest/v1/books?{sent}", **headers)


def ids(api: Api, query: str) -> list[int]:
    answer = get(api, f"select=id&{query}&order=id")
    assert answer.status == 200, answer.json
    return [row["id"] for row in answer.json]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("id=eq.1", [1]),
        ("id=neq.1", [2, 3, 4, 5]),
        ("id=not.neq.1", [1]),
        ("pages=gt.328", [1, 2]),
        ("pages=gte.418&pages=lt.474", [2]),
        ("pages=lte.328", [4, 5]),
        ("price=eq.12.5", [1]),
        ("title=like.*m*", [1]),
        ("title=like.E%", [1]),
        ("title=ilike.*A*", [1, 2, 3]),
        ("title=match.^[DF]", [2, 3]),
        ("title=imatch.^e", [1]),
        ("title=not.match.a", [4, 5]),
        ("title=like(any).{E*,F*}", [1, 3]),
        ("title=like(all).{*a,D*}", [2]),
        ("id=eq(any).{1,3}", [1, 3]),
        ("id=gt(all).{1,3}", [4, 5]),
        ("id=in.(1,3,99)", [1, 3]),
        ("id=not.in.(1,3)", [2, 4, 5]),
        ("id=in.()", []),
        ('title=in.("1,984 \\"now\\"",Emma)', [1, 4]),
        ("title=eq.Ünder (the) sun", [5]),
        ('tags=in.({play},"{novel,horror}")', [2, 3]),
        ("pages=is.null", [3]),
        ("pages=not.is.null", [1, 2, 4, 5]),
        ("pages=is.not_null", [1, 2, 4, 5]),
        ("lent=is.true", [1, 4]),
        ("lent=is.unknown", [3]),
        ("lent=isdistinct.true", [2, 3, 5]),
        ("words=fts.clever", [1, 2]),
        ("words=fts(english).woman|pact", [1, 3]),
        ("title=plfts(english).emma", [1]),
        ("title=phfts(simple).the sun", [5]),
        ("words=wfts(english).clever -count", [1]),
        ("data=fts.austen", [1]),
        ("tags=cs.{novel}", [1, 2]),
        ("tags=cd.{novel,classic,play}", [1, 3, 5]),
        ("tags=ov.{horror,play}", [2, 3]),
        ("shelf=cs.[2,3)", [1, 5]),
        ("shelf=sl.[9,12)", [1, 2, 5]),
        ("shelf=sr.[1,5)", [2, 3]),
        ("shelf=nxr.[2,9)", [1, 2, 5]),
        ("shelf=nxl.[5,6)", [2, 3]),
        ("shelf=adj.[5,9)", [1, 3]),
        ('data=cs.{"by":{"name":"Austen"}}', [1]),
        ("data->by->>name=eq.Stoker", [2]),
        ("data->by->>name=in.(Stoker,Goethe)", [2, 3]),
        ("data->years->0=eq.1815", [1]),
        ("data->years->>-1=eq.1816", [1]),
        ("raw->>x=eq.2", [2]),
        ("tags->>0=eq.play", [3]),
        ("or=(id.eq.1,id.eq.3)", [1, 3]),
        ("or=(id.eq.1,and(pages.eq.328,lent.is.true))", [1, 4]),
        ("not.or=(id.eq.1,id.eq.3)", [2, 4, 5]),
        ("and=(id.gt.1,not.or(id.eq.2,id.eq.5))", [3, 4]),
        ('or=(title.eq."1,984 \\"now\\"",title.eq."Ünder (the) sun")', [4, 5]),
        ("or=(tags.cs.{novel,horror},tags.cs.{play})&id=gt.2", [3]),
        ("or=(data->by->>name.eq.Austen,data->years.is.null)", [1, 4]),
    ],
)  # fmt: skip
def test_rows_are_found(library: Api, query: str, found: list[int]) -> None:
    assert ids(library, query) == found


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select=id,title&id=eq.1", [{"id": 1, "title": "Emma"}]),
        ("select=number:id,name:title&id=eq.1", [{"number": 1, "name": "Emma"}]),
        ("select=pages::text&id=eq.1", [{"pages": "474"}]),
        ("select=who:data->by->>name&id=lt.3&order=id", [{"who": "Austen"}, {"who": "Stoker"}]),
        ("select=data->by->>name&id=eq.1", [{"name": "Austen"}]),
        ("select=data->years->1&id=eq.1", [{"years": 1816}]),
        ("select=data->years->>0::int&id=eq.2", [{"years": 1897}]),
        ("select=tags->0&id=eq.3", [{"tags": "play"}]),
        ("select=price&id=eq.3", [{"price": 7.0}]),
        ('select="a\'b"::text:id&id=eq.1'.replace("::text", ""), [{"a'b": 1}]),
        ("select=%:id,\":\":id&id=eq.1".replace("%", '"%"'), [{"%": 1, ":": 1}]),
        ("select=id&order=pages.desc.nullslast,id.desc", [{"id": n} for n in (1, 2, 5, 4, 3)]),
        ("select=id&order=pages.nullsfirst,id&limit=2", [{"id": 3}, {"id": 4}]),
        ("select=id&order=data->by->>name.desc&id=lt.4", [{"id": 2}, {"id": 3}, {"id": 1}]),
        ("select=id:title&order=id.desc&limit=1", [{"id": "Ünder (the) sun"}]),
        ("select=id&order=id&limit=2&offset=3", [{"id": 4}, {"id": 5}]),
        ("select=id&limit=0", []),
        ("select=count()", [{"count": 5}]),
        ("select=count", [{"count": 5}]),
        ("select=pages,n:count()&order=pages", [
            {"pages": 328, "n": 2}, {"pages": 418, "n": 1}, {"pages": 474, "n": 1}, {"pages": None, "n": 1}]),
        ("select=total:pages.sum(),most:price.max()::text&lent=is.true", [{"total": 802, "most": "12.50"}]),
        ("select=w:data->by->>name,pages.avg()::int&id=eq.1", [{"w": "Austen", "avg": 474}]),
    ],
)  # fmt: skip
def test_rows_are_shaped(library: Api, query: str, rows: list[Any]) -> None:
    answer = get(library, query)
    assert (answer.status, answer.json) == (200, rows), answer.body


def test_a_numeric_keeps_its_digits_and_a_star_is_every_column(library: Api) -> None:
    answer = get(library, "id=eq.1")
    assert b'"price":12.50,' in answer.body
    assert list(answer.json[0]) == list(Book.__struct_fields__)
    assert get(library, "id=eq.1&select=*,n:title").json[0]["n"] == "Emma"
    assert get(library, "id=eq.1&select=").json == answer.json


@pytest.mark.parametrize(
    ("query", "headers", "status", "range_"),
    [
        ("", {}, 200, "0-4/*"),
        ("", {"prefer": "count=exact"}, 200, "0-4/5"),
        ("limit=2", {"prefer": "count=exact"}, 206, "0-1/5"),
        ("limit=2&offset=4", {"prefer": "count=exact"}, 206, "4-4/5"),
        ("offset=5", {"prefer": "count=exact"}, 206, "*/5"),
        ("offset=9", {}, 200, "*/*"),
        ("id=eq.99", {"prefer": "count=exact"}, 200, "*/0"),
        ("", {"range": "1-2"}, 200, "1-2/*"),
        ("", {"range": "1-2", "prefer": "count=exact"}, 206, "1-2/5"),
        ("limit=1", {"range": "1-3"}, 416, None),
        ("limit=3", {"range": "1-9"}, 200, "1-2/*"),
        ("limit=2", {"prefer": "count=estimated"}, 206, "0-1/5"),
    ],
)
def test_a_part_of_the_rows_says_which(
    library: Api, query: str, headers: dict[str, str], status: int, range_: str | None
) -> None:
    answer = get(library, query, **headers)
    assert (answer.status, answer.headers.get("content-range")) == (status, range_)
    assert answer.headers.get("preference-applied") == (headers.get("prefer") if status < 400 else None)


def test_the_planner_says_about_how_many_rows_there_are(library: Api, api_database: str) -> None:
    run_sql(api_database, "ANALYZE demo.books")
    answer = get(library, "limit=1", prefer="count=planned")
    assert (answer.status, answer.headers["content-range"]) == (206, "0-0/5")


def test_an_offset_behind_all_rows_is_refused_if_they_are_counted(library: Api) -> None:
    answer = get(library, "offset=9", prefer="count=exact")
    assert (answer.status, answer.headers["content-range"]) == (416, "*/5")
    assert answer.json == {
        "code": "PGRST103", "message": "Requested range not satisfiable",
        "details": "An offset of 9 was requested, but there are only 5 rows.", "hint": None,
    }  # fmt: skip


def test_head_has_the_headers_of_get_and_ignores_a_range(library: Api) -> None:
    answer = get(library, "id=lt.4", "HEAD", prefer="count=exact", range="0-0")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (200, b"", "0-2/3")
    assert answer.headers["content-location"] == "/rest/v1/books?id=lt.4"


def test_a_single_row_is_an_object_and_anything_else_is_refused(library: Api) -> None:
    single = {"accept": "application/vnd.pgrst.object+json"}
    one = get(library, "id=eq.1&select=id", **single)
    assert (one.json, one.headers["content-type"]) == ({"id": 1}, "application/vnd.pgrst.object+json; charset=utf-8")
    for query, found in (("id=eq.99", 0), ("id=lt.3", 2)):
        answer = get(library, query, **single)
        assert (answer.status, answer.json["code"]) == (406, "PGRST116")
        assert answer.json["details"] == f"The result contains {found} rows"


def test_nulls_can_be_left_out(library: Api) -> None:
    stripped = {"accept": "application/vnd.pgrst.array+json;nulls=stripped"}
    assert get(library, "id=eq.4&select=id,price,data", **stripped).json == [{"id": 4}]
    assert get(library, "id=eq.4&select=n:id,p:price", **stripped).json == [{"n": 4}]


def test_rows_can_be_csv(library: Api) -> None:
    answer = get(library, "select=n:id,title,price&id=gte.4&order=id", accept="text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.body.decode() == 'n,title,price\n4,"1,984 ""now""",\n5,"Ünder (the) sun",10.00'


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/rest/v1/book", 404, "PGRST205", "Could not find the table 'demo.book' in the schema cache"),
        ("/rest/v1/books?town=eq.1", 400, "42703", "column books.town does not exist"),
        ("/rest/v1/books?id=eq.one", 400, "22P02", 'invalid input syntax for type integer: "one"'),
        ("/rest/v1/books?id=like.1&select=title.sum()", 404, "42883", "function sum(text) does not exist"),
        ("/rest/v1/books?words=fts(klingon).x", 400, "42704", 'text search configuration "klingon" does not exist'),
        ("/rest/v1/books?id=5", 400, "PGRST100", '"failed to parse filter (5)" (line 1, column 1)'),
    ],
)
def test_an_error_has_postgrests_form(library: Api, path: str, status: int, code: str, message: str) -> None:
    answer = library("GET", path)
    assert (answer.status, answer.json["code"], answer.json["message"]) == (status, code, message)
    assert list(answer.json) == ["code", "message", "details", "hint"]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["proxy-status"] == f"PostgREST; error={code}"


def test_an_error_repeats_no_endless_text_and_no_nul(library: Api) -> None:
    answer = library("GET", f"/rest/v1/books?{'a' * 7000}=eq.1")
    assert (answer.json["code"], len(answer.json["message"])) == ("42703", 4000)
    assert library("GET", "/rest/v1/a%00b").json["message"] == (
        "Could not find the table 'demo.a\N{REPLACEMENT CHARACTER}b' in the schema cache"
    )


def test_a_near_name_is_a_hint(library: Api) -> None:
    assert library("GET", "/rest/v1/book").json["hint"] == "Perhaps you meant the table 'demo.books'"


def test_another_method_is_refused_in_the_same_form(library: Api) -> None:
    answer = library("TRACE", "/rest/v1/books?id=eq.1")
    assert (answer.status, answer.json["code"]) == (405, "PGRST117")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_a_refused_request_asks_no_database(library: Api) -> None:
    before = library.invocations
    for query in ("id=5", "select=id,(", "or=(", "town=eq.1", "limit=-1", f"id=in.({'1,' * 2000})"):
        assert get(library, query).status >= 400
    assert library.invocations == before


def test_a_read_is_one_invocation(library: Api) -> None:
    before = library.invocations
    get(library, "select=n:id&or=(id.eq.1,id.eq.2)", prefer="count=planned")
    assert library.invocations == before + 1


def test_rows_that_no_reply_can_hold_are_refused(library: Api) -> None:
    answer = get(library, "select=" + ",".join(f"a{n}:title" for n in range(60)) + "&title=like(any).{*}")
    assert answer.status == 200
    executed = Api(lambda _: Reply([_result(None, 7, None)]), [books])
    answer = get(executed, "")
    assert (answer.status, answer.json["code"]) == (400, "54000")


def _result(*row: Any) -> Any:
    from query_executor.contract import Result  # noqa: PLC0415

    return Result([], [list(row)], 1)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Failure("deadline_exceeded", "m", sqlstate="57014"), 504, "57014"),
        (Failure("unavailable", "host db-7", retryable=True), 503, "PGRST003"),
        (Failure("unavailable", "host db-7"), 500, "PGRSTX00"),
        (Failure("result_too_large", "m"), 400, "54000"),
        (Failure("statement_failed", "m", sqlstate="42501"), 403, "42501"),
        (Failure("statement_failed", "m", sqlstate="53300", retryable=True), 503, "PGRST003"),
        (Failure("statement_failed", "pay", sqlstate="PT402", detail="d", hint="h"), 402, "PT402"),
        (Failure("statement_failed", "m", sqlstate="XX000"), 500, "XX000"),
        (Failure("statement_failed", "m", sqlstate="57P01"), 503, "57P01"),
        (Failure("statement_failed", "m", sqlstate="22023"), 400, "22023"),
    ],
)
def test_a_failure_has_its_status_and_names_no_host(failure: Failure, status: int, code: str) -> None:
    answer = get(Api(lambda _: failure, [books]), "")
    assert (answer.status, answer.json["code"]) == (status, code)
    assert "db-7" not in answer.body.decode()
    assert (answer.json["details"], answer.json["hint"]) == (failure.detail, failure.hint)


TOKENS = st.sampled_from(
    "id title data tags words shelf pages count sum() * , . ( ) [ ] { } : :: -> ->> - ! ... eq neq like ilike in is "
    "not and or any all cs cd ov fts adj match isdistinct null true 1 -1 0 99999999999999999999 a% \" \\ ' ; -- $$ "
    "novels authors genres covers author_id sequel_of !inner !novels_author title( id) ()) ...author_id(name) "
    "asc desc nullsfirst text int json regclass pg_sleep(9) Ü \x00 \n".split(" ")
)
TEXTS = st.one_of(st.lists(TOKENS, max_size=12).map("".join), st.text(max_size=30))
NAMES = st.one_of(
    st.sampled_from(["select", "order", "limit", "offset", "or", "and", "not.or", "id", "data->a"]), TEXTS
)


@pytest.fixture(scope="session")
def seen(api_database: str) -> tuple[Api, list[str]]:
    run_sql(api_database, SQL)
    run_sql(api_database, test_rest_embedding.SQL)
    inner, statements = InProcessExecutor(create_local_handler(api_database)), list[str]()

    def execute(request: Request) -> Reply | Failure:
        statements.extend(statement.sql for statement in request.statements)
        return inner(request)

    return Api(execute, [books, *test_rest_embedding.TABLES]), statements


@pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=pytest.mark.soak, id="soak")])
def test_no_request_is_a_fault_and_none_writes_sql(seen: tuple[Api, list[str]], examples: int) -> None:
    api, statements = seen

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(
        st.sampled_from(["books", "novels", "authors"]),
        st.dictionaries(NAMES, TEXTS, max_size=4),
        st.fixed_dictionaries({}, optional={"range": TEXTS, "prefer": TEXTS, "accept": TEXTS}),
    )
    def attack(table: str, query: dict[str, str], headers: dict[str, str]) -> None:
        sent = "&".join(
            f"{quote(name, errors='replace')}={quote(text, errors='replace')}" for name, text in query.items() if name
        )
        clean = {name: text.encode("ascii", "ignore").decode() for name, text in headers.items()}
        answer = api("GET", f"/rest/v1/{table}?{sent}", **{name: text.strip() for name, text in clean.items()})
        assert answer.status in {200, 206, 300, 400, 404, 406, 416}, (table, query, headers, answer.body)
        json.loads(answer.body) if "json" in answer.headers["content-type"] else None

    attack()
    assert not any(word in sql for sql in statements for word in ("pg_sleep", "--", ";", "$$", "regclass,", "Ü"))
