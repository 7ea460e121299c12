"""The responses of /rest/v1: rows in PostgREST's form, and errors in PostgREST's form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote_plus

from chalice.app import Response

from crud_api import errors
from crud_api.errors import ApiError, PostgrestError
from crud_api.request.postgrest.accept import Media
from crud_api.request.postgrest.paging import not_there
from crud_api.request.reading import Read
from crud_api.resource import Resource
from crud_api.response import chosen
from crud_api.response.problems import RETRY_SOON
from crud_api.response.responses import PRIVATE, fits
from crud_api.sql.rows import Rows
from query_executor import contract
from query_executor.contract import Failure

# The codes of errors that the API raises for both dialects.
_CODES: dict[type[ApiError], str] = {
    errors.MalformedBodyError: "PGRST102",
    errors.BodyTooLargeError: "PGRST102",
    errors.InvalidHeaderError: "PGRST100",
    errors.InvalidFieldsError: "invalid-fields",
    errors.PreconditionFailedError: "precondition-failed",
    errors.IdempotencyInFlightError: "idempotency-in-flight",
    errors.IdempotencyKeyReusedError: "idempotency-key-reused",
    errors.MethodNotAllowedError: "PGRST117",
    errors.NotFoundError: "PGRST125",
    errors.NotPermittedError: "42501",
    errors.ExecutorBusyError: "PGRST003",
    errors.ExecutorFailedError: "PGRST001",
    errors.DeadlineExceededError: "57014",
}
# The statuses of SQLSTATEs, and of their classes (PostgREST's documentation, references/errors).
_STATUSES = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "23503": 409, "23505": 409, "25006": 405, "25": 500, "28": 403,
    "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53400": 500, "53": 503, "54": 500, "55": 500, "57": 500,
    "57P01": 503, "58": 500, "F0": 500, "HV": 500, "P0001": 400, "P0": 500, "PT": 500, "XX": 500, "42883": 404,
    "42P01": 404, "42P17": 500, "42501": 403, "21000": 500,
}  # fmt: skip
# What ended a request before the database answered.
_ENDED: dict[str, tuple[type[ApiError], str]] = {
    contract.DEADLINE_EXCEEDED: (
        errors.DeadlineExceededError, "The database did not answer in time. Nothing was written.",
    ),
    contract.OUTCOME_UNKNOWN: (
        errors.ExecutorFailedError,
        "The connection to the database broke. It is not known whether the change was stored.",
    ),
}  # fmt: skip
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")  # what a query has as it is (RFC 3986, section 2.3)
_RAISED_STATUS = re.compile("PT([1-5][0-9][0-9])")
_UPSERT = "ExecOnConflictUpdate"  # the function of PostgreSQL that reports that a body has a row twice (21000)
_MAX_TEXT = 4000  # characters
_TOO_LARGE = "The answer is too large. Ask for less: lower limit, or select fewer columns."


def rows(
    rows: Rows,
    read: Read,
    media: Media,
    location: str,
    parameters: Mapping[str, Sequence[str]],
    headers: dict[str, str],
) -> Response:
    """The rows. Raises `PostgrestError` if they are not what was asked for."""
    check(rows, is_single=media.is_single)
    status, range_ = content_range(read.offset, rows)
    query = "&".join(f"{_quoted(name)}={_quoted(text)}" for name in sorted(parameters) for text in parameters[name])
    version = {} if rows.version is None else {"ETag": f'"{rows.version}"'}
    response = Response(
        body(rows, read, media),
        {
            **PRIVATE,
            "Content-Type": media.content_type,
            "Content-Range": range_,
            "Content-Location": f"{location}?{query}" if query else location,
            **version,
            "Vary": "Accept, Prefer, Range",
            **headers,
        },
        status,
    )
    if not fits(response):  # the executor's answer did fit, but it has no headers
        raise too_large()
    return response


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text, safe="")


def too_large() -> PostgrestError:
    """The error for an answer that no reply can hold."""
    return PostgrestError(_TOO_LARGE, code="54000")


def check(rows: Rows, *, is_single: bool, changed: int | None = None, most: int | None = None) -> None:
    """Raises `PostgrestError` if the rows are not what was asked for, or if more than `most` are changed."""
    if rows.are_too_large:
        raise too_large()
    if most is not None and changed is not None and changed > most:
        raise PostgrestError(
            "Query result exceeds max-affected preference constraint", code="PGRST124",
            details=f"The query affects {changed} rows",
        )  # fmt: skip
    if is_single and rows.found != 1:
        raise PostgrestError(
            "Cannot coerce the result to a single JSON object", 406, "PGRST116",
            details=f"The result contains {rows.found} rows",
        )  # fmt: skip


def methods(resource: Resource) -> Response:
    """The methods of a table, in PostgREST's order. A view may take no changes, or only some."""
    takes = resource.changes
    is_upserted = "insert" in takes and "update" in takes and resource.key_columns
    allowed = [
        *("OPTIONS", "GET", "HEAD"),
        *(["POST"] if "insert" in takes else []),
        *(["PUT"] if is_upserted else []),
        *(["PATCH"] if "update" in takes else []),
        *(["DELETE"] if "delete" in takes else []),
    ]
    return Response("", {**PRIVATE, "Allow": ",".join(allowed)}, 200)


def body(rows: Rows, read: Read, media: Media) -> str:
    """The rows in their form."""
    if media.form == "csv":
        return f"{','.join(read.labels)}\n{rows.items}" if rows.found else "\n"
    return rows.items or "" if media.is_single else f"[{rows.items or ''}]"


def content_range(offset: int, rows: Rows) -> tuple[int, str]:
    """The status and the header `Content-Range` of rows, of which there may be more.

    Raises `PostgrestError` if the offset is beyond all of them.
    """
    total = rows.count
    if total is not None and offset > total:
        raise not_there(offset, total)
    said = f"{offset}-{offset + rows.found - 1}" if rows.found and total != 0 else "*"
    is_part = total is not None and rows.found < total
    return 206 if is_part else 200, f"{said}/{'*' if total is None else total}"


def from_failure(failure: Failure) -> ApiError:
    """What a failure of the executor means, in PostgREST's form. It has PostgreSQL's own message."""
    error = _meaning(failure)
    error.cause = " ".join(part for part in (failure.code, failure.sqlstate) if part)
    error.said = failure.message
    return error


def _meaning(failure: Failure) -> ApiError:
    sqlstate = failure.sqlstate or ""
    if failure.code in _ENDED:
        meaning, said = _ENDED[failure.code]
        return meaning(said)
    if failure.code == contract.RESULT_TOO_LARGE or sqlstate == "54000":
        return too_large()
    if failure.retryable and sqlstate != "53400":  # a limit of the configuration is there at the next attempt, too
        return errors.ExecutorBusyError("Retry the same request shortly.", headers=RETRY_SOON)
    if failure.code != contract.STATEMENT_FAILED or not sqlstate:
        return errors.InternalError("The cause is in the log.")
    if sqlstate == chosen.RAISED:
        return chosen.raised(failure)
    if raised := _RAISED_STATUS.fullmatch(sqlstate):
        status = int(raised[1])
    elif failure.routine == _UPSERT:
        status = 400
    else:
        status = _STATUSES.get(sqlstate) or _STATUSES.get(sqlstate[:2]) or 400
    return PostgrestError(failure.message, status, sqlstate, details=failure.detail, hint=failure.hint)


def error(raised: ApiError) -> Response:
    """The response of an error."""
    document: dict[str, object] = {
        "code": _CODES.get(type(raised), "PGRSTX00"), "message": _text(raised.detail), "details": None, "hint": None,
    }  # fmt: skip
    if isinstance(raised, errors.InvalidFieldsError) and raised.errors:
        document["details"] = raised.errors
    if isinstance(raised, PostgrestError):
        details = _text(raised.details) if isinstance(raised.details, str) else raised.details
        document |= {"code": raised.code, "details": details, "hint": raised.hint and _text(raised.hint)}
    headers: dict[str, str | list[str]] = {
        **PRIVATE,
        "Content-Type": "application/json; charset=utf-8",
        "Proxy-Status": f"PostgREST; error={document['code']}",
        **raised.headers,
    }
    return Response(json.dumps(document, ensure_ascii=False, separators=(",", ":")), headers, raised.status)


def _text(text: str) -> str:
    # It may repeat what the client wrote. The description promises that no text has a NUL character.
    return text[:_MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}")
