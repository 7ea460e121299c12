"""A page at any place of a table reads only its rows and one more: nothing is sorted, skipped or counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import cursor

from crud_api.request.cursors import Cursor
from crud_api.request.listing import ListQuery, Parent, list_query
from crud_api.resource.relations import relations_of
from crud_api.sql.select import select_page
from crud_api.tables import RESOURCES
from query_executor.migrate import apply_migrations
from query_executor.scanner import scan
from query_executor.values import bound

LIMIT = 50
BY_NAME = {resource.name: resource for resource in RESOURCES}
RELATIONS = relations_of(BY_NAME)
FAR = "ORD18000"
INSERTS = """
    INSERT INTO demo.customers (customer_id, customer_name) SELECT 'CUST' || n, 'N' FROM generate_series(1, 2000) n;
    INSERT INTO demo.orders (order_id, customer_id, total_amount, created_at)
    SELECT 'ORD' || to_char(n, 'FM00000'), 'CUST' || n % 20 + 1, 1, '2026-01-01Z'::timestamptz + n * interval '1s'
    FROM generate_series(1, 20000) n;
    ANALYZE demo.customers;
    ANALYZE demo.orders;
"""


@pytest.fixture(scope="module")
def source(postgres_url: str) -> Iterator[cursor]:
    with closing(psycopg2.connect(postgres_url)) as connection, connection.cursor() as source:
        connection.autocommit = True
        source.execute("CREATE DATABASE list_plans")
    url = postgres_url.replace("/postgres?", "/list_plans?")
    apply_migrations(url)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as source:
        connection.autocommit = True
        source.execute(INSERTS)
        yield source


def steps(source: cursor, resource: str, query: ListQuery) -> list[dict[str, Any]]:
    """The steps of the plan after it ran."""
    (statement,) = select_page(BY_NAME[resource], query).statements
    explain = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + scan(statement.sql).sql
    source.execute(explain, {name: bound(param, []) for name, param in statement.params.items()})
    ((((plan,),)),) = source.fetchall()
    found = [plan["Plan"]]
    for step in found:
        found += step.get("Plans", [])
    return found


def rows_read(source: cursor, query: ListQuery) -> int:
    """The largest number of orders that a step read, including the orders that it dropped."""
    return max(
        int(step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)))
        for step in steps(source, "orders", query)
    )


def listed(parent: Parent | None = None, /, **parameters: str) -> ListQuery:
    return list_query(BY_NAME["orders"], RELATIONS["orders"], {n: [one] for n, one in parameters.items()}, parent)


def at(query: ListQuery, cursor: Cursor) -> ListQuery:
    parameters = {"sort": ",".join(f"{'-' if key.descending else ''}{key.column}" for key in query.order)}
    return listed(query.parent, cursor=query.cursor_text(cursor), **parameters)


@pytest.mark.parametrize("toward", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("sort", ["order_id", "-order_id"])
def test_by_key_the_page_far_inside_is_as_near_as_the_first(source: cursor, sort: str, toward: Any) -> None:
    first = listed(sort=sort)
    assert rows_read(source, first) == LIMIT + 1
    assert rows_read(source, at(first, Cursor(toward, (FAR,)))) == LIMIT + 1


@pytest.mark.parametrize("toward", ["gt", "lt"])
@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_an_index_that_begins_with_the_sort_key_serves_both_directions(source: cursor, sort: str, toward: Any) -> None:
    first = listed(sort=sort)
    assert rows_read(source, first) == LIMIT + 1
    assert rows_read(source, at(first, Cursor(toward, ("2026-01-01 05:00:00+00", FAR)))) == LIMIT + 1
    assert rows_read(source, at(first, Cursor(toward, (None, FAR)))) <= LIMIT + 1


@pytest.mark.parametrize("sort", ["created_at,-order_id", "-created_at,status,order_id"])
def test_keys_beyond_the_index_sort_the_ties_only(source: cursor, sort: str) -> None:
    first = listed(sort=sort)
    values = ("2026-01-01 05:00:00+00", "pending", FAR) if "status" in sort else ("2026-01-01 05:00:00+00", FAR)
    assert rows_read(source, at(first, Cursor("gt", values))) <= 2 * LIMIT


def test_the_rows_of_one_customer_are_read_by_their_own_index(source: cursor) -> None:
    by_filter = listed(customer_id="CUST7")
    nested = listed(Parent(BY_NAME["customers"], RELATIONS["customers"]["orders"], ("CUST7",)))
    assert rows_read(source, by_filter) == rows_read(source, nested) == LIMIT + 1


def test_embedded_rows_are_looked_up_for_the_page_only(source: cursor) -> None:
    assert rows_read(source, listed(expand="customer")) == LIMIT + 1


def test_a_relation_is_read_once_a_row_though_two_things_are_asked_of_it(source: cursor) -> None:
    query = list_query(BY_NAME["customers"], RELATIONS["customers"], {"expand": ["orders"], "limit": ["3"]})
    reads = [step for step in steps(source, "customers", query) if step.get("Relation Name") == "orders"]
    assert [step["Actual Loops"] for step in reads] == [4]


def test_a_page_that_no_answer_could_hold_does_not_leave_the_database(source: cursor) -> None:
    source.execute(
        "INSERT INTO demo.customers (customer_id, customer_name) "
        "SELECT 'Z' || n, repeat('x', 200000) FROM generate_series(1, 40) AS n"
    )
    query = list_query(BY_NAME["customers"], {}, {"customer_id[gte]": ["Z"]})
    (statement,) = select_page(BY_NAME["customers"], query).statements
    source.execute(scan(statement.sql).sql, {name: bound(param, []) for name, param in statement.params.items()})
    ((items, found, *_),) = source.fetchall()
    assert (items, found) == (None, 40)


def test_embedded_rows_beyond_those_of_a_page_are_neither_built_nor_counted(source: cursor) -> None:
    """20 customers have 1,000 orders each. The statement reads half of the 20,000 orders and embeds none."""
    query = list_query(BY_NAME["customers"], RELATIONS["customers"], {"expand": ["orders"], "limit": ["1000"]})
    ran = [step for step in steps(source, "customers", query) if step.get("Relation Name") == "orders"]
    looked_at = sum(step["Actual Rows"] * step["Actual Loops"] for step in ran)
    assert looked_at <= 10_001


def test_a_page_that_is_too_large_with_its_embedded_rows_is_not_read_to_its_end(source: cursor) -> None:
    """A customer of a megabyte has 300 orders. The seventh is too much for a reply."""
    source.execute(
        "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('YARD', repeat('x', 1000000));"
        "INSERT INTO demo.orders (order_id, customer_id, status, total_amount) "
        "SELECT 'YARD' || n, 'YARD', 'pending', 1 FROM generate_series(1, 300) AS n"
    )
    try:
        query = listed(customer_id="YARD", expand="customer", limit="1000")
        (statement,) = select_page(BY_NAME["orders"], query).statements
        source.execute(scan(statement.sql).sql, {name: bound(param, []) for name, param in statement.params.items()})
        ((items, found, *_),) = source.fetchall()
        customers = [step for step in steps(source, "orders", query) if step.get("Relation Name") == "customers"]
        assert scan(statement.sql).is_preparable
    finally:
        source.execute("DELETE FROM demo.orders WHERE customer_id = 'YARD'")
        source.execute("DELETE FROM demo.customers WHERE customer_id = 'YARD'")
    assert (items, found) == (None, -1)
    assert sum(step["Actual Loops"] for step in customers) <= 8
