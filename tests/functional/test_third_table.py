"""A third table needs one declaration: it has an integer key, a boolean column and the whole API."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct, defstruct

from crud_api.executor.seam import Execute
from crud_api.resource import Reference, Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.text import Name
from crud_api.tables import RESOURCES
from tests.conftest import execute as run_sql
from tests.functional.client import Api


class Product(Struct):
    product_id: int
    product_name: Name
    price: Amount | None = None
    available: bool = True
    weight: float | None = None


products = Resource(name="products", table="demo.products", model=Product, key="product_id")


@pytest.fixture
def api(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.products")
    run_sql(
        api_database,
        "CREATE TABLE demo.products (product_id bigint PRIMARY KEY, product_name text NOT NULL, price numeric(12, 2), "
        "available boolean NOT NULL, weight float8)",
    )
    return Api(execute, [*RESOURCES, products])


def test_its_rows_are_made_read_changed_and_deleted(api: Api) -> None:
    pen = {"product_id": 9007199254740993, "product_name": "Pen", "price": 1.5, "available": False, "weight": 0.1}
    created = api("POST", "/products", pen)
    assert (created.status, created.headers["location"]) == (201, "/products/9007199254740993")
    assert created.json == pen
    assert created.body.startswith(b'{"product_id":9007199254740993,"product_name":"Pen","price":1.50,')
    assert api("POST", "/products", pen).status == 409
    assert api("PUT", "/products/9007199254740993", {"available": True}).json == pen | {"available": True}
    assert api("PATCH", "/products/9007199254740993", {"price": None}).json["price"] is None
    assert api("DELETE", "/products/9007199254740993").status == 204
    assert api("GET", "/products/9007199254740993").status == 404


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("7.0", 7), ("7.000", 7), ("70e-1", 7), ("1e2", 100), ("-0.0", 0), ("9007199254740993.0", 2**53 + 1)],
)
def test_a_number_of_json_is_whole_by_its_value_and_not_by_its_digits(api: Api, sent: str, stored: int) -> None:
    body = f'{{"product_id": {sent}, "product_name": "Pen"}}'.encode()
    created = api("POST", "/products", body, content_type="application/json")
    assert (created.status, created.json["product_id"]) == (201, stored)
    path = created.headers["location"]
    assert path == f"/products/{stored}"
    assert api("PUT", path, body, content_type="application/json").status == 200
    assert api("POST", "/products", b"[%s]" % body, content_type="application/json").status == 409


@pytest.mark.parametrize("sent", ["7.5", "7.0000001", "1e-1", "1e1000", "1e999999999", "NaN", '"7"', '"7.0"', "true"])
def test_a_number_that_is_not_whole_is_refused(api: Api, sent: str) -> None:
    body = f'{{"product_id": {sent}, "product_name": "Pen"}}'.encode()
    refused = api("POST", "/products", body, content_type="application/json")
    assert (refused.status, refused.pointers) == (422, ["#/product_id"])


def test_its_pages_are_in_the_order_of_numbers(api: Api) -> None:
    for number in (10, 9, -1, 100):
        assert api("POST", "/products", {"product_id": number, "product_name": "x"}).status == 201
    first = api("GET", "/products?limit=2").json
    second = api("GET", first["next"]).json
    assert [item["product_id"] for item in first["items"] + second["items"]] == [-1, 9, 10, 100]


def test_its_boolean_filters(api: Api) -> None:
    api("POST", "/products", {"product_id": 1, "product_name": "x", "available": False})
    api("POST", "/products", {"product_id": 2, "product_name": "y"})
    assert [item["product_id"] for item in api("GET", "/products?available=true").json["items"]] == [2]
    assert api("GET", "/products?available=maybe").status == 400
    assert api("GET", "/products?product_id=one").status == 400


@pytest.mark.parametrize("key", ["x", "1.5", "%201", "1e3", "99999999999999999999", "0x1", "true"])
def test_a_path_that_is_no_integer_names_no_product(api: Api, key: str) -> None:
    assert api("GET", f"/products/{key}").status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("product_id", "1"), ("product_id", 1.5), ("product_id", True), ("available", 1), ("available", "true"),
     ("weight", "1"), ("product_id", 10**30), ("product_id", 9223372036854775808)],
)  # fmt: skip
def test_a_wrong_type_is_refused(api: Api, field: str, value: object) -> None:
    answer = api("POST", "/products", {"product_id": 1, "product_name": "x"} | {field: value})
    assert answer.status == 422, answer.body
    assert answer.pointers in ([f"#/{field}"], [])  # for a large number, the database does not say which


# The names that the statements use themselves.
NAMES = (
    "shown", "stored", "changed", "part", "one", "page", "theirs", "answer", "body", "etag", "key", "current", "sent",
    "item", "either", "wrong", "removed", "excluded", "few", "counted", "turn", "locks", "keys",
)  # fmt: skip


def test_its_columns_may_have_any_names(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.named")
    columns = ", ".join(f"{name} text" for name in NAMES)
    run_sql(api_database, f"CREATE TABLE demo.named (id int PRIMARY KEY, up int REFERENCES demo.named, {columns})")
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("id", int),
        ("up", int | None, None),
        *((name, str | None, None) for name in NAMES),
    ]
    up = Reference(resource="named", name="upper", reverse="lower")
    named = Resource(
        name="named", table="demo.named", model=defstruct("Named", fields), key="id", references={"up": up}
    )
    api = Api(execute, [named])
    row = {"id": 1, "up": 1, **{name: f"its {name}" for name in NAMES}}
    created = api("POST", "/named", row)
    assert (created.status, created.json) == (201, row)
    other = row | {"id": 2}
    assert api("POST", "/named", [other]).json == [other]
    assert api("POST", "/named", [other], prefer="resolution=merge-duplicates").json == [other]
    assert api("GET", "/named?sort=one,key&limit=1").json["items"] == [row]
    assert api("GET", "/named/2?expand=upper,lower").json == other | {"upper": row, "lower": []}
    assert api("GET", "/named?expand=upper,lower&limit=50&sort=few").json["items"][0]["lower"] == [row, other]
    assert api("GET", "/named/1?expand=lower").json == row | {"lower": [row, other]}
    etag = api("GET", "/named/2").headers["etag"]
    assert api("PUT", "/named/2", {"part": "new"}, if_match=etag).json == other | {"part": "new"}
    changed = api("PUT", "/named/2", {"one": None})
    assert changed.json == other | {"part": "new", "one": None}
    assert api("DELETE", "/named/2", if_match=changed.headers["etag"]).status == 204
