"""The fast way to read a body finds the same values as the steps, or none. It is enough for most bodies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from crud_api.errors import ApiError
from crud_api.request.body import parse_object
from crud_api.request.fast_row import fast_changes, fast_row
from crud_api.request.validation import Values, changes, new_row
from crud_api.resource import Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.text import Key, Name
from crud_api.resource.columns.time import Timestamp
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders


class Thing(Struct):
    """A row with a field of every kind that a declaration can have."""

    thing_id: Key
    name: Name
    count: int
    price: Amount
    weight: Decimal | None = None
    kind: Literal["a", "b"] = "a"
    whole: bool = True
    ratio: float | None = None
    seen_at: Timestamp | None = None
    note: str | None = None
    made_by: str | None = None


things = Resource(name="things", table="things", model=Thing, key="thing_id", read_only=frozenset({"made_by"}))

ORDER = '"order_id": "O1", "customer_id": "C1", "total_amount": 12.50'
NAMES = [*things.fields, "nobody"]
# Values of a member in JSON. For each field, some are valid and some are not.
VALUES = [
    '"x"', '""', '" "', '"."', '"a"', '"é😀"', '"\\u0000"', '"\\ud800"', '"a\\"b"', '"a:b"', '"12.5"', '"1"', "\"'\"",
    "0", "-0", "1", "-1", "1.0", "12.50", "1e2", "1.234", "-0.0", "99999999999", "1e400", "1e9999999999999999999",
    "NaN", "Infinity", "true", "false", "null", "[]", "[1]", "{}", '{"a": 1}', '"2026-01-31T00:00:00Z"', "9" * 5000,
    "9" * 1001, "123456789012345678901234567890",
]  # fmt: skip
GOOD = {
    "thing_id": '"t"', "name": '"n"', "count": "1", "price": "1.5", "weight": "0.1", "kind": '"b"', "whole": "true",
}  # fmt: skip
SPACES = st.sampled_from(["", " ", "\n\t "])
MEMBERS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=4)


def step_by_step(body: bytes, key: str | None) -> Values | None:
    """The values that the steps find. None if they refuse the body."""
    try:
        sent = parse_object(body.decode())
        return new_row(things, sent) if key is None else changes(things, sent, (key,))
    except (ApiError, UnicodeDecodeError):
        return None


def typed(values: Values | None) -> object:
    """The values with their types, because in Python 1 equals True."""
    return values and {name: (type(value), value) for name, value in values.items()}


def in_one_pass(body: bytes, key: str | None) -> Values | None:
    return fast_row(things, body) if key is None else fast_changes(things, body, (key,))


@given(kept=st.sets(st.sampled_from(list(GOOD))), more=MEMBERS, space=SPACES, key=st.sampled_from([None, "t", "x"]))
@example(kept=set(GOOD), more=[("name", '"other"')], space=" ", key=None)
@example(kept=set(GOOD) - {"price"}, more=[("price", '"1.5"')], space="", key=None)
@example(kept=set(GOOD) - {"count"}, more=[("count", "9" * 1001)], space="", key=None)
@example(kept=set(GOOD), more=[("note", '"\\u0000"')], space="", key=None)
@example(kept=set(GOOD), more=[("note", '"\\ud800"')], space="", key=None)
@example(kept=set(GOOD), more=[("ratio", "0.12345678901234567890")], space="", key=None)
@example(kept=set(GOOD), more=[("made_by", '"me"')], space="", key=None)
def test_what_has_values_in_one_pass_has_the_same_step_by_step(
    kept: set[str], more: list[tuple[str, str]], space: str, key: str | None
) -> None:
    members = [*((name, GOOD[name]) for name in sorted(kept)), *more]
    text = ",".join(f'{space}"{name}"{space}:{space}{value}{space}' for name, value in members)
    body = f"{space}{{{text}}}{space}".encode(errors="surrogatepass")
    found = in_one_pass(body, key)
    if found is not None:
        assert typed(found) == typed(step_by_step(body, key))


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_what_is_no_body_at_all_has_no_values(body: bytes) -> None:
    for key in (None, "t"):
        found = in_one_pass(body, key)
        assert found is None or found == step_by_step(body, key)


@pytest.mark.parametrize(
    ("resource", "body", "values"),
    [
        (orders, f"{{{ORDER}}}",
         {"order_id": "O1", "customer_id": "C1", "total_amount": "12.50", "status": "pending"}),
        (orders, f'{{{ORDER}, "status": "shipped"}}',
         {"order_id": "O1", "customer_id": "C1", "total_amount": "12.50", "status": "shipped"}),
        (customers, '{"customer_id":"é","customer_name":"Ωmega","email":null}',
         {"customer_id": "é", "customer_name": "Ωmega", "email": None}),
        (things, '{"thing_id": "t", "name": "n", "count": 3, "price": 0, "whole": false}',
         {"thing_id": "t", "name": "n", "count": 3, "price": "0", "whole": False, "kind": "a"}),
    ],
)  # fmt: skip
def test_an_ordinary_row_takes_one_pass(resource: Resource, body: str, values: dict[str, Any]) -> None:
    assert fast_row(resource, body.encode()) == values == new_row(resource, parse_object(body))


def test_ordinary_changes_take_one_pass() -> None:
    assert fast_changes(orders, b'{"status": "shipped", "total_amount": 9.9}', ("O1",)) == {
        "status": "shipped", "total_amount": "9.9"
    }  # fmt: skip
    assert fast_changes(customers, b'{"customer_id": "C1", "city": null}', ("C1",)) == {"city": None}
    assert fast_changes(customers, b"{}", ("C1",)) == {}


@pytest.mark.parametrize(
    "body",
    [
        f'{{{ORDER}, "order_id": "O1"}}', f'{{{ORDER}, "order_id" :"O2"}}', f'{{{ORDER}, "status": null}}',
        f'{{{ORDER}, "status": "lost"}}', f'{{{ORDER}, "created_at": "2026-01-01T00:00:00Z"}}', f'{{{ORDER}, "x": 1}}',
        f"[{{{ORDER}}}]", f"{{{ORDER}}} x", f"{{{ORDER},}}", "", "null",
        '{"order_id": "O1", "customer_id": "C1"}', '{"order_id": "O1", "customer_id": "C1", "total_amount": "12.50"}',
        '{"order_id": "O1", "customer_id": "C1", "total_amount": 12.505}',
        '{"order_id": "O1", "customer_id": "C\\u0000", "total_amount": 1}',
        '{"order_id": "O1", "customer_id": "\\ud800", "total_amount": 1}',
    ],
)  # fmt: skip
def test_what_may_be_wrong_is_left_to_the_steps(body: str) -> None:
    assert fast_row(orders, body.encode()) is None


def test_another_key_than_the_paths_is_left_to_the_steps() -> None:
    assert fast_changes(orders, b'{"order_id": "O2"}', ("O1",)) is None
