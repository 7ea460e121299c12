"""The parameters of the operations, as components. All lists of the same resource share its filters."""

from __future__ import annotations

import json
from typing import Any

from crud_api.openapi.field_schemas import example, ref
from crud_api.request.filters import MAX_VALUES
from crud_api.request.listing import DEFAULT_LIMIT, MAX_LIMIT
from crud_api.request.operators import EQUAL, OPERATORS, PRESENCES, Operator
from crud_api.request.selection import MAX_EMBEDDED, MAX_EMBEDDED_IN_PAGE
from crud_api.request.sorting import MAX_KEYS
from crud_api.resource import Resource
from crud_api.resource.columns.column import MAX_VALUE_CHARACTERS, NO_NUL, Schema
from crud_api.resource.columns.field import Field
from crud_api.resource.relations import Relations
from crud_api.settings import MAX_QUERY_BYTES

# A String of RFC 8941, which has quotes. Most clients send the characters without quotes.
_IDEMPOTENCY_KEY = r'^([!#-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$'
# A value between commas, with or without quotes. Within quotes, a backslash may come before any character.
_ELEMENT = r'("([^"\\\x00]|\\[^\x00]){0,1000}"|([^",\x00][^,\x00]{0,999})?)'
_TEXT = {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}


def shared_parameters() -> dict[str, Schema]:
    """The parameters that all resources have, by name."""
    return {
        "limit": _query(
            "limit",
            "The largest number of rows on the page.",
            {"type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            2,
        ),
        "cursor": _query(
            "cursor",
            "The place of a page, from `next` or `prev`. It is valid only with the same filters and sort.",
            {"type": "string", "maxLength": 8000, "pattern": r"^[A-Za-z0-9_-]+$"},
        ),
        "preferCount": _prefer("`count=exact` or `count=estimated` adds the number of rows.", "count=exact"),
        "preferCreate": _prefer(
            "`return=minimal` leaves out the body. `resolution=merge-duplicates` changes rows that exist.",
            "resolution=merge-duplicates",
        ),
        "preferReturn": _prefer("`return=minimal` leaves out the body.", "return=minimal"),
        "ifMatch": _header(
            "If-Match", "Changes only a row with one of these ETags, else 412. `*` is any ETag (RFC 9110).", shown="*"
        ),
        "ifNoneMatch": _header("If-None-Match", "If the answer has one of these ETags, the status is 304 (RFC 9110)."),
        "ifNoneMatchChange": _header(
            "If-None-Match", "Does not change a row with one of these ETags: 412. `*` is any ETag (RFC 9110)."
        ),
        "idempotencyKey": _header(
            "Idempotency-Key",
            "Send the same key and body again within 24 hours to get the first answer again.",
            {"type": "string", "minLength": 1, "maxLength": 512, "pattern": _IDEMPOTENCY_KEY},
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
        ),
    }


def resource_parameters(resource: Resource, relations: Relations) -> dict[str, Schema]:
    """The parameters of one resource: its key in the path, and the query of its lists."""
    found = {
        **key_parameters(resource),
        f"{resource.name}.sort": _sort(resource),
    }
    if names := list(relations):
        found[f"{resource.name}.expand"] = _array(
            "expand",
            f"Adds rows of other resources to each row: at most {MAX_EMBEDDED} for a row, and "
            f"{MAX_EMBEDDED_IN_PAGE} for a page.",
            names,
            names[:1],
        )
    for field in resource.fields.values():
        found |= _filters(resource, field)
    return found


def key_parameters(resource: Resource) -> dict[str, Schema]:
    """The parameters of a path that are the key of a row: one for each of its columns."""
    found, several = {}, len(resource.key_columns) > 1
    parts = " Commas separate the parts, so a comma within a part is %2C." if several else ""
    for name in resource.key_columns:
        column = resource.fields[name].column
        empty = several and column.is_text  # a comma stands beside it, so the path has this part anyway
        found[f"{resource.name}.key.{name}" if several else f"{resource.name}.key"] = {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"{'Part of the' if several else 'The'} key of a row of {resource.name}.{parts}",
            "schema": column.filtered() | ({"minLength": 1} if column.is_text and not empty else {}),
            "example": column.url_example(),
        }
    return found


def list_parameters(resource: Resource, relations: Relations) -> list[Schema]:
    """References to all parameters of a list."""
    own = [name for name in resource_parameters(resource, relations) if name not in key_parameters(resource)]
    return [ref("parameters", name) for name in ("limit", "cursor", *own, "preferCount", "ifNoneMatch")]


def _filters(resource: Resource, field: Field) -> dict[str, Schema]:
    prefix, name = f"{resource.name}.{field.name}", field.name
    found = {}
    for operator in (EQUAL, *OPERATORS.values()):
        if operator.flaw(field.column) is None:
            key = prefix if operator is EQUAL else f"{prefix}.{operator.name}"
            parameter = name if operator is EQUAL else f"{name}[{operator.name}]"
            found[key] = _filter(parameter, field, operator)
    return found


def _filter(parameter: str, field: Field, operator: Operator) -> Schema:
    column, description = field.column, operator.help.format(name=field.name)
    shown = example(field) if column.is_text else column.url_example()
    match operator.takes:
        case "a value":
            return _query(parameter, description, column.filtered(), shown)
        case "a pattern":
            return _query(parameter, description, dict(_TEXT), f"{shown}*")
        case "a presence":
            return _query(parameter, description, {"type": "string", "enum": [*PRESENCES]}, next(iter(PRESENCES)))
    if not column.may_hold_commas:
        values = {"type": "array", "minItems": 1, "maxItems": MAX_VALUES, "items": column.filtered()}
        return _query(parameter, description, values, [shown]) | {"style": "form", "explode": False}
    pattern = rf"^{_ELEMENT}(,{_ELEMENT}){{0,{MAX_VALUES - 1}}}$"
    return _query(
        parameter,
        f'{description} Put a value with a comma in "quotes".',
        {"type": "string", "maxLength": MAX_QUERY_BYTES, "pattern": pattern},
        f'{shown},"a, b"' if column.is_text else json.dumps(str(shown)),
    )


def _sort(resource: Resource) -> Schema:
    key = resource.key_columns
    sortable = [field.name for field in resource.fields.values() if field.column.has_order]
    names = "|".join(sortable)
    twice = r"(?!(.*,)?-?([^,-]+)(,.*)?,-?\2(,|$))"
    return _query(
        "sort",
        f"At most {MAX_KEYS} columns, each once, separated by commas. A - before a column means descending.",
        {
            "type": "string",
            "maxLength": MAX_VALUE_CHARACTERS,
            "pattern": rf"^{twice}-?({names})(,-?({names})){{0,{MAX_KEYS - 1}}}$",
        },
        ",".join([*(f"-{name}" for name in [name for name in sortable if name not in key][-1:]), key[0]]),
    )


def _array(name: str, description: str, values: list[str], shown: list[str]) -> Schema:
    schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": len(values),
        "uniqueItems": True,
        "items": {"type": "string", "enum": values},
    }
    return _query(name, description, schema, shown) | {"style": "form", "explode": False}


def _query(name: str, description: str, schema: Schema, shown: Any = None) -> Schema:
    # The example belongs to the schema. If it belonged to the parameter, Swagger UI would fill in all filters at once.
    examples = {} if shown is None else {"examples": [shown]}
    return {"name": name, "in": "query", "description": description, "schema": schema | examples}


def _prefer(description: str, shown: str) -> Schema:
    return _header("Prefer", f"{description} Unknown preferences are ignored (RFC 7240).", shown=shown)


def _header(
    name: str, description: str, schema: Schema | None = None, shown: str = '"900150983cd24fb0d6963f7d28e17f72"'
) -> Schema:
    # There is no maxLength: API Gateway limits all headers together (10,240 bytes), and this API limits none.
    schema = schema or {"type": "string", "pattern": r"^[^\x00\r\n]*$"}
    return {"name": name, "in": "header", "description": description, "schema": schema | {"examples": [shown]}}
