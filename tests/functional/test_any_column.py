"""A value of any column type means the same in every kind of request, and comes back unchanged."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource import Reference
from crud_api.resource.columns.composite import Composite
from crud_api.resource.columns.number import Money
from crud_api.resource.columns.time import Timestamp
from tests.conftest import execute as run_sql
from tests.functional.any_table import api_over
from tests.functional.any_table import declared as resource_of
from tests.functional.client import Api

# The properties of test_every_type.py and the refusals store values of all types on the older PostgreSQL, too.
pytestmark = [pytest.mark.in_process, pytest.mark.one_postgres, pytest.mark.each_measured]


class Blob(Struct):
    """A composite type that holds bytes."""

    v: bytes | None = None


JSON = {"content_type": "application/json"}

# The type of a column, a text that is sent, and the value that PostgreSQL returns.
TEXTS: list[tuple[str, str, Any]] = [
    ("text", "5", "5"),
    ("varchar(5)", "a  ", "a  "),
    ("char(3)", "a", "a  "),
    ("int", "5", 5),
    ("smallint", "-5", -5),
    ("numeric(5, 2)", "1.5", 1.5),
    ("boolean", "yes", True),
    ("float8", "0.1", 0.1),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "2026-01-31", "2026-01-31"),
    ("timestamp", "2026-01-31 09:30", "2026-01-31T09:30:00"),
    ("timestamptz", "2026-01-31 09:30+02", "2026-01-31T07:30:00+00:00"),
    ("time", "09:30", "09:30:00"),
    ("interval", "90 minutes", "PT1H30M"),
    ("bytea", "\\x68c3a9", "\\x68c3a9"),
    ("bit(3)", "101", "101"),
    ("inet", "10.0.0.1", "10.0.0.1"),
    ("int4range", "[1,3)", "[1,3)"),
    ("int[]", "{1,2}", [1, 2]),
    ("text[]", '{a,"b,c"}', ["a", "b,c"]),
    ("jsonb[]", '{"{\\"a\\": 1}"}', [{"a": 1}]),
    ("point", "(1,2)", "(1,2)"),
    ("json", '{"a":1}', {"a": 1}),
    ("json", '"text"', "text"),
    ("jsonb", '{"a":1}', {"a": 1}),
    ("jsonb", '"text"', "text"),
    ("jsonb", "12.50", 12.5),
    ("jsonb", '[1, "a", {"b": "\\"c\\""}]', [1, "a", {"b": '"c"'}]),
    ("json", "null", None),
    ("jsonb", " null\n", None),
    ("demo.words", "null", None),
    ("text", "null", "null"),
    ("text[]", "{null}", [None]),
    ("jsonb[]", "{null}", [None]),
    ("jsonb[]", '{"null"}', [None]),
    ("demo.words", '{"a":1}', {"a": 1}),
    ("demo.mood", "sad", "sad"),
    ("demo.pair", "(1,a)", {"n": 1, "t": "a"}),
]


@pytest.fixture(scope="module")
def types(api_database: str) -> str:
    run_sql(api_database, "DROP TYPE IF EXISTS demo.mood, demo.pair CASCADE")
    run_sql(api_database, "DROP DOMAIN IF EXISTS demo.word, demo.words CASCADE")
    run_sql(api_database, "CREATE TYPE demo.mood AS ENUM ('sad', 'ok')")
    run_sql(api_database, "CREATE TYPE demo.pair AS (n int, t text)")
    run_sql(api_database, "CREATE DOMAIN demo.word AS jsonb CHECK (VALUE IS NOT NULL OR true)")
    run_sql(api_database, "CREATE DOMAIN demo.words AS demo.word")
    return api_database


@pytest.mark.parametrize(("column", "text", "answered"), TEXTS)
def test_a_text_means_the_same_in_one_row_many_upserts_and_changes(
    execute: Execute, types: str, column: str, text: str, answered: Any
) -> None:
    name = f"anything{TEXTS.index((column, text, answered))}"
    fields = {"id": int, "v": str, "w": str}
    api = api_over(execute, types, name, f"id int PRIMARY KEY, v {column}, w text", fields)
    merge = {"prefer": "resolution=merge-duplicates"}
    answers = [
        api("POST", f"/{name}", {"id": 1, "v": text, "w": "one"}),
        api("POST", f"/{name}", {"id": 2, "v": text}),
        api("POST", f"/{name}", [{"id": 3, "v": text, "w": "many"}, {"id": 4, "v": text}]),
        api("POST", f"/{name}", {"id": 1, "v": text, "w": "merged"}, **merge),
        api("POST", f"/{name}", [{"id": 5, "v": text}], **merge),
        api("POST", f"/{name}", {"id": 6, "v": text}, idempotency_key=str(uuid4())),
        api("PATCH", f"/{name}/1", {"v": text}),
        api("PUT", f"/{name}/2", {"v": text}),
    ]
    assert {answer.status for answer in answers} <= {200, 201}, [answer.body for answer in answers]
    assert [item["v"] for item in api("GET", f"/{name}").json["items"]] == [answered] * 6
    stored = run_sql(types, f"SELECT DISTINCT v::text FROM demo.{name}")
    assert len(stored) == 1, stored
    assert stored[0][0] is not None


@pytest.mark.parametrize(("column", "text"), [
    ("json", "{}"), ("jsonb", "[1]"), ("jsonb", "1.50"), ("boolean", "true"), ("int[]", "{1}"), ("demo.pair", "(1,a)"),
])  # fmt: skip
def test_what_is_not_answered_as_a_text_cannot_be_sent_back_as_one(
    execute: Execute, types: str, column: str, text: str
) -> None:
    # This is why query_executor/migrate/declared.py refuses these types for a str when the API starts.
    api = api_over(execute, types, "untold", f"id int PRIMARY KEY, v {column}", {"id": int, "v": str})
    answered = api("POST", "/untold", {"id": 1, "v": text}).json
    assert not isinstance(answered["v"], str)
    assert api("PUT", "/untold/1", answered).status == 422


# A declared type, its column, a value that is sent, and the text of the value in a path and in the response.
KEYS: list[tuple[Any, str, Any, str]] = [
    (int, "int", -5, "-5"),
    (int, "smallint", 5, "5"),
    (int, "bigint", 9007199254740993, "9007199254740993"),
    (int, "numeric", 10**30, f"{10**30}"),
    (Decimal, "numeric", 1.50, "1.5"),
    (Decimal, "numeric(5, 3)", 1.5, "1.500"),
    (float, "float8", 1e300, "1e+300"),
    (bool, "boolean", True, "true"),
    (Timestamp, "timestamptz", "2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.5+00:00"),
    (Timestamp, "timestamptz", "2026-01-31T09:30:00+05:30", "2026-01-31T04:00:00+00:00"),
    (Timestamp, "timestamp", "2026-01-31T09:30:00.5-01:00", "2026-01-31T10:30:00.5+00:00"),
    (datetime, "timestamptz", "2026-01-31T09:30:00", "2026-01-31T09:30:00+00:00"),
    (datetime, "timestamp", "2026-01-31T09:30:00", "2026-01-31T09:30:00+00:00"),
    (date, "date", "2026-01-31", "2026-01-31"),
    (UUID, "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (str, "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (str, "int", "7", "7"),
    (str, "text", "a b/ü", "a b/ü"),
]


@pytest.mark.parametrize(("declared", "column", "sent", "path"), KEYS)
def test_a_key_of_any_type_leads_to_its_row_as_it_is_answered_and_as_it_was_sent(
    execute: Execute, types: str, declared: Any, column: str, sent: Any, path: str
) -> None:
    fields = {"id": declared, "n": int}
    name = f"keyed{KEYS.index((declared, column, sent, path))}"
    api = api_over(execute, types, name, f"id {column} PRIMARY KEY, n int", fields)
    created = api("POST", f"/{name}", {"id": sent, "n": 1})
    assert created.status == 201, created.body
    assert (created.status, created.headers["location"]) == (201, f"/{name}/{quote(path, safe='')}")
    location = created.headers["location"]
    assert api("GET", location).json == created.json
    for n, key in enumerate((created.json["id"], sent), 2):
        changed = api("PATCH", location, {"id": key, "n": n})
        assert (changed.status, changed.json.get("n")) == (200, n), changed.body
    assert api("POST", f"/{name}", {"id": sent}).status == 409
    merge = {"prefer": "resolution=merge-duplicates"}
    assert api("POST", f"/{name}", {"id": created.json["id"], "n": 9}, **merge).status == (
        200 if (declared is str) == isinstance(created.json["id"], str) or declared is not str else 422
    )
    given = quote(path, safe="")
    for query in (f"id={given}", f"id[in]={given}", f"id[gte]={given}&id[lte]={given}", "sort=-id"):
        assert [item["id"] for item in api("GET", f"/{name}?{query}").json["items"]] == [created.json["id"]], query
    assert api("DELETE", location).status == 204


def test_a_number_that_is_declared_as_a_text_goes_in_as_its_text_at_every_door(
    execute: Execute, api_database: str
) -> None:
    # query_executor/migrate/declared.py warns of it when the API starts, and says to declare int.
    up = Reference(resource="numbered", name="above", reverse="below")
    run_sql(api_database, "DROP TABLE IF EXISTS demo.numbered CASCADE")
    run_sql(api_database, "CREATE TABLE demo.numbered (id int PRIMARY KEY, n int, up int REFERENCES demo.numbered)")
    fields = {"id": str, "n": str, "up": str}
    api = Api(execute, [resource_of("numbered", fields, references={"up": up})])
    merge = {"prefer": "resolution=merge-duplicates"}

    def statuses(id_: Any, n: Any) -> list[int]:
        row = {"id": id_, "n": n}
        answers = [
            api("POST", "/numbered", row),
            api("POST", "/numbered", {**row, "up": id_}, **merge),
            api("POST", "/numbered", [row], **merge),
            api("POST", "/numbered", row, idempotency_key=f"{uuid4()}", **merge),
            api("PATCH", "/numbered/7", {"n": n, "up": id_}),
            api("PUT", "/numbered/7", {**row, "up": id_}),
        ]
        return [answer.status for answer in answers]

    assert statuses("7", "5") == [201, 200, 200, 200, 200, 200]
    assert api("GET", "/numbered/7").json == {"id": 7, "n": 5, "up": 7}
    assert statuses(7, 5) == [422] * 6
    assert api("POST", "/numbered", {"id": 7, "n": 5}).pointers == ["#/id", "#/n"]
    assert api("PATCH", "/numbered/7", {"id": 7}).status == 200  # no value: it names the row, as it is answered


VALUES: list[tuple[Any, str, list[Any]]] = [
    (int, "smallint", [-5, 0, 7]),
    (Decimal, "numeric", [-0.5, 0, 1.25]),
    (float, "real", [-0.5, 0.1, 3e30]),
    (float, "float8", [-0.5, 0.1, 1e300]),
    (bool, "boolean", [False, True]),
    (Timestamp, "timestamptz", ["2026-01-31T09:30:00.5Z", "2026-01-31T10:30:00+00:30"]),
    (Timestamp, "timestamp", ["2026-01-31T09:30:00.5Z", "2026-01-31T10:30:00+00:30"]),
    (Timestamp, "timestamptz(0)", ["2026-01-31T09:30:00.5Z", "2026-01-31T10:30:00+00:30"]),
    (datetime, "timestamp", ["2026-01-31T09:30:00", "2026-01-31T10:30:00.000001"]),
    (date, "date", ["2026-01-31", "2026-02-01"]),
    (UUID, "uuid", ["00000000-0000-0000-0000-00000000000A", "b0000000-0000-0000-0000-000000000000"]),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "column", "values"), VALUES)
def test_what_came_out_can_go_back_in(
    execute: Execute, types: str, declared: Any, column: str, values: list[Any]
) -> None:
    name = f"back{VALUES.index((declared, column, values))}"
    fields = {"id": int, "v": declared}
    api = api_over(execute, types, name, f"id int PRIMARY KEY, v {column}", fields)
    for n, value in enumerate(values):
        assert api("POST", f"/{name}", {"id": n, "v": value}).status == 201
    assert api("POST", f"/{name}", [{"id": n + 10, "v": value} for n, value in enumerate(values)]).status == 201
    rows = api("GET", f"/{name}?sort=v,id").json["items"]
    for n in range(len(values)):
        assert rows[2 * n]["v"] == rows[2 * n + 1]["v"]
        answered = rows[2 * n]["v"]
        text = quote(str(answered).lower() if isinstance(answered, bool) else str(answered), safe="")
        for query in (f"v={text}", f"v[in]={text}", f"v[gte]={text}&v[lte]={text}"):
            found = [item["id"] for item in api("GET", f"/{name}?{query}").json["items"]]
            assert found == [rows[2 * n]["id"], rows[2 * n + 1]["id"]], query
        assert api("PUT", f"/{name}/{rows[2 * n]['id']}", {"v": answered}).json["v"] == answered
        assert api("POST", f"/{name}", [{"id": 99, "v": answered}]).json[0]["v"] == answered
        assert api("DELETE", f"/{name}/99").status == 204
    first = api("GET", f"/{name}?sort=v&limit=1").json
    paged = [*first["items"]]
    while first["next"]:
        first = api("GET", first["next"]).json
        paged += first["items"]
    assert [row["v"] for row in paged] == [row["v"] for row in rows]


@pytest.mark.parametrize(("declared", "column", "stored"), [
    (float, "float8", "'NaN'"), (float, "float8", "'-Infinity'"), (Decimal, "numeric", "'NaN'"),
    (Timestamp, "timestamptz", "'infinity'"), (datetime, "timestamp", "'-infinity'"), (date, "date", "'infinity'"),
])  # fmt: skip
def test_what_only_the_database_writes_is_filtered_as_it_is_answered(
    execute: Execute, types: str, declared: Any, column: str, stored: str
) -> None:
    name = f"special{column}"
    api = api_over(execute, types, name, f"id int PRIMARY KEY, v {column}", {"id": int, "v": declared})
    run_sql(types, f"INSERT INTO demo.{name} VALUES (1, {stored}), (2, NULL)")
    (value,) = (item["v"] for item in api("GET", f"/{name}?v[is]=not_null").json["items"])
    for operator in ("", "[in]", "[gte]"):
        assert [item["id"] for item in api("GET", f"/{name}?v{operator}={value}").json["items"]] == [1]


@pytest.mark.parametrize("column", ["smallint", "int", "bigint", "numeric(5, 2)", "numeric"])
def test_a_number_out_of_the_columns_range_is_that_of_no_row(execute: Execute, types: str, column: str) -> None:
    name = f"rooms{len(column)}"
    api = api_over(execute, types, name, f"id int PRIMARY KEY, room {column}", {"id": int, "room": int})
    run_sql(types, f"INSERT INTO demo.{name} VALUES (1, 1), (2, 2), (3, NULL)")

    def found(query: str) -> list[int]:
        answer = api("GET", f"/{name}?{query}")
        assert answer.status == 200, answer.body
        return [item["id"] for item in answer.json["items"]]

    for large in (70000, 3_000_000_000, 10**19, 10**40):
        assert found(f"room={large}") == found(f"room[in]={large}") == found(f"room[gt]={large}") == []
        assert found(f"room=-{large}") == found(f"room[lt]=-{large}") == found(f"room[lte]=-{large}") == []
        assert found(f"room[in]=1,{large}") == [1]
        assert found(f"room[in]={-large},2,{large}") == [2]
        assert found(f"room[lt]={large}") == found(f"room[gte]=-{large}") == found(f"room[ne]={large}") == [1, 2]
        for _ in range(2):
            assert api("GET", f"/{name}/{large}").status == 404


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("50\\*%20off", ["50* off"]), ("50*", ["50* off", "50% off", "50\\"]), ("50\\%25%20off", ["50% off"]),
        ("50%25", ["50* off", "50% off", "50\\"]), ("5_\\*", []), ("5_\\**", ["50* off"]), ("50\\", ["50\\"]),
        ("50\\\\", ["50\\"]), ("50\\\\*", ["50\\"]), ("\\_", ["_"]), ("_", ["_"]), ("\\5\\0*f", ["50* off", "50% off"]),
        ("\\*", []), ("*\\**", ["50* off"]), ("*\\\\", ["50\\"]),
    ],
)  # fmt: skip
def test_like_takes_a_character_after_a_backslash_as_it_is(
    execute: Execute, types: str, pattern: str, names: list[str]
) -> None:
    api = api_over(execute, types, "sales", "id int PRIMARY KEY, name text", {"id": int, "name": str})
    for n, name in enumerate(["50* off", "50% off", "50\\", "_"]):
        api("POST", "/sales", {"id": n, "name": name})
    answer = api("GET", f"/sales?name[like]={pattern}")
    assert [item["name"] for item in answer.json["items"]] == names


def test_rows_that_refer_by_a_key_of_another_form_are_stored(execute: Execute, types: str) -> None:
    run_sql(types, "DROP TABLE IF EXISTS demo.part, demo.whole CASCADE")
    run_sql(types, "CREATE TABLE demo.whole (id numeric PRIMARY KEY)")
    run_sql(types, "CREATE TABLE demo.part (id int PRIMARY KEY, whole numeric REFERENCES demo.whole)")
    up = Reference(resource="whole", name="above", reverse="parts")
    part = resource_of("part", {"id": int, "whole": Decimal}, references={"whole": up})
    api = Api(execute, [resource_of("whole", {"id": Decimal}), part])
    answer = api("POST", "/whole", b'{"id": 1.50, "parts": [{"id": 1, "whole": 1.5}, {"id": 2}]}', **JSON)
    assert answer.status == 201, answer.body
    assert [one["id"] for one in api("GET", "/whole/1.5/parts").json["items"]] == [1, 2]


def test_long_bytes_come_back_as_the_base64_that_was_sent(execute: Execute, api_database: str) -> None:
    # PostgreSQL breaks the lines of base64 after 76 characters.
    sent = b64encode(bytes(range(256))).decode()
    fields = {"id": bytes, "v": bytes, "vs": list[bytes], "pair": Annotated[Blob, Composite("demo.blob")]}
    run_sql(api_database, "DROP TYPE IF EXISTS demo.blob CASCADE")
    run_sql(api_database, "CREATE TYPE demo.blob AS (v bytea)")
    columns = "id bytea PRIMARY KEY, v bytea, vs bytea[], pair demo.blob"
    api = api_over(execute, api_database, "blobs", columns, fields)
    row = {"id": sent, "v": sent, "vs": [sent, ""], "pair": {"v": sent}}
    created = api("POST", "/blobs", row)
    assert (created.status, created.json) == (201, row)
    assert created.headers["location"] == f"/blobs/{quote(sent, safe='')}"
    assert api("GET", created.headers["location"]).json == row
    assert api("POST", "/blobs", [row], prefer="resolution=merge-duplicates").json == [row]
    assert api("GET", f"/blobs?v={quote(sent)}").json["items"] == [row]


HUGE = "1" + "0" * 309


def test_a_number_as_large_as_its_column_holds_filters_it_as_it_is_answered(
    execute: Execute, api_database: str
) -> None:
    fields = {"id": Decimal, "exact": Decimal, "near": float}
    api = api_over(execute, api_database, "large", "id numeric PRIMARY KEY, exact numeric, near float8", fields)
    run_sql(api_database, "INSERT INTO demo.large VALUES (1e309, 1e309, 1e308)")
    assert f'"exact":{HUGE}' in api("GET", "/large").body.decode()
    for value in ("1e309", HUGE, f"{HUGE}.0"):
        assert len(api("GET", f"/large?exact={value}&exact[in]=1,{value}&exact[gte]={value}").json["items"]) == 1
        assert api("GET", f"/large/{value}").status == 200
    assert len(api("GET", "/large?near[gt]=1e307&near=1e308").json["items"]) == 1
    for value in ("1e309", "-1e309", HUGE):
        for name in ("near", "near[lt]", "near[in]"):
            answer = api("GET", f"/large?{name}={value}")
            ((error,), status) = answer.json["errors"], answer.status
            assert (status, error["parameter"]) == (400, name)
            assert error["detail"].endswith("is out of range: it must be between -1.8e308 and 1.8e308")


@pytest.mark.parametrize(
    ("amount", "stored"), [("1.5", "1.50"), ("1.2300", "1.23"), ("-0.01", "-0.01"), ("1e2", "100")]
)
def test_an_amount_of_money_is_stored_as_it_was_sent(
    execute: Execute, api_database: str, amount: str, stored: str
) -> None:
    api = api_over(execute, api_database, "paid", "id int PRIMARY KEY, sum money", {"id": int, "sum": Money})
    for body in (f'{{"id":1,"sum":{amount}}}', f'[{{"id":2,"sum":{amount}}}]'):
        assert api("POST", "/paid", body.encode(), content_type="application/json").status == 201
    assert {str(row["sum"]) for row in api("GET", "/paid").json["items"]} == {str(float(stored))}


@pytest.mark.parametrize("amount", ["1.239", "0.00001", "-1.001", "1e-3"])
def test_an_amount_of_money_is_not_rounded(execute: Execute, api_database: str, amount: str) -> None:
    api = api_over(execute, api_database, "paid", "id int PRIMARY KEY, sum money", {"id": int, "sum": Money})
    run_sql(api_database, "INSERT INTO demo.paid VALUES (1)")
    row, type_ = f'{{"id":1,"sum":{amount}}}'.encode(), "application/json"
    for answer in (
        api("POST", "/paid", row, content_type=type_),
        api("POST", "/paid", row, content_type=type_, prefer="resolution=merge-duplicates"),
        api("PATCH", "/paid/1", row, content_type=type_),
    ):
        assert (answer.status, answer.pointers) == (422, ["#/sum"])
    assert api("POST", "/paid", b"[" + row + b"]", content_type=type_).pointers == ["#/0/sum"]


def test_a_filter_of_money_is_not_rounded(execute: Execute, api_database: str) -> None:
    api = api_over(execute, api_database, "paid", "id money PRIMARY KEY, sum money", {"id": Money, "sum": Money})
    run_sql(api_database, "INSERT INTO demo.paid VALUES (1.24, 1.24)")
    for parameter in ("sum", "sum[gt]", "sum[in]"):
        answer = api("GET", f"/paid?{parameter}=1.239")
        assert (answer.status, answer.json["errors"][0]["parameter"]) == (400, parameter)
    for same in ("1.24", "1.240", "124e-2"):
        assert len(api("GET", f"/paid?sum={same}").json["items"]) == 1
    assert api("GET", "/paid/1.24").status == 200
    assert api("GET", "/paid/1.239").status == 404
