"""Filters: `field=value` and `field[op]=value`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from msgspec import Struct

from crud_api.fields import Field
from crud_api.resource import Resource
from crud_api.validation import param, text_flaw
from query_executor.contract import Value

OPERATORS = ("ne", "gt", "gte", "lt", "lte", "in", "like", "is")
MAX_VALUE_CHARACTERS = 1000
MAX_VALUES = 100  # of [in]
_NAME = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
# Python takes more: 1_000, NaN, digits of other scripts.
_WHOLE = re.compile(r"-?[0-9]{1,100}")
_NUMBER = re.compile(rf"{_WHOLE.pattern}(\.[0-9]{{1,100}})?([eE][+-]?[0-9]{{1,3}})?")
_FORMS = {int: _WHOLE, float: _NUMBER, Decimal: _NUMBER}
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",][^,]*|)', re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPACE_FOR_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})")
_INT8 = range(-(2**63), 2**63)


class Filter(Struct, frozen=True):
    """A condition on a field; `operator` is `eq` or one of `OPERATORS`, and `in` has a list."""

    field: str
    operator: str
    value: Value


def filter_of(resource: Resource, name: str, text: str) -> Filter:
    """The filter that a parameter is. Raises `ValueError` with the reason."""
    match = _NAME.fullmatch(name)
    field = resource.fields.get(match[1] if match else name)
    if field is None:
        raise ValueError("is neither a field nor a parameter of this list")
    operator = match[2] if match else "eq"
    if match and operator not in OPERATORS:
        raise ValueError(f"has an operator that is none of {', '.join(OPERATORS)}")
    return Filter(field.name, operator, _value(field, operator, text))


def parse_text(field: Field, text: str) -> Value:
    """The value of a field that is written in a URL. Only its type counts: old rows may hold what is refused today.

    Raises `ValueError` with the reason.
    """
    if flaw := text_flaw(text):
        raise ValueError(flaw)
    if len(text) > MAX_VALUE_CHARACTERS:
        raise ValueError(f"must have at most {MAX_VALUE_CHARACTERS} characters")
    if field.base is str:
        return text
    try:
        if (form := _FORMS.get(field.base)) and not form.fullmatch(text):
            raise ValueError
        if field.base is datetime:
            text = _time(text)
        # Not strict, a number would be a time, in seconds since 1970.
        value = msgspec.convert(text, field.base, strict=field.base is datetime)
        if isinstance(value, datetime):
            value = _in_utc(value)
        elif type(value) is int and value not in _INT8:
            raise ValueError
    except (ValueError, OverflowError, msgspec.ValidationError):
        raise ValueError(f"must be {field.description.removesuffix(' or null')}") from None
    return param(value)


def _value(field: Field, operator: str, text: str) -> Value:
    if operator == "is":
        if text not in {"null", "not_null"}:
            raise ValueError("must be null or not_null")
        return text
    if operator == "in":
        return [parse_text(field, one) for one in _elements(text)]
    if operator != "like":
        return parse_text(field, text)
    if field.base is not str:
        raise ValueError("is an operator of texts only")
    pattern = str(parse_text(field, text)).replace("*", "%")
    # A backslash that escapes nothing stands for itself; PostgreSQL would refuse it.
    return pattern + "\\" if (len(pattern) - len(pattern.rstrip("\\"))) % 2 else pattern


def _elements(text: str) -> list[str]:
    elements, position = list[str](), 0
    while True:
        match = _ELEMENT.match(text, position)
        if match is None or text[match.end() : match.end() + 1] not in {"", ","}:
            raise ValueError('must list values, separated by commas; one that holds a comma stands in "quotes"')
        quoted, plain = match.groups()
        elements.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        if len(elements) > MAX_VALUES:
            raise ValueError(f"must list at most {MAX_VALUES} values")
        position = match.end() + 1
        if position > len(text):
            return elements


def _time(text: str) -> str:
    """The time, as a URL has it in which nobody encoded the +, or a date alone, which is its midnight in UTC."""
    if _DATE.fullmatch(text):
        return f"{text}T00:00:00Z"
    return _SPACE_FOR_PLUS.sub(r"\1+\2", text)


def _in_utc(time: datetime) -> datetime:
    # PostgreSQL takes no offset of 16 hours or more, and would read a time without any as one in its own zone.
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)
