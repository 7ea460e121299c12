"""The path of /rest/v1, described as far as a generated client profits from it. docs/postgrest.md has the language."""

from __future__ import annotations

from collections.abc import Collection

from crud_api.openapi.field_schemas import ref
from crud_api.openapi.replies import AGED, headers_of
from crud_api.openapi.rest_v1_writes import INVALID, write_operations
from crud_api.request.listing import MAX_LIMIT
from crud_api.resource.columns.column import NO_NUL, Schema
from query_executor.contract import MAX_REPLY_BYTES

_MAX_NUMBER = 10**18 - 1
_ROW = {"customer_id": "CUST001", "city": "Paris"}
_WRONG = {"code": "42703", "message": "column customers.town does not exist", "details": None, "hint": None}
_AMBIGUOUS = {
    "code": "PGRST201",
    "message": "Could not embed because more than one relationship was found for 'orders' and 'customers'",
    "details": [
        {
            "cardinality": "many-to-one",
            "embedding": "orders with customers",
            "relationship": "billed using orders(customer_id) and customers(customer_id)",
        }
    ],
    "hint": "Try changing 'customers' to one of the following: 'customers!billed'.",
}
_TEXT: Schema = {"type": "string", "maxLength": 8000, "pattern": NO_NUL}
_NUMBER: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": _MAX_NUMBER}


def _error_schema(description: str, details: Schema, example: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {
            "code": _TEXT | {"description": "PostgREST's code (PGRST100) or PostgreSQL's SQLSTATE."},
            "message": _TEXT | {"description": "What happened."},
            "details": details,
            "hint": _TEXT | {"type": ["string", "null"], "description": "What to do."},
        },
        "required": ["code", "message", "details", "hint"],
        "additionalProperties": False,
        "examples": [example],
    }


SCHEMAS: dict[str, Schema] = {
    "RestRow": {
        "type": "object",
        "description": "A row with the members that `select` asks for.",
        "additionalProperties": True,
        "examples": [_ROW],
    },
    "RestError": _error_schema(
        "An error in PostgREST's form.",
        _TEXT | {"type": ["string", "null"], "description": "More about it."},
        _WRONG,
    ),
    "RestChoice": _error_schema(
        "An ambiguous embedding, in PostgREST's form.",
        {
            "type": "array",
            "maxItems": 1000,
            "items": {"type": "object", "additionalProperties": True},
            "description": "The relations to choose from.",
        },
        _AMBIGUOUS,
    ),
    "RestInvalid": _error_schema(
        "Fields that a strict declaration forbids, in PostgREST's form.",
        {
            "type": "array",
            "maxItems": 1000,
            "items": {"type": "object", "additionalProperties": _TEXT},
            "description": "Every wrong field, with a JSON pointer to it.",
        },
        INVALID,
    ),
}


def rest_paths(tables: Collection[str]) -> dict[str, Schema]:
    """The path of the tables."""
    shown = {"rows": {"summary": "Rows", "value": [_ROW]}}
    answer = {
        "headers": headers_of(["Content-Range", "Content-Location", "Preference-Applied", "ETag", *AGED]),
        "content": {
            "application/json": {
                "schema": {"type": "array", "maxItems": MAX_LIMIT, "items": ref("schemas", "RestRow")},
                "examples": shown,
            },
            "application/vnd.pgrst.object+json": {
                "schema": ref("schemas", "RestRow"),
                "examples": {"row": {"summary": "The only row", "value": _ROW}},
            },
            "text/csv": {
                "schema": {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": NO_NUL},
                "examples": {"csv": {"summary": "Rows as CSV", "value": "customer_id,city\nCUST001,Paris"}},
            },
        },
    }
    select = _query("select", "The members of a row, and the rows of other tables that are embedded in it.", _TEXT, "*")
    order = _query("order", "The keys to sort by.", _TEXT, None)
    columns = _query("columns", "The members of the body that are written.", _TEXT, None)
    target = _query("on_conflict", "The columns by which an upsert finds rows that exist.", _TEXT, None)
    errors = {
        "300": _error("RestChoice", "ambiguous", "Several relations are meant", _AMBIGUOUS),
        **error_replies(),
    }
    invalid = {"422": _error("RestInvalid", "invalid-fields", "Fields are wrong", INVALID)}
    parameters = {"select": select, "order": order, "columns": columns, "on_conflict": target}
    return {
        "/rest/v1/{table}": {
            "parameters": [named("table", tables)],
            **write_operations(parameters, errors | invalid),
            "get": {
                "operationId": "read_table",
                "summary": "Read rows in PostgREST's query language",
                "description": "Every other parameter is a filter: `city=eq.Paris`, `or=(city.eq.Paris,city.is.null)`. "
                "The headers `Range`, `Accept` and `Prefer` mean what they mean to PostgREST. Clients of PostgREST and "
                "Supabase work with this path.",
                "tags": ["rest"],
                "parameters": [
                    select,
                    order,
                    _query("limit", f"The largest number of rows, at most {MAX_LIMIT}.", _NUMBER, 10),
                    _query(
                        "offset",
                        "How many rows are left out at the beginning.",
                        _NUMBER | {"minimum": -_MAX_NUMBER},
                        0,
                    ),
                    ref("parameters", "preferCount"),
                ],
                "responses": {
                    "200": {"description": "The rows."} | answer,
                    "206": {"description": "A part of the rows. `Prefer` asked for their number."} | answer,
                    **errors,
                },
                "problems": [],
            },
        }
    }


def named(kind: str, names: Collection[str]) -> Schema:
    """The parameter of the path that is the name of a declared table or function."""
    return {
        "name": kind,
        "in": "path",
        "required": True,
        "description": f"The name of a declared {kind}.",
        "schema": {"type": "string", "enum": [*names]},
        "example": next(iter(names)),
    }


def error_replies() -> dict[str, Schema]:
    """The errors of any request, by their statuses."""
    return {
        status: _error("RestError", "no-column", "There is no such column", _WRONG)
        for status in ("4XX", "5XX", "400", "404", "500")
    }


def _query(name: str, description: str, schema: Schema, example: object) -> Schema:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "description": description, "schema": schema, **shown}


def _error(schema: str, name: str, summary: str, example: Schema) -> Schema:
    return {
        "description": SCHEMAS[schema]["description"],
        "headers": headers_of(["Proxy-Status"]),
        "content": {
            "application/json": {
                "schema": ref("schemas", schema),
                "examples": {name: {"summary": summary, "value": example}},
            }
        },
    }
