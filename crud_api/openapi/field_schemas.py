"""Schemas of single fields, with the limits that validation.py enforces (JSON Schema 2020-12)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import msgspec

from crud_api.fields import NO_NUL, Field
from crud_api.settings import MAX_BODY_BYTES
from query_executor.contract import MAX_REPLY_BYTES

Schema = dict[str, Any]

_INT64 = {"format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_EXAMPLES: dict[type, Any] = {
    bool: True,
    int: 1,
    float: 1.5,
    Decimal: 1.5,
    str: "text",
    datetime: "2026-01-31T09:30:00+00:00",
    date: "2026-01-31",
    UUID: "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c",
}


def ref(kind: str, name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def written(field: Field) -> Schema:
    """What a body may hold for a field.

    No default, in words alone: generators fill it in, and a change, or an upsert, would set what nobody asked for.
    """
    schema = _described(field)
    if field.base is str:
        schema = {"maxLength": MAX_BODY_BYTES, "pattern": NO_NUL} | schema
    elif field.base is Decimal:
        schema |= _decimal_limits(field.extra)
    elif field.base is int:
        schema = _INT64 | schema
    if is_choice(field):
        schema["enum"] = list(get_args(field.type))
        for limit in ("maxLength", "pattern"):
            schema.pop(limit)
    return _or_null(schema) if field.nullable else schema


def answered(field: Field) -> Schema:
    """What is stored may be older than the limits of today: only its type is certain, and what a choice is of."""
    schema = {key: value for key, value in _described(field).items() if key in {"type", "format", "examples"}}
    if is_choice(field):
        schema["enum"] = list(get_args(field.type))
    elif schema["type"] == "string":
        schema |= {"maxLength": MAX_REPLY_BYTES} | ({"pattern": NO_NUL} if field.base is str else {})
    elif field.base is int:
        schema |= _INT64
    return _or_null(schema) if field.nullable else schema


def is_choice(field: Field) -> bool:
    """Whether the field has one of few values, which the declaration names."""
    return get_origin(field.type) is Literal


def example(field: Field) -> Any:
    """An example of the field's value: the declaration's, or one of its type."""
    if is_choice(field):
        return field.default if isinstance(field.default, str) else get_args(field.type)[0]
    return _schema_of(field).get("examples", [_EXAMPLES.get(field.base, "text")])[0]


def _described(field: Field) -> Schema:
    schema = _schema_of(field)
    schema["description"] = f"{field.description[0].upper()}{field.description[1:]}."
    schema["examples"] = [example(field)]
    return schema


def _schema_of(field: Field) -> Schema:
    schema = msgspec.json.schema(field.type)
    schema.pop("enum", None)  # msgspec sorts it
    schema.setdefault("type", "string")
    if "pattern" in schema:
        # In ECMAScript, which JSON Schema's patterns are, $ is the end and nothing else. Generators stumble over more.
        schema["pattern"] = schema["pattern"].removesuffix(r"(?!\n)")
    if field.base is Decimal:  # a JSON number here; msgspec writes one as a string
        schema["type"] = "number"
        schema.pop("format", None)
    elif field.base is float:
        schema["format"] = "double"
    elif schema["type"] == "string" and field.base is not str:
        schema["format"] = (
            "date-time" if field.base.__name__ == "datetime" else schema.get("format", field.base.__name__)
        )
    return schema


def _decimal_limits(extra: dict[str, int]) -> Schema:
    limits: Schema = {}
    places = extra.get("decimal_places", 0)
    if "max_digits" in extra:
        # Digits that a float can hold; JSON's own numbers have more, and the API keeps them.
        most = float(Decimal(10) ** (extra["max_digits"] - places) - Decimal(10) ** -places)
        limits |= {"minimum": -most, "maximum": most}
    if "minimum" in extra:
        limits["minimum"] = extra["minimum"]
    # No multipleOf: in floating point most amounts are no multiple of 0.01.
    return limits


def _or_null(schema: Schema) -> Schema:
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | values
