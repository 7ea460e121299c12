"""All types of problems (RFC 9457): the errors of errors.py, and what API Gateway returns by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from crud_api import errors
from crud_api.errors import ApiError
from crud_api.openapi.field_schemas import ref
from crud_api.resource.columns.column import NO_NUL, Schema

_INSTANCE = "urn:uuid:6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"
_ERRORS = {
    errors.InvalidFieldsError: [{"detail": "email must be a text or null", "pointer": "#/email"}],
    errors.InvalidParameterError: [{"detail": "limit must be a whole number from 1 to 1000", "parameter": "limit"}],
    errors.InvalidHeaderError: [{"detail": "Idempotency-Key has 1 to 255 characters", "header": "Idempotency-Key"}],
}
_HEADERS: dict[type[ApiError], tuple[str, ...]] = {
    errors.MethodNotAllowedError: ("Allow",),
    errors.NotWritableError: ("Allow",),
    errors.IdempotencyInFlightError: ("Retry-After",),
    errors.ExecutorBusyError: ("Retry-After",),
    errors.NotReadyError: ("Retry-After",),
}


class ProblemType(Struct, frozen=True):
    """What all problems of a type have in common, and an example of the rest."""

    name: str
    status: int
    slug: str
    title: str
    detail: str
    headers: tuple[str, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()  # the members of one example

    @property
    def uri(self) -> str:
        """The problem's `type`."""
        return f"urn:problem-type:crud-api:{self.slug}"

    def example(self) -> dict[str, Any]:
        """An example of a problem of this type."""
        document = {
            "type": self.uri,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": _INSTANCE,
        }
        return document | ({"errors": [dict(self.errors)]} if self.errors else {})


ACCESS_DENIED = ProblemType(
    "AccessDenied", 403, "access-denied", "Access is denied", "The credentials are missing or not valid."
)
UNAUTHORIZED = ProblemType(
    "Unauthorized", 401, "unauthorized", "The caller is unknown", "The token is missing or has expired."
)
TOO_MANY_REQUESTS = ProblemType(
    "TooManyRequests", 429, "too-many-requests", "There are too many requests", "Nothing was done.", ("Retry-After",)
)
QUOTA_EXCEEDED = ProblemType(
    "QuotaExceeded", 429, "quota-exceeded", "The quota is used up", "The key has no requests left.", ("Retry-After",)
)
API_UNREACHABLE = ProblemType(
    "ApiUnreachable", 504, "api-unreachable", "The API could not be reached", "A change may have been stored."
)
GATEWAY = (ACCESS_DENIED, UNAUTHORIZED, TOO_MANY_REQUESTS, QUOTA_EXCEEDED, API_UNREACHABLE)


def of(kind: type[ApiError]) -> ProblemType:
    """Make the type of an error. The first paragraph of the class's docstring says what happened."""
    detail = (kind.__doc__ or kind.title).split("\n\n")[0].replace("\n    ", " ").strip()
    pairs = tuple(_ERRORS[kind][0].items()) if kind in _ERRORS else ()
    name = kind.__name__.removesuffix("Error")
    return ProblemType(name, kind.status, kind.slug, kind.title, detail, _HEADERS.get(kind, ()), pairs)


def every_problem_type() -> list[ProblemType]:
    """All types of problems."""

    def below(kind: type[ApiError]) -> Iterator[type[ApiError]]:
        for subclass in kind.__subclasses__():
            yield subclass
            yield from below(subclass)

    # An error of /rest/v1 is no problem: it has PostgREST's form.
    return [*(of(kind) for kind in below(ApiError) if kind is not errors.PostgrestError), *GATEWAY]


def problem_schemas(kinds: Iterable[ProblemType]) -> dict[str, Schema]:
    """One flat schema for each of the types, which suits generators of clients, and the schema of one error."""
    text = {"type": "string", "maxLength": 2000, "pattern": NO_NUL}
    error: Schema = {
        "type": "object",
        "description": "One wrong field, query parameter or header.",
        "properties": {
            "detail": text | {"description": "What is wrong. It never holds values of rows."},
            "pointer": text | {"description": "A JSON pointer into the body (RFC 6901)."},
            "parameter": text | {"description": "The name of a query parameter."},
            "header": text | {"description": "The name of a header."},
        },
        "required": ["detail"],
        "additionalProperties": False,
        "examples": [next(iter(_ERRORS.values()))[0]],
    }
    return {"ProblemError": error} | {f"{kind.name}Problem": _schema(kind, text) for kind in kinds}


def choice_of(kinds: Sequence[ProblemType]) -> Schema:
    """The schema of a response that may be one of several types. Its `type` says which."""
    refs = {kind.uri: ref("schemas", f"{kind.name}Problem") for kind in kinds}
    return {
        "description": ". Or: ".join(kind.title for kind in kinds) + ".",
        "oneOf": list(refs.values()),
        "discriminator": {"propertyName": "type", "mapping": {uri: ref["$ref"] for uri, ref in refs.items()}},
    }


def _schema(kind: ProblemType, text: Schema) -> Schema:
    return {
        "type": "object",
        "description": f"{kind.detail} (RFC 9457)",
        "properties": {
            "type": {"type": "string", "enum": [kind.uri], "description": "The type of the problem."},
            "title": text | {"description": "The same for all problems of a type.", "examples": [kind.title]},
            "status": {"type": "integer", "format": "int32", "minimum": kind.status, "maximum": kind.status},
            "detail": text | {"description": "What happened this time. It never holds values of rows."},
            "instance": text | {"format": "uri", "description": "Names this request in the logs."},
            "errors": {
                "type": "array",
                "maxItems": 100_000,
                "description": "One error for each wrong field, query parameter or header.",
                "items": ref("schemas", "ProblemError"),
            },
        },
        "required": ["type", "title", "status", "detail", "instance"],
        "examples": [kind.example()],
    }
