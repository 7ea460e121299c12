"""The order of a list: its sort keys."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crud_api.resource import Resource

MAX_KEYS = 5


class SortKey(Struct, frozen=True):
    """A column to sort by. Null comes last in ascending and first in descending order, as in PostgreSQL."""

    column: str
    descending: bool = False

    def reversed(self) -> SortKey:
        """The same key in the opposite order."""
        return SortKey(self.column, not self.descending)


def sort_of(resource: Resource, text: str) -> list[SortKey]:
    """The keys that `sort` names. Raises `ValueError`."""
    keys = [SortKey(name.removeprefix("-"), name.startswith("-")) for name in text.split(",")]
    if len(keys) > MAX_KEYS:
        raise ValueError(f"must list at most {MAX_KEYS} fields")
    if any(key.column not in resource.fields for key in keys):
        raise ValueError(
            f"must list fields, separated by commas, with - before a descending field: {', '.join(resource.fields)}"
        )
    if flawed := [key.column for key in keys if not resource.fields[key.column].column.has_order]:
        raise ValueError(
            f"names {flawed[0]}, whose type {resource.fields[flawed[0]].column.made_as()} has no order in PostgreSQL"
        )
    if len({key.column for key in keys}) < len(keys):
        raise ValueError("lists a field more than once")
    return keys


def key_places(order: Sequence[SortKey], key: Sequence[str]) -> list[int]:
    """The places of the columns of the resource's key in an order, counted from 0."""
    return [place for place, one in enumerate(order) if one.column in key]


def total_order(resource: Resource, keys: Sequence[SortKey]) -> list[SortKey]:
    """The keys that decide. They have all columns of the resource's key, so no two rows have the same place.

    The columns that are added have the direction of the key before them, so one index serves both directions.
    """
    needed = list(resource.key_columns)
    for place, key in enumerate(keys, 1):
        if key.column in needed:
            needed.remove(key.column)
            if not needed:
                return list(keys[:place])
    descending = bool(keys) and keys[-1].descending
    return [*keys, *(SortKey(name, descending) for name in needed)]
