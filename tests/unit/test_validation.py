"""From bodies to values: every wrong field is named, and valid values keep every digit and character."""

from __future__ import annotations

import pytest

from crud_api.errors import InvalidFieldsError, MalformedBodyError
from crud_api.request.body import parse_object
from crud_api.request.validation import changes, new_row
from crud_api.resource import Resource
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders

CUSTOMER = '"customer_id": "C1", "customer_name": "Ada"'
ORDER = '"order_id": "O1", "customer_id": "C1"'


def wrong(resource: Resource, body: str) -> dict[str, str]:
    with pytest.raises(InvalidFieldsError) as caught:
        new_row(resource, parse_object(body))
    return {error["pointer"]: error["detail"] for error in caught.value.errors}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customer_id", "5"), ("customer_id", '""'), ("customer_id", '"  "'), ("customer_id", '"a\\n"'),
        ("customer_id", '" a"'), ("customer_id", '".."'), ("customer_id", f'"{"x" * 65}"'), ("customer_id", "null"),
        ("customer_name", "[]"), ("customer_name", '" "'), ("customer_name", f'"{"x" * 201}"'),
        ("customer_name", "null"),
        ("email", '"x"'), ("email", '"a@b"'), ("email", '"a b@c.de"'), ("email", '"a@b.c\\n"'), ("email", "true"),
        ("email", f'"a@{"b" * 250}.com"'),
        ("city", '"a\\u0000b"'), ("city", '"\\ud800"'), ("city", '{"a": 1}'), ("city", "NaN"), ("city", "1e5"),
        ("nickname", '"x"'), ("a/b~c", "1"),
    ],
)  # fmt: skip
def test_a_wrong_customer_field_is_named_by_its_pointer(field: str, value: str) -> None:
    others = '"customer_id": "C1", ' * (field != "customer_id") + '"customer_name": "Ada", ' * (
        field != "customer_name"
    )
    pointer = "#/" + field.replace("~", "~0").replace("/", "~1")
    assert list(wrong(customers, f'{{{others}"{field}": {value}}}')) == [pointer]


@pytest.mark.parametrize(
    "amount",
    ["-1", "-0.01", "1.234", "10000000000", "9999999999.995", "NaN", "Infinity", "-Infinity", '"1.50"', "true", "[]",
     "null", "1e400", "1e9999999999999999999", "1" * 5000],
)  # fmt: skip
def test_an_amount_that_the_column_cannot_hold_exactly_is_refused(amount: str) -> None:
    assert list(wrong(orders, f'{{{ORDER}, "total_amount": {amount}}}')) == ["#/total_amount"]


@pytest.mark.parametrize(
    ("amount", "stored"),
    [("0", "0"), ("150.75", "150.75"), ("9999999999.99", "9999999999.99"), ("0.10", "0.10"), ("5.000", "5.000"),
     ("1e2", "1E+2"), ("-0", "0")],
)  # fmt: skip
def test_an_amount_keeps_its_digits(amount: str, stored: str) -> None:
    value = new_row(orders, parse_object(f'{{{ORDER}, "total_amount": {amount}}}'))["total_amount"]
    assert str(value) == stored
    assert not isinstance(value, float)


def test_all_wrong_fields_are_named_at_once() -> None:
    errors = wrong(orders, '{"customer_id": 5, "total_amount": -1, "status": "lost", "x": 1}')
    assert set(errors) == {"#/customer_id", "#/total_amount", "#/status", "#/x"}
    assert "pending, processing, shipped, delivered, cancelled" in errors["#/status"]
    assert wrong(orders, "{}")["#/customer_id"] == "customer_id is missing"


def test_a_new_row_has_the_declared_default_and_leaves_the_others_to_the_database() -> None:
    values = new_row(orders, parse_object(f'{{{ORDER}, "total_amount": 1}}'))
    assert values == {"order_id": "O1", "customer_id": "C1", "total_amount": "1", "status": "pending"}


def test_text_of_any_script_is_taken_as_it_is() -> None:
    values = new_row(customers, parse_object('{"customer_id": "é😀", "customer_name": "\\ud83d\\ude00 Ω"}'))
    assert values == {"customer_id": "é😀", "customer_name": "😀 Ω"}


@pytest.mark.parametrize(
    "body",
    ["", "{", "nonsense", "[]", "5", "null", '"text"', '{"a": 1,}', "{'a': 1}", '{"a": 1} x', "[" * 100_000,
     '{"a":' * 100_000, "\ufeff{}", '{"a": 1, "a": 2}', '{"a": tru}'],
)  # fmt: skip
def test_a_body_that_is_not_one_json_object_is_malformed(body: str) -> None:
    with pytest.raises(MalformedBodyError):
        parse_object(body)


def test_a_change_takes_what_is_given_and_null_clears() -> None:
    assert changes(customers, {"city": None, "state": "MA"}, ("C1",)) == {"city": None, "state": "MA"}
    assert changes(customers, {}, ("C1",)) == {}


def test_a_change_may_repeat_the_key_but_not_alter_it() -> None:
    assert changes(customers, {"customer_id": "C1"}, ("C1",)) == {}
    with pytest.raises(InvalidFieldsError) as caught:
        changes(customers, {"customer_id": "C2", "city": 5}, ("C1",))
    assert [error["pointer"] for error in caught.value.errors] == ["#/city", "#/customer_id"]


@pytest.mark.parametrize("value", ["2026-01-01T00:00:00Z", None, 5])
def test_what_the_server_sets_is_ignored_so_that_a_row_can_be_sent_back(value: object) -> None:
    row = {"customer_id": "C1", "customer_name": "Ada"}
    assert new_row(customers, row | {"created_at": value}) == row
    assert changes(customers, row | {"created_at": value, "updated_at": value}, ("C1",)) == {"customer_name": "Ada"}


def test_a_required_field_cannot_be_cleared() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        changes(customers, {"customer_name": None}, ("C1",))
    assert [error["pointer"] for error in caught.value.errors] == ["#/customer_name"]
