"""The methods of /rest/v1/{table} that write, described as far as a generated client profits from it."""

from __future__ import annotations

from crud_api.openapi.field_schemas import ref
from crud_api.openapi.replies import headers_of
from crud_api.request.inserts import MAX_ROWS
from crud_api.resource.columns.column import Schema

_ROW = {"customer_id": "CUST001", "customer_name": "Ada", "city": "Paris"}
INVALID = {
    "code": "invalid-fields",
    "message": "Nothing was stored. Each error names its field.",
    "details": [
        {
            "detail": "email must be an e-mail address like ada@example.com, at most 254 characters or null",
            "pointer": "#/email",
        }
    ],
    "hint": None,
}
_PREFER = "`return=representation` answers the rows. "
_HEADERS = ("Content-Range", "Preference-Applied", "ETag")


def write_operations(parameters: dict[str, Schema], errors: dict[str, Schema]) -> dict[str, Schema]:
    """The operations. `parameters` are described in rest_v1.py, and `errors` are the responses of every method."""
    select, where = parameters["select"], [parameters["order"]]
    rows, answered = _rows("The rows."), _no_content("Done. `Prefer` asks for no rows.")
    return {
        "post": {
            **_said(
                "insert_rows",
                "Store rows in PostgREST's query language",
                f"The body is an array of at most {MAX_ROWS} rows, or one row. With `Prefer: "
                "resolution=merge-duplicates` rows that exist are changed.",
            ),
            "parameters": [
                select,
                parameters["columns"],
                parameters["on_conflict"],
                _prefer(f"{_PREFER}`resolution`, `missing` and `count` mean what they mean to PostgREST."),
                ref("parameters", "idempotencyKey"),
            ],
            "requestBody": _body({"type": "array", "maxItems": MAX_ROWS, "items": ref("schemas", "RestRow")}, [_ROW]),
            "responses": {
                "200": _rows("No row is new: an upsert changed all of them.", "Idempotency-Replayed"),
                "201": _rows("The stored rows, if they are asked for.", "Location", "Idempotency-Replayed"),
                **errors,
            },
            "problems": [],
        },
        "patch": {
            **_said(
                "change_rows",
                "Change rows in PostgREST's query language",
                "Changes the rows that the filters find: every other parameter is a filter. A filter is needed.",
            ),
            "parameters": [
                select,
                *where,
                parameters["columns"],
                _prefer(f"{_PREFER}`max-affected` limits their number, with `handling=strict`."),
                ref("parameters", "ifMatch"),
            ],
            "requestBody": _body(ref("schemas", "RestRow"), {"city": "Rome"}),
            "responses": {"200": rows, "204": answered, **errors},
            "problems": [],
        },
        "put": {
            **_said(
                "put_row",
                "Store or change one row in PostgREST's query language",
                "The filters are the key of the row, like `customer_id=eq.CUST001`, and the body has the same key.",
            ),
            "parameters": [select, _prefer(_PREFER.strip())],
            "requestBody": _body(ref("schemas", "RestRow"), _ROW),
            "responses": {
                "200": _rows("The changed row."),
                "201": _rows("The new row."),
                "204": answered,
                **errors,
            },
            "problems": [],
        },
        "delete": {
            **_said(
                "delete_rows",
                "Delete rows in PostgREST's query language",
                "Deletes the rows that the filters find: every other parameter is a filter. A filter is needed.",
            ),
            "parameters": [
                select,
                *where,
                _prefer(f"{_PREFER}`max-affected` limits their number, with `handling=strict`."),
                ref("parameters", "ifMatch"),
            ],
            "responses": {"200": rows, "204": answered, **errors},
            "problems": [],
        },
    }


def _said(name: str, summary: str, description: str) -> Schema:
    return {"operationId": name, "summary": summary, "description": description, "tags": ["rest"]}


def _prefer(description: str) -> Schema:
    return {
        "name": "Prefer",
        "in": "header",
        "description": description,
        "schema": {"type": "string", "maxLength": 200, "pattern": r"^[a-z0-9=, -]*$"},
        "example": "return=representation",
    }


def _body(schema: Schema, example: object) -> Schema:
    shown = {"row": {"summary": "What is written", "value": example}}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": shown}}}


def _rows(description: str, *headers: str) -> Schema:
    return {
        "description": description,
        "headers": headers_of([*_HEADERS, *headers]),
        "content": {
            "application/json": {
                "schema": {"type": "array", "maxItems": 1_000_000, "items": ref("schemas", "RestRow")},
                "examples": {"rows": {"summary": "Rows", "value": [_ROW]}},
            },
            "application/vnd.pgrst.object+json": {
                "schema": ref("schemas", "RestRow"),
                "examples": {"row": {"summary": "The only row", "value": _ROW}},
            },
        },
    }


def _no_content(description: str) -> Schema:
    return {"description": description, "headers": headers_of(_HEADERS)}
