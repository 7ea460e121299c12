"""PostgREST's grammar is read into the values that both dialects share, and their SQL has no text of a request."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Condition, Filter, Group, Step
from crud_api.request.listing import MAX_LIMIT, list_query
from crud_api.request.operators import OPERATORS, REST_OPERATORS
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.paging import page_of
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.request.postgrest.select import Embedding, Star, items_of
from crud_api.request.reading import Member, OrderTerm, Read
from crud_api.resource import Resource
from crud_api.resource.columns.json import Jsonb
from crud_api.resource.columns.other import Tsvector
from crud_api.resource.tables import Tables
from crud_api.sql.rows import select_rows
from crud_api.sql.where import conditions_of, filtered
from query_executor.contract import Param
from query_executor.scanner import ScannedStatement, scan


class Note(Struct):
    id: int
    title: str | None = None
    data: Jsonb | None = None
    tags: list[str] | None = None
    words: Tsvector | None = None
    shout: Annotated[str, Meta(max_length=5)] | None = None


notes = Resource(name="notes", table="demo.notes", model=Note, key="id")


def read(query: str) -> Read:
    parameters: dict[str, list[str]] = {}
    for name, _, text in (part.partition("=") for part in query.split("&") if part):
        parameters.setdefault(name, []).append(text)
    return read_of(Tables(notes), notes, parameters)


def refused(query: str) -> PostgrestError:
    with pytest.raises(PostgrestError) as raised:
        read(query)
    return raised.value


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("id=eq.5", Filter("id", "eq", "5")),
        ("id=neq.5", Filter("id", "ne", "5")),
        ("id=not.eq.5", Filter("id", "eq", "5", is_negated=True)),
        ("id=eq(any).{1,2}", Filter("id", "eq", "{1,2}", quantifier="any")),
        ("title=like(all).{a*,*b}", Filter("title", "like", "{a%,%b}", quantifier="all")),
        ("title=eq.a.b,c)", Filter("title", "eq", "a.b,c)")),
        ('title=in.(a,"b,c","d\\"e",)', Filter("title", "in", ["a", "b,c", 'd"e', ""])),
        ("title=in.()", Filter("title", "in", [])),
        ('title=in.("")', Filter("title", "in", [])),
        ("title=is.NULL", Filter("title", "is", "null")),
        ("title=not.is.not_null", Filter("title", "is", "not_null", is_negated=True)),
        ("title=isdistinct.x", Filter("title", "isdistinct", "x")),
        ("title=ilike.a*\\*", Filter("title", "ilike", "a%\\%")),
        ("title=match.^a", Filter("title", "match", "^a")),
        ("words=fts(english).cat", Filter("words", "fts", "cat", language="english")),
        ("words=wfts.cat", Filter("words", "wfts", "cat")),
        ("tags=cs.{a}", Filter("tags", "cs", "{a}")),
        ("data->a->>0=eq.5", Filter("data", "eq", "5", path=(Step("a"), Step("0", True, True)))),
        ('data->"x.y"=eq.5', Filter("data", "eq", "5", path=(Step("x.y"),))),
        ("or=(id.eq.1,title.eq.a b)", Group("or", (Filter("id", "eq", "1"), Filter("title", "eq", "a b")))),
        ("not.and=(id.eq.1)", Group("and", (Filter("id", "eq", "1"),), True)),
        (
            'and=(id.in.(1,2), not.or(title.eq."a,)",id.not.is.null))',
            Group(
                "and",
                (
                    Filter("id", "in", ["1", "2"]),
                    Group("or", (Filter("title", "eq", "a,)"), Filter("id", "is", "null", is_negated=True)), True),
                ),
            ),
        ),
        ("or=(tags.cs.{a,b},id.eq.1)", Group("or", (Filter("tags", "cs", "{a,b}"), Filter("id", "eq", "1")))),
        ("or=(data->>a.eq.1,id.eq.2)", Group("or", (
            Filter("data", "eq", "1", path=(Step("a", as_text=True),)), Filter("id", "eq", "2"))),
        ),
    ],
)  # fmt: skip
def test_a_condition_is_read(query: str, condition: Condition) -> None:
    assert read(query).conditions == (condition,)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("*", (Star(),)),
        ("id, title", (Member("id", "id"), Member("title", "title"))),
        ("name:title", (Member("name", "title"),)),
        ("title::text", (Member("title", "title", cast="text"),)),
        ("n:data->a->>b::int", (Member("n", "data", (Step("a"), Step("b", as_text=True)), "int"),)),
        ("data->a->0", (Member("a", "data", (Step("a"), Step("0", True))),)),
        ("data->>-1", (Member("data", "data", (Step("-1", True, True),)),)),
        ("data->with-dash", (Member("with-dash", "data", (Step("with-dash"),)),)),
        ("count()", (Member("count", "", aggregate="count"),)),
        ("n:count()::text", (Member("n", "", aggregate="count", aggregate_cast="text"),)),
        ("id.sum()", (Member("sum", "id", aggregate="sum"),)),
        ("id::text.max()::int", (Member("max", "id", cast="text", aggregate="max", aggregate_cast="int"),)),
        ('"a b":"id"', (Member("a b", "id"),)),
        ("author(*))", (Embedding("author", "", "", "", False, (Star(),)),)),
        ("author(*)", (Embedding("author", "", "", "", False, (Star(),)),)),
        (
            "by:author!key!inner(id,home(*)),...x(id)",
            (
                Embedding("author", "by", "key", "inner", False, (
                    Member("id", "id"), Embedding("home", "", "", "", False, (Star(),)))),
                Embedding("x", "", "", "", True, (Member("id", "id"),)),
            ),
        ),
    ],
)  # fmt: skip
def test_a_select_is_read(text: str, items: tuple[object, ...]) -> None:
    assert items_of(text) == items


def test_an_order_is_read() -> None:
    assert read("order=id.desc.nullslast,data->>a.nullsfirst, title").order == (
        OrderTerm("id", True, (), "last"),
        OrderTerm("data", False, (Step("a", as_text=True),), "first"),
        OrderTerm("title"),
    )


@pytest.mark.parametrize(
    ("limit", "offset", "range_", "page"),
    [
        (None, None, None, (MAX_LIMIT, 0)),
        ("5", None, None, (5, 0)),
        ("5000", "7", None, (MAX_LIMIT, 7)),
        (None, None, "10-19", (10, 10)),
        (None, None, "10-", (MAX_LIMIT, 10)),
        ("5", None, "0-99", (5, 0)),
        ("100", None, "20-29", (10, 20)),
        ("0", None, None, (0, 0)),
        (None, "-4", None, (MAX_LIMIT, 0)),
        (None, None, "items=0-5", (MAX_LIMIT, 0)),
    ],
)
def test_a_range_narrows_the_limit(limit: str | None, offset: str | None, range_: str | None, page: Any) -> None:
    assert page_of(limit, offset, range_) == page


@pytest.mark.parametrize(("limit", "offset", "range_"), [("-1", None, None), (None, None, "9-3"), ("2", None, "5-9")])
def test_an_impossible_range_is_refused(limit: str | None, offset: str | None, range_: str | None) -> None:
    with pytest.raises(PostgrestError) as raised:
        page_of(limit, offset, range_)
    assert (raised.value.status, raised.value.code) == (416, "PGRST103")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("id=5", "PGRST100"),
        ("id=eq5", "PGRST100"),
        ("id=not.5", "PGRST100"),
        ("id=neq(any).{1}", "PGRST100"),
        ("id=eq(some).{1}", "PGRST100"),
        ("id=in.1,2", "PGRST100"),
        ("id=is.nil", "PGRST100"),
        ("id=is.nullish", "PGRST100"),
        ("or=()", "PGRST100"),
        ("or=id.eq.1", "PGRST100"),
        ("or=(id.eq.1", "PGRST100"),
        ("or=(id.eq.1)x", "PGRST100"),
        ("select=id)", "PGRST100"),
        ("select=id(", "PGRST100"),
        ("select=id,,title", "PGRST100"),
        ("select=data->", "PGRST100"),
        ("select=title::", "PGRST100"),
        ("select=*,author(*)", "PGRST200"),
        ("order=id.up", "PGRST100"),
        ("order=", "PGRST100"),
        ("limit=many", "PGRST100"),
        ("town=eq.1", "42703"),
        ("or=(id.eq.1,town.eq.2)", "42703"),
        ("select=town", "42703"),
        ("order=town", "42703"),
        ("select=id::nothing", "42704"),
        ("title=eq.a\x00b", "22021"),
        ("title=in.(a\x00b)", "22021"),
        ("data->a\x00=eq.1", "22021"),
        ("select=a\x00b:id", "22021"),
        ("order=data->\ud800", "22021"),
        ("author.name=eq.1", "PGRST108"),
        ("author.or=(id.eq.1)", "PGRST108"),
        ("author.limit=5", "PGRST108"),
        ("order=author(name)", "PGRST108"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_code(query: str, code: str) -> None:
    error = refused(query)
    assert (error.status, error.code) == (400, code)


@pytest.mark.parametrize(
    "query",
    [
        "or=" + "(and" * 11 + "(id.eq.1)" + ")" * 11,
        "&".join(f"id=neq.{n}" for n in range(101)),
        "or=(" + ",".join(f"id.eq.{n}" for n in range(101)) + ")",
        f"id=in.({','.join('1' * 1001)})",
        f"select={','.join(['id'] * 201)}",
        f"select={'a(' * 11}id{')' * 11}",
        f"select=data{'->a' * 11}",
        f"order={','.join(['id'] * 21)}",
        f"title=eq.{'x' * 9000}",
    ],
)
def test_what_is_too_large_is_refused(query: str) -> None:
    error = refused(query)
    assert (error.status, error.code) == (400, "PGRST100")
    assert "too large" in error.detail


def test_what_is_just_small_enough_is_read() -> None:
    for query in (
        "or=" + "(and" * 9 + "(id.eq.1)" + ")" * 9,
        "&".join(f"id=neq.{n}" for n in range(100)),
        f"id=in.({','.join('1' * 1000)})",
        f"select={','.join(['id'] * 200)}",
        f"select=data{'->a' * 10}",
        f"order={','.join(['id'] * 20)}",
    ):
        read(query)


@pytest.mark.parametrize(
    ("header", "form", "is_single", "content_type"),
    [
        (None, "json", False, "application/json; charset=utf-8"),
        ("*/*", "json", False, "application/json; charset=utf-8"),
        ("text/html,application/json;q=0.9,*/*;q=0.8", "json", False, "application/json; charset=utf-8"),
        ("text/csv", "csv", False, "text/csv; charset=utf-8"),
        ("application/json;q=0.2, text/csv;q=0.9", "csv", False, "text/csv; charset=utf-8"),
        ("application/vnd.pgrst.object", "json", True, "application/vnd.pgrst.object+json; charset=utf-8"),
        ("application/vnd.pgrst.object+json;nulls=stripped", "stripped", True,
         "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"),
        ("application/vnd.pgrst.array+json;nulls=stripped", "stripped", False,
         "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"),
    ],
)  # fmt: skip
def test_the_accepted_form_is_chosen(header: str | None, form: str, is_single: bool, content_type: str) -> None:
    media = accepted(header)
    assert (media.form, media.is_single, media.content_type) == (form, is_single, content_type)


@pytest.mark.parametrize("header", ["image/png", "text/csv;q=0", "text/csv;q=lots"])
def test_a_form_that_is_not_there_is_refused(header: str) -> None:
    with pytest.raises(PostgrestError) as raised:
        accepted(header)
    assert (raised.value.status, raised.value.code) == (406, "PGRST107")


def test_unknown_preferences_are_refused_only_if_the_client_wants_it() -> None:
    assert preferences_of("count=exact, count=planned, nonsense").values == {"count": "exact"}
    with pytest.raises(PostgrestError) as raised:
        preferences_of("handling=strict, nonsense, timezone=Europe/Rome")
    assert (raised.value.code, raised.value.details) == ("PGRST122", "Invalid preferences: nonsense")


def test_the_filters_of_the_other_dialect_are_a_special_case_of_the_tree() -> None:
    texts = {"id[gte]": ["2"], "title[in]": ["a,b"], "title[like]": ["a*"], "title[is]": ["null"], "id[ne]": ["3"]}
    query = list_query(notes, {}, texts)
    params: dict[str, Param] = {}
    conditions, own = filtered(notes, query)
    assert (conditions, own.keys()) == (conditions_of(notes, query.filters, params), params.keys())
    same = read("id=gte.2&id=neq.3&title=in.(a,b)&title=is.null&title=like.a*")
    assert conditions_of(notes, same.conditions, {}) == conditions_of(notes, query.filters, {})


def test_every_operator_of_the_other_dialect_is_one_of_this() -> None:
    assert {operator.name for operator in REST_OPERATORS.values()} > OPERATORS.keys()


SHAPES = [
    "select=zq1:title,zq2:data->zq3->>zq4::text&data->>zq5=eq.zq6&title=in.(zq7,zq8)",
    "or=(title.like.zq1*,not.and(words.fts(zq2).zq3,data->zq4.cs.zq5))",
    "select=zq1:id.sum(),title&title=not.match.zq2&limit=7&offset=3",
    "title=eq(any).{zq1,zq2}&tags=ov.{zq3}&title=isdistinct.zq4&order=id.desc.nullslast",
]


@pytest.mark.parametrize("query", SHAPES)
@pytest.mark.parametrize("form", ["json", "stripped", "csv", "none"])
@pytest.mark.parametrize("count", [None, "exact", "planned", "estimated"])
def test_the_sql_has_no_text_of_the_request_and_is_prepared(query: str, form: Any, count: Any) -> None:
    statement = select_rows(notes, read(query), form, count).statements[0]
    assert "zq" not in statement.sql
    scanned = scan(statement.sql)
    assert scanned.is_preparable
    assert scanned.names == statement.params.keys()


def test_the_sql_is_the_same_for_other_values() -> None:
    def sql(query: str) -> str:
        return select_rows(notes, read(query)).statements[0].sql

    assert sql("select=a:id,b:data->c&title=eq.x&offset=5") == sql("select=d:id,e:data->f&title=eq.y&offset=6")
    assert sql("select=a:id") != sql("select=id")


def test_a_row_by_its_key_has_one_plan_for_all_keys() -> None:
    def scanned(query: str) -> ScannedStatement:
        return scan(select_rows(notes, read(query)).statements[0].sql)

    assert not scanned("id=eq.5&select=title").is_page_of_value
    for query in ("title=eq.a", "id=eq.5&limit=0", "id=eq.5&offset=1", "id=eq(any).{1,2}", "id=not.eq.5"):
        assert "limit" in scanned(query).names, query
