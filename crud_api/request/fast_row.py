"""Most bodies are one object of valid fields. msgspec reads and checks such a body in one pass.

If anything is wrong or may be wrong (a field twice, a number in quotes, an escape), there are no values here. The view
then reads the body step by step (`body`, `validation`), and the steps find every error. If a body has values here, the
steps make the same values of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from crud_api.request.validation import Errors, Values, with_defaults
from crud_api.resource import Resource
from crud_api.resource.columns.column import param
from crud_api.resource.columns.number import within
from crud_api.resource.resource import KeyValues

_BITS = 63  # of a whole number that a column may hold
_BACKSLASH = ord("\\")


def fast_row(resource: Resource, body: bytes) -> Values | None:
    """The values of a row to be inserted, or None."""
    values = _values(resource, body)
    if values is None:
        return None
    missing: Errors = {}
    values = with_defaults(resource, values, values, missing)
    return None if missing else values


def fast_changes(resource: Resource, body: bytes, key: KeyValues) -> Values | None:
    """The values that change in the row of this key, or None."""
    values = _values(resource, body)
    if values is None:
        return None
    for name, value in zip(resource.key_columns, key, strict=True):
        if values.pop(name, value) != value:
            return None
    return values


def _values(resource: Resource, body: bytes) -> Values | None:
    if _BACKSLASH in body:
        return None
    decoder, names = _decoder(resource)
    try:
        row = decoder.decode(body)
    except ValueError:  # msgspec's own errors, and what is not UTF-8
        return None
    values: Values = {}
    texts = 0
    for name, value in zip(names, msgspec.structs.astuple(row), strict=True):
        if value is UNSET:
            continue
        if isinstance(value, str):
            texts += 1
        elif not _fits(value, resource.fields[name].column.meta.extra or {}):
            return None
        values[name] = param(value)
    # Without escapes, each name and each text has two quotes. If there are more, a field came twice, or a number came
    # in quotes, which msgspec takes.
    return values if body.count(b'"') == 2 * (len(values) + texts) else None


def _fits(value: Any, limits: Mapping[str, int]) -> bool:
    if isinstance(value, Decimal):
        return within(value, limits) and (bool(value) or not value.is_signed())
    return not isinstance(value, int) or value.bit_length() <= _BITS


@cache
def _decoder(resource: Resource) -> tuple[msgspec.json.Decoder[Any], Sequence[str]]:
    """The decoder of a row, and the columns of its members in their order. A column's name may be none of Python."""
    fields = {
        name: (field.column.hint | None if field.nullable else field.column.hint) | UnsetType
        for name, field in resource.fields.items()
        if name not in resource.read_only and field.column.in_one_pass
    }
    row = msgspec.defstruct(
        "Row",
        [(f"_{n}", hint, UNSET) for n, hint in enumerate(fields.values())],
        rename={f"_{n}": name for n, name in enumerate(fields)},
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(row), tuple(fields)
