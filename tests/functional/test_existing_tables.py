"""A user who made the tables by hand, with only the columns of the old guide, finds every row in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from crud_api.errors import ConflictError
from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.functional.client import Api, api_on

MADE_BY_HAND = """
    CREATE SCHEMA demo;
    CREATE TABLE demo.customers (
        customer_id varchar(50) PRIMARY KEY, customer_name varchar(100) NOT NULL, email varchar(100),
        city varchar(50), state varchar(50));
    CREATE TABLE demo.orders (
        order_id varchar(50) PRIMARY KEY, customer_id varchar(50) REFERENCES demo.customers (customer_id),
        status varchar(20), total_amount numeric(10, 2));
    INSERT INTO demo.customers
        SELECT 'CUST' || to_char(n, 'FM0000'), CASE WHEN n % 7 = 0 THEN '' ELSE 'Name ' || n END,
               CASE WHEN n % 5 = 0 THEN 'no address' END, 'City', NULL
        FROM generate_series(1, 120) AS n;
    INSERT INTO demo.orders
        SELECT 'ORD' || to_char(n, 'FM0000'), 'CUST' || to_char(n % 120 + 1, 'FM0000'),
               CASE n % 3 WHEN 0 THEN 'on hold' WHEN 1 THEN NULL ELSE 'pending' END, n + 0.10
        FROM generate_series(1, 180) AS n;
"""


@pytest.fixture
def adopted(database_url: str) -> Api:
    run_sql(database_url, MADE_BY_HAND)
    apply_migrations(database_url)
    return api_on(database_url)


def every_row(api: Api, path: str) -> Iterator[dict[str, Any]]:
    following = path
    while following:
        page = api("GET", following).json
        yield from page["items"]
        following = page["next"]


@pytest.mark.parametrize("table", ["customers", "orders"])
def test_every_row_is_in_the_list_and_under_its_key(adopted: Api, database_url: str, table: str) -> None:
    key = table[:-1] + "_id"
    stored = [row for (row,) in run_sql(database_url, f"SELECT row_to_json(t) FROM demo.{table} t ORDER BY {key}")]
    served = list(every_row(adopted, f"/{table}"))
    assert [{name: row[name] for name in stored[0]} for row in served] == stored
    assert {(row["created_at"], row["updated_at"]) for row in served} == {(None, None)}
    for row in served[::17]:
        assert adopted("GET", f"/{table}/{row[key]}").json == row


def test_an_old_row_is_changed_and_a_new_one_made_beside_it(adopted: Api) -> None:
    changed = adopted("PUT", "/orders/ORD0003", {"total_amount": 5})
    assert (changed.json["status"], changed.json["created_at"]) == ("on hold", None)
    assert changed.json["updated_at"] is not None
    created = adopted("POST", "/customers", {"customer_id": "NEW", "customer_name": "N"})
    assert created.json["created_at"] is not None


def test_a_value_longer_than_the_users_column_is_refused_and_not_cut(adopted: Api) -> None:
    answer = adopted("POST", "/customers", {"customer_id": "NEW", "customer_name": "x" * 150})
    assert answer.status == 422
    assert adopted("GET", "/customers/NEW").status == 404


def test_a_column_of_a_type_of_the_users_own_is_filtered_and_sorted(database_url: str) -> None:
    run_sql(database_url, MADE_BY_HAND)
    run_sql(database_url, "CREATE TYPE demo.state AS ENUM ('pending', 'on hold')")
    run_sql(database_url, "ALTER TABLE demo.orders ALTER status TYPE demo.state USING status::demo.state")
    apply_migrations(database_url)
    api = api_on(database_url)
    for query in ("status=on hold", "status[like]=on*", 'status[in]="on hold"', "status[gt]=pending"):
        assert api("GET", f"/orders?{quote(query, safe='=')}", prefer="count=exact").json["count"] == 60
    assert api("GET", "/orders?status=shipped").status == 400
    served = [row["status"] for row in every_row(api, "/orders?sort=status&limit=50")]
    assert served == ["pending"] * 60 + ["on hold"] * 60 + [None] * 60


def test_a_column_of_json_keeps_its_line_feeds_and_the_page_its_items(database_url: str) -> None:
    run_sql(database_url, MADE_BY_HAND)
    run_sql(
        database_url, 'ALTER TABLE demo.customers ALTER city TYPE json USING E\'{"a": [1,\\n2],\\r\\n"b": "\\\\n"}\''
    )
    apply_migrations(database_url)
    api = api_on(database_url)
    first = api("GET", "/customers?limit=2").json
    second = api("GET", first["next"]).json
    assert api("GET", second["prev"]).json["items"] == first["items"]
    assert [row["customer_id"] for row in first["items"] + second["items"]] == [f"CUST000{n}" for n in (1, 2, 3, 4)]
    assert {json.dumps(row["city"]) for row in second["items"]} == {json.dumps({"a": [1, 2], "b": "\n"})}


@pytest.mark.parametrize("prefer", ["", "resolution=merge-duplicates"])
def test_a_row_that_a_trigger_keeps_out_is_not_said_to_be_stored(database_url: str, prefer: str) -> None:
    apply_migrations(database_url)
    run_sql(
        database_url,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER no BEFORE INSERT ON demo.customers FOR EACH ROW EXECUTE FUNCTION no()",
    )
    api = api_on(database_url)
    for body in ({"customer_id": "C1", "customer_name": "N"}, [{"customer_id": "C1", "customer_name": "N"}]):
        for headers in ({}, {"idempotency_key": "k"}, {"idempotency_key": "k"}):
            answer = api("POST", "/customers", body, prefer=prefer, **headers)
            assert (answer.status, answer.json["title"]) == (409, ConflictError.title)


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}])
@pytest.mark.parametrize("prefer", ["", "return=minimal", "resolution=merge-duplicates"])
@pytest.mark.parametrize("suppressed", ["C1", "O2"])
def test_one_row_that_a_trigger_suppresses_undoes_all_of_them(
    database_url: str, suppressed: str, prefer: str, headers: dict[str, str]
) -> None:
    apply_migrations(database_url)
    run_sql(
        database_url,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN CASE"
        f" WHEN row_to_json(NEW)::text LIKE '%\"{suppressed}\"%' THEN NULL ELSE NEW END; END$$;"
        "CREATE TRIGGER no BEFORE INSERT ON demo.customers FOR EACH ROW EXECUTE FUNCTION no();"
        "CREATE TRIGGER no BEFORE INSERT ON demo.orders FOR EACH ROW EXECUTE FUNCTION no()",
    )
    rows: list[dict[str, Any]] = [{"customer_id": f"C{n}", "customer_name": "N"} for n in (3, 2, 1)]
    rows[0]["city"] = "Rome"
    rows[1]["orders"] = [{"order_id": f"O{n}", "total_amount": 1} for n in (3, 2, 1)]
    answer = api_on(database_url)("POST", "/customers", rows, prefer=prefer, **headers)
    assert (answer.status, answer.json["title"]) == (409, ConflictError.title)
    stored = "SELECT count(*) FROM demo.customers UNION ALL SELECT count(*) FROM demo.orders"
    assert run_sql(database_url, stored) == [(0,), (0,)]


@pytest.mark.parametrize("prefer", ["", "resolution=merge-duplicates"])
def test_rows_that_a_trigger_gives_other_keys_are_answered_in_their_order(database_url: str, prefer: str) -> None:
    apply_migrations(database_url)
    run_sql(
        database_url,
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.customer_id := md5(NEW.customer_id); RETURN NEW; END$$;"
        "CREATE TRIGGER other BEFORE INSERT ON demo.customers FOR EACH ROW EXECUTE FUNCTION other()",
    )
    # The request has neither the order of the keys nor the order of the groups, whose rows omit the same columns.
    sent = [
        {"customer_id": f"C{n}", "customer_name": f"N{n}", **({"city": "x"} if n % 3 else {})}
        for n in (5, 1, 4, 2, 6, 3)
    ]
    answer = api_on(database_url)("POST", "/customers", sent, prefer=prefer)
    assert answer.status == 201
    assert [row["customer_name"] for row in answer.json] == ["N5", "N1", "N4", "N2", "N6", "N3"]


def test_a_delete_that_a_rule_turns_into_an_update_is_one(database_url: str) -> None:
    apply_migrations(database_url)
    run_sql(
        database_url,
        "CREATE RULE keeps AS ON DELETE TO demo.customers DO INSTEAD"
        " UPDATE demo.customers SET city = 'gone' WHERE customer_id = OLD.customer_id RETURNING OLD.*",
    )
    api = api_on(database_url)
    api("POST", "/customers", {"customer_id": "C1", "customer_name": "N"})
    for _ in range(3):
        assert api("DELETE", "/customers/C1").status == 204
    assert api("DELETE", "/customers/C2").status == 404
    assert api("GET", "/customers/C1").json["city"] == "gone"


def test_many_rows_and_those_that_refer_to_them_are_stored_beside_the_old_ones(adopted: Api) -> None:
    rows = [
        {"customer_id": "NEW1", "customer_name": "N", "orders": [{"order_id": "NEW", "total_amount": 1}]},
        {"customer_id": "NEW2", "customer_name": "N"},
    ]
    first = adopted("POST", "/customers", rows, idempotency_key="k")
    assert (first.status, first.json[0]["orders"][0]["status"]) == (201, "pending")
    assert adopted("POST", "/customers", rows, idempotency_key="k").body == first.body
    taken = adopted("POST", "/customers", [*rows[1:], {"customer_id": "CUST0007", "customer_name": "N"}])
    assert (taken.status, taken.pointers) == (409, ["#/0/customer_id", "#/1/customer_id"])
    long = adopted("POST", "/customers", [{"customer_id": "NEW3", "customer_name": "x" * 150}])
    assert (long.status, long.pointers) == (422, ["#/0/customer_name"])


def test_an_upsert_changes_an_old_row_and_keeps_what_todays_rules_would_refuse(adopted: Api) -> None:
    row = {"order_id": "ORD0003", "customer_id": "CUST0004", "total_amount": 5}
    merged = adopted("POST", "/orders", row, prefer="resolution=merge-duplicates")
    assert (merged.status, merged.json["status"], merged.json["total_amount"]) == (200, "on hold", 5)


@pytest.mark.parametrize("kind", ["partitioned", "view"])
def test_an_upsert_reaches_what_is_no_plain_table(database_url: str, kind: str) -> None:
    apply_migrations(database_url)
    run_sql(database_url, "ALTER TABLE demo.orders RENAME TO whole")
    if kind == "view":
        run_sql(database_url, "CREATE VIEW demo.orders AS SELECT * FROM demo.whole")
    else:
        run_sql(
            database_url,
            "CREATE TABLE demo.orders (LIKE demo.whole INCLUDING ALL) PARTITION BY HASH (order_id);"
            "CREATE TABLE demo.part PARTITION OF demo.orders FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        )
    api = api_on(database_url)
    api("POST", "/customers", {"customer_id": "C1", "customer_name": "N"})
    rows = [{"order_id": f"O{n}", "customer_id": "C1", "total_amount": n} for n in range(3)]
    merges = [api("POST", "/orders", rows, prefer="resolution=merge-duplicates") for _ in range(2)]
    assert [answer.status for answer in merges] == [201, 200]
    assert [row["order_id"] for row in merges[1].json] == ["O0", "O1", "O2"]
    assert api("POST", "/orders", rows).pointers == ["#/0/order_id", "#/1/order_id", "#/2/order_id"]


def test_a_row_without_a_key_is_listed_and_ends_every_list(database_url: str) -> None:
    run_sql(
        database_url, MADE_BY_HAND.replace(" PRIMARY KEY", "").replace(" REFERENCES demo.customers (customer_id)", "")
    )
    run_sql(database_url, "UPDATE demo.customers SET customer_id = NULL WHERE customer_id > 'CUST0002'")
    apply_migrations(database_url)
    api = api_on(database_url)
    descending = every_row(api, "/customers?sort=-customer_id&limit=118&fields=customer_id")
    assert [row["customer_id"] for row in descending] == [None] * 118 + ["CUST0002", "CUST0001"]
    for limit in (1, 2, 3, 119):
        served = [row["customer_id"] for row in every_row(api, f"/customers?limit={limit}")]
        assert served[:2] == ["CUST0001", "CUST0002"]
    page = api("GET", "/customers?limit=3").json
    empty = api("GET", page["next"]).json
    assert (empty["items"], empty["next"]) == ([], None)
    assert api("GET", empty["prev"]).json["items"][-1]["customer_id"] is None
