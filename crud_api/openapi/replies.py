"""Responses: their headers and examples, and the problems of each status as components."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from crud_api.openapi.field_schemas import ref
from crud_api.openapi.problem_types import ProblemType, choice_of
from crud_api.resource.columns.column import Schema
from crud_api.resource.resource import MAX_AGE_S
from crud_api.response.responses import DIFFERS_BY, JSON, PRIVATE

PROBLEM = "application/problem+json"

HEADERS: dict[str, Schema] = {
    "ETag": {
        "description": "The version of the row, for If-Match and If-None-Match (RFC 9110). The ETag of a list is "
        "weak: use it only in If-None-Match.",
        "schema": {"type": "string", "maxLength": 36, "pattern": r'^(W/)?"[0-9a-f]{32}"$'},
        "example": '"900150983cd24fb0d6963f7d28e17f72"',
    },
    "Location": {
        "description": "The path of the new row.",
        "schema": {"type": "string", "format": "uri-reference", "maxLength": 2000},
        "example": "/customers/CUST001",
    },
    "Link": {
        "description": "The next and the previous page, if they exist (RFC 8288).",
        "schema": {"type": "string", "maxLength": 20000, "pattern": r"^[ -~]+$"},
        "example": '</customers?limit=2&cursor=WyJDVVNUMDAyIl0>; rel="next"',
    },
    "Preference-Applied": {
        "description": "The preferences of `Prefer` that were applied (RFC 7240).",
        "schema": {"type": "string", "maxLength": 200, "pattern": r"^[a-z0-9=, -]+$"},
        "example": "return=minimal",
    },
    "Idempotency-Replayed": {
        "description": "This is the answer to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "Content-Range": {
        "description": "The places of the rows, counted from 0, and the number of all rows, if it was asked for.",
        "schema": {"type": "string", "maxLength": 60, "pattern": r"^(\*|[0-9]+-[0-9]+)/(\*|[0-9]+)$"},
        "example": "0-9/25",
    },
    "Content-Location": {
        "description": "The path of these rows, with its parameters in alphabetical order.",
        "schema": {"type": "string", "format": "uri-reference", "maxLength": 30000},
        "example": "/rest/v1/customers?limit=10",
    },
    "Proxy-Status": {
        "description": "The code of the error (RFC 9209).",
        "schema": {"type": "string", "maxLength": 100, "pattern": r"^PostgREST; error=[A-Za-z0-9-]+$"},
        "example": "PostgREST; error=PGRST205",
    },
    "Retry-After": {
        "description": "Retry after this number of seconds.",
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 3600},
        "example": 1,
    },
    "Allow": {
        "description": "The methods of the path.",
        "schema": {"type": "string", "maxLength": 200, "pattern": r"^[A-Z, ]+$"},
        "example": "GET, POST",
    },
    "Age": {
        "description": "The seconds since the database was asked, if the API kept the answer (RFC 9111). The answer "
        "then has a max-age.",
        "schema": {"type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_AGE_S},
        "example": 3,
    },
    "Cache-Control": {
        "description": "With max-age, a client can use the answer for so many seconds. With no-cache, it can keep the "
        "answer, but must ask each time if it is still current.",
        "schema": {"type": "string", "maxLength": 30, "pattern": "^private, (no-cache|max-age=[0-9]+)$"},
        "example": PRIVATE["Cache-Control"],
    },
    "Vary": {
        "description": "The headers of a request by which the answers to it differ (RFC 9110). An answer with a "
        "max-age has it.",
        "schema": {"type": "string", "maxLength": 100, "pattern": "^[A-Za-z, -]+$"},
        "example": DIFFERS_BY,
    },
    "X-Content-Type-Options": {
        "description": "A browser must use the Content-Type and not guess.",
        "schema": {"type": "string", "enum": ["nosniff"]},
        "example": "nosniff",
    },
}
_ALWAYS = ("Cache-Control", "X-Content-Type-Options")
AGED = ("Age", "Vary")  # of an answer with a max-age


def success(description: str, schema: Schema | None = None, examples: Schema | None = None, *headers: str) -> Schema:
    """A response that is not a problem. Without a schema it has no body."""
    answer: Schema = {"description": description, "headers": headers_of(headers)}
    if schema is not None:
        answer["content"] = {JSON: {"schema": schema, "examples": examples}}
    return answer


def problem_references(kinds: Iterable[ProblemType]) -> dict[str, Schema]:
    """References to the problems that a request may get, by status."""
    return {status: ref("responses", name) for status, (name, _) in _by_status(kinds).items()}


def problem_responses(kinds: Iterable[ProblemType]) -> dict[str, Schema]:
    """The components that `problem_references` refers to."""
    return {name: _response(name, same) for name, same in _by_status(kinds).values()}


def problem_choices(kinds: Iterable[ProblemType]) -> dict[str, Schema]:
    """The schemas of the statuses that have several types of problems."""
    return {f"{name}Problem": choice_of(same) for name, same in _by_status(kinds).values() if len(same) > 1}


def _by_status(kinds: Iterable[ProblemType]) -> dict[str, tuple[str, list[ProblemType]]]:
    ordered = sorted(set(kinds), key=lambda kind: (kind.status, kind.slug))
    grouped = [(str(status), list(same)) for status, same in groupby(ordered, lambda kind: kind.status)]
    return {status: ("Or".join(kind.name for kind in same), same) for status, same in grouped}


def _response(name: str, kinds: list[ProblemType]) -> Schema:
    own = sorted({header for kind in kinds for header in kind.headers})
    return {
        "description": ". Or: ".join(kind.title for kind in kinds) + ".",
        "headers": headers_of(own),
        "content": {
            PROBLEM: {
                "schema": ref("schemas", f"{name}Problem"),
                "examples": {kind.slug: {"summary": kind.title, "value": kind.example()} for kind in kinds},
            }
        },
    }


def headers_of(own: Iterable[str]) -> Schema:
    """References to headers, and to those of every response."""
    return {name: ref("headers", name) for name in (*own, *_ALWAYS)}
