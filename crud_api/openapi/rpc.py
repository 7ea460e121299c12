"""The path of the functions under /rest/v1/rpc. docs/postgrest.md says how they are called."""

from __future__ import annotations

from collections.abc import Collection

from crud_api.openapi.field_schemas import ref
from crud_api.openapi.replies import headers_of
from crud_api.openapi.rest_v1 import error_replies, named
from crud_api.resource.columns.column import NO_NUL, Schema

_VALUE: Schema = {"description": "What the function answers: a value, an object, or an array of them."}
_ARGUMENTS = {"customer_id": "CUST001"}
_ABOUT = "`select`, `order`, `limit` and `offset` are about the rows that the function answers, and so are filters."


def rpc_paths(functions: Collection[str]) -> dict[str, Schema]:
    """The path of the functions, if there are any."""
    if not functions:
        return {}
    arguments = {
        "name": "arguments",
        "in": "query",
        "description": f"The arguments, each by its name. {_ABOUT}",
        "style": "form",
        "explode": True,
        "schema": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 8000, "pattern": NO_NUL}},
        "example": _ARGUMENTS,
    }
    body = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "examples": {"arguments": {"summary": "The arguments by name", "value": _ARGUMENTS}},
            }
        },
    }
    return {
        "/rest/v1/rpc/{function}": {
            "parameters": [named("function", functions)],
            "get": _operation(
                "call_function",
                "Call a function, which changes nothing",
                "The function runs in a read-only transaction.",
                parameters=[arguments, ref("parameters", "preferCount")],
            ),
            "post": _operation(
                "call_function_by_body",
                "Call a function",
                f"The members of the body are the arguments. {_ABOUT}",
                parameters=[ref("parameters", "preferCount")],
                requestBody=body,
            ),
        }
    }


def _operation(id_: str, summary: str, description: str, **more: object) -> Schema:
    content = {
        "application/json": {
            "schema": _VALUE,
            "examples": {"value": {"summary": "A value", "value": 12.5}},
        }
    }
    answer = {"headers": headers_of(["Content-Range", "Preference-Applied"]), "content": content}
    return {
        "operationId": id_,
        "summary": summary,
        "description": description,
        "tags": ["rest"],
        **more,
        "responses": {
            "200": {"description": "What the function answers."} | answer,
            "204": {"description": "The function answers nothing."},
            "206": {"description": "A part of the rows. `Prefer` asked for their number."} | answer,
            **error_replies(),
        },
        "problems": [],
    }
