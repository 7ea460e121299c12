"""Turns the text that PostgreSQL writes for a value into a value of the contract. An unreadable text stays a text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import BOOLEAN, INTEGER, UNICODE, UNICODEARRAY, new_array_type, new_type, string_types

from query_executor import pg_types
from query_executor.contract import Value

TYPE_CHECKING = False  # that of `typing` would import typing at the cold start
if TYPE_CHECKING:
    from typing import Any

    Caster = Callable[[Any, Any], Any]


def array_caster(oid: int, delimiter: str, items: Caster = UNICODEARRAY) -> Caster:
    """Make a psycopg2 caster that reads the arrays of a type as lists. `items` reads arrays with commas."""
    read = items if delimiter == "," else _reader(delimiter)

    def cast(text: Any, cursor: Any) -> Any:
        if text is None:
            return None
        try:
            # [0:1]={1,2}: a list has no place for the numbers of the first and the last element.
            return read(text[text.index("=") + 1 :] if text[0] == "[" else text, cursor)
        except (psycopg2.Error, ValueError, IndexError):
            return text

    return new_type((oid,), "ARRAY", cast)


def _reader(delimiter: str) -> Caster:
    between = re.escape(delimiter)
    token = re.compile(rf'"((?:[^"\\]|\\.)*)"|([{{}}])|([^{{}}"{between}]+)', re.DOTALL)

    def read(text: Any, _cursor: Any) -> Any:
        open_lists: list[list[Value]] = [[]]
        for match in token.finditer(text):
            quoted, brace, bare = match.groups()
            if brace == "{":
                open_lists.append([])
            elif brace == "}":
                closed = open_lists.pop()
                open_lists[-1].append(closed)
            elif quoted is not None:
                open_lists[-1].append(_ESCAPED.sub(r"\1", quoted))
            else:
                open_lists[-1].append(None if bare == "NULL" else bare)
        return open_lists[0][0]

    return read


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _float(text: Any, _cursor: Any) -> Any:
    # JSON has no NaN and no Infinity, so they stay the text that PostgreSQL writes.
    if text is None or not math.isfinite(value := float(text)):
        return text
    return value


def _built_in() -> dict[int, Caster]:
    finite = new_type(tuple(oid for oid, _ in pg_types.FLOATS.values()), "FLOAT", _float)
    # psycopg2's own casters turn some types into Python's dates and decimals.
    casters: dict[int, Caster] = dict.fromkeys(string_types, UNICODE)
    for scalar, group in ((INTEGER, pg_types.NUMBERS), (finite, pg_types.FLOATS), (BOOLEAN, pg_types.BOOLEANS)):
        items = new_array_type((), "ITEMS", scalar)
        for oid, array in group.values():
            casters |= {oid: scalar, array: array_caster(array, ",", items)}
    for name, (oid, array) in pg_types.TEXTS.items():
        casters[oid] = UNICODE
        if array:
            casters[array] = array_caster(array, pg_types.DELIMITERS.get(f"{name}[]", ","))
    return casters


# The caster of each type, by its oid.
BUILT_IN = _built_in()
