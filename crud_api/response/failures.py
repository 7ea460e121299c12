"""What a failure of the executor means to the client: one function maps SQLSTATE to HTTP.

The classes and conditions are in PostgreSQL's documentation, appendix A. A message of PostgreSQL's own may quote values
of other rows, so it is never shown. The message of a RAISE is written for callers, so it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from crud_api.errors import (
    ApiError,
    ConflictError,
    DeadlineExceededError,
    ExecutorBusyError,
    ExecutorFailedError,
    ForbiddenError,
    InternalError,
    InvalidFieldsError,
    InvalidParameterError,
    NotPermittedError,
    NotWritableError,
    RaisedError,
)
from crud_api.request.parameters import too_large
from crud_api.request.validation import pointer
from crud_api.resource import Resource
from crud_api.resource.resource import column_names, no_row
from crud_api.response.problems import READS, RETRY_SOON, SUPPRESSED
from query_executor import contract
from query_executor.contract import Failure

# PostgreSQL's functions that report an error; one SQLSTATE may come from several of them.
RAISE = "exec_stmt_raise"
REWRITER = "rewriteTargetView"
_POLICY = "ExecWithCheckOptions"
_SET = "call_string_check_hook"  # of SET LOCAL ROLE, which comes before the statement
_UNWRITABLE = frozenset(
    {"error_view_not_updatable", REWRITER, "CheckValidResultRel", "CheckValidResultRelNew", "CheckValidRowMarkRel"}
)  # the fourth in Debian's 15
_ARBITER = frozenset({"infer_arbiter_indexes", "ExecCheckIndexConstraints"})  # they look for what an upsert goes by

CONFLICTS = frozenset({"23505", "23503", "23P01", "23001"})
_RAISED_STATUS = re.compile("PT([45][0-9][0-9])")
_MAX_TEXT = 2000  # characters, of a detail
# Of a name that is shown. Constraints have such names, and values seldom do.
_NAME = re.compile(r"[\w$.-]{1,63}")
_WRONG = {
    "22001": "is too long for its column",
    "22003": "is out of the range of its column",
    "22007": "is not a date or time that its column accepts",
    "22008": "is out of the range of its column",
    "22P02": "is not a value of its column's type",
    "23502": "must not be null in the database",
    "428C9": "is made by the database and cannot be written",
    "0A000": "is computed by the database and cannot be written",
}


def from_failure(
    failure: Failure, resource: Resource, method: str, given: Collection[str] = (), about: Collection[str] = ()
) -> ApiError:
    """What a failure of the executor means to the client of `method`; `given` are the fields it sent.

    Of a GET these are the parameters that make its answer large. `about` are fields that the failure is known to be
    about.
    """
    error = _meaning(failure, resource, method, given, about)
    parts = [failure.code, failure.sqlstate, *_named(table=failure.table, column=failure.column)]
    error.cause = " ".join([part for part in (*parts, *_named(constraint=failure.constraint)) if part])
    error.said = failure.message
    return error


def wrong(name: str, failure: Failure) -> str:
    """What is wrong with a field, in words that repeat no value."""
    if failure.constraint and _NAME.fullmatch(failure.constraint):
        return f"{name} is refused by the constraint {failure.constraint}"
    sqlstate = failure.sqlstate or ""
    length = failure.message.rpartition("(")[2].removesuffix(")")  # of a type: varchar(3)
    if sqlstate == "22001" and length.isdecimal():
        return f"{name} is too long: its column holds at most {length} characters"
    other = _WRONG["22P02"] if sqlstate.startswith(("42", "3F", "XX")) else "is refused by the database"
    return f"{name} {_WRONG.get(sqlstate, other)}"


def is_raised(failure: Failure) -> bool:
    """Whether the message comes from a RAISE: the schema's author wrote it for callers."""
    sqlstate = failure.sqlstate or ""
    return failure.routine == RAISE or sqlstate == "P0001" or _RAISED_STATUS.fullmatch(sqlstate) is not None


def is_of_caller(failure: Failure) -> bool:
    """Whether the role of the caller is the reason: it lacks a right, it is not there, or it cannot be taken."""
    return failure.sqlstate == "42501" or failure.routine == _SET


def _meaning(  # noqa: PLR0911 - one for each meaning
    failure: Failure, resource: Resource, method: str, given: Collection[str], about: Collection[str]
) -> ApiError:
    sqlstate = failure.sqlstate or ""
    reads = method in READS
    if failure.code == contract.DEADLINE_EXCEEDED:
        return DeadlineExceededError("The database did not answer in time. Nothing was written.")
    if failure.code == contract.OUTCOME_UNKNOWN:
        return ExecutorFailedError(
            "The connection to the database broke. It is not known whether the change was stored."
        )
    if failure.code == contract.EXPECTATION_FAILED:
        return ConflictError(SUPPRESSED)
    if failure.retryable:  # also of a standby, which may be promoted
        return ExecutorBusyError("Nothing was stored. Retry the same request shortly.", headers=RETRY_SOON)
    if is_raised(failure):
        return _raised(failure, resource)
    if is_of_caller(failure) and failure.routine != _POLICY:
        return _of_caller(failure, resource, reads=reads)
    if sqlstate == "25006" and not reads:
        return _not_writable("Nothing was stored: the database is read-only now. You can still read rows.")
    if reads and (failure.code == contract.RESULT_TOO_LARGE or sqlstate == "54000"):
        return too_large(given)
    if method == "POST" and failure.code == contract.RESULT_TOO_LARGE:
        return InvalidFieldsError("Nothing was stored: no answer can hold these rows. Send Prefer: return=minimal.")
    if reads:
        if sqlstate.startswith(("22", "23")):
            return InvalidParameterError("The database cannot compare a column with this value.")
        return _internal()
    return _refusal(failure, resource, method, given, about)


def _refusal(  # noqa: PLR0911 - one for each meaning
    failure: Failure, resource: Resource, method: str, given: Collection[str], about: Collection[str]
) -> ApiError:
    """The error for a change that the database refuses."""
    sqlstate, where = failure.sqlstate or "", _where(failure)
    if sqlstate == "42501" and failure.routine == _POLICY:
        return ForbiddenError(f"Nothing was stored: a row-level security policy refuses this row of {resource.name}.")
    if sqlstate in {"55000", "42809"} and failure.routine in _UNWRITABLE:
        return _not_writable(f"{resource.name} is a view that the database cannot write to. Nothing was stored.")
    if sqlstate in {"42P10", "55000"} and failure.routine in _ARBITER:
        which = "that column alone" if len(resource.key_columns) == 1 else "exactly these columns"
        return _not_writable(
            f"Nothing was stored: the database has no unique index of {resource.said_key} that an upsert of "
            f"{resource.name} can go by. It must be of {which}, and not deferrable. Send the request without "
            "resolution=merge-duplicates."
        )
    if sqlstate == "0A000" and not about:
        return _not_writable(f"The database does not support this change of {resource.name}. Nothing was stored.")
    if sqlstate == "23505" or (sqlstate == "21000" and method == "POST"):  # the latter: twice in an upsert
        return ConflictError(
            f"A row of {resource.name} with this {resource.said_key}, or another unique field, exists.{where}"
        )
    own = resource.place[1]
    if sqlstate == "23001" or (sqlstate == "23503" and (method == "DELETE" or failure.table not in {None, own})):
        return ConflictError(f"Other rows still refer to this row of {resource.name}.{where if about else ''}")
    if sqlstate == "23P01":
        return ConflictError(f"Nothing was stored: the row conflicts with another row of {resource.name}.{where}")
    if sqlstate == "23503" and not about:
        # PostgreSQL names the constraint and not its column. The foreign keys of the body are the candidates.
        return _refused(_names_no_row(failure, resource, given), where)
    if sqlstate.startswith(("22", "23", "44")) or sqlstate in {"428C9", "54000", "0A000"}:
        column = failure.column if failure.column in resource.fields else None
        names = [column] if column else [*about]
        return _refused({name: wrong(name, failure) for name in names}, where)
    return _internal()


def _names_no_row(failure: Failure, resource: Resource, given: Collection[str]) -> dict[str, str]:
    """What may be wrong with the foreign keys, by the field that was given."""
    keys = [(column_names(columns), reference) for columns, reference in resource.references.items()]
    named = [key for key in keys if key[1].constraint and key[1].constraint == failure.constraint]
    found: dict[str, str] = {}
    for columns, reference in named or keys:
        for name in columns:
            if name in given:
                before = f"{found[name]}, or " if name in found else ""
                found[name] = f"{before}{no_row(columns, reference.resource)}"
    return found


def _of_caller(failure: Failure, resource: Resource, *, reads: bool) -> ApiError:
    if failure.routine == _SET:
        return _internal()
    if reads:
        return NotPermittedError(f"The database role of this caller may not read {resource.name}.")
    return NotPermittedError(f"Nothing was stored: the database role of this caller may not change {resource.name}.")


def _raised(failure: Failure, resource: Resource) -> RaisedError:
    sqlstate = failure.sqlstate or ""
    if chosen := _RAISED_STATUS.fullmatch(sqlstate):
        status = int(chosen[1])
    elif sqlstate in CONFLICTS:
        status = 409
    elif sqlstate == "42501":
        status = 403
    else:
        status = 422 if sqlstate.startswith(("22", "23")) else 400
    text = "\n".join(text for text in (failure.message, failure.detail, failure.hint) if text)[:_MAX_TEXT]
    name = failure.column if failure.column in resource.fields else None
    errors = [{"detail": text, "pointer": pointer(name)}] if name else []
    return RaisedError(text or "The database gives no reason.", status, errors=errors)


def _refused(errors: dict[str, str], where: str) -> InvalidFieldsError:
    return InvalidFieldsError(
        f"Nothing was stored: the database refuses a value.{'' if errors else where}",
        errors=[{"detail": detail, "pointer": pointer(name)} for name, detail in errors.items()],
    )


def _not_writable(detail: str) -> NotWritableError:
    return NotWritableError(detail, headers={"Allow": "GET, HEAD"})


def _internal() -> InternalError:
    return InternalError("The cause is in the log, under this instance.")


def _where(failure: Failure) -> str:
    return "".join(
        f" The {name.replace(' ', ' is ', 1)}." for name in _named(column=failure.column, constraint=failure.constraint)
    )


def _named(**names: str | None) -> list[str]:
    return [f"{kind} {name}" for kind, name in names.items() if name and _NAME.fullmatch(name)]
