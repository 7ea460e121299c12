"""What a read asks for, as a tree: which members of a row, which rows, in which order, and how many of them.

`Read` is one level of the tree. The rows that are embedded in a row are a member that has a `Read` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from crud_api.request.conditions import Condition, Path, Way, ages_in, ages_of, are_of_computed
from crud_api.request.sorting import SortKey
from crud_api.resource import Resource

# json: a JSON object a row; stripped: without members that are null; csv: PostgreSQL's text of a row; none: no rows
Form = Literal["json", "stripped", "csv", "none"]
# planned: what the planner expects; estimated: exact up to the largest page, and what the planner expects beyond it
Count = Literal["exact", "planned", "estimated"]


class Member(Struct, frozen=True, cache_hash=True):
    """A member of a row. `label` is its name in the answer.

    `column` is a column of the resource, or empty for `count()`, which counts rows. `path` leads into its document. The
    value is cast to the type `cast`, then aggregated by the function `aggregate`, and the result is cast to the type
    `aggregate_cast`. The types are `TYPES` of postgrest/select.py.
    """

    label: str
    column: str
    path: Path = ()
    cast: str = ""
    aggregate: str = ""
    aggregate_cast: str = ""


class Embedded(Struct, frozen=True):
    """The rows at the end of a way: one of them or null, or a list (`is_many`).

    `is_spread`: their members are members of the row.
    """

    label: str
    way: Way
    read: Read
    is_many: bool
    is_spread: bool = False


class OrderTerm(SortKey, frozen=True):
    """A key to sort by. Its path may lead into a document. If there is a way, the row at its end has the column.

    `nulls` says where rows without a value stand: `first`, `last`, or empty for PostgreSQL's own order.
    """

    path: Path = ()
    nulls: str = ""
    way: Way = ()


class Read(Struct, frozen=True, kw_only=True):
    """One level of a read. It has at most `limit` rows, from the one at `offset` on, which counts from 0."""

    members: tuple[Member | Embedded, ...]
    conditions: tuple[Condition, ...] = ()
    order: tuple[OrderTerm, ...] = ()
    limit: int
    offset: int = 0

    @property
    def is_grouped(self) -> bool:
        """Whether a member is an aggregate, so that the rows are groups."""
        return any(
            member.aggregate
            if isinstance(member, Member)
            else member.is_spread and not member.is_many and member.read.is_grouped
            for member in self.members
        )

    @property
    def labels(self) -> list[str]:
        """The names of all members of a row, those of spread rows included."""
        found: list[str] = []
        for member in self.members:
            found += member.read.labels if isinstance(member, Embedded) and member.is_spread else [member.label]
        return found


def takes_rows(read: Read, resource: Resource) -> bool:
    """Whether functions take the rows, which are of the resource. Each takes a whole row of its table."""
    computed = resource.computed
    return bool(computed) and (
        any(
            member.column in computed if isinstance(member, Member) else member.way[0].function is not None
            for member in read.members
        )
        or any(term.way[0].function is not None if term.way else term.column in computed for term in read.order)
        or are_of_computed(read.conditions, resource)
    )


def max_age_of(resource: Resource, read: Read) -> int:
    """How old an answer may be, in seconds: as old as the strictest of the tables that the read looks at allows.

    A view is a table with a `max_age_s` of its own. A function may read any table, so its answers are always new.
    """
    return resource.max_age_s and min(_ages(resource, read))


def _ages(resource: Resource, read: Read) -> Iterator[int]:
    yield resource.max_age_s
    yield from ages_in(resource, read.conditions)
    for term in read.order:
        yield from ages_of(resource, term.way, term.column)
    for member in read.members:
        if isinstance(member, Embedded):
            yield from ages_of(resource, member.way)
            yield from _ages(member.way[-1].resource, member.read)
        else:
            yield from ages_of(resource, (), member.column)
