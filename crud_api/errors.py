"""Every error a request can end in.

    ApiError                       status, slug and title are constant for a class (RFC 9457, section 3.1)
     ├── MalformedBodyError        400   the body is not JSON, or not of the kind that the path takes
     ├── InvalidParameterError     400   a query parameter is unknown, repeated or malformed
     ├── InvalidHeaderError        400   a header is malformed
     ├── RaisedError               400   the database's own code raised an error; it may have another status
     ├── PostgrestError            400   an error of /rest/v1, in PostgREST's form; it may have another status
     ├── ForbiddenError            403   a policy of the database refuses the row
     ├── NotPermittedError         403   the caller's database role lacks a right, or there is no role for the caller
     ├── NotFoundError             404   no row has this key
     ├── MethodNotAllowedError     405   the path has no such method
     ├── NotWritableError          405   the database takes no changes here: a view, a read-only server
     ├── ConflictError             409   a key is taken, or the row is still referenced
     ├── IdempotencyInFlightError  409   the first request with this Idempotency-Key has not ended
     ├── PreconditionFailedError   412   If-Match or If-None-Match does not allow this version of the row
     ├── BodyTooLargeError         413   the body is larger than the API takes
     ├── UnsupportedMediaTypeError 415   the body is not said to be JSON
     ├── InvalidFieldsError        422   fields of the body are wrong; all of them are named
     ├── IdempotencyKeyReusedError 422   the Idempotency-Key was used for another request
     ├── InternalError             500   a defect of this API or of its set-up
     ├── ExecutorFailedError       502   the query executor crashed, is not there or its answer was lost
     ├── ExecutorBusyError         503   the executor or the database has no room now
     ├── NotReadyError             503   the database does not answer a monitor
     └── DeadlineExceededError     504   the database took too long, and nothing was written

`ChaliceUnhandledError` is the only exception that Chalice lets through to the middleware, which makes the response.
`AccessError` is not an error of a request: with wrong settings the app does not start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import ChaliceUnhandledError


class ApiError(ChaliceUnhandledError):
    """An error with its HTTP meaning. `detail` and `errors` never hold row values, SQL or host names.

    `errors` has {"detail", "pointer"} for each wrong field (a JSON pointer into the body, RFC 6901), {"detail",
    "parameter"} for a query parameter or {"detail", "header"} for a header. `cause` is the reason for the log, in the
    executor's codes. `said` is the message of the database. It may contain values, so only a laptop's terminal shows
    it.
    """

    status: int
    slug: str
    title: str

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        cause: str | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.cause = cause
        self.said = said


class AccessError(ValueError):
    """The API cannot enforce ACCESS as it is set, or a setting that ACCESS needs is missing."""


class MalformedBodyError(ApiError):
    """The body is not JSON (RFC 8259), or not the object or array that the path requires."""

    status, slug, title = 400, "malformed-body", "The body is not valid JSON for this path"


class InvalidParameterError(ApiError):
    """A query parameter is unknown, repeated or malformed."""

    status, slug, title = 400, "invalid-parameter", "A query parameter is not valid"


class InvalidHeaderError(ApiError):
    """A header is malformed."""

    status, slug, title = 400, "invalid-header", "A header is not valid"


class RaisedError(ApiError):
    """A trigger or function of the database raised an error; `detail` is its message.

    RAISE in the database chooses `status` by its ERRCODE: PT402 is 402.
    """

    status, slug, title = 400, "raised", "The database raised an error"

    def __init__(self, detail: str, status: int = 400, **more: Any) -> None:
        super().__init__(detail, **more)
        self.status = status


class PostgrestError(ApiError):
    """An error of /rest/v1, in PostgREST's form: `detail` is its message.

    `code` is PostgREST's code (PGRST100) or PostgreSQL's SQLSTATE.
    """

    status, slug, title = 400, "postgrest", "The request cannot be answered"

    def __init__(
        self,
        detail: str,
        status: int = 400,
        code: str = "PGRST100",
        *,
        details: str | Sequence[Mapping[str, str]] | None = None,
        hint: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail, **more)
        self.status = status
        self.code = code
        self.details = details
        self.hint = hint


class ForbiddenError(ApiError):
    """A row-level security policy of the database refuses the row."""

    status, slug, title = 403, "forbidden", "The database does not allow this row"


class NotPermittedError(ApiError):
    """The database role of the caller lacks a right to the table, or no role is meant for the caller."""

    status, slug, title = 403, "not-permitted", "The caller may not do this"


class NotFoundError(ApiError):
    """No row has this key."""

    status, slug, title = 404, "not-found", "There is no such resource"


class MethodNotAllowedError(ApiError):
    """The path does not have this method. `Allow` lists its methods."""

    status, slug, title = 405, "method-not-allowed", "The path has no such method"


class NotWritableError(ApiError):
    """The database cannot change these rows: they belong to a view, or the server is read-only. Reads still work."""

    status, slug, title = 405, "not-writable", "The rows cannot be changed"


class ConflictError(ApiError):
    """The key is taken, or other rows refer to this one."""

    status, slug, title = 409, "conflict", "The request conflicts with stored rows"


class IdempotencyInFlightError(ApiError):
    """The first request with this Idempotency-Key is still running. `Retry-After` says when to retry."""

    status, slug, title = 409, "idempotency-in-flight", "The first request with this key is still running"


class PreconditionFailedError(ApiError):
    """If-Match or If-None-Match does not allow this version of the row (RFC 9110, section 13.1)."""

    status, slug, title = 412, "precondition-failed", "The row has changed"


class BodyTooLargeError(ApiError):
    """The body is larger than the limit of the API."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class UnsupportedMediaTypeError(ApiError):
    """The path does not take the Content-Type of the body."""

    status, slug, title = 415, "unsupported-media-type", "The media type of the body is not supported"


class InvalidFieldsError(ApiError):
    """Fields of the body are wrong; `errors` names all of them."""

    status, slug, title = 422, "invalid-fields", "Fields of the body are not valid"


class IdempotencyKeyReusedError(ApiError):
    """The Idempotency-Key was used for another request (draft-ietf-httpapi-idempotency-key-header-07)."""

    status, slug, title = 422, "idempotency-key-reused", "The key was used for another request"


class InternalError(ApiError):
    """A defect of this API or of how it was set up."""

    status, slug, title = 500, "internal-error", "The API failed"


class ExecutorFailedError(ApiError):
    """The query executor crashed, gave an invalid answer or does not exist, or its answer was lost."""

    status, slug, title = 502, "executor-failed", "The query executor failed"


class ExecutorBusyError(ApiError):
    """The executor or the database cannot take the request now. `Retry-After` says when to try again."""

    status, slug, title = 503, "busy", "The service is busy"


class NotReadyError(ApiError):
    """The database does not answer."""

    status, slug, title = 503, "not-ready", "The service is not ready"


class DeadlineExceededError(ApiError):
    """The request took too long in the executor or the database."""

    status, slug, title = 504, "deadline-exceeded", "The request took too long"
