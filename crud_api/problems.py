"""Everything that goes wrong, as one kind of response: problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Collection

from chalice.app import Response

from crud_api.body import SEND_JSON
from crud_api.errors import (
    ApiError,
    ConflictError,
    DeadlineExceededError,
    ExecutorBusyError,
    ExecutorFailedError,
    InternalError,
    InvalidFieldsError,
    InvalidParameterError,
    MethodNotAllowedError,
    UnsupportedMediaTypeError,
)
from crud_api.parameters import too_large
from crud_api.resource import Resource
from crud_api.responses import PRIVATE
from crud_api.validation import pointer
from query_executor import contract
from query_executor.contract import Failure

RETRY_SOON = {"Retry-After": "1"}  # seconds
READS = frozenset({"GET", "HEAD"})


def to_response(error: ApiError, request_id: str) -> Response:
    """The problem document of an error; `instance` names this request in the logs."""
    document = {
        "type": f"urn:problem-type:crud-api:{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"urn:uuid:{request_id}",
    }
    if error.errors:
        document["errors"] = list(error.errors)
    headers: dict[str, str | list[str]] = {**PRIVATE, "Content-Type": "application/problem+json", **error.headers}
    return Response(json.dumps(document), headers, error.status)


def from_chalice(response: Response) -> ApiError:
    """The error for a response that Chalice made by itself, before or after a view."""
    if response.status_code == 405:
        allow = ", ".join(sorted(str(response.headers["Allow"]).split(", ")))
        return MethodNotAllowedError(f"Allowed methods: {allow}.", headers={"Allow": allow})
    if response.status_code == 415:
        return UnsupportedMediaTypeError(SEND_JSON)
    return InternalError("The cause is in the log, under this instance.")


def from_failure(failure: Failure, resource: Resource, method: str, given: Collection[str] = ()) -> ApiError:  # noqa: PLR0911
    """What a failure of the executor means to the client of `method`; `given` are the fields it sent.

    Of a GET these are the parameters that make its answer large. The classes are those of PostgreSQL's documentation,
    appendix A.
    """
    sqlstate = failure.sqlstate or ""
    cause = f"{failure.code} {sqlstate}".strip()
    if failure.code == contract.DEADLINE_EXCEEDED:
        return DeadlineExceededError("The database did not answer in time. Nothing was written.", cause=cause)
    if failure.code == contract.OUTCOME_UNKNOWN:
        return ExecutorFailedError(
            "The connection to the database broke. It is not known whether the change was stored.", cause=cause
        )
    if failure.retryable:
        return ExecutorBusyError(
            "Nothing was stored. The same request may succeed soon.", headers=RETRY_SOON, cause=cause
        )
    if method in READS and (failure.code == contract.RESULT_TOO_LARGE or sqlstate == "54000"):
        return too_large(given)
    if method == "POST" and failure.code == contract.RESULT_TOO_LARGE:
        return InvalidFieldsError(
            "Nothing was stored: no answer can hold these rows. Prefer: return=minimal needs none."
        )
    if sqlstate == "23505" or (sqlstate == "21000" and method == "POST"):  # the latter: twice in an upsert
        return ConflictError(f"A row of {resource.name} with this {resource.key}, or another unique field, exists.")
    if sqlstate == "23503" and method == "DELETE":
        return ConflictError(f"Other rows still refer to this row of {resource.name}.")
    if sqlstate == "23503":
        # PostgreSQL names the constraint and not its column; the fields that could be meant are known.
        wrong = [name for name in resource.references if name in given]
        return _refused({name: f"{name} names no row of {resource.references[name].resource}" for name in wrong})
    if sqlstate.startswith(("22", "23")) and method in READS:
        return InvalidParameterError("The database cannot compare a column with this value.")
    if sqlstate.startswith(("22", "23")):
        name = failure.column if failure.column in resource.fields else None
        return _refused({name: f"{name} is refused by the database"} if name else {})
    return InternalError("The cause is in the log, under this instance.", cause=cause)


def _refused(errors: dict[str, str]) -> InvalidFieldsError:
    return InvalidFieldsError(
        "Nothing was stored: the database refuses a value.",
        errors=[{"detail": detail, "pointer": pointer(name)} for name, detail in errors.items()],
    )
