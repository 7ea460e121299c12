"""For every type: a value that came out can go back in, filters and cursors find it, and the description fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import defstruct
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from crud_api.executor.seam import InProcessExecutor
from crud_api.openapi import document
from crud_api.resource import Resource
from crud_api.resource.columns.field import column_of
from crud_api.resource.columns.json import Hstore, Json, Jsonb, JsonbColumn, json_text
from crud_api.resource.columns.number import Money
from crud_api.resource.columns.text import Citext
from crud_api.sql import one_row
from crud_api.sql.populating import populated
from infra.declarations import declared
from query_executor.handler import create_local_handler
from query_executor.migrate.declared import differences
from tests.conftest import execute as run_sql
from tests.functional import every_type
from tests.functional.client import Api
from tests.functional.every_type import SAMPLES, TYPES
from tests.properties import examples

JSON = {"content_type": "application/json"}


class Every:
    """The table demo.every, the API over it and a connection to the database."""

    def __init__(self, url: str, names: list[str], database: Cursor) -> None:
        self.names, self.database, self.url = names, database, url
        fields: list[Any] = [("id", int), *((name, SAMPLES[name].hint | None, None) for name in names)]
        self.resource = Resource(name="every", table="demo.every", model=defstruct("Every", fields), key="id")
        self.api = Api(InProcessExecutor(create_local_handler(url)), [self.resource])
        described = document([self.resource], "none")
        schema = {"$ref": "#/components/schemas/EveryView", "components": described["components"]}
        self.answered = Draft202012Validator(schema)
        self.written = Draft202012Validator({**schema, "$ref": "#/components/schemas/NewEvery"})

    def insert(self, id_: int, row: Mapping[str, str | None]) -> None:
        """Store a row of texts in PostgreSQL's notation."""
        places = ", ".join(SAMPLES[name].cast for name in row)
        self.database.execute(
            f"INSERT INTO demo.every (id, {', '.join(row)}) VALUES (%s, {places})", [id_, *row.values()]
        )

    def differing(self, *ids: int) -> list[str]:
        """The columns in which these rows differ from row 1."""
        same = ", ".join(
            f"bool_and(t.{name}{cast} IS NOT DISTINCT FROM one.{name}{cast})"
            for name in self.names
            # json keeps its spaces, but a client does not send them back.
            for cast in ["::jsonb" if SAMPLES[name].sql_type == "json" else "::text"]
        )
        self.database.execute(
            f"SELECT count(*), {same} FROM demo.every t JOIN demo.every one ON one.id = 1 WHERE t.id = ANY(%s)",
            [list(ids)],
        )
        ((count, *found),) = self.database.fetchall()
        assert count == len(ids)
        return [name for name, is_same in zip(self.names, found, strict=True) if not is_same]


@pytest.fixture(scope="module")
def every(api_database: str) -> Iterator[Every]:
    with closing(psycopg2.connect(api_database)) as connection:
        connection.autocommit = True
        with connection.cursor() as database:
            names = every_type.names_of(_available(database))
            for one in ("every", "keyed"):
                database.execute(f"DROP TABLE IF EXISTS demo.{one}")
            for kind, one in (("DOMAIN", "price"), ("DOMAIN", "document"), ("DOMAIN", "code"), ("TYPE", "visit")):
                database.execute(f"DROP {kind} IF EXISTS demo.every_{one} CASCADE")
            database.execute("DROP TYPE IF EXISTS demo.every_feeling CASCADE")
            database.execute(TYPES)
            columns = ", ".join(f"{name} {SAMPLES[name].sql_type}" for name in names)
            database.execute(f"CREATE TABLE demo.every (id int PRIMARY KEY, {columns})")
            yield Every(api_database, names, database)


def _available(database: Cursor) -> list[str]:
    database.execute("SELECT name FROM pg_available_extensions WHERE name IN ('citext', 'hstore')")
    found = [name for (name,) in database.fetchall()]
    for name in found:
        database.execute(f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public")
    try:
        database.execute("SELECT '<a/>'::xml")
    except psycopg2.errors.FeatureNotSupported:
        return found
    return [*found, "xml"]


def url_text(value: Any) -> str:
    """A value of a row's JSON as a URL writes it."""
    return value if isinstance(value, str) else json_text(value)


def parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


@settings(
    max_examples=examples(15), derandomize=True, deadline=None, database=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking a row with so many columns takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(data=st.data())
def test_what_came_out_can_go_back_in_and_is_found(every: Every, data: st.DataObject) -> None:
    row = data.draw(every_type.rows(every.names))
    api = every.api
    every.database.execute("DELETE FROM demo.every")
    every.insert(1, row)
    first = api("GET", "/every/1")
    assert first.status == 200, first.body
    assert [error.message for error in every.answered.iter_errors(json.loads(first.body))] == []
    assert [error.message for error in every.written.iter_errors(json.loads(first.body))] == []

    def numbered(n: int) -> bytes:
        return first.body.replace(b'{"id":1,', b'{"id":%d,' % n, 1)

    stored = api("POST", "/every", numbered(2), **JSON)
    assert (stored.status, stored.body) == (201, numbered(2))
    stored = api("POST", "/every", b"[%s,%s]" % (numbered(3), numbered(4)), **JSON)
    assert (stored.status, stored.body) == (201, b"[%s,%s]" % (numbered(3), numbered(4)))
    stored = api("POST", "/every", numbered(3), prefer="resolution=merge-duplicates", **JSON)
    assert (stored.status, stored.body) == (200, numbered(3))
    changed = api("PUT", "/every/1", first.body, if_match=first.headers["etag"], **JSON)
    assert (changed.status, changed.body) == (200, first.body)
    assert every.differing(1, 2, 3, 4) == []

    name = data.draw(st.sampled_from(every.names))
    every.insert(5, {name: data.draw(every_type.SAMPLES[name].texts)})
    column, value = every.resource.fields[name].column, parsed(first.body)[name]
    found: list[dict[str, str]] = [{f"{name}[is]": "null"}] if value is None else []
    text = json_text(value) if isinstance(column, JsonbColumn) else url_text(value)
    if value is not None and column.has_equality and len(text) < 900:
        listed = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        found += [{name: text}, {f"{name}[in]": listed}]
        if column.has_order:
            found.append({f"{name}[gte]": text, f"{name}[lte]": text})
    for query in found:
        answer = api("GET", f"/every?{urlencode({**query, 'fields': 'id', 'id[lt]': '5'})}")
        assert answer.status == 200, (query, answer.body)
        assert [one["id"] for one in answer.json["items"]] == [1, 2, 3, 4], query

    for sort, order in ((name, f"{name}, id"), (f"-{name}", f"{name} DESC, id DESC")):
        page = api("GET", f"/every?{urlencode({'sort': sort, 'limit': 2, 'fields': 'id'})}")
        if not column.has_order:
            assert (page.status, [one["parameter"] for one in page.json["errors"]]) == (400, ["sort"])
            continue
        ids = [one["id"] for one in page.json["items"]]
        while page.json["next"]:
            page = api("GET", page.json["next"])
            assert page.status == 200, page.body
            ids += [one["id"] for one in page.json["items"]]
        every.database.execute(f"SELECT id FROM demo.every ORDER BY {order}")
        assert ids == [id_ for (id_,) in every.database.fetchall()], sort


@pytest.mark.parametrize(
    ("name", "text"), [("ints", "[0:1]={1,2}"), ("texts", "[2:2]={a}"), ("grid", "[0:0][2:3]={{1,2}}")]
)
def test_an_array_whose_first_index_is_not_1_comes_back_with_it(every: Every, name: str, text: str) -> None:
    every.database.execute("DELETE FROM demo.every")
    every.insert(1, {name: text})
    value = every.api("GET", "/every/1").json[name]
    assert every.api("POST", "/every", {"id": 2, name: value}).status == 201
    assert every.differing(1, 2) == []


def test_every_column_is_declared_as_the_database_has_it(every: Every) -> None:
    with closing(psycopg2.connect(every.url)) as connection:
        found = differences(connection, declared([every.resource]))
    assert [one for one in found if one.stops] == []
    assert len(found) == 4  # the columns whose types have a lower precision of times, and char(n), which adds spaces


@pytest.mark.each_measured
@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if column_of(sample.hint).has_order])
def test_a_key_of_every_type_leads_to_its_row(every: Every, name: str) -> None:
    if name not in every.names:
        pytest.skip("this server does not have the type")
    hint, sql_type = SAMPLES[name].hint, SAMPLES[name].sql_type
    model = defstruct("Keyed", [("key", hint), ("n", int | None, None)])
    resource = Resource(name="keyed", table="demo.keyed", model=model, key="key")
    api = Api(InProcessExecutor(create_local_handler(every.url)), [resource])
    run_sql(every.url, f"DROP TABLE IF EXISTS demo.keyed; CREATE TABLE demo.keyed (key {sql_type} PRIMARY KEY, n int)")
    key = resource.fields["key"].column.example()
    created = api("POST", "/keyed", {"key": key, "n": 1})
    assert created.status == 201, created.body
    location = created.headers["location"]
    for path in (location, f"/keyed/{quote(url_text(created.json['key']), safe='')}"):
        found = api("GET", path)
        assert (found.status, found.body) == (200, created.body), path
    for sent in (key, created.json["key"]):
        changed = api("PATCH", location, {"key": sent, "n": 2})
        assert (changed.status, changed.json.get("n")) == (200, 2), changed.body
    assert api("POST", "/keyed", [{"key": key}]).status == 409
    merge = {"prefer": "resolution=merge-duplicates"}
    assert api("POST", "/keyed", {"key": created.json["key"], "n": 3}, **merge).status == 200
    page = api("GET", "/keyed?sort=n&limit=1")
    assert [one["n"] for one in page.json["items"]] == [3]
    assert api("DELETE", location).status == 204
    assert api("GET", location).status == 404
    assert api("GET", "/keyed/%00").status == 404


# Values of JSON for a field of any type. If the type refuses the value, the answer is 422 and names the field.
ANYTHING: list[Any] = [
    True, 0, -1, 1.5, 10**70, 1e300, "", "x", "x" * 2000, "\u0000", "\ud800", "NaN", "infinity", "{}", "[0:1]={1,2}",
    '{"', "(1,2)", "2026-02-30", "2026-01-31T09:30:00+99:00", "00000-01-01", "P", "[2,1]", "{[2,1]}", "1/2", "AA=", [],
    {}, [[]], [None], [[1], [1, 2]], [{"a": [1]}], {"a": None}, {"a": 1, "b": "c"}, {"n": 1}, {"n": "x"}, ["x"], [1],
]  # fmt: skip


@pytest.mark.no_cover
@pytest.mark.one_postgres
@pytest.mark.parametrize("name", list(SAMPLES))
def test_what_is_no_value_of_the_type_is_refused_by_name(every: Every, api_of: Callable[..., Api], name: str) -> None:
    if name not in every.names:
        pytest.skip("this server does not have the type")
    column = every.resource.fields[name].column
    # Of this type alone: statements of all columns take ten times as long.
    api = api_of(SAMPLES[name].sql_type, SAMPLES[name].hint | None)
    for n, value in enumerate(ANYTHING):
        one = api("POST", "/keyed", {"id": 2 * n, "v": value})
        many = api("POST", "/keyed", [{"id": 2 * n + 1, "v": value}])
        assert (one.status, many.status) in {(201, 201), (422, 422)}, (value, one.body, many.body)
        if one.status == 422:
            assert (one.pointers, many.pointers) == (["#/v"], ["#/0/v"]), (value, one.body, many.body)
        else:
            assert one.json["v"] == many.json[0]["v"]
    for text in [value for value in ANYTHING if isinstance(value, str) and value.isprintable()] + ["[1", '"x']:
        for operator in ("", "[gt]", "[in]", "[like]", "[ilike]"):
            found = api("GET", f"/keyed?{urlencode({'v' + operator: text})}")
            assert found.status in {200, 400}, (operator, text, found.body)
            if found.status == 400:
                assert [error["parameter"] for error in found.json["errors"]] == ["v" + operator]
            elif operator in {"", "[in]"}:
                assert column.has_equality
            else:
                assert column.has_order if operator == "[gt]" else column.is_text


@pytest.mark.each_measured
@pytest.mark.parametrize("name", list(SAMPLES))
def test_the_example_of_every_type_is_a_value_of_it(every: Every, name: str) -> None:
    if name not in every.names:
        pytest.skip("this server does not have the type")
    every.database.execute("DELETE FROM demo.every")
    row = {"id": 1, name: every.resource.fields[name].column.example()}
    assert every.written.is_valid(row)
    stored = every.api("POST", "/every", row)
    assert (stored.status, every.answered.is_valid(stored.json)) == (201, True), stored.body


@pytest.fixture
def api_of(every: Every) -> Callable[..., Api]:
    """Make the table demo.keyed with a key `id` and a column `v`. Return the API over it."""

    def made(sql_type: str, hint: Any, url: str = every.url) -> Api:
        run_sql(url, f"DROP TABLE IF EXISTS demo.keyed; CREATE TABLE demo.keyed (id int PRIMARY KEY, v {sql_type})")
        model = defstruct("Keyed", [("id", int), ("v", hint)])
        resource = Resource(name="keyed", table="demo.keyed", model=model, key="id")
        return Api(InProcessExecutor(create_local_handler(url)), [resource])

    return made


@pytest.mark.parametrize(
    ("hint", "stored"), [(Jsonb, "null"), (Json, "null"), (Jsonb | None, None), (Json | None, None)]
)
def test_null_is_a_document_where_the_declaration_has_no_null(
    every: Every, api_of: Callable[..., Api], hint: Any, stored: str | None
) -> None:
    api = api_of("json" if "JsonColumn" in str(hint) else "jsonb", hint)
    for body in ({"id": 1, "v": None}, [{"id": 2, "v": None}], {"id": 1, "v": {"a": None}}):
        assert api("POST", "/keyed", body, prefer="resolution=merge-duplicates").status in {200, 201}
    assert api("PATCH", "/keyed/1", {"v": None}).json == {"id": 1, "v": None}
    assert run_sql(every.url, "SELECT DISTINCT v::text FROM demo.keyed") == [(stored,)]


def test_money_is_the_same_in_the_letters_of_every_country(
    every: Every, api_of: Callable[..., Api], database_url: str
) -> None:
    # This uses the locale of another country if the machine has one. Otherwise it uses C.
    run_sql(database_url, "CREATE SCHEMA demo")
    for locale in ("de_DE.UTF-8", "de_DE.utf8", "ja_JP.UTF-8", "C"):
        try:
            run_sql(database_url, f"SET lc_monetary = '{locale}'")
        except psycopg2.errors.InvalidParameterValue:
            continue
        name = database_url.partition("?")[0].rpartition("/")[2]
        run_sql(database_url, f"ALTER DATABASE {name} SET lc_monetary = '{locale}'")
        api = api_of("money", Money, database_url)
        for body in ({"id": 1, "v": 1234.56}, [{"id": 2, "v": 1234.56}, {"id": 3, "v": -0.07}]):
            assert api("POST", "/keyed", body).status == 201
        assert api("PATCH", "/keyed/1", {"v": 1234.57}).json["v"] == 1234.57
        assert api("GET", "/keyed?v[gte]=1234.56&sort=v").body.count(b'"v":1234.5') == 2
    cast = every.resource.fields["money"].column.cast
    assert cast == "::numeric::money"
    assert f":v{cast}" in one_row.insert(_keyed(Money), {"id": 1, "v": "1.5"}).statements[0].sql
    assert f":set_v{cast}" in one_row.update(_keyed(Money), (1,), {"v": "1.5"}).statements[0].sql
    assert f"{cast}::text" in populated(_keyed(Money), ["id", "v"], "rows")


def _keyed(hint: Any) -> Resource:
    model = defstruct("Keyed", [("id", int), ("v", hint)])
    return Resource(name="keyed", table="demo.keyed", model=model, key="id")


def test_ilike_and_citext_find_capital_and_small_letters(every: Every, api_of: Callable[..., Api]) -> None:
    expected = {"v[like]=a*": ["abc"], "v[ilike]=a*": ["abc", "ABC"], "v[ilike]=A_%5C*": ["Ab*"], "v=abc": ["abc"]}
    for sql_type, hint in [("text", str), *([("citext", Citext)] if "a_citext" in every.names else [])]:
        api = api_of(sql_type, hint)
        for n, text in enumerate(["abc", "ABC", "xyz", "Ab*"]):
            assert api("POST", "/keyed", {"id": n, "v": text}).status == 201
        for query, found in expected.items():
            if sql_type == "citext" and query != "v[ilike]=A_%5C*":
                found = ["abc", "ABC"]  # noqa: PLW2901
            texts = [one["v"] for one in api("GET", f"/keyed?{query}&sort=id").json["items"]]
            assert [text for text in texts if text != "Ab*" or found == ["Ab*"]] == found, (sql_type, query)


def test_what_postgresql_does_not_compare_is_refused_with_a_sentence(api_of: Callable[..., Api]) -> None:
    api = api_of("json", Json)
    for query, detail in {
        "v=1": "v cannot compare values of type json; use [is]",
        "v[in]=1": "v[in] cannot compare values of type json; use [is]",
        "v[lt]=1": "v[lt] needs an order, which type json does not have; use [is]",
        "v[ilike]=1": "v[ilike] works only on text columns",
        "sort=v": "sort names v, whose type json has no order in PostgreSQL",
    }.items():
        answer = api("GET", f"/keyed?{query}")
        assert (answer.status, [one["detail"] for one in answer.json["errors"]]) == (400, [detail])
    assert api("GET", "/keyed?v[is]=not_null").status == 200
    for hint, word in ((Json, "compare"), (Hstore, "sort")):
        with pytest.raises(ValueError, match=rf"k\.v is declared as .*, which PostgreSQL cannot {word}\. Declare"):
            Resource(name="k", table="k", model=defstruct("K", [("v", hint)]), key="v")


def test_a_body_member_that_is_minus_zero_stays_it(api_of: Callable[..., Api]) -> None:
    api = api_of("float8", float)
    for body in (b'{"id": 1, "v": -0}', b'[{"id": 2, "v": -0.0}]'):
        assert b'"v":-0}' in api("POST", "/keyed", body, **JSON).body
