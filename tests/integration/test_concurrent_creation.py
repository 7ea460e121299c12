"""The database still refuses what the statement could not see when it looked, and everything is undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.executor import eventually
from tests.functional.client import Response
from tests.gateway import GatewayApi
from tests.integration.test_idempotency import api_of, rows, waits_for_a_lock

MERGE = "resolution=merge-duplicates"


def customer(key: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": key, "customer_name": key, **more}


@pytest.fixture
def url(database_url: str) -> str:
    apply_migrations(database_url)
    run_sql(database_url, "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C0', 'Zero')")
    return database_url


@contextmanager
def meeting(url: str, other_sql: str, path: str, body: Any, **headers: Any) -> Iterator[tuple[Any, Future[Response]]]:
    """A POST that waits for another client in the middle of a transaction."""
    api: GatewayApi = api_of(url)
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute(other_sql)
        answer = pool.submit(lambda: api("POST", path, body, **headers))
        eventually(lambda: waits_for_a_lock(url))
        yield other, answer


INSERT = "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C2', 'Other')"


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}])
@pytest.mark.parametrize(
    "body", [[customer("C1"), customer("C2"), customer("C3", city="x")], customer("C2", orders=[])]
)
def test_a_key_that_is_taken_meanwhile_is_a_conflict(url: str, body: Any, headers: dict[str, str]) -> None:
    with meeting(url, INSERT, "/customers", body, **headers) as (other, answer):
        other.commit()
        refused = answer.result(100)
    assert (refused.status, refused.json["type"]) == (409, "urn:problem-type:crud-api:conflict")
    assert (rows(url), rows(url, "idempotency_keys")) == (2, 0)


def test_a_key_that_is_given_up_meanwhile_is_free(url: str) -> None:
    with meeting(url, INSERT, "/customers", [customer("C1"), customer("C2")]) as (other, answer):
        other.rollback()
        assert answer.result(100).status == 201
    assert rows(url) == 3


def test_a_row_that_is_referred_to_and_deleted_meanwhile_is_unknown(url: str) -> None:
    body = [{"order_id": f"O{n}", "customer_id": "C0", "total_amount": 1} for n in range(3)]
    with meeting(url, "DELETE FROM demo.customers", "/orders", body) as (other, answer):
        other.commit()
        refused = answer.result(100)
    assert (refused.status, refused.pointers) == (422, [])
    assert rows(url, "orders") == 0


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_an_upsert_changes_the_row_that_another_has_just_made(url: str, end: str) -> None:
    with meeting(url, INSERT, "/customers", customer("C2", city="Paris"), prefer=MERGE) as (other, answer):
        getattr(other, end)()
        merged = answer.result(100)
    # The row did not exist when the statement looked, so this is 201 in both cases.
    assert (merged.status, merged.json["city"], merged.json["customer_name"]) == (201, "Paris", "C2")
    assert rows(url) == 2


def test_upserts_of_the_same_rows_in_opposite_order_do_not_wait_for_each_other(url: str) -> None:
    bodies = [[customer(f"D{n}", city=city) for n in range(300)][::step] for city, step in (("Rome", 1), ("Paris", -1))]
    apis = [api_of(url), api_of(url)]
    run_sql(url, "ALTER SYSTEM SET deadlock_timeout = '30s'")  # a deadlock would show here
    run_sql(url, "SELECT pg_reload_conf()")
    try:
        for _ in range(5):
            with ThreadPoolExecutor(2) as pool:
                answers = [pool.submit(api, "POST", "/customers", body, prefer=MERGE)
                           for api, body in zip(apis, bodies, strict=True)]  # fmt: skip
                assert {answer.result(100).status for answer in answers} <= {200, 201}
            assert len(run_sql(url, "SELECT DISTINCT city FROM demo.customers WHERE customer_id LIKE 'D%'")) == 1
    finally:
        run_sql(url, "ALTER SYSTEM RESET deadlock_timeout")
        run_sql(url, "SELECT pg_reload_conf()")


UNIQUE = "ALTER TABLE demo.customers ADD UNIQUE (email)"
NO_REFERENCES = "ALTER TABLE demo.orders DROP CONSTRAINT orders_customer_id_fkey;"
KEY = "ALTER TABLE demo.customers ALTER customer_id TYPE"
BASE = """
    ALTER SCHEMA demo RENAME TO below; CREATE SCHEMA demo;
    ALTER TABLE below.idempotency_keys SET SCHEMA demo; ALTER TABLE below.orders SET SCHEMA demo;
    CREATE VIEW demo.customers AS SELECT * FROM below.customers; ALTER TABLE below.customers ADD UNIQUE (email)
"""
TAKEN = "INSERT INTO {} (customer_id, customer_name, email) VALUES ('T', 't', 'mid@example.com')"
EMAILS = [
    [customer("A1", email="a@example.com"), customer("A2", email="mid@example.com")],
    [customer("B1", email="b@example.com"), customer("B2", email="a@example.com")],
]


@pytest.mark.parametrize(
    ("schema", "held", "bodies"),
    [
        (UNIQUE, TAKEN.format("demo.customers"), EMAILS),
        ("CREATE UNIQUE INDEX ON demo.customers (lower(email))", TAKEN.format("demo.customers"), EMAILS),
        ("ALTER TABLE demo.customers ADD EXCLUDE USING btree (email WITH =)", TAKEN.format("demo.customers"), EMAILS),
        (BASE, TAKEN.format("below.customers"), EMAILS),
        (
            f"CREATE EXTENSION citext; {NO_REFERENCES} {KEY} citext",
            "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('bb', 'x')",
            [[customer("aa", city="x"), customer("BB")], [customer("CC", city="x"), customer("AA")]],
        ),
        (
            f"{NO_REFERENCES} {KEY} numeric USING 7",
            "INSERT INTO demo.customers (customer_id, customer_name) VALUES (20, 'x')",
            [[customer("10", city="x"), customer("20.0")], [customer("30", city="x"), customer("10.0")]],
        ),
        (
            # Not every build has ICU, so this collation only claims that different texts can be equal.
            "CREATE COLLATION demo.alike (locale = 'C');"
            "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'alike';"
            f"{NO_REFERENCES} {KEY} text COLLATE demo.alike",
            "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('b', 'x')",
            [[customer("a", city="x"), customer("b")], [customer("c", city="x"), customer("d")]],
        ),
    ],
    ids=["unique", "unique expression", "exclusion", "view", "citext", "numeric", "collation"],
)
def test_rows_that_are_in_each_others_way_by_more_than_the_text_of_the_key_take_turns(
    url: str, schema: str, held: str, bodies: list[Any]
) -> None:
    """The second request waits for the first before it touches a row, so the first never waits for the second."""
    run_sql(url, schema)
    wait = "SELECT wait_event FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor, ThreadPoolExecutor(2) as pool:
        cursor.execute(held)
        first = pool.submit(api_of(url), "POST", "/customers", bodies[0], prefer=MERGE)
        eventually(lambda: waits_for_a_lock(url))
        second = pool.submit(api_of(url), "POST", "/customers", bodies[1], prefer=MERGE)
        eventually(lambda: len(run_sql(url, wait)) == 2)
        assert ("advisory",) in run_sql(url, wait)
        other.rollback()
        assert {first.result(100).status, second.result(100).status} <= {200, 201, 409}


def test_arrays_take_turns_alone_only_where_the_table_makes_it_needful(url: str) -> None:
    run_sql(url, f"{UNIQUE}; ALTER TABLE demo.customers ADD place serial UNIQUE")
    bodies = [[customer("A1"), customer("A2")], [customer("B1"), customer("B2")]]
    held = "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('A2', 't')"
    with meeting(url, held, "/customers", bodies[0]) as (other, answer):
        assert api_of(url)("POST", "/customers", bodies[1]).status == 201  # it does not wait for the first
        other.rollback()
        assert answer.result(100).status == 201
