"""From a list request's query parameters to a list query."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from crud_api.request import cursors, parameters
from crud_api.request.conditions import Filter
from crud_api.request.cursors import Cursor, Sealed
from crud_api.request.filters import filter_of
from crud_api.request.parameters import Parameters
from crud_api.request.selection import Selection, columns_of, embedded_of
from crud_api.request.sorting import SortKey, key_places, sort_of, total_order
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, Relations
from crud_api.resource.resource import KeyValues

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
MAX_FILTERS = 20


class Parent(Struct, frozen=True):
    """The row whose rows are listed: the row of `resource` with this key. `relation` leads to its rows."""

    resource: Resource
    relation: Relation
    key: KeyValues


class ListQuery(Struct, frozen=True, kw_only=True):
    """Which rows of a resource, in which order, from which place on, and which of their columns."""

    limit: int
    filters: Sequence[Filter]
    order: Sequence[SortKey]
    selection: Selection
    cursor: Cursor | None = None
    parent: Parent | None = None
    scope: bytes = b""

    def cursor_text(self, cursor: Cursor) -> str:
        """A cursor of this list, as a parameter."""
        return cursors.encode(cursor, self.scope)


def list_query(resource: Resource, relations: Relations, query: Parameters, parent: Parent | None = None) -> ListQuery:
    """The list that the parameters ask for. Raises `InvalidParameterError` naming every wrong one."""
    limit, filters, keys = DEFAULT_LIMIT, list[Filter](), list[SortKey]()
    sealed: Sealed | None = None
    columns, embedded = resource.columns, tuple[Relation, ...]()

    def take(name: str, text: str) -> None:
        nonlocal limit, keys, sealed, columns, embedded
        match name:
            case "limit":
                limit = _limit(text)
            case "cursor":
                sealed = cursors.decode(text)
            case "sort":
                keys = sort_of(resource, text)
            case "fields":
                columns = columns_of(resource, text)
            case "expand":
                embedded = embedded_of(relations, text)
            case _:
                filters.append(filter_of(resource, name, text))
                if len(filters) > MAX_FILTERS:
                    raise ValueError(f"is one filter too many: a list takes at most {MAX_FILTERS}")

    parameters.read(query, take)
    # The same filters in another order are the same list, and the same statement.
    filters.sort(key=lambda condition: (condition.field, condition.operator))
    order = total_order(resource, keys)
    scope = msgspec.json.encode([resource.name, parent and [parent.resource.name, parent.key], filters, order])
    return ListQuery(
        limit=limit,
        filters=filters,
        order=order,
        selection=Selection(columns, embedded),
        cursor=None if sealed is None else _opened(sealed, scope, resource, order),
        parent=parent,
        scope=scope,
    )


def _opened(sealed: Sealed, scope: bytes, resource: Resource, order: Sequence[SortKey]) -> Cursor:
    try:
        cursor = sealed.opened(scope)
        # The row of a value that is looked up is found by its key.
        if len(cursor.values) != len(order) or (
            cursor.looks_up
            and not all(isinstance(cursor.values[n], str) for n in key_places(order, resource.key_columns))
        ):
            raise ValueError("is not a cursor of this list")
    except ValueError as error:
        raise parameters.wrong({"cursor": str(error)}) from None
    return cursor


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)
