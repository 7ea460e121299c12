"""The operations that belong to no resource: the description itself, and the checks for monitors."""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.errors import ApiError, InternalError, NotReadyError
from crud_api.openapi.field_schemas import ref
from crud_api.openapi.problem_types import of
from crud_api.openapi.replies import success
from crud_api.resource.columns.column import Schema

STATUS_SCHEMA: Schema = {
    "type": "object",
    "description": "All is well.",
    "properties": {"status": {"type": "string", "enum": ["ok"]}},
    "required": ["status"],
    "additionalProperties": False,
    "examples": [{"status": "ok"}],
}
_OK = {"ok": {"summary": "All is well", "value": {"status": "ok"}}}


def monitor_paths() -> dict[str, Schema]:
    """The paths of the description and of the checks. The page /docs is for people and not part of the description."""
    return {
        "/openapi.json": {
            "get": _operation(
                "get_description",
                "Get this description",
                success(
                    "This description.",
                    {"type": "object", "description": "A document of OpenAPI 3.1.", "additionalProperties": True},
                    {"excerpt": {"summary": "An excerpt", "value": {"openapi": "3.1.0", "info": {}, "paths": {}}}},
                    "ETag",
                ),
                parameters=[ref("parameters", "ifNoneMatch")],
                unchanged=success("The client already has this description.", None, None, "ETag"),
            )
        },
        "/health": {
            "get": _operation(
                "get_health", "Ask whether the API runs", success("The API runs.", ref("schemas", "ServiceStatus"), _OK)
            )
            | {"security": []}
        },
        "/ready": {
            "get": _operation(
                "get_ready",
                "Ask whether the database answers",
                success("The database answers.", ref("schemas", "ServiceStatus"), _OK),
                NotReadyError,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    answer: Schema,
    *kinds: type[ApiError],
    parameters: Sequence[Schema] = (),
    unchanged: Schema | None = None,
) -> Schema:
    all_kinds: tuple[type[ApiError], ...] = (InternalError, *kinds)
    return {
        "operationId": name,
        "summary": summary,
        "description": "This operation has no query parameters.",
        "tags": ["service"],
        **({"parameters": list(parameters)} if parameters else {}),
        "responses": {"200": answer, **({"304": unchanged} if unchanged else {})},
        "problems": [of(kind) for kind in all_kinds],
    }
