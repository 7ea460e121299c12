"""A key that a new row does not have is made: by the API (UUID version 7), or by the column's default or identity."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec import defstruct

from crud_api.executor.seam import Execute
from crud_api.resource import Reference, Resource
from crud_api.tables import RESOURCES
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response

MERGE = {"prefer": "resolution=merge-duplicates"}


def is_uuid7(text: str) -> bool:
    return UUID(text).version == 7 and str(UUID(text)) == text


def refused(answer: Response, status: int, *pointers: str) -> None:
    assert (answer.status, answer.pointers) == (status, [*pointers]), answer.body


# By the API


def test_a_customer_without_a_key_gets_one(api: Api) -> None:
    created = api("POST", "/customers", {"customer_name": "Ada"})
    key = created.json["customer_id"]
    assert (created.status, created.headers["location"], is_uuid7(key)) == (201, f"/customers/{key}", True)
    got = api("GET", created.headers["location"])
    assert (got.json, got.headers["etag"]) == (created.json, created.headers["etag"])
    other = api("POST", "/customers", {"customer_name": "Ada"}).json["customer_id"]
    assert other > key
    minimal = api("POST", "/customers", {"customer_name": "Bob"}, prefer="return=minimal")
    assert (minimal.status, minimal.body) == (201, b"")
    assert api("GET", minimal.headers["location"]).json["customer_name"] == "Bob"


def test_a_customer_with_a_key_keeps_it(api: Api) -> None:
    created = api("POST", "/customers", {"customer_id": "CUST001", "customer_name": "Ada"})
    assert (created.status, created.headers["location"]) == (201, "/customers/CUST001")
    assert api("POST", "/customers", {"customer_id": "CUST001", "customer_name": "Bob"}).status == 409


@pytest.mark.parametrize("key", [None, "", " ", 5, ".", "x" * 65])
def test_a_key_that_is_sent_is_never_replaced(api: Api, key: object) -> None:
    for body in ({"customer_id": key, "customer_name": "Ada"}, [{"customer_id": key, "customer_name": "Ada"}]):
        answer = api("POST", "/customers", body)
        refused(answer, 422, "#/customer_id" if isinstance(body, dict) else "#/0/customer_id")


def test_a_wrong_row_without_a_key_names_what_is_wrong_and_not_the_key(api: Api) -> None:
    refused(api("POST", "/customers", {"city": 5}), 422, "#/city", "#/customer_name")


def test_many_rows_get_a_key_each_where_they_have_none(api: Api) -> None:
    names = ["a", "b", "c", "d"]
    sent = [{"customer_name": name} | ({"customer_id": "B"} if name == "b" else {}) for name in names]
    created = api("POST", "/customers", sent)
    assert (created.status, [row["customer_name"] for row in created.json]) == (201, names)
    keys = [row["customer_id"] for row in created.json]
    assert keys[1] == "B"
    assert all(is_uuid7(key) for key in (keys[0], *keys[2:]))
    assert len(set(keys)) == 4
    batch = api("POST", "/customers:batch", [{"customer_name": "e"}])
    assert (batch.status, is_uuid7(batch.json[0]["customer_id"])) == (201, True)
    assert len(api("GET", "/customers").json["items"]) == 5


def test_an_upsert_inserts_a_row_without_a_key(api: Api) -> None:
    api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"})
    one = api("POST", "/customers", {"customer_name": "Ada"}, **MERGE)
    assert (one.status, is_uuid7(one.json["customer_id"])) == (201, True)
    assert one.headers["location"] == f"/customers/{one.json['customer_id']}"
    many = api("POST", "/customers", [{"customer_id": "C1", "customer_name": "B"}, {"customer_name": "C"}], **MERGE)
    assert (many.status, many.json[0]["customer_id"], is_uuid7(many.json[1]["customer_id"])) == (201, "C1", True)
    assert len(api("GET", "/customers").json["items"]) == 3


def test_a_repeated_request_gets_the_key_that_was_made_first(api: Api) -> None:
    for body in ({"customer_name": "Ada"}, [{"customer_name": "A"}, {"customer_name": "B"}]):
        first, again = (api("POST", "/customers", body, idempotency_key=f"k{len(body)}") for _ in range(2))
        assert (first.status, again.status, again.body) == (201, 201, first.body)
        assert again.headers.get("location") == first.headers.get("location")
        assert again.headers["idempotency-replayed"] == "true"
    assert len(api("GET", "/customers").json["items"]) == 3


def test_a_customer_without_a_key_is_stored_with_its_orders(api: Api) -> None:
    orders: list[dict[str, Any]] = [{"total_amount": 1}, {"order_id": "O2", "total_amount": 2}]
    created = api("POST", "/customers", {"customer_name": "Ada", "orders": orders})
    key = created.json["customer_id"]
    assert (created.status, is_uuid7(key), created.headers["location"]) == (201, True, f"/customers/{key}")
    assert [row["customer_id"] for row in created.json["orders"]] == [key, key]
    assert (is_uuid7(created.json["orders"][0]["order_id"]), created.json["orders"][1]["order_id"]) == (True, "O2")
    listed = api("GET", f"/customers/{key}/orders").json["items"]
    assert {row["order_id"] for row in listed} == {row["order_id"] for row in created.json["orders"]}
    refused(
        api("POST", "/customers", {"customer_name": "B", "orders": [{"customer_id": "C9", "total_amount": 1}]}),
        422, "#/orders/0/customer_id",
    )  # fmt: skip
    many = api("POST", "/customers", [{"customer_name": n, "orders": [{"total_amount": 3}]} for n in "xy"])
    assert [row["orders"][0]["customer_id"] for row in many.json] == [row["customer_id"] for row in many.json]


def test_a_made_key_fills_a_uuid_column_and_the_last_column_of_a_key(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.made_tenanted, demo.noted")
    run_sql(
        api_database,
        "CREATE TABLE demo.noted (id uuid PRIMARY KEY, n int);"
        "CREATE TABLE demo.made_tenanted (tenant text, id uuid, n int, PRIMARY KEY (tenant, id))",
    )
    noted = Resource(
        name="noted", table="demo.noted", model=defstruct("Noted", [("id", UUID), ("n", int | None, None)]),
        key="id", made_key="uuid7",
    )  # fmt: skip
    tenanted = Resource(
        name="tenanted", table="demo.made_tenanted", key=("tenant", "id"), made_key="uuid7",
        model=defstruct("Tenanted", [("tenant", str), ("id", UUID), ("n", int | None, None)]),
    )  # fmt: skip
    api = Api(execute, [noted, tenanted])
    created = api("POST", "/noted", {"n": 1})
    assert (created.status, is_uuid7(created.json["id"])) == (201, True)
    assert created.headers["location"] == f"/noted/{created.json['id']}"
    assert api("POST", "/noted", {}).status == 201
    created = api("POST", "/tenanted", {"tenant": "t"})
    assert (created.status, is_uuid7(created.json["id"])) == (201, True)
    assert created.headers["location"] == f"/tenanted/t,{created.json['id']}"
    refused(api("POST", "/tenanted", {"n": 1}), 422, "#/tenant")


# By the database


def keyed(hint: Any, **more: Any) -> list[Resource]:
    parent = Resource(
        name="parents", table="demo.made_parents", key="id", made_key="default",
        model=defstruct("Parent", [("id", hint), ("name", str), ("n", int | None, None)]), **more,
    )  # fmt: skip
    child = Resource(
        name="children", table="demo.made_children", key="id", made_key="default",
        model=defstruct("Child", [("id", int), ("parent_id", hint | None, None), ("name", str | None, None)]),
        references={"parent_id": Reference(resource="parents", name="parent", reverse="children")},
    )  # fmt: skip
    return [parent, child]


KINDS: dict[str, tuple[str, Any]] = {
    "identity": ("int GENERATED BY DEFAULT AS IDENTITY", int),
    "serial": ("serial", int),
    "uuid": ("uuid DEFAULT gen_random_uuid()", UUID),
    "text": ("text DEFAULT 'k,/' || nextval('demo.made_words')", str),
}


@pytest.fixture(params=list(KINDS))
def made(request: pytest.FixtureRequest, execute: Execute, api_database: str) -> Api:
    column, hint = KINDS[request.param]
    run_sql(
        api_database,
        "TRUNCATE demo.idempotency_keys; DROP TABLE IF EXISTS demo.made_parents, demo.made_children CASCADE",
    )
    run_sql(api_database, "DROP SEQUENCE IF EXISTS demo.made_words; CREATE SEQUENCE demo.made_words")
    run_sql(
        api_database,
        f"CREATE TABLE demo.made_parents (id {column} PRIMARY KEY, name text, n int);"
        "CREATE TABLE demo.made_children (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "
        f"parent_id {column.split()[0].replace('serial', 'int')} REFERENCES demo.made_parents, name text)",
    )
    return Api(execute, keyed(hint))


def test_a_row_gets_the_key_that_the_database_makes(made: Api) -> None:
    created = made("POST", "/parents", {"name": "a"})
    assert created.status == 201
    got = made("GET", created.headers["location"])
    assert (got.status, got.json, got.headers["etag"]) == (200, created.json, created.headers["etag"])
    assert made("POST", "/parents", {"name": "b"}).json["id"] != created.json["id"]
    minimal = made("POST", "/parents", {"name": "c"}, prefer="return=minimal")
    assert made("GET", minimal.headers["location"]).json["name"] == "c"
    refused(made("POST", "/parents", {"id": None, "name": "d"}), 422, "#/id")
    refused(made("POST", "/parents", {"n": 1}), 422, "#/name")


def test_many_rows_get_the_keys_that_the_database_makes(made: Api) -> None:
    own = made("POST", "/parents", {"name": "x"}).json["id"]
    assert made("DELETE", made("POST", "/parents", {"name": "y"}).headers["location"]).status == 204
    run = [{"name": "a"}, {"name": "b", "n": 1}, {"name": "c"}]
    created = made("POST", "/parents", run)
    assert (created.status, [row["name"] for row in created.json]) == (201, ["a", "b", "c"])
    assert len({own, *(row["id"] for row in created.json)}) == 4
    mixed = made("POST", "/parents", [{"name": "d"}, {"id": own, "name": "e"}])
    refused(mixed, 409, "#/1/id")


def test_an_upsert_of_a_row_without_its_key_inserts_it(made: Api) -> None:
    old = made("POST", "/parents", {"name": "old"}).json
    one = made("POST", "/parents", {"name": "new"}, **MERGE)
    assert (one.status, made("GET", one.headers["location"]).json) == (201, one.json)
    many = made("POST", "/parents", [old | {"n": 5}, {"name": "newer"}], **MERGE)
    assert (many.status, many.json[0]) == (201, old | {"n": 5})
    assert len(made("GET", "/parents").json["items"]) == 3


def test_a_repeated_request_gets_the_key_that_the_database_made_first(made: Api) -> None:
    first, again = (made("POST", "/parents", {"name": "a"}, idempotency_key="k") for _ in range(2))
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["location"] == first.headers["location"]
    assert made("GET", first.headers["location"]).json == first.json
    many, again = (made("POST", "/parents", [{"name": "b"}, {"name": "c"}], idempotency_key="m") for _ in range(2))
    assert (many.status, again.body) == (201, many.body)
    assert len(made("GET", "/parents").json["items"]) == 3


def test_rows_are_stored_below_a_row_whose_key_the_database_makes(made: Api) -> None:
    created = made("POST", "/parents", {"name": "a", "children": [{"name": "x"}, {"id": 70, "name": "y"}]})
    assert (created.status, [child["name"] for child in created.json["children"]]) == (201, ["x", "y"])
    assert [child["parent_id"] for child in created.json["children"]] == [created.json["id"]] * 2
    listed = made("GET", f"{created.headers['location']}/children").json["items"]
    assert sorted(child["name"] for child in listed) == ["x", "y"]
    many = made(
        "POST",
        "/parents",
        [
            {"name": "b", "children": [{"name": "b1"}, {"name": "b2"}]},
            {"name": "c", "n": 1, "children": [{"name": "c1"}]},
            {"name": "d", "children": []},
            {"name": "e", "children": [{"name": "e1"}]},
        ],
    )
    assert many.status == 201, many.body
    for row in many.json:
        assert [child["name"][:1] for child in row["children"]] == [row["name"]] * len(row["children"])
        assert all(child["parent_id"] == row["id"] for child in row["children"])
    first, again = (
        made("POST", "/parents", {"name": "f", "children": [{"name": "f1"}]}, idempotency_key="n") for _ in range(2)
    )
    assert (first.status, again.body) == (201, first.body)
    assert first.json["children"][0]["parent_id"] == first.json["id"]


def test_some_rows_above_others_have_their_key_and_some_get_it(made: Api) -> None:
    stored = made("POST", "/parents", {"name": "known"})
    known = stored.json
    assert made("DELETE", stored.headers["location"]).status == 204
    created = made(
        "POST",
        "/parents",
        [
            {"name": "a", "children": [{"name": "a1"}]},
            {"id": known["id"], "name": "k", "children": [{"name": "k1"}, {"name": "k2", "parent_id": known["id"]}]},
            {"name": "b", "children": [{"name": "b1"}]},
        ],
    )
    assert created.status == 201, created.body
    for row in created.json:
        assert [child["parent_id"] for child in row["children"]] == [row["id"]] * len(row["children"])
    assert created.json[1]["id"] == known["id"]
    merged = made("POST", "/parents", {"name": "c", "children": [created.json[0]["children"][0]]}, **MERGE)
    refused(merged, 422, "#/children/0/parent_id")
    moved = {name: value for name, value in created.json[0]["children"][0].items() if name != "parent_id"}
    merged = made("POST", "/parents", {"name": "c", "children": [moved]}, **MERGE)
    assert (merged.status, merged.json["children"]) == (201, [moved | {"parent_id": merged.json["id"]}])


def test_a_made_key_that_is_taken_is_a_conflict_and_changes_no_row(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.made_parents CASCADE")
    run_sql(
        api_database,
        "CREATE TABLE demo.made_parents (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text, n int);"
        "INSERT INTO demo.made_parents (id, name) SELECT n, 'kept' FROM generate_series(1, 9) AS n",
    )
    api = Api(execute, keyed(int)[:1])
    for more in ({}, MERGE, {"idempotency_key": "k"}):
        assert api("POST", "/parents", {"name": "new"}, **more).status == 409
        assert api("POST", "/parents", [{"name": "new"}], **more).status in {409, 422}
    assert {row["name"] for row in api("GET", "/parents").json["items"]} == {"kept"}


def test_an_identity_that_takes_no_value_is_read_only_and_made(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.made_parents, demo.made_children CASCADE")
    run_sql(
        api_database,
        "CREATE TABLE demo.made_parents (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, n int);"
        "CREATE TABLE demo.made_children (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "
        "parent_id int REFERENCES demo.made_parents, name text)",
    )
    api = Api(execute, keyed(int, read_only=frozenset({"id"})))
    created = api("POST", "/parents", {"name": "a"})
    assert (created.status, created.headers["location"], created.json["id"]) == (201, "/parents/1", 1)
    assert [row["id"] for row in api("POST", "/parents", [{"name": "b"}, {"name": "c"}]).json] == [2, 3]
    assert api("PUT", "/parents/1", created.json | {"name": "z"}).json["name"] == "z"
    nested = api("POST", "/parents", {"name": "d", "children": [{"name": "x"}]})
    assert (nested.status, nested.json["children"][0]["parent_id"]) == (201, 4)
    sent_back = api("POST", "/parents", nested.json | {"children": [{"name": "y"}]})
    assert (sent_back.status, sent_back.json["id"], sent_back.json["children"][0]["parent_id"]) == (201, 5, 5)


def test_the_last_column_of_a_key_is_made_by_its_default(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.numbered")
    run_sql(
        api_database,
        "CREATE TABLE demo.numbered (order_id text, line int GENERATED BY DEFAULT AS IDENTITY, "
        "PRIMARY KEY (order_id, line))",
    )
    numbered = Resource(
        name="numbered", table="demo.numbered", key=("order_id", "line"), made_key="default",
        model=defstruct("Numbered", [("order_id", str), ("line", int)]),
    )  # fmt: skip
    api = Api(execute, [numbered])
    assert api("POST", "/numbered", {"order_id": "a,b"}).headers["location"] == "/numbered/a%2Cb,1"
    many = api("POST", "/numbered", [{"order_id": "x"}, {"order_id": "x", "line": 9}, {"order_id": "y"}])
    assert [row["line"] for row in many.json][1] == 9
    assert sorted(row["line"] for row in many.json) == [2, 3, 9]
    again = [api("POST", "/numbered", {"order_id": "z"}, idempotency_key="k") for _ in range(2)]
    assert again[0].headers["location"] == again[1].headers["location"]
    refused(api("POST", "/numbered", {"line": 1}), 422, "#/order_id")


# The description


def test_the_description_says_what_may_be_left_out_and_who_makes_it(made: Api, api: Api) -> None:
    schemas = made("GET", "/openapi.json").json["components"]["schemas"]
    assert schemas["NewParent"]["required"] == ["name"]
    assert "If id is absent, the database makes it." in schemas["NewParent"]["description"]
    assert "id" in schemas["Parent"]["required"]
    schemas = api("GET", "/openapi.json").json["components"]["schemas"]
    assert schemas["NewCustomer"]["required"] == ["customer_name"]
    assert "If customer_id is absent, the API makes a UUID (version 7)." in schemas["NewCustomer"]["description"]
    assert "order_id" not in schemas["NewCustomerOrder"]["required"]


def test_customers_and_orders_make_theirs() -> None:
    assert [resource.made_key for resource in RESOURCES] == ["uuid7", "uuid7"]
