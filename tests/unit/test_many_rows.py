"""The statement of a POST: one text for each shape of request, without values. It leaves nothing in the session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from crud_api.request.idempotency import Attempt
from crud_api.request.inserts import parse_creation
from crud_api.request.listing import ListQuery
from crud_api.request.selection import Selection
from crud_api.request.sorting import SortKey
from crud_api.request.versions import Conditions
from crud_api.resource.relations import relations_of
from crud_api.sql import many_rows, once, one_row, select
from crud_api.sql.query import Query
from crud_api.tables import RESOURCES
from query_executor.contract import FromResult, Statement
from query_executor.scanner import scan

RELATIONS = relations_of({resource.name: resource for resource in RESOURCES})
CUSTOMERS, ORDERS, *_ = RESOURCES
ATTEMPT = Attempt("ff" * 32, "00" * 32)


def customer(key: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": key, "customer_name": "planted", **more}


def order(key: str) -> dict[str, Any]:
    return {"order_id": key, "total_amount": 1}


def statements(body: Any, *, merge: bool = False, keyed: bool = False) -> Sequence[Statement]:
    creation = parse_creation(CUSTOMERS, RELATIONS["customers"], body)
    condition = once.CONDITION if keyed else "true"
    plan = many_rows.insert_plan(creation, RELATIONS, merge=merge, minimal=False, condition=condition)
    if keyed:
        return once.create_once(plan, ATTEMPT, 201, 200).statements
    return many_rows.create(plan).statements


BODIES = [
    customer("a"),
    [customer("a"), customer("b", city="x")],
    [customer("a", orders=[order("1")]), customer("b")],
]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_it_leaves_nothing_in_the_session_and_is_bound_to_its_params(body: Any, merge: bool, keyed: bool) -> None:
    for statement in statements(body, merge=merge, keyed=keyed):
        scanned = scan(statement.sql)
        assert scanned.is_plain
        assert scanned.names == statement.params.keys()
        assert "planted" not in statement.sql


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([customer("a", city="x")], [customer(str(n), city=None) for n in range(1000)]),
        ([customer("a"), customer("b", city="x")], [customer("c"), customer("d", city="y"), customer("e")]),
        ([customer("a"), customer("b", city="x")], [customer("c", city="y"), customer("d")]),
        (customer("a", orders=[order("1")]), customer("b", orders=[order(str(n)) for n in range(1000)])),
    ],
)
def test_its_text_is_that_of_the_shape_however_many_rows_there_are(one: Any, other: Any) -> None:
    for merge in (False, True):
        for keyed in (False, True):
            texts = [[each.sql for each in statements(body, merge=merge, keyed=keyed)] for body in (one, other)]
            assert texts[0] == texts[1]


def test_rows_travel_as_one_text_with_every_character_as_it_is() -> None:
    (statement,) = statements([customer("é😀", city='"\\\n\x01'), customer("b", city="x")])
    params: Mapping[str, Any] = statement.params
    assert json.loads(params["rows_0_0"])[0] == {"customer_id": "é😀", "customer_name": "planted", "city": '"\\\n\x01'}
    assert "é😀" in params["rows_0_0"]
    assert params["places_0_0"] == [1, 2]


def test_the_lock_is_a_number_of_the_keys_digest_that_postgresql_can_hold() -> None:
    plan = many_rows.insert_plan(
        parse_creation(CUSTOMERS, RELATIONS["customers"], customer("a")), RELATIONS, merge=False, minimal=False
    )
    for digest, number in (("ff" * 32, -1), ("7f" + "ff" * 31, 2**63 - 1), ("80" + "00" * 31, -(2**63))):
        lock, _ = once.create_once(plan, Attempt(digest, ""), 201, 200).statements
        assert lock.params == {"lock": number}
    _, keyed = statements(customer("a"), keyed=True)
    held = keyed.params["held"]
    assert isinstance(held, FromResult)
    assert (held.result, held.column) == (0, "held")


def test_the_statements_of_one_row_and_of_a_page_can_be_prepared() -> None:
    selection = Selection(ORDERS.columns, tuple(one for one in RELATIONS["orders"].values()))
    page = ListQuery(limit=50, filters=[], order=[SortKey("order_id")], selection=selection)
    queries: list[Query[Any]] = [
        select.select_one(ORDERS, ("O1",), selection),
        select.select_page(ORDERS, page),
        one_row.insert(ORDERS, {"order_id": "O1", "status": "pending"}),
        one_row.update(ORDERS, ("O1",), {"status": "shipped"}),
        one_row.update(ORDERS, ("O1",), {"status": "shipped"}, Conditions(one_of=["etag"])),
        one_row.delete(ORDERS, ("O1",)),
        one_row.delete(ORDERS, ("O1",), Conditions(one_of=["etag"])),
    ]
    for (statement,) in (query.statements for query in queries):
        assert scan(statement.sql).is_preparable, statement.sql
