"""Filters: `field=value` and `field[op]=value`."""

from __future__ import annotations

import re

from crud_api.request.conditions import Filter
from crud_api.request.operators import EQUAL, OPERATORS, PRESENCES, Operator
from crud_api.resource import Resource
from crud_api.resource.columns.column import Column
from query_executor.contract import Value

MAX_VALUES = 100  # of [in]
_NAME = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",][^,]*|)', re.DOTALL)
_ESCAPES = re.compile(r"\\(.)|\*|\\$", re.DOTALL)


def filter_of(resource: Resource, name: str, text: str) -> Filter:
    """The filter that a parameter is. Raises `ValueError` with the reason."""
    match = _NAME.fullmatch(name)
    field = resource.fields.get(match[1] if match else name)
    if field is None:
        raise ValueError("is neither a field nor a parameter of this list")
    operator = OPERATORS.get(match[2]) if match else EQUAL
    if operator is None:
        raise ValueError(f"has an operator that is none of {', '.join(OPERATORS)}")
    if flaw := operator.flaw(field.column):
        raise ValueError(flaw)
    return Filter(field.name, operator.name, _value(field.column, operator, text))


def _value(column: Column, operator: Operator, text: str) -> Value:
    match operator.takes:
        case "a value" | "a search":  # no operator of this dialect is a search
            return column.parse_text(text)
        case "values":
            return [column.parse_text(element) for element in _elements(text)]
        case "a pattern":
            return _ESCAPES.sub(_pattern, str(column.parse_text(text)))
        case "a presence":
            if text not in PRESENCES:
                raise ValueError(f"must be {' or '.join(PRESENCES)}")
            return text


def _pattern(match: re.Match[str]) -> str:
    # In LIKE a star is a plain star. A backslash at the end escapes nothing. LIKE would refuse it, so it is doubled.
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
