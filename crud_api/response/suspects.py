"""Which part of a request a failure is about, where PostgreSQL does not say. A second look tries each part alone.

Only a failure that the client can mend costs this second invocation, which only reads. PostgreSQL names no column for a
value that is too long, out of range or not of its type. Versions before 16 have no way to ask without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from crud_api.errors import ApiError, InternalError, InvalidFieldsError, InvalidParameterError
from crud_api.request.http import not_found
from crud_api.request.inserts import Creation
from crud_api.request.listing import ListQuery
from crud_api.request.parameters import wrong
from crud_api.request.validation import pointer
from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues, column_names
from crud_api.response import failures
from crud_api.response.problems import READS
from crud_api.sql import looking
from crud_api.sql.query import Query, together
from query_executor import contract
from query_executor.contract import Failure, Value

_CALCULATED = frozenset({"22012", "22016", "2201E", "2201F", "2201G"})  # division by zero, logarithms, powers
# How a type says that a text is none of its values, if not by class 22: hstore, tsvector, jsonpath, ltree and others.
_NO_VALUE = frozenset({"42601", "42602", "42622"})
# And how one does whose values are names, such as regconfig. The same codes say that a table or a function is missing.
# Before PostgreSQL 16, hstore gives no code of its own.
_NO_NAME = frozenset({"42704", "42725", "42883", "42P01", "3F000", "XX000"})
_NO_COLUMN = "42703"
LOOK_MS = 5000  # the most that the second look may take; if it fails, the answer is PostgreSQL's own failure
_MOST = 200  # values that are tried one by one

T = TypeVar("T")


class Look(Protocol):
    """Asks the database once more. None is the answer of a query that has none."""

    def __call__(self, query: Query[T], /) -> T | Failure | None:
        """Raises `ApiError`."""


class Suspect(Struct, frozen=True):
    """A part of a request. `error` makes the client's error of the failure of its query, or nothing."""

    query: Query[None]
    error: Callable[[Failure], ApiError | None]


Suspects = Callable[[], Sequence[Suspect]]


def error_of(
    failure: Failure,
    resource: Resource,
    method: str,
    given: Collection[str],
    look: Look,
    suspects: Suspects | None = None,
    *,
    many: bool = False,
) -> ApiError:
    """The client's error. `many`: the request has several rows, and the failure names none of them."""
    found = None
    if suspects is not None and _may_be_a_part(failure, method):
        found = _suspected(suspects(), look)
        if found is None and method in READS:  # a view that divides by zero, say
            found = InternalError("The cause is in the log, under this instance.")
    about = [] if found else _columns(failure, resource, given, look)
    error = failures.from_failure(failure, resource, method, given, about)
    if found is not None:
        found.cause, found.said = error.cause, error.said
        return found
    if many and error.errors:
        error.detail += "".join(f" {each['detail']}." for each in error.errors if each["detail"] not in error.detail)
        error.errors = []
    return error


def of_key(resource: Resource, key: KeyValues) -> list[Suspect]:
    """The key in a path. No row has a key that its columns cannot hold."""

    def error(failure: Failure) -> ApiError | None:
        return not_found(resource) if _is_of_value(failure) else None

    parts = zip(resource.key_columns, key, strict=True)
    return [
        _blameless(resource, resource.key_columns),
        *(Suspect(looking.of_key_part(resource, name, value), error) for name, value in parts),
        Suspect(looking.by_key(resource, key), lambda failure: not_found(resource) if _is_data(failure) else None),
    ]


def of_values(resource: Resource, values: Mapping[str, Value], key: KeyValues | None = None) -> list[Suspect]:
    """The key in the path, if there is one, and each value of a row."""
    cells = [_cell(resource, name, [value], pointer(name)) for name, value in values.items() if value is not None]
    cells[:0] = [_blameless(resource, [*values])] if cells else []
    return [*of_key(resource, key), *cells] if key is not None else cells


def of_creation(creation: Creation) -> list[Suspect]:
    """Each value of every row or, if there are too many, all values of each column."""
    every = [
        (rows.resource, name, value, pointer(name, row.at))
        for rows in (creation.rows, *creation.referring)
        for row in rows.rows
        for name, value in row.values.items()
        if value is not None
    ]
    columns: dict[Resource, dict[str, list[Value]]] = {}
    for resource, name, value, _ in every:
        columns.setdefault(resource, {}).setdefault(name, []).append(value)
    suspects = [_blameless(resource, [*names]) for resource, names in columns.items()]
    if len(every) <= _MOST:
        return suspects + [_cell(resource, name, [value], at) for resource, name, value, at in every]
    return suspects + [
        _cell(resource, name, values, None) for resource, names in columns.items() for name, values in names.items()
    ]


def of_list(resource: Resource, query: ListQuery) -> list[Suspect]:
    """The parent's key and each parameter of a list."""
    suspects = [Suspect(looking.any_row(resource), lambda _: None)]
    if query.parent is not None:
        suspects += of_key(query.parent.resource, query.parent.key)
    for number, condition in enumerate(query.filters):
        name = condition.field if condition.operator == "eq" else f"{condition.field}[{condition.operator}]"
        suspects.append(_parameter(name, looking.by_filter(resource, query, number)))
    suspects += [_parameter("sort", looking.by_order(resource, key.column)) for key in query.order]
    if (place := looking.by_cursor(resource, query)) is not None:
        suspects.append(_parameter("cursor", place))
    return suspects


def _parameter(name: str, query: Query[None]) -> Suspect:
    reason = {
        "sort": "names a column that the database cannot sort",
        "cursor": "is not a cursor of this list",
    }.get(name, "has a comparison that the database does not support for this column")

    def error(failure: Failure) -> InvalidParameterError | None:
        sqlstate = failure.sqlstate or ""
        compares = _is_data(failure) or sqlstate in _NO_NAME or sqlstate.startswith(("42", "0A"))
        return wrong({name: reason}) if compares and sqlstate != _NO_COLUMN else None

    return Suspect(query, error)


def _blameless(resource: Resource, names: Sequence[str]) -> Suspect:
    """The columns without a value. If they fail, no value is to blame."""
    return Suspect(looking.no_values(resource, names), lambda _: None)


def _cell(resource: Resource, name: str, values: Sequence[Value], at: str | None) -> Suspect:
    def error(failure: Failure) -> InvalidFieldsError | None:
        if not _is_of_value(failure):
            return None
        detail = failures.wrong(name, failure)
        if at is None:
            return InvalidFieldsError(f"Nothing was stored: the database refuses a value. In one of the rows {detail}.")
        return InvalidFieldsError(
            "Nothing was stored: the database refuses a value.", errors=[{"detail": detail, "pointer": at}]
        )

    return Suspect(looking.of_values(resource, name, values), error)


def _may_be_a_part(failure: Failure, method: str) -> bool:
    sqlstate = failure.sqlstate or ""
    if failure.code != contract.STATEMENT_FAILED or failure.retryable or failures.is_raised(failure):
        return False
    if failures.is_of_caller(failure):  # the role is the reason, and no part of the request
        return False
    if sqlstate in _NO_VALUE | _NO_NAME:
        return True
    if method in READS:
        return sqlstate.startswith(("22", "42", "0A"))
    # Domains have checks and may refuse null. PostgreSQL then names neither a table nor a column.
    return sqlstate.startswith("22") or (sqlstate in {"23514", "23502"} and failure.table is None)


def _is_of_value(failure: Failure) -> bool:
    """Whether a failure to make a column's value of a text is the text's. `_blameless` has found the columns."""
    sqlstate = failure.sqlstate or ""
    return _is_data(failure) or sqlstate.startswith("23") or sqlstate in _NO_NAME


def _is_data(failure: Failure) -> bool:
    # Not an error in what a view or a function calculates from stored rows.
    sqlstate = failure.sqlstate or ""
    return (sqlstate.startswith("22") and sqlstate not in _CALCULATED) or sqlstate in _NO_VALUE


def _suspected(suspects: Sequence[Suspect], look: Look) -> ApiError | None:
    if not suspects:
        return None
    try:
        answer = look(together(suspect.query for suspect in suspects))
    except ApiError:  # the first failure counts
        return None
    if not isinstance(answer, Failure) or answer.statement is None or answer.retryable:
        return None
    return suspects[answer.statement].error(answer)


def _columns(failure: Failure, resource: Resource, given: Collection[str], look: Look) -> list[str]:
    """The fields of the constraint, or the fields that cannot be written."""
    sqlstate = failure.sqlstate or ""
    if failure.code != contract.STATEMENT_FAILED or failures.is_raised(failure):
        return []
    computed = sqlstate == "428C9" or (sqlstate == "0A000" and failure.routine == failures.REWRITER)
    constrained = sqlstate in {"23514", "54000"} and failure.constraint is not None
    unknown = sqlstate == "23503" and not any(
        name in given for columns in resource.references for name in column_names(columns)
    )
    if not (computed or constrained or unknown):
        return []
    if sqlstate == "23503" and failure.table not in {None, resource.place[1]}:
        return []
    try:
        columns = look(looking.of_columns(resource, failure.table, failure.constraint))
    except ApiError:
        return []
    if columns is None or isinstance(columns, Failure):
        return []
    names = columns.unwritable if computed else columns.constrained
    return [name for name in resource.fields if name in names and name in given]
