"""/rest/v1/rpc: functions of the database are called in PostgREST's dialect, over both executors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.resource import Reference, Resource
from crud_api.resource.functions import Argument, Function, Functions
from query_executor.contract import Failure, Reply, Request, Result
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response

SQL = """
    SET check_function_bodies = off;
    DROP SCHEMA IF EXISTS garden CASCADE;
    CREATE SCHEMA garden;
    CREATE TYPE garden.soil AS ENUM ('sand', 'loam');
    CREATE TABLE garden.plants (id int PRIMARY KEY, name text NOT NULL, height int, soil garden.soil);
    CREATE TABLE garden.pots (id int PRIMARY KEY, plant_id int REFERENCES garden.plants, color text);
    INSERT INTO garden.plants VALUES (1, 'aloe', 30, 'sand'), (2, 'basil', 20, 'loam'), (3, 'cress', NULL, NULL);
    INSERT INTO garden.pots VALUES (10, 1, 'red'), (11, 1, 'blue'), (12, 2, 'red');
    CREATE FUNCTION garden.add_up(a int, b int DEFAULT 10) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + b;
    CREATE FUNCTION garden.add_up(words text) RETURNS text LANGUAGE sql IMMUTABLE RETURN words || '!';
    CREATE FUNCTION garden.told(a int) RETURNS text LANGUAGE sql RETURN 'int';
    CREATE FUNCTION garden.told(a text) RETURNS text LANGUAGE sql RETURN 'text';
    CREATE FUNCTION garden.higher(than int) RETURNS SETOF garden.plants LANGUAGE sql STABLE
      AS 'SELECT * FROM plants WHERE height > than';
    CREATE FUNCTION garden.plant(id int) RETURNS garden.plants LANGUAGE sql STABLE
      AS 'SELECT * FROM garden.plants WHERE plants.id = plant.id';
    CREATE FUNCTION garden.soils() RETURNS TABLE (soil text, plants bigint) LANGUAGE sql STABLE
      AS 'SELECT soil::text, count(*) FROM garden.plants WHERE soil IS NOT NULL GROUP BY 1 ORDER BY 1 DESC';
    CREATE FUNCTION garden.divided(n int, by int, OUT whole int, OUT rest int) LANGUAGE sql IMMUTABLE
      AS 'SELECT n / by, n % by';
    CREATE FUNCTION garden.names() RETURNS SETOF text LANGUAGE sql STABLE
      AS 'SELECT name FROM garden.plants ORDER BY name';
    CREATE FUNCTION garden.first_pot() RETURNS record LANGUAGE sql STABLE
      AS 'SELECT id, color FROM garden.pots ORDER BY 1';
    CREATE FUNCTION garden.nothing_there() RETURNS int LANGUAGE sql STABLE AS 'SELECT NULL::int';
    CREATE FUNCTION garden.joined(VARIADIC parts text[] DEFAULT '{}') RETURNS text LANGUAGE sql IMMUTABLE
      AS $$ SELECT array_to_string(parts, '+') $$;
    CREATE FUNCTION garden.kinds(list int[], doc jsonb, one garden.soil, day date, cut char(3)) RETURNS json
      LANGUAGE sql
      AS 'SELECT json_build_object($$list$$, list, $$doc$$, doc, $$one$$, one, $$day$$, day, $$cut$$, cut)';
    CREATE FUNCTION garden.whole(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE FUNCTION garden.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $$!$$';
    CREATE FUNCTION garden.water(id int, cm int) RETURNS SETOF garden.plants LANGUAGE sql
      AS 'UPDATE garden.plants SET height = coalesce(height, 0) + cm WHERE plants.id >= water.id RETURNING *';
    CREATE FUNCTION garden.forget() RETURNS void LANGUAGE sql AS 'DELETE FROM garden.pots WHERE false';
    CREATE FUNCTION garden.caller() RETURNS json LANGUAGE sql STABLE AS $$
      SELECT json_build_object('method', current_setting('request.method'), 'path', current_setting('request.path'),
        'agent', current_setting('request.headers')::json ->> 'x-agent',
        'secret', current_setting('request.headers')::json ->> 'authorization',
        'cookie', current_setting('request.cookies')::json ->> 'taste') $$;
    CREATE FUNCTION garden.respond(status text, headers text) RETURNS text LANGUAGE sql
      AS $$ SELECT set_config('response.status', status, true) || set_config('response.headers', headers, true) $$;
    CREATE FUNCTION garden.fail(code text, message text, detail text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        IF detail IS NULL THEN RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message; END IF;
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = detail;
      END $$;
"""


class Plant(Struct):
    id: int
    name: str
    height: int | None = None
    soil: str | None = None


class Pot(Struct):
    id: int
    plant_id: int | None = None
    color: str | None = None


class SoilRow(Struct):
    soil: str | None
    plants: int | None


class DividedRow(Struct):
    whole: int | None
    rest: int | None


plants = Resource(name="plants", table="garden.plants", model=Plant, key="id")
pots = Resource(
    name="pots", table="garden.pots", model=Pot, key="id",
    references={"plant_id": Reference(resource="plants", name="plant", reverse="pots")},
)  # fmt: skip
A, B, TEXT = Argument("a", "int4"), Argument("b", "int4", has_default=True), Argument("words", "text")


def function(name: str, *arguments: Argument, **more: Any) -> Function:
    return Function(name=name, function=f"garden.{name}", arguments=arguments, **more)


FUNCTIONS = Functions(
    function("add_up", A, B, gives="value", volatility="immutable"),
    function("add_up", TEXT, gives="value", volatility="immutable"),
    function("told", Argument("a", "text"), gives="value"),
    function("told", A, gives="value"),
    function("higher", Argument("than", "int4"), gives="rows", of="plants", volatility="stable"),
    function("plant", Argument("id", "int4"), gives="row", of="plants", volatility="stable"),
    function("soils", gives="rows", of=SoilRow, volatility="stable"),
    function("divided", Argument("n", "int4"), Argument("by", "int4"), gives="row", of=DividedRow),
    function("names", gives="values", volatility="stable"),
    function("first_pot", gives="value", volatility="stable"),
    function("nothing_there", gives="value", volatility="stable"),
    function("joined", Argument("parts", "text[]", has_default=True, is_variadic=True), gives="value"),
    function(
        "kinds", Argument("list", "int4[]"), Argument("doc", "jsonb"), Argument("one", "garden.soil"),
        Argument("day", "date"), Argument("cut", "bpchar"), gives="value",
    ),
    function("whole", Argument("", "jsonb"), gives="value"),
    function("shout", Argument("", "text"), gives="value"),
    function("water", Argument("id", "int4"), Argument("cm", "int4"), gives="rows", of="plants"),
    function("forget"),
    function("caller", gives="value", volatility="stable"),
    function("respond", Argument("status", "text"), Argument("headers", "text"), gives="value"),
    function("fail", Argument("code", "text"), Argument("message", "text"),
             Argument("detail", "text", has_default=True)),
)  # fmt: skip


@pytest.fixture(scope="session")
def garden(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, SQL)
    return Api(execute, [plants, pots], functions=FUNCTIONS)


def get(api: Api, name: str, query: str = "", method: str = "GET", **headers: str) -> Response:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    sent = "&".join(f"{quote(name)}={quote(text)}" for name, _, text in pairs)
    return api(method, f"/rest/v1/rpc/{name}?{sent}", **headers)


def post(api: Api, name: str, body: Any = None, query: str = "", **headers: str) -> Response:
    return api("POST", f"/rest/v1/rpc/{name}?{query}", {} if body is None else body, **headers)


@pytest.mark.parametrize(
    ("name", "query", "answer"),
    [
        ("add_up", "a=1&b=2", 3),
        ("add_up", "a=1", 11),
        ("add_up", "words=ab", "ab!"),
        ("add_up", "a=1&a=5&b=2", 7),
        ("shout", "=hey", "hey!"),
        ("nothing_there", "", None),
        ("names", "", ["aloe", "basil", "cress"]),
        ("names", "limit=1&offset=1", ["basil"]),
        ("names", "pgrst_scalar=gt.b&order=pgrst_scalar.desc", ["cress", "basil"]),
        ("first_pot", "", {"id": 10, "color": "red"}),
        ("divided", "n=7&by=2", {"whole": 3, "rest": 1}),
        ("divided", "n=7&by=2&select=rest", {"rest": 1}),
        ("divided", "n=7&by=2&rest=eq.5", None),
        ("plant", "id=2", {"id": 2, "name": "basil", "height": 20, "soil": "loam"}),
        ("plant", "id=2&select=n:name,pots(id)", {"n": "basil", "pots": [{"id": 12}]}),
        ("soils", "", [{"soil": "sand", "plants": 1}, {"soil": "loam", "plants": 1}]),
        ("soils", "soil=eq.loam&select=n:plants", [{"n": 1}]),
        ("higher", "than=10&select=id&order=id.desc", [{"id": 2}, {"id": 1}]),
        ("higher", "than=10&or=(name.like.b*,height.gt.100)&select=name", [{"name": "basil"}]),
        ("higher", "than=10&select=name,pots(color)&pots.order=color&pots.limit=1&order=id",
         [{"name": "aloe", "pots": [{"color": "blue"}]}, {"name": "basil", "pots": [{"color": "red"}]}]),
        ("higher", "than=10&select=id,pots!inner()&pots.color=eq.blue", [{"id": 1}]),
        ("higher", "than=10&select=count(),height.max()", [{"count": 2, "max": 30}]),
        ("joined", "", ""),
        ("joined", "parts=x", "x"),
        ("joined", "parts=x&parts=y,z", "x+y,z"),
        ("kinds", 'list={1,2}&doc={"a":[1.50]}&one=sand&day=2026-01-31&cut=abcdef',
         {"list": [1, 2], "doc": {"a": [1.50]}, "one": "sand", "day": "2026-01-31", "cut": "abcdef"}),
    ],
)  # fmt: skip
def test_a_get_takes_its_arguments_from_the_query(garden: Api, name: str, query: str, answer: object) -> None:
    told = get(garden, name, query)
    assert (told.status, told.json) == (200, answer)


@pytest.mark.parametrize(
    ("name", "body", "answer"),
    [
        ("add_up", {"a": 1, "b": 2}, 3),
        ("add_up", {"a": "1"}, 11),
        ("add_up", {"a": None, "b": 2}, None),
        ("add_up", [{"a": 4, "b": 2}, {"a": 0, "b": 0}], 6),
        ("add_up", {"words": "é"}, "é!"),
        ("joined", {"parts": ["x", "y,z"]}, "x+y,z"),
        ("kinds", {"list": [1, 2], "doc": {"a": [1.50]}, "one": "sand", "day": "2026-01-31", "cut": "abcdef"},
         {"list": [1, 2], "doc": {"a": [1.50]}, "one": "sand", "day": "2026-01-31", "cut": "abcdef"}),
        ("kinds", {"list": "{1,2}", "doc": "x", "one": None, "day": None, "cut": None},
         {"list": [1, 2], "doc": "x", "one": None, "day": None, "cut": None}),
        ("whole", {"a": 1}, {"a": 1}),
        ("whole", [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
        ("shout", {"": "hey"}, '{"": "hey"}!'),
        ("names", {}, ["aloe", "basil", "cress"]),
    ],
)  # fmt: skip
def test_a_post_takes_its_arguments_from_a_json_body(garden: Api, name: str, body: object, answer: object) -> None:
    told = post(garden, name, body)
    assert (told.status, told.json) == (200, answer)


@pytest.mark.parametrize(
    ("name", "type_", "body", "answer"),
    [
        ("add_up", "application/x-www-form-urlencoded", b"a=1&b=2", 3),
        ("add_up", "application/x-www-form-urlencoded; charset=utf-8", b"a=1&a=3&b=%32", 5),
        ("joined", "application/x-www-form-urlencoded", b"parts=x&parts=y%2Bz", "x+y+z"),
        ("add_up", "text/csv", b"a,b\n1,2\n3,4\n", 3),
        ("add_up", "text/csv", b"words\n\"a\nb\"\n", "a\nb!"),
        ("add_up", "text/csv", b"words\nNULL\n", None),
        ("shout", "text/plain", "größer".encode(), "größer!"),
        ("shout", "text/plain;charset=utf-8", b'{"a": 1}', '{"a": 1}!'),
        ("names", "application/json", b"", ["aloe", "basil", "cress"]),
    ],
)  # fmt: skip
def test_a_post_takes_other_bodies(garden: Api, name: str, type_: str, body: bytes, answer: object) -> None:
    told = garden("POST", f"/rest/v1/rpc/{name}", body, content_type=type_)
    assert (told.status, told.json) == (200, answer)


def test_a_post_may_take_a_part_of_its_body(garden: Api) -> None:
    assert post(garden, "add_up", {"a": 1, "b": 2, "more": 3}).status == 404
    assert post(garden, "add_up", {"a": 1, "b": 2, "more": 3}, "columns=a,b").json == 3


def test_rows_have_the_forms_of_a_table(garden: Api) -> None:
    query = "than=10&select=id,name&order=id"
    assert get(garden, "higher", query, accept="text/csv").body == b"id,name\n1,aloe\n2,basil"
    only = get(garden, "higher", f"{query}&id=eq.1", accept="application/vnd.pgrst.object+json")
    assert only.json == {"id": 1, "name": "aloe"}
    assert get(garden, "higher", query, accept="application/vnd.pgrst.object+json").json["code"] == "PGRST116"
    stripped = get(garden, "plant", "id=3", accept="application/vnd.pgrst.array+json;nulls=stripped")
    assert stripped.json == {"id": 3, "name": "cress"}
    assert get(garden, "names", "limit=2", accept="text/csv").body == b"pgrst_scalar\naloe\nbasil"
    assert get(garden, "names", accept="image/png").status == 406


@pytest.mark.parametrize("count", ["exact", "planned", "estimated"])
def test_rows_are_counted(garden: Api, count: str) -> None:
    part = get(garden, "higher", "than=10&limit=1&order=id", prefer=f"count={count}")
    assert (part.status, part.headers["content-range"]) == (206, "0-0/2")
    assert part.headers["preference-applied"] == f"count={count}"
    assert get(garden, "add_up", "a=1", prefer=f"count={count}").headers["content-range"] == "0-0/1"
    assert get(garden, "higher", "than=10", range="1-1").headers["content-range"] == "1-1/*"
    beyond = get(garden, "higher", "than=10&offset=9", prefer=f"count={count}")
    assert (beyond.status, beyond.json["code"]) == (416, "PGRST103")


def test_a_head_has_no_body(garden: Api) -> None:
    answer = get(garden, "higher", "than=10", "HEAD", prefer="count=exact")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (200, b"", "0-1/2")


def test_a_function_that_gives_nothing_is_204(garden: Api) -> None:
    answer = post(garden, "forget")
    assert (answer.status, answer.body, "content-type" in answer.headers) == (204, b"", False)


def test_a_volatile_function_changes_rows_once_and_only_by_post(garden: Api, api_database: str) -> None:
    before = run_sql(api_database, "SELECT height FROM garden.plants WHERE id = 3")
    refused = get(garden, "water", "id=3&cm=5")
    assert (refused.status, refused.json["code"]) == (405, "25006")
    assert run_sql(api_database, "SELECT height FROM garden.plants WHERE id = 3") == before
    answer = post(garden, "water", {"id": 3, "cm": 5}, "select=height", prefer="count=exact")
    assert answer.json == [{"height": (before[0][0] or 0) + 5}]
    assert run_sql(api_database, "SELECT height FROM garden.plants WHERE id = 3") == [(answer.json[0]["height"],)]


def test_a_change_is_undone_if_its_rows_are_not_what_was_asked_for(garden: Api, api_database: str) -> None:
    before = run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id")
    answer = post(garden, "water", {"id": 1, "cm": 5}, accept="application/vnd.pgrst.object+json")
    assert (answer.status, answer.json["code"]) == (406, "PGRST116")
    assert run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id") == before


def test_a_call_that_gives_more_rows_than_it_may_changes_nothing(garden: Api, api_database: str) -> None:
    before = run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id")
    strict = {"prefer": "handling=strict, max-affected=2"}
    for query in ("", "limit=1", "id=eq.1"):  # a limit and a filter are for reading
        answer = post(garden, "water", {"id": 1, "cm": 5}, query, **strict)
        assert (answer.status, answer.json["code"], answer.json["details"]) == (
            400, "PGRST124", "The query affects 3 rows",
        )  # fmt: skip
    single = post(garden, "plant", {"id": 1}, **strict)
    assert (single.status, single.json["code"]) == (400, "PGRST128")
    assert post(garden, "forget", **strict).json["code"] == "PGRST128"
    assert run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id") == before
    few = get(garden, "higher", "than=10", **strict)
    assert (few.status, few.headers["preference-applied"]) == (200, "handling=strict, max-affected=2")
    loose = post(garden, "water", {"id": 3, "cm": 0}, prefer="max-affected=0")
    assert (loose.status, "preference-applied" in loose.headers) == (200, False)


def test_a_setting_allows_to_try_a_call(execute: Execute, garden: Api, api_database: str) -> None:
    trial = Api(execute, [plants, pots], functions=FUNCTIONS, rest_allows=["tx"])
    before = run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id")
    answer = post(trial, "water", {"id": 2, "cm": 7}, "select=id&order=id", prefer="tx=rollback")
    assert (answer.json, answer.headers["preference-applied"]) == ([{"id": 2}, {"id": 3}], "tx=rollback")
    assert get(trial, "add_up", "a=1", prefer="tx=rollback").headers["preference-applied"] == "tx=rollback"
    assert run_sql(api_database, "SELECT * FROM garden.plants ORDER BY id") == before


@pytest.mark.parametrize("query", ["limit=0", "limit=1&select=id,pots!inner()&pots.color=eq.none"])
def test_a_volatile_function_runs_to_its_end_whatever_is_read(garden: Api, api_database: str, query: str) -> None:
    run_sql(api_database, "UPDATE garden.plants SET height = 1 WHERE id = 3")
    assert post(garden, "water", {"id": 3, "cm": 5}, query).json == []
    assert run_sql(api_database, "SELECT height FROM garden.plants WHERE id = 3") == [(6,)]


def test_a_function_that_is_declared_as_stable_changes_nothing(execute: Execute, garden: Api) -> None:
    water = function(
        "water", Argument("id", "int4"), Argument("cm", "int4"), gives="rows", of="plants", volatility="stable"
    )
    answer = post(Api(execute, [plants], functions=Functions(water)), "water", {"id": 1, "cm": 1})
    assert (answer.status, answer.json["code"]) == (405, "25006")


def test_a_call_is_one_invocation(garden: Api) -> None:
    before = garden.invocations
    post(garden, "water", {"id": 99, "cm": 5}, "select=*,pots(*)&order=id", prefer="count=exact")
    get(garden, "higher", "than=1")
    assert garden.invocations == before + 2


@pytest.mark.parametrize(
    ("name", "query", "status", "code", "message", "hint"),
    [
        ("add_upp", "a=1", 404, "PGRST202", "Could not find the function garden.add_upp(a) in the schema cache",
         "Perhaps you meant to call the function garden.add_up"),
        ("add_up", "a=1&bb=2", 404, "PGRST202", "Could not find the function garden.add_up(a, bb) in the schema cache",
         "Perhaps you meant to call the function garden.add_up(a, b)"),
        ("add_up", "a=1&b=2&something=3", 404, "PGRST202",
         "Could not find the function garden.add_up(a, b, something) in the schema cache",
         "Perhaps you meant to call the function garden.add_up(a, b)"),
        ("add_up", "", 404, "PGRST202",
         "Could not find the function garden.add_up without parameters in the schema cache",
         "Perhaps you meant to call the function garden.add_up(a, b)"),
        ("told", "a=1", 300, "PGRST203",
         "Could not choose the best candidate function between: garden.told(a => integer), garden.told(a => text)",
         "Try renaming the parameters or the function itself in the database so function overloading can be resolved"),
        ("add_up", "a=x", 400, "22P02", 'invalid input syntax for type integer: "x"', None),
        ("divided", "n=1&by=0", 400, "22012", "division by zero", None),
        ("higher", "than=1&select=town", 400, "42703", "column plants.town does not exist", None),
        ("soils", "select=*,pots(*)", 400, "PGRST200",
         "Could not find a relationship between 'soils' and 'pots' in the schema cache", None),
        ("kinds", "list={1&doc=1&one=sand&day=2026-01-01&cut=a", 400, "22P02", 'malformed array literal: "{1"', None),
    ],
)  # fmt: skip
def test_an_error_has_postgrests_form(
    garden: Api, name: str, query: str, status: int, code: str, message: str, hint: str | None
) -> None:
    answer = get(garden, name, query)
    assert (answer.status, answer.json["code"], answer.json["message"]) == (status, code, message)
    if name != "add_up" or query:
        assert answer.json["hint"] == hint


@pytest.mark.parametrize(
    ("body", "type_", "code"),
    [
        (b"{", "application/json", "PGRST102"),
        (b"[{}, 1]", "application/json", "PGRST102"),
        (b'{"a": 1, "a": 2}', "application/json", "PGRST102"),
        (b"\xff", "application/json", "PGRST102"),
        (b"a,b\n1\n", "text/csv", "PGRST102"),
        (b"", "text/csv", "PGRST102"),
        (b"x", "image/png", "PGRST102"),
        (b"a=%00", "application/x-www-form-urlencoded", "22021"),
        (b"x", "application/octet-stream", "PGRST202"),
        (b"x", "text/plain", "PGRST202"),
        (b'{"a": "\\u0000"}', "application/json", "22P05"),
        (b'{"a": "\\ud800"}', "application/json", "22P02"),
        (b'{"a": NaN}', "application/json", "22P02"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(garden: Api, body: bytes, type_: str, code: str) -> None:
    answer = garden("POST", "/rest/v1/rpc/add_up", body, content_type=type_)
    assert (answer.json["code"], answer.status) == (code, 404 if code == "PGRST202" else 400)


def test_a_page_of_another_origin_needs_leave_to_call(garden: Api) -> None:
    sent = {"origin": "https://evil.example", "host": "127.0.0.1:8000"}
    answer = garden("POST", "/rest/v1/rpc/shout", b"x", content_type="text/plain", **sent)
    assert (answer.status, answer.json["code"]) == (400, "PGRST102")
    assert garden("POST", "/rest/v1/rpc/add_up", {"a": 1}, **sent).status == 200


def test_a_function_knows_the_request_and_no_credentials(garden: Api) -> None:
    answer = get(garden, "caller", x_agent="é", authorization="Bearer s3cret", cookie="a=b; taste=sweet")
    told = answer.json
    assert (told["method"], told["secret"], told["cookie"]) == ("GET", None, "sweet")
    assert told["path"] == "/rpc/caller"
    assert "agent" in told


def test_a_function_chooses_its_status_and_headers(garden: Api) -> None:
    headers = [{"X-One": "1"}, {"Cache-Control": "public"}, {"Content-Type": "text/x-own"}]
    answer = post(garden, "respond", {"status": "418", "headers": json.dumps(headers)})
    assert (answer.status, answer.headers["x-one"], answer.headers["cache-control"]) == (418, "1", "public")
    assert answer.headers["content-type"] == "text/x-own"
    assert post(garden, "respond", {"status": "", "headers": ""}).status == 200
    assert post(garden, "respond", {"status": "204", "headers": "[]"}).body == b""
    untouched = get(garden, "add_up", "a=1")  # what another call chose is gone
    assert (untouched.status, "x-one" in untouched.headers) == (200, False)


@pytest.mark.parametrize(
    "headers",
    ["x", "{}", '[{"a": 1}]', '[{"a": "1", "b": "2"}]', '["a"]', '[{"a b": "1"}]', '[{"A": "x\\r\\nB: y"}]',
     '[{"Content-Length": "1"}]', '[{"Transfer-Encoding": "chunked"}]', '[{"A": "é"}]', '[{"": "x"}]',
     json.dumps([{f"X-{n}": "1"} for n in range(60)]), json.dumps([{"X": "1" * 5000}])],
)  # fmt: skip
def test_headers_that_cannot_be_sent_are_refused(garden: Api, headers: str) -> None:
    answer = post(garden, "respond", {"status": "200", "headers": headers})
    assert (answer.status, answer.json["code"]) == (500, "PGRST111")


@pytest.mark.parametrize("status", ["x", "99", "100", "600", "20", "2000", "-1", "٤٠٤"])
def test_a_status_that_is_none_is_refused(garden: Api, status: str) -> None:
    answer = post(garden, "respond", {"status": status, "headers": ""})
    assert (answer.status, answer.json["code"]) == (500, "PGRST112")


def raised(api: Api, **arguments: str) -> Response:
    return post(api, "fail", arguments)


def test_an_error_of_a_function_chooses_its_status(garden: Api) -> None:
    assert raised(garden, code="PT402", message="Pay first").json == {
        "code": "PT402", "message": "Pay first", "details": None, "hint": None,
    }  # fmt: skip
    assert raised(garden, code="PT402", message="m").status == 402
    assert raised(garden, code="PT40A", message="m").status == 500
    assert raised(garden, code="P0001", message="m").status == 400
    said = json.dumps({"code": "own", "message": "Not so", "hint": "h"})
    answer = raised(garden, code="PGRST", message=said, detail='{"status": 409, "headers": {"X-Why": "so"}}')
    assert (answer.status, answer.headers["x-why"]) == (409, "so")
    assert answer.json == {"code": "own", "message": "Not so", "details": None, "hint": "h"}


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("x", '{"status": 400, "headers": {}}'),
        ('{"code": "a"}', '{"status": 400, "headers": {}}'),
        ('{"code": "a", "message": "b"}', None),
        ('{"code": "a", "message": "b"}', "x"),
        ('{"code": "a", "message": "b"}', '{"status": 400}'),
        ('{"code": "a", "message": "b"}', '{"status": 999, "headers": {}}'),
        ('{"code": "a", "message": "b"}', '{"status": true, "headers": {}}'),
        ('{"code": 1, "message": "b"}', '{"status": 400, "headers": {}}'),
        ('{"code": "a", "message": "b"}', '{"status": 400, "headers": {"A": "x\\nB: y"}}'),
        ('{"code": "a", "message": "b"}', '{"status": 400, "headers": {"A": 1}}'),
    ],
)
def test_an_error_that_describes_no_response_is_500(garden: Api, message: str, detail: str | None) -> None:
    answer = raised(garden, code="PGRST", message=message, **({} if detail is None else {"detail": detail}))
    assert (answer.status, answer.json["code"]) == (500, "PGRST121")


def test_rows_that_no_reply_can_hold_are_refused(garden: Api) -> None:
    executed = Api(lambda _: Reply([Result([], [["/"]], 1), Result([], [[None, 7, None, 7, None, None, False]], 1)]),
                   [plants], functions=FUNCTIONS)  # fmt: skip
    assert get(executed, "higher", "than=1").json["code"] == "54000"


def test_rows_of_a_function_have_no_relations_of_a_table_with_its_name(execute: Execute) -> None:
    api = Api(execute, [plants, pots], functions=Functions(function("pots", gives="rows", of=SoilRow)))
    answer = get(api, "pots", "select=*,plants(*)")
    assert (answer.status, answer.json["code"]) == (400, "PGRST200")


def test_a_refused_call_asks_no_database(garden: Api) -> None:
    before = garden.invocations
    for name, query in (("nope", ""), ("add_up", "c=1"), ("add_up", "a=1&select=x,("), ("higher", "than=1&town=eq.1")):
        assert get(garden, name, query).status >= 400
    assert garden.invocations == before


TOKENS = st.sampled_from(
    "a b n by than id parts list doc eq. in. not. ( ) , . * { } [ ] \" ' \\ : :: -> ; -- $$ := => given called sand 1 "
    "-1 0 9999999999999999999999 null true 2026-01-01 pots(*) !inner pg_sleep(9) Ü \x00 \n =".split(" ")
)
TEXTS = st.one_of(st.lists(TOKENS, max_size=8).map("".join), st.text(max_size=20))
NAMES = st.one_of(
    st.sampled_from(["a", "b", "n", "by", "than", "parts", "list", "select", "order", "limit", "columns", "or", "id"]),
    TEXTS,
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="session")
def seen(api_database: str) -> tuple[Api, list[str]]:
    run_sql(api_database, SQL)
    inner, statements = InProcessExecutor(create_local_handler(api_database)), list[str]()

    def execute(request: Request) -> Reply | Failure:
        statements.extend(statement.sql for statement in request.statements)
        return inner(request)

    return Api(execute, [plants, pots], functions=FUNCTIONS), statements


@pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=pytest.mark.soak, id="soak")])
def test_no_call_is_a_fault_and_none_writes_sql(seen: tuple[Api, list[str]], examples: int) -> None:
    api, statements = seen
    names = st.sampled_from([name for name in FUNCTIONS.names() if name not in {"respond", "fail"}])

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(names, st.dictionaries(NAMES, TEXTS, max_size=4), st.none() | DOCUMENTS, st.sampled_from([
        "application/json", "application/x-www-form-urlencoded", "text/csv", "text/plain",
        "text/xml", "",
    ]))  # fmt: skip
    def attack(name: str, query: Mapping[str, str], document: object, type_: str) -> None:
        sent = "&".join(
            f"{quote(key, errors='replace')}={quote(text, errors='replace')}" for key, text in query.items()
        )
        body = None
        if document is not None:
            body = (document if isinstance(document, str) else json.dumps(document)).encode(errors="replace")
        headers = {"content_type": type_} if type_ else {}
        answer = api("GET" if body is None else "POST", f"/rest/v1/rpc/{name}?{sent}", body, **headers)
        assert answer.status in {200, 204, 206, 300, 400, 404, 405, 406, 416}, (name, query, document, answer.body)
        json.loads(answer.body) if "json" in answer.headers.get("content-type", "") else None

    attack()
    assert not any(word in sql for sql in statements for word in ("pg_sleep", "--", ";", "$$", "Ü"))


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("higher", "OPTIONS,GET,HEAD,POST"),  # stable
        ("add_up", "OPTIONS,GET,HEAD,POST"),  # immutable, both overloads
        ("water", "OPTIONS,POST"),
    ],
)
def test_options_lists_the_methods_of_a_function(garden: Api, name: str, allowed: str) -> None:
    before = garden.invocations
    answer = garden("OPTIONS", f"/rest/v1/rpc/{name}")
    assert (answer.status, answer.headers["allow"], answer.body) == (200, allowed, b"")
    assert garden.invocations == before


def test_options_of_an_unknown_function_names_the_nearest(garden: Api) -> None:
    answer = garden("OPTIONS", "/rest/v1/rpc/add_upp")
    assert (answer.status, answer.json["code"]) == (404, "PGRST202")
    assert "garden.add_up" in answer.json["hint"]
