"""Schemas of single fields. They are a column type's own schema with a description, an example and null."""

from __future__ import annotations

from typing import Any

from crud_api.resource.columns.choice import ChoiceColumn
from crud_api.resource.columns.column import Schema
from crud_api.resource.columns.field import Field


def ref(kind: str, name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def written(field: Field) -> Schema:
    """The schema of a field in a body.

    The default is in the description of the row and not in the schema. Generated clients would send a default from the
    schema, so a change or an upsert would set a field that the caller did not name.
    """
    description = field.column.description
    if description == field.column.value:
        description = f"{description[0].upper()}{description[1:]}{' or null' if field.nullable else ''}."
    described = {"description": description, "examples": [example(field)]}
    return _or_null(field, field.column.written() | described)


def answered(field: Field) -> Schema:
    """The schema of a field in a row."""
    schema = field.column.answered()
    type_: Schema = {name: schema[name] for name in ("type", "format") if name in schema}
    return _or_null(field, {**type_, "examples": [example(field)], **schema})


def is_choice(field: Field) -> bool:
    """Whether the declaration lists the values of the field."""
    return isinstance(field.column, ChoiceColumn)


def example(field: Field) -> Any:
    """An example of the field's value: the example of the declaration, or else of its type."""
    return field.column.example(field.default)


def _or_null(field: Field, schema: Schema) -> Schema:
    if not field.nullable or not (schema.keys() & {"type", "anyOf", "enum"}):  # such a schema allows null
        return schema
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [*types, "null"]} | values
