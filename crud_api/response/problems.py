"""Every error is the same kind of response: problem details (RFC 9457)."""

from __future__ import annotations

import json

from chalice.app import Response

from crud_api.errors import (
    ApiError,
    InternalError,
    MethodNotAllowedError,
    UnsupportedMediaTypeError,
)
from crud_api.request.body import SEND_JSON
from crud_api.response.responses import PRIVATE

RETRY_SOON = {"Retry-After": "1"}  # seconds
SUPPRESSED = "Nothing was stored: a trigger or rule of the database suppressed a row."
READS = frozenset({"GET", "HEAD"})


def to_response(error: ApiError, request_id: str) -> Response:
    """The problem document of an error; `instance` names this request in the logs."""
    document = {
        "type": f"urn:problem-type:crud-api:{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": _text(error.detail),
        "instance": f"urn:uuid:{request_id}",
    }
    if error.errors:
        document["errors"] = [{**one, "detail": _text(one["detail"])} for one in error.errors]
    headers: dict[str, str | list[str]] = {**PRIVATE, "Content-Type": "application/problem+json", **error.headers}
    return Response(json.dumps(document), headers, error.status)


def _text(detail: str) -> str:
    # A detail may name a member as the client wrote it. The description promises that no text has a NUL character.
    return detail.replace("\0", "\N{REPLACEMENT CHARACTER}")


def from_chalice(response: Response) -> ApiError:
    """The error for a response that Chalice made itself, before or after a view."""
    if response.status_code == 405:
        allow = ", ".join(sorted(str(response.headers["Allow"]).split(", ")))
        return MethodNotAllowedError(f"Allowed methods: {allow}.", headers={"Allow": allow})
    if response.status_code == 415:
        return UnsupportedMediaTypeError(SEND_JSON)
    return InternalError("The cause is in the log, under this instance.")
