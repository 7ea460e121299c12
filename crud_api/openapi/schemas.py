"""Schemas of rows, made from the declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crud_api.openapi.field_schemas import answered, example, is_choice, ref, written
from crud_api.request.inserts import MAX_ROWS
from crud_api.request.selection import MAX_EMBEDDED
from crud_api.resource import Resource
from crud_api.resource.columns.column import Schema
from crud_api.resource.columns.field import Field
from crud_api.resource.relations import Relation, Relations
from crud_api.resource.resource import said
from query_executor.contract import MAX_REPLY_BYTES


def row_schemas(resource: Resource, relations: Relations) -> dict[str, Schema]:
    """The schemas of a resource as components. Their names are `model_name` with a prefix or a suffix."""
    name = model_name(resource)
    nested = [relation for relation in relations.values() if relation.many]
    schemas = {
        name: _stored(resource),
        f"{name}View": _view(resource, relations),
        f"{name}Page": _page(name),
        f"New{name}": _new(resource, nested),
        f"{name}Change": _change(resource),
    }
    for field in resource.fields.values():
        if _has_component(field):
            schemas[_choice_name(resource, field)] = written(field)
    for relation in nested:
        schemas[f"New{name}{model_name(relation.resource)}"] = _new(relation.resource, [], without=relation.columns)
    return schemas


def model_name(resource: Resource) -> str:
    """The name of one row: the name of the model."""
    return resource.model.__name__


def stored_example(resource: Resource) -> dict[str, Any]:
    """A row as a response shows it."""
    return {name: example(field) for name, field in resource.fields.items()}


def new_example(resource: Resource) -> dict[str, Any]:
    """A row as a client sends it."""
    return {name: example(field) for name, field in resource.fields.items() if name not in resource.read_only}


def change_example(resource: Resource) -> dict[str, Any]:
    """A change of the last field that can be changed, if there is one."""
    return {name: example(field) for name, field in list(_changeable(resource).items())[-1:]}


def _stored(resource: Resource) -> Schema:
    return _object(
        _answered(resource),
        required=list(resource.fields),
        description=f"A stored row of {resource.name}.",
        example=stored_example(resource),
    )


def _view(resource: Resource, relations: Relations) -> Schema:
    properties = _answered(resource)
    for relation in relations.values():
        one = ref("schemas", model_name(relation.resource))
        many = {"type": "array", "maxItems": MAX_EMBEDDED, "items": one}
        properties[relation.name] = many if relation.many else {"anyOf": [one, {"type": "null"}]}
    return _object(
        properties,
        required=list(resource.fields),
        description=f"A row of {resource.name}, with rows from `expand` or rows that were stored with it.",
        example=stored_example(resource),
    )


def _answered(resource: Resource) -> Schema:
    return {
        name: ref("schemas", _choice_name(resource, field)) if _has_component(field) else answered(field)
        for name, field in resource.fields.items()
    }


def _written(resource: Resource, fields: Mapping[str, Field]) -> Schema:
    return {
        name: ref("schemas", _choice_name(resource, field)) if _has_component(field) else written(field)
        for name, field in fields.items()
    }


def _has_component(field: Field) -> bool:
    # All schemas refer to one component, so a typed client can send back the value that it got. With null, the type is
    # different, and each schema has its own.
    return is_choice(field) and not field.nullable


def _choice_name(resource: Resource, field: Field) -> str:
    return model_name(resource) + "".join(part.capitalize() for part in field.name.split("_"))


def _page(name: str) -> Schema:
    link = {"type": ["string", "null"], "format": "uri-reference", "maxLength": MAX_REPLY_BYTES}
    return _object(
        {
            "items": {"type": "array", "maxItems": MAX_ROWS, "items": ref("schemas", f"{name}View")},
            "next": link | {"description": "The URL of the next page."},
            "prev": link | {"description": "The URL of the previous page."},
            "count": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "maximum": 2**63 - 1,
                "description": "The number of rows on all pages, if `Prefer` asks for it.",
            },
        },
        required=["items", "next", "prev"],
        description="A page of rows.",
    )


def _new(resource: Resource, nested: Sequence[Relation], without: Sequence[str] = ()) -> Schema:
    fields = {name: f for name, f in resource.fields.items() if name not in resource.read_only and name not in without}
    schema = _object(
        _written(resource, fields),
        required=[name for name, field in fields.items() if field.required],
        description=f"A new row of {resource.name}."
        + (f" Its {said(without)} {_is_key(without)} of the row that contains it." if without else "")
        + "".join(
            f" If {name} is absent, it is {field.default}."
            for name, field in fields.items()
            if field.default is not None and field.default is not msgspec.NODEFAULT
        )
        + _made(resource, fields)
        + _ignored(resource),
        example={name: example(field) for name, field in fields.items()},
    )
    for relation in nested:
        schema["properties"][relation.name] = {
            "type": "array",
            "maxItems": MAX_ROWS,
            "items": ref("schemas", f"New{model_name(resource)}{model_name(relation.resource)}"),
            "description": f"Rows of {relation.resource.name} that are stored in the same transaction.",
        }
    return schema


def _is_key(columns: Sequence[str]) -> str:
    return "is the key" if len(columns) == 1 else "are the key"


def _made(resource: Resource, fields: Mapping[str, Field]) -> str:
    """Who makes the key that a new row need not have."""
    name = resource.key_columns[-1]
    if not resource.made_key or name not in fields:
        return ""
    maker = "the API makes a UUID (version 7)" if resource.made_by_api else "the database makes it"
    return f" If {name} is absent, {maker}."


def _change(resource: Resource) -> Schema:
    sent = "If you send it, it must equal the key in the path."
    return _object(
        # This schema has no limits: the key of an old row may break today's limits.
        {name: answered(resource.fields[name]) | {"description": sent} for name in resource.key_columns}
        | _written(resource, _changeable(resource)),
        description=f"A change of a row of {resource.name}. Absent fields stay as they are, and null clears a field."
        + _ignored(resource),
        example=change_example(resource),
    )


def _ignored(resource: Resource) -> str:
    names = [name for name in resource.fields if name in resource.read_only]
    return f" {' and '.join(names)} are ignored, because the server sets them." if names else ""


def _changeable(resource: Resource) -> dict[str, Field]:
    return {n: f for n, f in resource.fields.items() if n not in resource.read_only and n not in resource.key_columns}


def _object(
    properties: Schema, *, description: str, required: Sequence[str] = (), example: dict[str, Any] | None = None
) -> Schema:
    schema: Schema = {"type": "object", "description": description, "properties": properties}
    if required:
        schema["required"] = list(required)
    schema["additionalProperties"] = False
    if example is not None:
        schema["examples"] = [example]
    return schema
