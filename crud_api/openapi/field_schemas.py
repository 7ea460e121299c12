"""Schemas of single fields: a column type describes itself, and here come its words, its example and null."""

from __future__ import annotations

from typing import Any

from crud_api.resource.columns.choice import ChoiceColumn
from crud_api.resource.columns.column import Schema
from crud_api.resource.columns.field import Field


def ref(kind: str, name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def written(field: Field) -> Schema:
    """What a body may hold for a field.

    No default, in words alone: generators fill it in, and a change, or an upsert, would set what nobody asked for.
    """
    description = field.column.description
    null = " or null" if field.nullable else ""
    described = {"description": f"{description[0].upper()}{description[1:]}{null}.", "examples": [example(field)]}
    return _or_null(field, field.column.written() | described)


def answered(field: Field) -> Schema:
    """What a row may hold for a field."""
    schema = field.column.answered()
    type_: Schema = {name: schema[name] for name in ("type", "format") if name in schema}
    return _or_null(field, {**type_, "examples": [example(field)], **schema})


def is_choice(field: Field) -> bool:
    """Whether the field has one of few values, which the declaration names."""
    return isinstance(field.column, ChoiceColumn)


def example(field: Field) -> Any:
    """An example of the field's value: the declaration's, or one of its type."""
    return field.column.example(field.default)


def _or_null(field: Field, schema: Schema) -> Schema:
    if not field.nullable or not (schema.keys() & {"type", "anyOf", "enum"}):  # a schema without them allows null
        return schema
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [*types, "null"]} | values
