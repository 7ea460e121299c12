"""From a POST's body to the rows that it asks for: one or many of a resource, with rows that refer to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from crud_api.errors import ConflictError
from crud_api.request.validation import Errors, Values, converted, pointer, refuse, with_defaults
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from query_executor.contract import Value

MAX_ROWS = 1000  # of a resource in one request


class RowInsert(Struct, frozen=True):
    """A row to be stored. `at` points to it in the body, `sent` are the fields that the body has of it."""

    at: str
    values: Values
    sent: frozenset[str]
    parent: int = 0  # the place, counted from 1, of the row that it refers to


class TableInsert(Struct, frozen=True):
    """Rows of one table. They may refer, by `column`, to rows of the same request, which call them `member`.

    `parents` are the places, counted from 1, of the rows that have that member, be it empty.
    """

    resource: Resource
    rows: list[RowInsert] = []
    column: str = ""
    member: str = ""
    parents: list[int] = []


class Creation(Struct, frozen=True):
    """All that a body asks for. `many`: it is an array."""

    rows: TableInsert
    referring: list[TableInsert]
    many: bool


def parse_creation(resource: Resource, relations: Relations, body: Mapping[str, Any] | Sequence[Any]) -> Creation:
    """The rows of a body; `relations` are the resource's.

    Raises `InvalidFieldsError`, and `ConflictError` where two rows have the same key.
    """
    many = not isinstance(body, Mapping)
    errors: Errors = {}
    if many and not 1 <= len(body) <= MAX_ROWS:
        refuse({"#": f"the array must have 1 to {MAX_ROWS} objects, not {len(body)}"})
    found = {
        name: TableInsert(one.resource, column=one.column, member=name) for name, one in relations.items() if one.many
    }
    rows = TableInsert(resource)
    for n, one in enumerate(body if isinstance(body, Sequence) else [body]):
        at = f"#/{n}" if many else "#"
        if not isinstance(one, Mapping):
            errors[at] = "each element of the array must be an object"
            continue
        own = {name: value for name, value in one.items() if name not in found} if found else one
        row = _row(resource, own, errors, at)
        rows.rows.append(row)
        for member, those in found.items():
            if member in one and resource.key not in row.values and not resource.fields[resource.key].required:
                errors[pointer(resource.key, at)] = f"{resource.key} is needed to store {member} with the row"
            if member in one:
                _add_referring(those, one[member], row.values.get(resource.key), at, len(rows.rows), errors)
    refuse(errors)
    present = [those for those in found.values() if those.parents]
    refuse_taken([one for those in [rows, *present] for one in _repeated(those)])
    return Creation(rows, present, many)


def refuse_taken(pointers: Sequence[tuple[str, str]], more: Errors | None = None) -> None:
    """Raise `ConflictError` if any key is taken: each a pointer and the reason. `more` is what is wrong besides."""
    if pointers:
        errors = [{"detail": detail, "pointer": at} for at, detail in [*pointers, *(more or {}).items()]]
        raise ConflictError("Nothing was stored: keys are taken. Each error names its field.", errors=errors[:MAX_ROWS])


def _row(resource: Resource, body: Mapping[str, Any], errors: Errors, at: str) -> RowInsert:
    values = with_defaults(resource, converted(resource, body, errors, at), body, errors, at)
    return RowInsert(at, values, frozenset(body))


def _add_referring(those: TableInsert, value: Any, key: Value, above: str, place: int, errors: Errors) -> None:
    """Adds the rows of a member. Each may leave out the key of the row that it refers to, or repeat it."""
    at = pointer(those.member, above)
    if not isinstance(value, list):
        errors[at] = f"{those.member} must be an array of objects"
    elif len(those.rows) + len(value) > MAX_ROWS:
        errors[at] = f"{those.member} must have at most {MAX_ROWS} objects in one request"
    else:
        those.parents.append(place)
        for n, one in enumerate(value):
            if isinstance(one, Mapping):
                those.rows.append(_referring_row(those, one, key, f"{at}/{n}", place, errors))
            else:
                errors[f"{at}/{n}"] = "each element of the array must be an object"


def _referring_row(
    those: TableInsert, body: Mapping[str, Any], key: Value, at: str, place: int, errors: Errors
) -> RowInsert:
    resource, column = those.resource, those.column
    values = converted(resource, {name: one for name, one in body.items() if name != column}, errors, at)
    values = with_defaults(resource, values | {column: key}, {**body, column: key}, errors, at)
    if key is not None and column in body and not resource.fields[column].column.same(body[column], key):
        errors[pointer(column, at)] = f"{column} must be absent or equal the key of the row that contains it"
    return RowInsert(at, values, frozenset({*body, column}), place)


def _repeated(those: TableInsert) -> list[tuple[str, str]]:
    key, repeated = those.resource.key, []
    seen: set[Any] = set()
    for row in those.rows:
        value = row.values.get(key)
        if value in seen:
            repeated.append((pointer(key, row.at), f"another row of this request has the same {key}"))
        elif value is not None:
            seen.add(value)
    return repeated
