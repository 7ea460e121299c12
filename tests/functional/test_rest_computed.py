"""/rest/v1: what functions make of a row is read like a column, or embedded like rows of another table."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.request.postgrest.query import read_of
from crud_api.request.writing import Removal, Shown, Terms
from crud_api.resource import Computed, Reference, Resource
from crud_api.resource.functions import Argument, Function, Functions
from crud_api.resource.tables import Tables
from crud_api.sql import writing
from crud_api.sql.rows import WHOLE, select_rows
from query_executor.scanner import scan
from tests.conftest import execute as run_sql
from tests.functional.client import Api
from tests.functional.test_rest_embedding import get


class Singer(Struct):
    id: int
    first: str | None = None
    last: str | None = None


class Song(Struct):
    id: int
    title: str
    singer_id: int | None = None
    one: int = 1  # a name that the SQL has for a row, too


singers = Resource(
    name="singers", table="demo.singers", model=Singer, key="id",
    computed={
        "full_name": Computed(function="demo.full_name"),
        "words": Computed(function=("demo", "words")),
        "about": Computed(function="demo.about"),
        "hits": Computed(function="demo.hits", resource="songs", many=True),
        "first_song": Computed(function="demo.first_song", resource="songs"),
        "last_song": Computed(function="demo.last_song", resource="songs"),
        "lost": Computed(function="demo.full_name", resource="nowhere"),
    },
)  # fmt: skip
songs = Resource(
    name="songs", table="demo.songs", model=Song, key="id",
    references={"singer_id": Reference(resource="singers", name="singer", reverse="songs", constraint="song_singer")},
    computed={"loud": Computed(function="demo.loud"), "times": Computed(function="demo.times")},
)  # fmt: skip
duets = Resource(
    name="duets", table="demo.duets", model=Song, key="id",
    references={"singer_id": Reference(resource="singers", name="singer", reverse="duets", constraint="duet_singer")},
    computed={"singers": Computed(function="demo.singers", resource="singers")},  # instead of the foreign key
)  # fmt: skip
TABLES = [singers, songs, duets]
FUNCTIONS = Functions(
    Function(name="of_singer", function="demo.of_singer", arguments=(Argument("singer", "int4"),), gives="rows",
             of="songs", volatility="stable"),
    Function(name="first_of", function="demo.first_of", arguments=(Argument("singer", "int4"),), gives="row",
             of="songs"),
)  # fmt: skip
SQL = """
    DROP FUNCTION IF EXISTS demo.of_singer, demo.first_of;
    DROP TABLE IF EXISTS demo.duets, demo.songs, demo.singers CASCADE;
    CREATE TABLE demo.singers (id int PRIMARY KEY, first text, last text);
    CREATE TABLE demo.songs (id int PRIMARY KEY, title text, singer_id int REFERENCES demo.singers,
      one int DEFAULT 1);
    CREATE TABLE demo.duets (id int PRIMARY KEY, title text, singer_id int REFERENCES demo.singers,
      one int DEFAULT 1);
    INSERT INTO demo.singers VALUES (1, 'Ann', 'Lee'), (2, 'Bo', NULL), (3, 'Cy', 'Art');
    INSERT INTO demo.songs VALUES (1, 'Rain', 1), (2, 'Sun', 1), (3, 'Wind', 2), (4, 'Nobody', NULL);
    INSERT INTO demo.duets VALUES (1, 'Both', 1);
    CREATE FUNCTION demo.full_name(demo.singers) RETURNS text STABLE LANGUAGE sql
      AS $$ SELECT concat($1.first, '-', $1.last) $$;
    CREATE FUNCTION demo.words(demo.singers) RETURNS tsvector STABLE LANGUAGE sql
      AS $$ SELECT to_tsvector('simple', $1.first) $$;
    CREATE FUNCTION demo.about(demo.singers) RETURNS json STABLE LANGUAGE sql
      AS $$ SELECT json_build_object('name', json_build_object('last', $1.last)) $$;
    CREATE FUNCTION demo.hits(demo.singers) RETURNS SETOF demo.songs STABLE LANGUAGE sql
      AS $$ SELECT * FROM demo.songs WHERE singer_id = $1.id $$;
    CREATE FUNCTION demo.first_song(demo.singers) RETURNS SETOF demo.songs ROWS 1 STABLE LANGUAGE sql
      AS $$ SELECT * FROM demo.songs WHERE singer_id = $1.id ORDER BY id LIMIT 1 $$;
    CREATE FUNCTION demo.last_song(demo.singers) RETURNS demo.songs STABLE LANGUAGE sql
      AS $$ SELECT songs FROM demo.songs WHERE singer_id = $1.id ORDER BY id DESC LIMIT 1 $$;
    CREATE FUNCTION demo.loud(demo.songs) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT upper($1.title) $$;
    CREATE FUNCTION demo.times(demo.songs) RETURNS text STABLE LANGUAGE plpgsql
      AS $$ BEGIN RETURN set_config('test.times', concat(current_setting('test.times', true), 'I'), true); END $$;
    CREATE FUNCTION demo.loud(demo.duets) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'no' $$;
    CREATE FUNCTION demo.of_singer(singer int) RETURNS SETOF demo.songs STABLE LANGUAGE sql
      AS $$ SELECT * FROM demo.songs WHERE singer_id = singer $$;
    CREATE FUNCTION demo.first_of(singer int) RETURNS demo.songs LANGUAGE sql
      AS $$ SELECT songs FROM demo.songs WHERE singer_id = singer ORDER BY id LIMIT 1 $$;
    CREATE FUNCTION demo.singers(demo.duets) RETURNS SETOF demo.singers ROWS 1 STABLE LANGUAGE sql
      AS $$ SELECT * FROM demo.singers WHERE id = 3 $$;
"""


@pytest.fixture(scope="session")
def stage(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, SQL)
    return Api(execute, TABLES)


@pytest.mark.parametrize(
    ("select", "row"),
    [
        ("times", {"times": "I"}),
        ("made:times", {"made": "I"}),
        ("singer_id(songs(times))", {"singer_id": {"songs": [{"times": "I"}]}}),
    ],
)
def test_the_row_of_an_answer_is_made_once(stage: Api, select: str, row: Any) -> None:
    answer = get(stage, "songs", f"select={select}&id=eq.3", Accept="application/vnd.pgrst.object+json")
    assert answer.json == row


@pytest.mark.parametrize(
    ("table", "query", "rows"),
    [
        ("songs", "id=eq.1", [{"id": 1, "title": "Rain", "singer_id": 1, "one": 1}]),  # a star has no computed value
        ("songs", "select=*,loud&id=eq.1", [
            {"id": 1, "title": "Rain", "singer_id": 1, "one": 1, "loud": "RAIN"}]),
        ("songs", "select=id,shouted:loud::text&id=eq.2", [{"id": 2, "shouted": "SUN"}]),
        ("songs", "select=id&loud=eq.SUN", [{"id": 2}]),
        ("songs", "select=id&loud=in.(SUN,WIND)&order=loud.desc", [{"id": 3}, {"id": 2}]),
        ("songs", "select=id&loud=like.*IN*&order=loud", [{"id": 1}, {"id": 3}]),
        ("songs", "select=id&or=(loud.eq.SUN,loud.eq.RAIN)&loud=not.eq.SUN", [{"id": 1}]),
        ("songs", "select=loud.max()", [{"max": "WIND"}]),
        ("singers", "select=id&words=fts(simple).ann", [{"id": 1}]),
        ("singers", "select=id,about->name->>last&about->name->>last=eq.Lee", [{"id": 1, "last": "Lee"}]),
        ("singers", "select=id&full_name=eq.Bo-", [{"id": 2}]),
        # In rows that are embedded, and in rows that are joined.
        ("singers", "select=id,hits(loud)&hits.loud=eq.SUN&id=eq.1", [{"id": 1, "hits": [{"loud": "SUN"}]}]),
        ("singers", "select=id,...first_song(loud)&order=first_song(loud).desc.nullslast,id", [
            {"id": 2, "loud": "WIND"}, {"id": 1, "loud": "RAIN"}, {"id": 3, "loud": None}]),
        ("singers", "select=id,...first_song(title)&order=first_song(loud).desc.nullslast,id", [
            {"id": 2, "title": "Wind"}, {"id": 1, "title": "Rain"}, {"id": 3, "title": None}]),
        ("songs", "select=id,...singer_id(full_name,about->name)&id=gte.3&order=id", [
            {"id": 3, "full_name": "Bo-", "name": {"last": None}}, {"id": 4, "full_name": None, "name": None}]),
        ("songs", "select=id,singer_id(full_name)&order=singer_id(full_name).nullsfirst,id&id=neq.2", [
            {"id": 4, "singer_id": None}, {"id": 1, "singer_id": {"full_name": "Ann-Lee"}},
            {"id": 3, "singer_id": {"full_name": "Bo-"}}]),
        # Rows: a set, a set of one row, and a row.
        ("singers", "select=id,hits(id)&hits.order=id.desc&order=id", [
            {"id": 1, "hits": [{"id": 2}, {"id": 1}]}, {"id": 2, "hits": [{"id": 3}]}, {"id": 3, "hits": []}]),
        ("singers", "select=id,first_song(title)&order=id", [
            {"id": 1, "first_song": {"title": "Rain"}}, {"id": 2, "first_song": {"title": "Wind"}},
            {"id": 3, "first_song": None}]),
        ("singers", "select=id,last:last_song(title)&id=neq.2&order=id", [
            {"id": 1, "last": {"title": "Sun"}}, {"id": 3, "last": None}]),
        ("singers", "select=id,last_song!inner()&last_song.loud=eq.SUN", [{"id": 1}]),
        ("singers", "select=id,last_song()&last_song=is.null", [{"id": 3}]),
        ("singers", "select=id,...hits(titles:title)&hits.order=id&id=lt.3&order=id", [
            {"id": 1, "titles": ["Rain", "Sun"]}, {"id": 2, "titles": ["Wind"]}]),
        ("songs", "select=id,...singer_id(full_name,hits(id))&singer_id.hits.id=eq.2&id=in.(1,4)&order=id", [
            {"id": 1, "full_name": "Ann-Lee", "hits": [{"id": 2}]}, {"id": 4, "full_name": None, "hits": []}]),
        # Lists are values by which rows are grouped.
        ("singers", "select=count(),...hits(titles:title)&hits.order=id&id=eq.1", [
            {"count": 1, "titles": ["Rain", "Sun"]}]),
        ("singers", "select=count(),...songs(titles:title)&songs.title=eq.Sun&id=neq.1", [{"count": 2, "titles": []}]),
        ("duets", "select=id,singers(id)&id=eq.1", [{"id": 1, "singers": {"id": 3}}]),
    ],
)  # fmt: skip
def test_what_functions_make_of_a_row_is_read(stage: Api, table: str, query: str, rows: list[Any]) -> None:
    before = stage.invocations
    answer = get(stage, table, query)
    assert (answer.status, answer.json) == (200, rows), answer.body
    assert stage.invocations == before + 1


def test_a_computed_value_is_a_column_of_csv_and_is_counted(stage: Api) -> None:
    assert get(stage, "songs", "select=id,loud&id=eq.1", accept="text/csv").body == b"id,loud\n1,RAIN"
    answer = get(stage, "songs", "select=id&loud=neq.SUN&limit=1", prefer="count=exact")
    assert answer.headers["content-range"] == "0-0/3"


def _write(stage: Api, method: str, path: str, body: Any = None, prefer: str = "return=representation") -> Any:
    answer = stage(method, f"/rest/v1/{path}", body, prefer=f"tx=rollback, {prefer}")
    assert answer.status in {200, 201}, answer.body
    return answer.json


@pytest.fixture(scope="session")
def trial(stage: Api, execute: Execute) -> Api:
    return Api(execute, TABLES, functions=FUNCTIONS, rest_allows=["tx"])


SHOWN_SONG = "select=title,loud,one,singers(full_name)"
RAIN, SUN = (
    {"title": title, "loud": title.upper(), "one": 1, "singers": {"full_name": "Ann-Lee"}} for title in ("Rain", "Sun")
)


@pytest.mark.parametrize(
    ("method", "path", "body", "rows"),
    [
        ("POST", f"songs?{SHOWN_SONG}", {"id": 9, "title": "Rain", "singer_id": 1}, [RAIN]),
        ("POST", f"songs?{SHOWN_SONG}&order=loud.desc", [
            {"id": 8, "title": "Rain", "singer_id": 1}, {"id": 9, "title": "Sun", "singer_id": 1}], [SUN, RAIN]),
        ("POST", f"songs?{SHOWN_SONG}", [
            {"id": 9, "title": "Sun", "singer_id": 1}, {"id": 8, "title": "Rain", "singer_id": 1}], [SUN, RAIN]),
        ("POST", "songs?select=loud", [], []),
        ("PUT", f"songs?id=eq.2&{SHOWN_SONG}", {"id": 2, "title": "Rain", "singer_id": 1}, [RAIN]),
        ("PATCH", f"songs?loud=eq.SUN&{SHOWN_SONG}", {"title": "Rain"}, [RAIN]),
        ("PATCH", "songs?id=eq.2&select=loud", {}, []),
        ("DELETE", f"songs?singer_id=eq.1&loud=neq.RAIN&{SHOWN_SONG}", None, [SUN]),
        ("PATCH", "songs?id=lt.3&select=loud.max(),count()", {"singer_id": 2}, [{"max": "SUN", "count": 2}]),
        ("PATCH", "singers?id=eq.3&select=full_name,about->name->>last,hits(id)", {"last": "Bo"},
         [{"full_name": "Cy-Bo", "last": "Bo", "hits": []}]),
        ("PATCH", "singers?id=lt.3&select=id,last_song!inner(loud)&last_song.loud=eq.SUN", {"last": "x"},
         [{"id": 1, "last_song": {"loud": "SUN"}}]),
        ("PATCH", "singers?id=lt.3&select=id,...first_song(loud)&order=first_song(loud).desc", {"last": "x"},
         [{"id": 2, "loud": "WIND"}, {"id": 1, "loud": "RAIN"}]),
        ("DELETE", "duets?id=eq.1&select=id,singers(full_name)", None, [{"id": 1, "singers": {"full_name": "Cy-Art"}}]),
    ],
)  # fmt: skip
def test_what_functions_make_of_a_written_row_is_shown(
    trial: Api, method: str, path: str, body: Any, rows: list[Any]
) -> None:
    before = trial.invocations
    assert _write(trial, method, path, body) == rows
    assert trial.invocations == before + 1


def test_a_merged_row_has_computed_values_and_a_version(trial: Api) -> None:
    prefer = "return=representation, resolution=merge-duplicates"
    (row,) = _write(trial, "POST", "songs?select=loud", {"id": 1, "title": "New"}, prefer)
    assert row == {"loud": "NEW"}
    headers = {"prefer": "tx=rollback, return=representation", "accept": "application/vnd.pgrst.object+json"}
    answer = trial("PATCH", "/rest/v1/songs?id=eq.1&select=loud", {"singer_id": 1}, **headers)
    assert answer.headers["etag"] == trial("GET", "/songs/1").headers["etag"]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select=*,loud&order=id", [
            {"id": 1, "title": "Rain", "singer_id": 1, "one": 1, "loud": "RAIN"},
            {"id": 2, "title": "Sun", "singer_id": 1, "one": 1, "loud": "SUN"}]),
        ("select=id&loud=eq.SUN", [{"id": 2}]),
        ("select=id&or=(loud.eq.SUN,and(id.eq.1,loud.eq.no))", [{"id": 2}]),
        ("select=id&order=loud.desc", [{"id": 2}, {"id": 1}]),
        ("select=id,singers(full_name,hits(loud))&id=eq.1&singers.hits.loud=eq.SUN",
         [{"id": 1, "singers": {"full_name": "Ann-Lee", "hits": [{"loud": "SUN"}]}}]),
        ("select=loud.max()", [{"max": "SUN"}]),
    ],
)  # fmt: skip
def test_what_functions_make_of_the_rows_of_a_call_is_read(trial: Api, query: str, rows: list[Any]) -> None:
    answer = trial("GET", f"/rest/v1/rpc/of_singer?singer=1&{query}")
    assert (answer.status, answer.json) == (200, rows), answer.body
    only = trial("GET", "/rest/v1/rpc/first_of?singer=1&select=loud")
    assert (only.status, only.json) == (200, {"loud": "RAIN"}), only.body


def test_written_rows_are_whole_only_where_a_function_takes_them() -> None:
    # A role that may not read every column can write, as long as no function takes the row.
    def sql(select: str) -> str:
        shown = Shown(read=read_of(Tables(*TABLES), songs, {"select": [select]}), form="json")
        return writing.removal_plan(songs, Removal(), shown, Terms()).ctes

    assert WHOLE not in sql("title,...singers(full_name)")
    assert WHOLE in sql("title,loud")


@pytest.mark.parametrize(
    ("table", "query", "status", "code"),
    [
        ("singers", "select=id,hits(id)&order=hits(id)", 400, "PGRST118"),
        ("singers", "select=hits", 400, "42703"),  # rows are no value
        ("singers", "select=full_name(id)", 400, "PGRST200"),
        ("singers", "select=lost(id)", 400, "PGRST200"),
        ("songs", "loud=gt.1&select=about", 400, "42703"),
        ("duets", "select=singer_id(id)", 400, "PGRST200"),
    ],
)
def test_what_is_no_computed_value_or_row_is_refused(
    stage: Api, table: str, query: str, status: int, code: str
) -> None:
    before = stage.invocations
    answer = get(stage, table, query)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert stage.invocations == before


def test_the_paths_of_a_resource_have_no_computed_values(stage: Api) -> None:
    assert stage("GET", "/songs/1").json == {"id": 1, "title": "Rain", "singer_id": 1, "one": 1}
    assert stage("GET", "/songs?loud=SUN").status == 400


def test_only_sql_that_calls_a_function_is_not_prepared() -> None:
    def sql(select: str) -> str:
        query = {"select": [select], "title": ["eq.A"], "order": ["singer_id(first)"]}
        (statement,) = select_rows(songs, read_of(Tables(*TABLES), songs, query)).statements
        return statement.sql

    assert scan(sql("title,...singer_id(first)")).is_preparable
    assert not scan(sql("loud,...singer_id(first)")).is_preparable  # a function may change the session


def test_a_computed_value_has_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="songs has title twice"):
        Resource(name="songs", table="s", model=Song, key="id", computed={"title": Computed(function="f")})
