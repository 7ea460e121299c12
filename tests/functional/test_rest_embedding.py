"""/rest/v1: rows of other tables are embedded, in any depth, and rows are found and sorted by them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from msgspec import Struct
from msgspec.structs import replace

from crud_api.executor.seam import Execute
from crud_api.request.postgrest.query import read_of
from crud_api.resource import Reference, Resource
from crud_api.resource.tables import Tables
from crud_api.sql.rows import select_rows
from query_executor.scanner import scan
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response


class Author(Struct):
    id: int
    name: str


class Novel(Struct):
    id: int
    title: str
    author_id: int | None = None
    editor_id: int | None = None
    sequel_of: int | None = None


class Genre(Struct):
    id: int
    label: str


class NovelGenre(Struct):
    novel_id: int
    genre_id: int


class Cover(Struct):
    novel_id: int
    colour: str


authors = Resource(name="authors", table="demo.authors", model=Author, key="id")
novels = Resource(
    name="novels", table="demo.novels", model=Novel, key="id",
    references={
        "author_id": Reference(resource="authors", name="author", reverse="novels", constraint="novels_author"),
        "editor_id": Reference(resource="authors", name="editor", reverse="edited", constraint="novels_editor"),
        "sequel_of": Reference(resource="novels", name="before", reverse="sequels", constraint="novels_sequel"),
    },
)  # fmt: skip
genres = Resource(name="genres", table="demo.genres", model=Genre, key="id")
novel_genres = Resource(
    name="novel_genres", table="demo.novel_genres", model=NovelGenre, key=("novel_id", "genre_id"),
    references={
        "novel_id": Reference(resource="novels", name="novel", reverse="novel_genres", constraint="ng_novel"),
        "genre_id": Reference(resource="genres", name="genre", reverse="novel_genres", constraint="ng_genre"),
    },
)  # fmt: skip
covers = Resource(
    name="covers", table="demo.covers", model=Cover, key="novel_id",
    references={"novel_id": Reference(resource="novels", name="novel", reverse="cover", unique=True)},
)  # fmt: skip
TABLES = [authors, novels, genres, novel_genres, covers]
SQL = """
    DROP TABLE IF EXISTS demo.covers, demo.novel_genres, demo.genres, demo.novels, demo.authors;
    CREATE TABLE demo.authors (id int PRIMARY KEY, name text);
    CREATE TABLE demo.novels (id int PRIMARY KEY, title text, author_id int REFERENCES demo.authors,
      editor_id int REFERENCES demo.authors, sequel_of int REFERENCES demo.novels);
    CREATE TABLE demo.genres (id int PRIMARY KEY, label text);
    CREATE TABLE demo.novel_genres (novel_id int REFERENCES demo.novels, genre_id int REFERENCES demo.genres,
      PRIMARY KEY (novel_id, genre_id));
    CREATE TABLE demo.covers (novel_id int PRIMARY KEY REFERENCES demo.novels, colour text);
    INSERT INTO demo.authors VALUES (1, 'Ann'), (2, 'Bea'), (3, 'Cid');
    INSERT INTO demo.novels VALUES (1, 'One', 1, 2, NULL), (2, 'Two', 1, 3, 1), (3, 'Tre', 2, NULL, NULL),
      (4, 'Lost', NULL, NULL, NULL);
    INSERT INTO demo.genres VALUES (1, 'crime'), (2, 'love');
    INSERT INTO demo.novel_genres VALUES (1, 1), (1, 2), (3, 2);
    INSERT INTO demo.covers VALUES (1, 'red'), (3, 'blue');
"""


@pytest.fixture(scope="session")
def shelf(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, SQL)
    return Api(execute, TABLES)


def get(api: Api, table: str, query: str, **headers: str) -> Response:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    sent = "&".join(f"{quote(name)}={quote(text)}" for name, _, text in pairs)
    return api("GET", f"/rest/v1/{table}?{sent}", **headers)


@pytest.mark.parametrize(
    ("table", "query", "rows"),
    [
        ("novels", "select=title,author_id(name)&id=lt.3&order=id", [
            {"title": "One", "author_id": {"name": "Ann"}}, {"title": "Two", "author_id": {"name": "Ann"}}]),
        ("novels", "select=title,by:authors!novels_author(who:name)&id=gt.2&order=id", [
            {"title": "Tre", "by": {"who": "Bea"}}, {"title": "Lost", "by": None}]),
        ("authors", "select=name,novels!author_id(id)&order=id&novels.order=id.desc", [
            {"name": "Ann", "novels": [{"id": 2}, {"id": 1}]}, {"name": "Bea", "novels": [{"id": 3}]},
            {"name": "Cid", "novels": []}]),
        ("authors", "select=id,novels!novels_author(id)&novels.limit=1&novels.order=id&id=eq.1", [
            {"id": 1, "novels": [{"id": 1}]}]),
        ("authors", "select=id,novels!novels_author(id)&novels.offset=1&novels.order=id&id=eq.1", [
            {"id": 1, "novels": [{"id": 2}]}]),
        ("authors", "select=id,novels!novels_author(id)&novels.title=eq.Two&id=lt.3&order=id", [
            {"id": 1, "novels": [{"id": 2}]}, {"id": 2, "novels": []}]),
        ("authors", "select=id,n:novels!novels_author!inner(id)&n.or=(title.eq.Two,title.eq.Tre)&order=id", [
            {"id": 1, "n": [{"id": 2}]}, {"id": 2, "n": [{"id": 3}]}]),
        ("novels", "select=id,genres(label)&genres.order=label&order=id", [
            {"id": 1, "genres": [{"label": "crime"}, {"label": "love"}]}, {"id": 2, "genres": []},
            {"id": 3, "genres": [{"label": "love"}]}, {"id": 4, "genres": []}]),
        ("genres", "select=label,novels(title,covers(colour))&label=eq.crime", [
            {"label": "crime", "novels": [{"title": "One", "covers": {"colour": "red"}}]}]),
        ("authors", "select=name,novels!novels_author(title,genres(label),author_id(name))&id=eq.2", [
            {"name": "Bea", "novels": [
                {"title": "Tre", "genres": [{"label": "love"}], "author_id": {"name": "Bea"}}]}]),
        ("novels", "select=id,sequels:novels(id)&id=lt.3&order=id", [
            {"id": 1, "sequels": [{"id": 2}]}, {"id": 2, "sequels": []}]),
        ("novels", "select=id,sequel_of(title)&id=eq.2", [{"id": 2, "sequel_of": {"title": "One"}}]),
        ("novels", "select=id,covers(colour)&id=lt.3&order=id", [
            {"id": 1, "covers": {"colour": "red"}}, {"id": 2, "covers": None}]),
        ("novels", "select=id,...author_id(author:name)&id=gt.2&order=id", [
            {"id": 3, "author": "Bea"}, {"id": 4, "author": None}]),
        ("genres", "select=label,...novels(titles:title)&novels.order=id&order=id", [
            {"label": "crime", "titles": ["One"]}, {"label": "love", "titles": ["One", "Tre"]}]),
        ("novels", "select=id,covers()&covers=not.is.null&order=id", [{"id": 1}, {"id": 3}]),
        ("novels", "select=id,covers()&covers=is.null&order=id", [{"id": 2}, {"id": 4}]),
        ("novels", "select=id,covers(),genres()&or=(covers.is.null,genres.is.null)&order=id", [{"id": 2}, {"id": 4}]),
        ("novels", "select=id,genres()&genres.label=eq.crime&genres=not.is.null", [{"id": 1}]),
        ("novels", "select=id,author_id(name)&order=author_id(name).desc.nullslast,id.desc", [
            {"id": 3, "author_id": {"name": "Bea"}}, {"id": 2, "author_id": {"name": "Ann"}},
            {"id": 1, "author_id": {"name": "Ann"}}, {"id": 4, "author_id": None}]),
        ("authors", "select=name,novels!novels_author(count())&order=id", [
            {"name": "Ann", "novels": [{"count": 2}]}, {"name": "Bea", "novels": [{"count": 1}]},
            {"name": "Cid", "novels": [{"count": 0}]}]),
        ("novels", "select=...author_id(name),n:count()&order=author_id(name)", [
            {"name": "Ann", "n": 2}, {"name": "Bea", "n": 1}, {"name": None, "n": 1}]),
    ],
)  # fmt: skip
def test_rows_are_embedded(shelf: Api, table: str, query: str, rows: list[Any]) -> None:
    before = shelf.invocations
    answer = get(shelf, table, query)
    assert (answer.status, answer.json) == (200, rows), answer.body
    assert shelf.invocations == before + 1


def test_a_table_with_several_declarations_has_its_relations_in_each(execute: Execute, shelf: Api) -> None:
    drafts = replace(
        novels, name="drafts",
        references={"author_id": Reference(resource="authors", name="author", reverse="drafts")},
    )  # fmt: skip
    titles = Resource(name="titles", table="demo.novels", model=Genre, key="id")  # it has no column of the author
    api = Api(execute, TABLES, tables=[drafts, titles])
    for table in ("novels", "drafts"):
        answer = get(api, table, "select=title,author_id(name)&id=eq.1")
        assert answer.json == [{"title": "One", "author_id": {"name": "Ann"}}]
        answer = get(api, "authors", f"select=name,{table}!author_id(id)&id=eq.2")
        assert answer.json == [{"name": "Bea", table: [{"id": 3}]}]
    assert get(api, "titles", "select=id,authors(name)").json["code"] == "PGRST200"


def test_an_inner_embedding_counts_what_it_keeps(shelf: Api) -> None:
    for count in ("exact", "estimated"):
        answer = get(shelf, "novels", "select=id,genres!inner(id)&limit=1", prefer=f"count={count}")
        assert (answer.status, answer.headers["content-range"]) == (206, "0-0/2")


def test_embedded_nulls_are_stripped_and_spread_members_are_columns_of_csv(shelf: Api) -> None:
    stripped = {"accept": "application/vnd.pgrst.array+json;nulls=stripped"}
    assert get(shelf, "novels", "select=id,sequels:novels(id,editor_id)&id=eq.1", **stripped).json == [
        {"id": 1, "sequels": [{"id": 2, "editor_id": 3}]}
    ]
    csv = get(shelf, "novels", "select=id,...author_id(name)&id=eq.1", accept="text/csv")
    assert csv.body == b"id,name\n1,Ann"


@pytest.mark.parametrize(
    ("table", "query", "status", "code"),
    [
        ("authors", "select=novels(id)", 300, "PGRST201"),
        ("authors", "select=covers(*)", 400, "PGRST200"),
        ("authors", "select=novels!nothing(id)", 400, "PGRST200"),
        ("novels", "select=genres(town)", 400, "42703"),
        ("novels", "select=id,genres(label)&genres=eq.1", 400, "PGRST120"),
        ("novels", "select=id,g:genres(label)&genres.label=eq.1", 400, "PGRST108"),
        ("novels", "select=id&genres.order=label", 400, "PGRST108"),
        ("novels", "select=id,genres(label)&order=genres(label)", 400, "PGRST118"),
        ("novels", "select=id,author_id(name)&order=author_id(town)", 400, "42703"),
        ("novels", "select=id,...genres(id.sum())", 400, "PGRST127"),
        ("novels", "select=id,genres(label)&genres.limit=-1", 416, "PGRST103"),
    ],
)
def test_what_cannot_be_embedded_is_refused_before_the_database_is_asked(
    shelf: Api, table: str, query: str, status: int, code: str
) -> None:
    before = shelf.invocations
    answer = get(shelf, table, query)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert shelf.invocations == before


def test_an_ambiguous_embedding_says_how_to_choose(shelf: Api) -> None:
    answer = get(shelf, "authors", "select=novels(id)").json
    assert [one["cardinality"] for one in answer["details"]] == ["one-to-many", "one-to-many"]
    assert "'novels!novels_author', 'novels!novels_editor'" in answer["hint"]


def test_many_levels_are_embedded_and_more_are_refused(shelf: Api) -> None:
    def nested(levels: int) -> str:
        return "select=" + "sequel_of(" * levels + "id" + ")" * levels

    deep = get(shelf, "novels", f"{nested(9)}&id=eq.2")
    assert (deep.status, deep.json) == (200, [{"sequel_of": {"sequel_of": None}}])
    assert get(shelf, "novels", nested(10)).json["code"] == "PGRST100"


def test_the_sql_of_an_embedding_has_no_text_of_the_request_and_is_prepared() -> None:
    query = {
        "select": ["zq1:id,zq2:genres!inner(zq3:label),...author_id(zq4:name),...covers(zq5:colour)"],
        "zq2.label": ["eq.zq6"], "zq2.limit": ["3"], "covers.colour": ["like.zq7*"], "order": ["author_id(zq4)"],
    }  # fmt: skip
    (statement,) = select_rows(novels, read_of(Tables(*TABLES), novels, query)).statements
    scanned = scan(statement.sql)
    assert "zq" not in statement.sql
    assert scanned.is_preparable
    assert scanned.names == statement.params.keys()
