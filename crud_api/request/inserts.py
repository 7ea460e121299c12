"""From a POST's body to the rows that it stores: one or many rows, with the rows that refer to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from crud_api.errors import ConflictError
from crud_api.request.validation import Errors, Values, converted, pointer, refuse, with_defaults
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, Relations

MAX_ROWS = 1000  # of a resource in one request
# What becomes of a row that exists: an error, or it is changed, or it stays as it is.
Conflict = Literal["", "merge", "ignore"]


class RowInsert(Struct, frozen=True):
    """A row to be stored. `at` points to it in the body, `sent` are the fields that the body has of it."""

    at: str
    values: Values
    sent: frozenset[str]
    parent: int = 0  # the place, counted from 1, of the row that it refers to


class TableInsert(Struct, frozen=True):
    """Rows of one table. Their `columns` may refer to `own`, columns of rows of the same request.

    Those rows have them in their `member`.

    `parents` are the places, counted from 1, of the rows that have that member, even an empty one.
    """

    resource: Resource
    rows: list[RowInsert] = []
    columns: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    member: str = ""
    parents: list[int] = []


class Creation(Struct, frozen=True):
    """All that a body asks for. `many`: the body is an array."""

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
        name: TableInsert(relation.resource, columns=relation.columns, own=relation.own, member=name)
        for name, relation in relations.items()
        if relation.many
    }
    rows = TableInsert(resource)
    for n, sent in enumerate(body if isinstance(body, Sequence) else [body]):
        at = f"#/{n}" if many else "#"
        if not isinstance(sent, Mapping):
            errors[at] = "each element of the array must be an object"
            continue
        own = {name: value for name, value in sent.items() if name not in found} if found else sent
        row = _row(resource, own, errors, at)
        rows.rows.append(row)
        for member, insert in found.items():
            if member in sent:
                owned = _owned(resource, relations[member], row, errors)
                _add_referring(insert, sent[member], owned, at, len(rows.rows), errors)
    refuse(errors)
    present = [insert for insert in found.values() if insert.parents]
    refuse_taken([taken for insert in [rows, *present] for taken in _repeated(insert)])
    return Creation(rows, present, many)


def refuse_taken(pointers: Sequence[tuple[str, str]], more: Errors | None = None) -> None:
    """Raise `ConflictError` if a key is taken. Each has a pointer and the reason. `more` are the other errors."""
    if pointers:
        errors = [{"detail": detail, "pointer": at} for at, detail in [*pointers, *(more or {}).items()]]
        raise ConflictError("Nothing was stored: keys are taken. Each error names its field.", errors=errors[:MAX_ROWS])


def _row(resource: Resource, body: Mapping[str, Any], errors: Errors, at: str) -> RowInsert:
    values = with_defaults(resource, converted(resource, body, errors, at), body, errors, at)
    return RowInsert(at, values, frozenset(body))


def _owned(resource: Resource, relation: Relation, row: RowInsert, errors: Errors) -> Values:
    """What the rows of a relation have of the row that contains them, by their columns.

    What the database makes of its key is known when it is stored: it is not here.
    """
    owned: Values = {}
    for own, column in zip(relation.own, relation.columns, strict=True):
        field, value = resource.fields[own], row.values.get(own)
        by_database = own in resource.read_only or (own not in row.sent and not field.required)
        if value is not None or not by_database:
            owned[column] = value
        if value is None and own not in resource.key_columns and (by_database or own in row.values):
            errors[pointer(own, row.at)] = f"{own} is needed to store {relation.name} with the row"
    return owned


def _add_referring(insert: TableInsert, value: Any, owned: Values, above: str, place: int, errors: Errors) -> None:
    """Adds the rows of a member. Each may leave out the key of the row that it refers to, or repeat it."""
    at = pointer(insert.member, above)
    if not isinstance(value, list):
        errors[at] = f"{insert.member} must be an array of objects"
    elif len(insert.rows) + len(value) > MAX_ROWS:
        errors[at] = f"{insert.member} must have at most {MAX_ROWS} objects in one request"
    else:
        insert.parents.append(place)
        for n, row in enumerate(value):
            if isinstance(row, Mapping):
                insert.rows.append(_referring_row(insert, row, owned, f"{at}/{n}", place, errors))
            else:
                errors[f"{at}/{n}"] = "each element of the array must be an object"


def _referring_row(
    insert: TableInsert, body: Mapping[str, Any], owned: Values, at: str, place: int, errors: Errors
) -> RowInsert:
    resource, columns = insert.resource, insert.columns
    values = converted(resource, {name: value for name, value in body.items() if name not in columns}, errors, at)
    values = with_defaults(resource, values | owned, {**body, **dict.fromkeys(columns)}, errors, at)
    for name in columns:
        if name in body and name not in owned:
            errors[pointer(name, at)] = f"{name} must be absent: the database makes the key of the row that contains it"
        elif (
            name in body and (key := owned[name]) is not None and not resource.fields[name].column.same(body[name], key)
        ):
            errors[pointer(name, at)] = f"{name} must be absent or equal the key of the row that contains it"
    return RowInsert(at, values, frozenset({*body, *columns}), place)


def _repeated(insert: TableInsert) -> list[tuple[str, str]]:
    resource, repeated = insert.resource, []
    seen: set[Any] = set()
    for row in insert.rows:
        value = tuple([row.values.get(name) for name in resource.key_columns])
        if value in seen:
            detail = f"another row of this request has the same {resource.said_key}"
            repeated += [(pointer(name, row.at), detail) for name in resource.key_columns]
        elif None not in value:
            seen.add(value)
    return repeated
