"""The path of /rest/v1, described as far as a generated client profits from it. docs/postgrest.md has the language."""

from __future__ import annotations

from collections.abc import Collection

from crud_api.openapi.field_schemas import ref
from crud_api.openapi.replies import headers
from crud_api.request.listing import MAX_LIMIT
from crud_api.resource.columns.column import NO_NUL, Schema
from query_executor.contract import MAX_REPLY_BYTES

_MAX_NUMBER = 10**18 - 1
_ROW = {"customer_id": "CUST001", "city": "Paris"}
_WRONG = {"code": "42703", "message": "column customers.town does not exist", "details": None, "hint": None}
_TEXT: Schema = {"type": "string", "maxLength": 8000, "pattern": NO_NUL}
_NUMBER: Schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": _MAX_NUMBER}

SCHEMAS: dict[str, Schema] = {
    "RestRow": {
        "type": "object",
        "description": "A row with the members that `select` asks for.",
        "additionalProperties": True,
        "examples": [_ROW],
    },
    "RestError": {
        "type": "object",
        "description": "An error in PostgREST's form.",
        "properties": {
            "code": _TEXT | {"description": "PostgREST's code (PGRST100) or PostgreSQL's SQLSTATE."},
            "message": _TEXT | {"description": "What happened."},
            "details": _TEXT
            | {
                "type": ["string", "array", "null"],
                "maxItems": 1000,
                "items": {"type": "object", "additionalProperties": _TEXT},
                "description": "More about it. Of an ambiguous embedding (300), the relations to choose from.",
            },
            "hint": _TEXT | {"type": ["string", "null"], "description": "What to do."},
        },
        "required": ["code", "message", "details", "hint"],
        "additionalProperties": False,
        "examples": [_WRONG],
    },
}


def rest_paths(tables: Collection[str]) -> dict[str, Schema]:
    """The path of the tables."""
    table = {
        "name": "table",
        "in": "path",
        "required": True,
        "description": "The name of a declared table.",
        "schema": {"type": "string", "enum": [*tables]},
        "example": next(iter(tables)),
    }
    shown = {"rows": {"summary": "Rows", "value": [_ROW]}}
    answer = {
        "headers": headers("Content-Range", "Content-Location", "Preference-Applied"),
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
    return {
        "/rest/v1/{table}": {
            "parameters": [table],
            "get": {
                "operationId": "read_table",
                "summary": "Read rows in PostgREST's query language",
                "description": "Every other parameter is a filter: `city=eq.Paris`, `or=(city.eq.Paris,city.is.null)`. "
                "The headers `Range`, `Accept` and `Prefer` mean what they mean to PostgREST. Clients of PostgREST and "
                "Supabase work with this path.",
                "tags": ["rest"],
                "parameters": [
                    _query(
                        "select",
                        "The members of a row, and the rows of other tables that are embedded in it.",
                        _TEXT,
                        "*",
                    ),
                    _query("order", "The keys to sort by.", _TEXT, None),
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
                    **{status: _error() for status in ("300", "4XX", "5XX", "400", "404", "500")},
                },
                "problems": [],
            },
        }
    }


def _query(name: str, description: str, schema: Schema, example: object) -> Schema:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "description": description, "schema": schema, **shown}


def _error() -> Schema:
    return {
        "description": "An error in PostgREST's form.",
        "headers": headers("Proxy-Status"),
        "content": {
            "application/json": {
                "schema": ref("schemas", "RestError"),
                "examples": {"no-column": {"summary": "There is no such column", "value": _WRONG}},
            }
        },
    }
