"""Filters: `field=value` and `field[op]=value`."""

from __future__ import annotations

import re

from msgspec import Struct

from crud_api.fields import Field
from crud_api.resource import Resource
from crud_api.values import parse_text
from query_executor.contract import Value

OPERATORS = ("ne", "gt", "gte", "lt", "lte", "in", "like", "is")
MAX_VALUES = 100  # of [in]
_NAME = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",][^,]*|)', re.DOTALL)
_ESCAPES = re.compile(r"\\(.)|\*|\\$", re.DOTALL)


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
    return _ESCAPES.sub(_like, str(parse_text(field, text)))


def _like(match: re.Match[str]) -> str:
    # In LIKE a star is a star. A backslash at the end escapes nothing and stands for itself; LIKE would refuse it.
    return {"*": "%", "\\*": "*", "\\": "\\\\"}.get(match[0], match[0])


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
