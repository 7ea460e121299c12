"""POST of many rows, of a row with rows that refer to it, and of rows that may exist: all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import execute as run_sql
from tests.functional.client import Api

MERGE = "resolution=merge-duplicates"


def customer(key: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": key, "customer_name": f"Name {key}", **more}


def order(key: str, **more: Any) -> dict[str, Any]:
    return {"order_id": key, "total_amount": 1.5, **more}


def count(database: str, table: str) -> int:
    return int(run_sql(database, f"SELECT count(*) FROM demo.{table}")[0][0])


def test_an_array_is_stored_and_answered_in_the_order_sent(api: Api) -> None:
    keys = [f"C{n * 7 % 10}" for n in range(10)]
    created = api("POST", "/customers", [customer(key) for key in keys])
    assert (created.status, created.headers["content-type"]) == (201, "application/json")
    assert [row["customer_id"] for row in created.json] == keys
    assert not {"location", "etag"} & created.headers.keys()
    for row in created.json[::3]:
        assert api("GET", f"/customers/{row['customer_id']}").json == row


def test_rows_of_many_shapes_are_answered_in_the_order_sent_with_their_own_in_theirs(api: Api) -> None:
    shapes: list[dict[str, Any]] = [{}, {"city": "Paris"}, {"email": "a@b.co", "state": "x"}, {"state": None}]
    keys = [f"C{n * 37 % 100:02}" for n in range(100)]
    orders = {
        key: [order(f"{key}-{n * 7 % 10}", **({"status": "shipped"} if n % 2 else {})) for n in range(10)]
        for key in keys
    }
    rows = [customer(key, **shapes[n % 4], orders=orders[key]) for n, key in enumerate(keys)]
    created = api("POST", "/customers", rows)
    assert [row["customer_id"] for row in created.json] == keys
    for sent, row in zip(rows, created.json, strict=True):
        assert {name: row[name] for name in sent if name != "orders"} == {
            name: value for name, value in sent.items() if name != "orders"
        }
        assert [one["order_id"] for one in row["orders"]] == [one["order_id"] for one in sent["orders"]]
    plain = api(
        "POST", "/orders", [one | {"order_id": f"P{one['order_id']}", "customer_id": "C00"} for one in orders["C99"]]
    )
    assert [row["order_id"] for row in plain.json] == [f"P{one['order_id']}" for one in orders["C99"]]


def test_a_thousand_rows_are_one_invocation_and_one_more_is_refused(api: Api, api_database: str) -> None:
    rows = [customer(f"C{n}", email=f"c{n}@example.com", city="Zürich 😀" * 10) for n in range(1001)]
    refused = api("POST", "/customers", rows)
    assert (refused.status, refused.pointers, api.invocations) == (422, ["#"], 0)
    created = api("POST", "/customers", rows[:1000])
    assert (created.status, len(created.json), api.invocations) == (201, 1000, 1)
    assert count(api_database, "customers") == 1000


def test_a_field_that_is_absent_has_its_default_row_by_row(api: Api, api_database: str) -> None:
    run_sql(api_database, "ALTER TABLE demo.customers ALTER city SET DEFAULT 'somewhere'")
    try:
        rows = [customer("1"), customer("2", city=None), customer("3", city="Paris"), customer("4", state="x")]
        created = api("POST", "/customers", rows).json
    finally:
        run_sql(api_database, "ALTER TABLE demo.customers ALTER city DROP DEFAULT")
    assert [row["city"] for row in created] == ["somewhere", None, "Paris", "somewhere"]
    assert [row["customer_id"] for row in created] == ["1", "2", "3", "4"]
    orders = [order("O1", customer_id="1"), order("O2", customer_id="1", status="shipped")]
    assert [row["status"] for row in api("POST", "/orders", orders).json] == ["pending", "shipped"]


def test_every_wrong_field_of_every_row_is_named_and_nothing_is_stored(api: Api, api_database: str) -> None:
    rows = [customer("C0"), customer("C1", email="x"), 5, {"customer_id": 7}, None, customer("C5", nickname="N")]
    refused = api("POST", "/customers", rows)
    wrong = ["#/1/email", "#/2", "#/3/customer_id", "#/3/customer_name", "#/4", "#/5/nickname"]
    assert (refused.status, refused.pointers, api.invocations) == (422, wrong, 0)
    assert count(api_database, "customers") == 0


def test_taken_keys_are_named_and_nothing_is_stored(api: Api, api_database: str) -> None:
    api("POST", "/customers", [customer("C1"), customer("C3")])
    refused = api("POST", "/customers", [customer(f"C{n}", city="x") if n % 2 else customer(f"C{n}") for n in range(5)])
    assert (refused.status, refused.pointers) == (409, ["#/1/customer_id", "#/3/customer_id"])
    assert refused.json["type"] == "urn:problem-type:crud-api:conflict"
    assert count(api_database, "customers") == 2


def test_two_equal_keys_in_a_body_are_a_conflict_that_needs_no_database(api: Api) -> None:
    refused = api("POST", "/customers", [customer("A"), customer("B"), customer("A"), customer("A")])
    assert (refused.status, refused.pointers) == (409, ["#/2/customer_id", "#/3/customer_id"])
    assert api("POST", "/customers", [customer("A"), customer("A")], prefer=MERGE).status == 409
    assert api.invocations == 0


def test_unknown_references_are_named_and_nothing_is_stored(api: Api, api_database: str) -> None:
    api("POST", "/customers", customer("C1"))
    rows = [
        order("O1", customer_id="C1"),
        order("O2", customer_id="C2"),
        order("O3", customer_id="C3", status="shipped"),
    ]
    refused = api("POST", "/orders", rows)
    assert (refused.status, refused.pointers) == (422, ["#/1/customer_id", "#/2/customer_id"])
    assert count(api_database, "orders") == 0


def test_taken_keys_and_unknown_references_are_told_at_once(api: Api) -> None:
    api("POST", "/customers", customer("C1", orders=[order("O1")]))
    refused = api("POST", "/orders", [order("O1", customer_id="C1"), order("O2", customer_id="C2")])
    assert (refused.status, refused.pointers) == (409, ["#/0/order_id", "#/1/customer_id"])


@pytest.mark.parametrize("body", [[], [[]], [None], [[customer("C1")]]])
def test_an_array_of_anything_but_rows_is_refused(api: Api, body: object) -> None:
    assert api("POST", "/customers", body).status == 422
    assert api.invocations == 0


def test_a_value_the_users_column_does_not_hold_undoes_the_whole(api: Api, api_database: str) -> None:
    run_sql(api_database, "ALTER TABLE demo.customers ADD CONSTRAINT own CHECK (city <> 'Rome')")
    try:
        refused = api("POST", "/customers", [customer("C1"), customer("C2", city="Rome")])
    finally:
        run_sql(api_database, "ALTER TABLE demo.customers DROP CONSTRAINT own")
    assert (refused.status, refused.pointers) == (422, [])
    assert b"Rome" not in refused.body
    assert count(api_database, "customers") == 0


# Upsert


def test_an_upsert_makes_the_row_or_changes_only_the_fields_sent(api: Api) -> None:
    first = api("POST", "/customers", customer("C1", city="Paris", state="x"), prefer=MERGE)
    assert (first.status, first.headers["location"]) == (201, "/customers/C1")
    assert first.headers["preference-applied"] == MERGE
    second = api("POST", "/customers", customer("C1", customer_name="Other", state=None), prefer=MERGE)
    assert (second.status, "location" in second.headers) == (200, False)
    changed = {"customer_name": "Other", "state": None, "updated_at": second.json["updated_at"]}
    assert second.json == first.json | changed
    assert second.json["updated_at"] > first.json["updated_at"]
    stored = api("GET", "/customers/C1")
    assert (stored.body, stored.headers["etag"]) == (second.body, second.headers["etag"])
    assert api.invocations == 3


def test_an_upsert_of_many_is_200_only_when_nothing_was_inserted(api: Api) -> None:
    api("POST", "/customers", customer("C1", city="Paris"))
    rows = [customer("C2", city="Rome"), customer("C1", state="x")]
    made = api("POST", "/customers", rows, prefer=MERGE)
    assert (made.status, [row["city"] for row in made.json]) == (201, ["Rome", "Paris"])
    assert api("POST", "/customers", rows, prefer=MERGE).status == 200


def test_a_declared_default_is_for_new_rows_and_changes_no_old_one(api: Api) -> None:
    api("POST", "/customers", customer("C1", orders=[order("O1", status="shipped")]))
    merged = api("POST", "/orders", [order("O1", customer_id="C1"), order("O2", customer_id="C1")], prefer=MERGE)
    assert [row["status"] for row in merged.json] == ["shipped", "pending"]


def test_an_upsert_still_refuses_unknown_references(api: Api) -> None:
    refused = api("POST", "/orders", [order("O1", customer_id="C9")], prefer=MERGE)
    assert (refused.status, refused.pointers) == (422, ["#/0/customer_id"])


def test_rows_that_no_answer_can_hold_are_not_changed_unless_none_is_wanted(api: Api, api_database: str) -> None:
    run_sql(
        api_database,
        "INSERT INTO demo.customers (customer_id, customer_name, city) "
        "SELECT 'L' || n, 'N', repeat('x', 4000000) FROM generate_series(1, 2) n",
    )
    rows = [customer("L1", state="x"), customer("L2", state="x")]
    refused = api("POST", "/customers", rows, prefer=MERGE)
    assert (refused.status, "return=minimal" in refused.json["detail"]) == (422, True)
    changed = "SELECT count(*) FROM demo.customers WHERE state = 'x'"
    assert run_sql(api_database, changed) == [(0,)]
    assert api("POST", "/customers", rows, prefer=f"{MERGE}, return=minimal").status == 204
    assert run_sql(api_database, changed) == [(2,)]


# return=minimal


def test_return_minimal_answers_where_the_row_is_and_no_body(api: Api) -> None:
    created = api("POST", "/customers", customer("C1"), prefer="return=minimal")
    assert (created.status, created.body, created.headers["location"]) == (201, b"", "/customers/C1")
    assert created.headers["preference-applied"] == "return=minimal"
    assert created.headers["etag"] == api("GET", "/customers/C1").headers["etag"]
    for method in ("PUT", "PATCH"):
        changed = api(method, "/customers/C1", {"city": method}, prefer="return=minimal")
        assert (changed.status, changed.body) == (204, b"")
        assert changed.headers["preference-applied"] == "return=minimal"
        stored = api("GET", "/customers/C1")
        assert (stored.json["city"], stored.headers["etag"]) == (method, changed.headers["etag"])


def test_return_minimal_of_many_answers_nothing_but_the_status(api: Api, api_database: str) -> None:
    rows = [customer("C1"), customer("C2")]
    created = api("POST", "/customers", rows, prefer="return=minimal")
    assert (created.status, created.body, count(api_database, "customers")) == (201, b"", 2)
    merged = api("POST", "/customers", rows, prefer=f"return=minimal, {MERGE}")
    assert (merged.status, merged.body) == (204, b"")
    assert merged.headers["preference-applied"] == f"return=minimal, {MERGE}"


def test_what_is_preferred_by_default_is_only_said_when_asked_for(api: Api) -> None:
    created = api("POST", "/customers", customer("C1"), prefer="return=representation")
    assert (created.json["customer_id"], created.headers["preference-applied"]) == ("C1", "return=representation")
    assert "preference-applied" not in api("POST", "/customers", customer("C2"), prefer="wait=5").headers


# A customer with its orders


def test_a_customer_is_stored_with_its_orders_in_one_invocation(api: Api) -> None:
    body = customer("C1", orders=[order("O2", customer_id="C1"), order("O1", status="shipped")])
    created = api("POST", "/customers", body)
    assert (created.status, created.headers["location"], api.invocations) == (201, "/customers/C1", 1)
    orders = created.json["orders"]
    assert [(one["order_id"], one["customer_id"], one["status"]) for one in orders] == [
        ("O2", "C1", "pending"), ("O1", "C1", "shipped"),
    ]  # fmt: skip
    stored = api("GET", "/customers/C1")
    assert stored.json == {name: value for name, value in created.json.items() if name != "orders"}
    assert created.headers["etag"] == stored.headers["etag"]
    for one in orders:
        assert api("GET", f"/orders/{one['order_id']}").json == one


def test_a_customer_may_come_with_no_orders(api: Api) -> None:
    assert api("POST", "/customers", customer("C1", orders=[])).json["orders"] == []


def test_many_customers_come_each_with_its_own_orders(api: Api, api_database: str) -> None:
    bodies = [
        customer("C1", orders=[order("O3")]), customer("C2"), customer("C3", orders=[]),
        customer("C4", city="x", orders=[order("O1"), order("O2", status="shipped"), order("O0")]),
    ]  # fmt: skip
    created = api("POST", "/customers", bodies).json
    assert [[one["order_id"] for one in row["orders"]] if "orders" in row else None for row in created] == [
        ["O3"], None, [], ["O1", "O2", "O0"],
    ]  # fmt: skip
    stored = run_sql(api_database, "SELECT order_id, customer_id FROM demo.orders ORDER BY 1")
    assert stored == [("O0", "C4"), ("O1", "C4"), ("O2", "C4"), ("O3", "C1")]


def test_a_wrong_order_is_named_and_neither_it_nor_its_customer_is_stored(api: Api, api_database: str) -> None:
    orders = [order("O1"), order("O2", customer_id="C9"), order("O3", status="lost"), 5, {"order_id": "O4", "x": 1}]
    refused = api("POST", "/customers", customer("C1", email="x", orders=orders))
    assert (refused.status, set(refused.pointers)) == (
        422, {"#/email", "#/orders/1/customer_id", "#/orders/2/status", "#/orders/3", "#/orders/4/total_amount",
              "#/orders/4/x"},
    )  # fmt: skip
    many = api("POST", "/customers", [customer("C1"), customer("C2", orders=[order("O1", total_amount=-1)])])
    assert (many.status, many.pointers) == (422, ["#/1/orders/0/total_amount"])
    assert (api.invocations, count(api_database, "customers")) == (0, 0)


@pytest.mark.parametrize("orders", [None, {}, "x", 5, [order(f"O{n}") for n in range(1001)]])
def test_orders_are_an_array_of_at_most_a_thousand(api: Api, orders: object) -> None:
    refused = api("POST", "/customers", customer("C1", orders=orders))
    assert (refused.status, refused.pointers, api.invocations) == (422, ["#/orders"], 0)


def test_a_customer_with_a_wrong_key_is_named_but_its_orders_are_not(api: Api) -> None:
    refused = api("POST", "/customers", {"customer_id": None, "customer_name": "N", "orders": [order("O1")]})
    assert (refused.status, refused.pointers) == (422, ["#/customer_id"])


def test_an_order_whose_key_is_taken_undoes_the_customer(api: Api, api_database: str) -> None:
    api("POST", "/customers", customer("C1", orders=[order("O1")]))
    refused = api("POST", "/customers", [customer("C2"), customer("C3", orders=[order("O2"), order("O1")])])
    assert (refused.status, refused.pointers) == (409, ["#/1/orders/1/order_id"])
    assert count(api_database, "customers") == 1
    twice = api("POST", "/customers", customer("C2", orders=[order("O8"), order("O8")]))
    assert (twice.status, twice.pointers) == (409, ["#/orders/1/order_id"])


def test_an_upsert_reaches_the_orders_too(api: Api) -> None:
    api("POST", "/customers", customer("C1", orders=[order("O1", status="shipped")]))
    body = customer("C1", orders=[order("O1", total_amount=9), order("O2")])
    merged = api("POST", "/customers", body, prefer=MERGE)
    assert merged.status == 201
    assert [(one["status"], one["total_amount"]) for one in merged.json["orders"]] == [("shipped", 9), ("pending", 1.5)]
    assert api("POST", "/customers", body, prefer=MERGE).status == 200


@pytest.mark.parametrize("prefer", ["", MERGE])
def test_rows_and_those_that_refer_to_them_are_answered_in_the_order_of_the_request(api: Api, prefer: str) -> None:
    """The request has the keys in another order, and the rows omit different columns."""
    rows = [
        customer(f"C{n}", **({"city": "x"} if n % 2 else {}), orders=[
            order(f"O{n}{m}", **({"status": "shipped"} if m % 2 else {})) for m in (4, 1, 3, 2)
        ])
        for n in (6, 1, 5, 2, 4, 3)
    ]  # fmt: skip
    for _ in range(2 if prefer else 1):  # the second request changes the rows of the first
        answer = api("POST", "/customers", rows, prefer=prefer).json
        assert [row["customer_id"] for row in answer] == ["C6", "C1", "C5", "C2", "C4", "C3"]
        for row in answer:
            assert [one["order_id"] for one in row["orders"]] == [f"O{row['customer_id'][1]}{m}" for m in (4, 1, 3, 2)]


def test_only_a_new_row_takes_rows_that_refer_to_it(api: Api) -> None:
    api("POST", "/customers", customer("C1"))
    assert api("PUT", "/customers/C1", {"orders": []}).pointers == ["#/orders"]
    nested = api("POST", "/orders", order("O1", customer_id="C1", customer={}))
    assert nested.pointers == ["#/customer"]
