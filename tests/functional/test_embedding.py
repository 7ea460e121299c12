"""Rows of other resources: embedded by `expand`, or listed by a nested path. One statement reads everything."""

from __future__ import annotations

import json

import pytest
from msgspec import defstruct

from crud_api.executor.seam import Execute
from crud_api.resource import Reference, Resource
from tests.conftest import execute as run_sql
from tests.functional.client import Api


@pytest.fixture
def stocked(api: Api) -> Api:
    for customer in ("C1", "C2", "C/3 ä"):
        assert api("POST", "/customers", {"customer_id": customer, "customer_name": f"Name {customer}"}).status == 201
    for n, customer in reversed(list(enumerate(["C2", "C1", "C2", "C/3 ä", "C2"]))):
        order = {"order_id": f"O{n}", "customer_id": customer, "total_amount": n + 0.1}
        assert api("POST", "/orders", order).status == 201
    api.invocations = 0
    return api


def test_an_order_has_its_customer(stocked: Api) -> None:
    customer, order = stocked("GET", "/customers/C1"), stocked("GET", "/orders/O1")
    answer = stocked("GET", "/orders/O1?expand=customer")
    assert answer.body == order.body[:-1] + b',"customer":' + customer.body + b"}"
    assert answer.headers["etag"] != order.headers["etag"]
    assert stocked("GET", "/orders/O1?expand=customer", if_none_match=answer.headers["etag"]).status == 304
    assert stocked.invocations == 4


def test_a_customer_has_its_orders_in_key_order(stocked: Api) -> None:
    row = stocked("GET", "/customers/C2?expand=orders").json
    assert [order["order_id"] for order in row["orders"]] == ["O0", "O2", "O4"]
    assert row["orders"][1] == stocked("GET", "/orders/O2").json
    assert stocked("GET", "/customers/C2?expand=orders&fields=city").json == {"city": None, "orders": row["orders"]}


def test_lists_embed_too(stocked: Api) -> None:
    items = stocked("GET", "/customers?expand=orders&sort=-customer_id&fields=customer_id&limit=2").json["items"]
    assert [(item["customer_id"], len(item["orders"])) for item in items] == [("C2", 3), ("C1", 1)]
    items = stocked("GET", "/orders?expand=customer&sort=-order_id&fields=order_id").json["items"]
    assert [item["customer"]["customer_id"] for item in items] == ["C2", "C/3 ä", "C2", "C1", "C2"]
    assert stocked.invocations == 2


def test_pages_with_embedded_rows_are_cut_and_turned_like_others(stocked: Api) -> None:
    """Embedded arrays contain line feeds. They must not be taken for the place where a page is cut."""
    path = "/customers?expand=orders&limit=1&sort=customer_id"
    first = stocked("GET", path)
    second = stocked("GET", first.json["next"])
    third = stocked("GET", second.json["next"])
    found = [page.json["items"] for page in (first, second, third)]
    assert sorted(len(items[0]["orders"]) for items in found) == [1, 1, 3]
    assert stocked("GET", third.json["prev"]).json["items"] == second.json["items"]
    wide = stocked("GET", third.json["prev"].replace("limit=1", "limit=2")).json["items"]
    assert wide == [found[0][0], found[1][0]]


def test_no_row_is_null_and_no_rows_are_an_empty_array(stocked: Api, api_database: str) -> None:
    stocked("POST", "/customers", {"customer_id": "C9", "customer_name": "N"})
    assert stocked("GET", "/customers/C9?expand=orders").json["orders"] == []
    run_sql(api_database, "ALTER TABLE demo.orders DISABLE TRIGGER ALL")
    run_sql(api_database, "UPDATE demo.orders SET customer_id = 'gone' WHERE order_id = 'O1'")
    run_sql(api_database, "ALTER TABLE demo.orders ENABLE TRIGGER ALL")
    assert stocked("GET", "/orders/O1?expand=customer").json["customer"] is None
    assert stocked("GET", "/customers/gone/orders").status == 404


@pytest.mark.parametrize(("rows", "status"), [(1000, 200), (1001, 400)])
def test_more_than_a_thousand_rows_are_not_cut_but_refused(
    stocked: Api, api_database: str, rows: int, status: int
) -> None:
    run_sql(
        api_database,
        "INSERT INTO demo.orders (order_id, customer_id, total_amount) "
        f"SELECT 'P' || n, 'C1', 1 FROM generate_series(1, {rows - 1}) AS n",
    )
    for path in ("/customers/C1?expand=orders", "/customers?expand=orders"):
        answer = stocked("GET", path)
        assert answer.status == status
        if status == 400:
            assert answer.json["errors"] == [
                {
                    "detail": "expand finds more than 1000 orders for one row; "
                    "/customers/{customer_id}/orders lists them page by page",
                    "parameter": "expand",
                }
            ]
    assert stocked("GET", "/customers/C1/orders?limit=1000", prefer="count=exact").json["count"] == rows


@pytest.mark.parametrize(("last", "status"), [(100, 200), (101, 400)])
def test_a_page_embeds_at_most_ten_thousand_rows(stocked: Api, api_database: str, last: int, status: int) -> None:
    run_sql(api_database, "TRUNCATE demo.customers, demo.orders CASCADE")
    run_sql(
        api_database,
        "INSERT INTO demo.customers (customer_id, customer_name) SELECT 'D' || n, 'N' FROM generate_series(1, 100) n;"
        "INSERT INTO demo.orders (order_id, customer_id, total_amount)"
        f" SELECT 'P' || c || '-' || n, 'D' || c, 1 FROM generate_series(1, 100) c,"
        f" LATERAL generate_series(1, CASE c WHEN 100 THEN {last} ELSE 100 END) n",
    )
    page = "/customers?expand=orders&limit=1000"
    answer = stocked("GET", page)
    assert answer.status == status
    if status == 400:
        assert answer.json["errors"] == [
            {
                "detail": "expand finds more than 10000 orders for one page; lower limit, or list them "
                "page by page at /customers/{customer_id}/orders",
                "parameter": "expand",
            }
        ]
    else:
        assert {len(item["orders"]) for item in answer.json["items"]} == {100}
    fewer = stocked("GET", "/customers?expand=orders&limit=40&sort=-customer_id").json
    assert sum(len(item["orders"]) for item in fewer["items"]) == 4000 + (last == 101) * ("D100" in str(fewer))


@pytest.mark.parametrize("resource", ["customers", "orders"])
def test_a_large_page_with_embedded_rows_has_the_rows_of_small_pages(
    stocked: Api, api_database: str, resource: str
) -> None:
    run_sql(
        api_database,
        "INSERT INTO demo.orders (order_id, customer_id, total_amount) "
        "SELECT 'P' || n, CASE n % 3 WHEN 0 THEN 'C1' ELSE 'C2' END, n FROM generate_series(1, 70) AS n;"
        "INSERT INTO demo.customers (customer_id, customer_name) SELECT 'D' || n, 'N' FROM generate_series(1, 70) AS n",
    )
    path = f"/{resource}?sort=-{resource[:-1]}_id&expand={'orders' if resource == 'customers' else 'customer'}"
    small, following = list[object](), f"{path}&limit=20"
    while following:
        page = stocked("GET", following, prefer="count=exact").json
        small, following = small + page["items"], page["next"]
    large = stocked("GET", f"{path}&limit=1000", prefer="count=exact").json
    assert (large["items"], large["count"], large["next"]) == (small, page["count"], None)
    cut = stocked("GET", f"{path}&limit=60").json
    assert cut["items"] == small[:60]
    rest = stocked("GET", cut["next"]).json
    assert rest["items"] == small[60:]
    assert stocked("GET", rest["prev"]).json["items"] == small[:60]
    empty = stocked("GET", f"{path}&limit=60&{resource[:-1]}_id=none").json
    assert (empty["items"], empty["next"]) == ([], None)


def test_a_page_that_embedded_rows_make_too_large_names_the_limit(stocked: Api, api_database: str) -> None:
    run_sql(
        api_database,
        "UPDATE demo.customers SET customer_name = repeat('x', 1000000) WHERE customer_id = 'C1';"
        "INSERT INTO demo.orders (order_id, customer_id, total_amount) "
        "SELECT 'P' || n, 'C1', n FROM generate_series(1, 60) AS n",
    )
    for limit in (20, 1000):
        answer = stocked("GET", f"/orders?expand=customer&limit={limit}&customer_id=C1")
        assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, ["limit"])
    assert len(stocked("GET", "/orders?expand=customer&limit=5&customer_id=C1").json["items"]) == 5


@pytest.mark.parametrize("name", ["page", "answer", "large", "few_0", "shown", "theirs", "one", "counted"])
def test_no_name_of_a_table_is_taken_by_the_statement(execute: Execute, api_database: str, name: str) -> None:
    """A declaration without a schema leaves the table to the search_path."""
    run_sql(api_database, f"CREATE TABLE {name} (id int PRIMARY KEY, of int)")
    try:
        run_sql(api_database, f"INSERT INTO {name} SELECT n, n / 50 FROM generate_series(1, 100) AS n")
        model = defstruct("Page", [("id", int), ("of", int | None, None)])
        reference = Reference(resource=name, name="parent", reverse="parts")
        api = Api(execute, [Resource(name=name, table=name, model=model, key="id", references={"of": reference})])
        for expand, limit in (("parts", 20), ("parts", 60), ("parent", 60)):
            page = api("GET", f"/{name}?expand={expand}&limit={limit}", prefer="count=exact").json
            assert (len(page["items"]), page["count"]) == (limit, 100)
            if expand == "parts":
                assert [len(item["parts"]) for item in page["items"][:3]] == [50, 1, 0]
    finally:
        run_sql(api_database, f"DROP TABLE {name}")


def test_a_nested_list_is_a_list(stocked: Api) -> None:
    page = stocked("GET", "/customers/C2/orders?limit=2&sort=-order_id&expand=customer", prefer="count=exact")
    assert [item["order_id"] for item in page.json["items"]] == ["O4", "O2"]
    assert page.json["items"][0]["customer"]["customer_id"] == "C2"
    assert page.json["count"] == 3
    assert page.json["next"].startswith("/customers/C2/orders?")
    assert [item["order_id"] for item in stocked("GET", page.json["next"]).json["items"]] == ["O0"]
    assert stocked("GET", page.json["next"].replace("C2", "C1")).status == 400
    assert stocked("GET", "/customers/C2/orders", prefer="count=estimated").status == 200
    assert stocked.invocations == 3


def test_a_nested_list_of_an_awkward_key_leads_on(stocked: Api) -> None:
    stocked("POST", "/orders", {"order_id": "O9", "customer_id": "C/3 ä", "total_amount": 1})
    page = stocked("GET", "/customers/C%2F3%20%C3%A4/orders?limit=1").json
    assert page["next"].startswith("/customers/C%2F3%20%C3%A4/orders?")
    assert [item["order_id"] for item in stocked("GET", page["next"]).json["items"]] == ["O9"]


def test_a_filter_on_the_parents_column_is_one_more_condition(stocked: Api) -> None:
    assert stocked("GET", "/customers/C2/orders?customer_id=C1").json["items"] == []
    assert len(stocked("GET", "/customers/C2/orders?customer_id=C2").json["items"]) == 3


def test_a_nested_list_needs_its_parent_and_an_empty_one_does_not_miss_it(stocked: Api) -> None:
    missing = stocked("GET", "/customers/C9/orders")
    assert (missing.status, missing.json["detail"]) == (404, "No row of customers has this customer_id.")
    stocked("POST", "/customers", {"customer_id": "C9", "customer_name": "N"})
    assert stocked("GET", "/customers/C9/orders").json == {"items": [], "next": None, "prev": None}
    assert stocked("GET", "/customers/%00/orders").status == 404
    assert stocked("POST", "/customers/C9/orders", {}).headers["allow"] == "GET, HEAD"
    assert stocked("GET", "/orders/O1/customer").status == 403


def test_embedded_numbers_keep_their_digits(stocked: Api) -> None:
    assert b'"total_amount":1.10' in stocked("GET", "/customers/C1?expand=orders").body
    assert json.loads(stocked("GET", "/customers/C1?expand=orders").body)["orders"][0]["total_amount"] == 1.1
