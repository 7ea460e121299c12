"""The members of a row in SQL: values, and rows of other tables, embedded or joined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from crud_api.request.conditions import Way
from crud_api.request.reading import Embedded, Member, Read, takes_rows
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.joining import joined
from crud_api.sql.names import quoted, where
from crud_api.sql.reaching import ordered, reached
from crud_api.sql.where import conditions_of
from query_executor.contract import Param, Typed


class Level:
    """The members of the rows at one level in SQL, and the rows that are joined to these for their members.

    `prefixes` stand before the columns of joined rows, by the ways to them.
    """

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.values: list[str] = []
        self.joins: list[str] = []
        self.prefixes: dict[Way, str] = {}
        self._aggregates: set[int] = set()  # the places of the values that are aggregates, counted from 1
        self._all_declared = True

    def add(self, label: str, value: str, *, is_declared: bool, is_aggregate: bool = False) -> None:
        """Add a member. `is_declared`: its label is the name of what it is, and no text of the request."""
        self.labels.append(label)
        self.values.append(value)
        self._all_declared &= is_declared
        if is_aggregate:
            self._aggregates.add(len(self.values))

    @property
    def has_declared_labels(self) -> bool:
        """Whether SQL can have the labels as names: each is declared, and stands for one member."""
        return self._all_declared and len({*self.labels}) == len(self.labels)

    @property
    def groups(self) -> tuple[int, ...]:
        """The places of the values by which the rows are grouped, counted from 1."""
        if not self._aggregates:
            return ()
        return tuple(n for n in range(1, len(self.values) + 1) if n not in self._aggregates)


def level_of(resource: Resource, read: Read, alias: str, params: dict[str, Param], prefix: str = "") -> Level:
    """The members of a row, which has the alias. Adds their params.

    `prefix` stands before a column of the row, if it is not the alias.
    """
    prefix = prefix or f"{alias}."
    if all([isinstance(member, Member) and not member.path for member in read.members]):  # noqa: C419 - a generator costs more
        return _plain_level(resource, read.members, alias, prefix)
    level = Level()
    _add_members(level, resource, read.members, alias, prefix, params, is_grouped=read.is_grouped)
    return level


@lru_cache(SHAPES)
def _plain_level(resource: Resource, members: Sequence[Member | Embedded], alias: str, prefix: str) -> Level:
    """The level of members without params. Nobody changes it."""
    level = Level()
    _add_members(level, resource, members, alias, prefix, {}, is_grouped=False)
    return level


def _add_members(
    level: Level,
    resource: Resource,
    members: Sequence[Member | Embedded],
    alias: str,
    prefix: str,
    params: dict[str, Param],
    *,
    is_grouped: bool,
) -> None:
    for n, member in enumerate(members):
        name = f"{alias}_{n}"
        if isinstance(member, Member):
            value = _value(resource, member, prefix, params, name)
            is_declared = member.label in resource.readable
            level.add(member.label, value, is_declared=is_declared, is_aggregate=bool(member.aggregate))
        elif not member.is_spread:
            # A value can be grouped if it is jsonb, and not if it is json.
            value = _embedded(member, prefix, name, params)
            is_declared = member.label == (
                member.way[-1].name if member.way[-1].function else member.way[-1].resource.name
            )
            level.add(member.label, f"{value}::jsonb" if is_grouped else value, is_declared=is_declared)
        elif member.is_many:
            _add_lists(level, member, prefix, name, params, is_grouped=is_grouped)
        else:
            below = member.way[-1].resource
            whole = takes_rows(member.read, below)  # a row that is joined is no row of its table
            rows = _page(member, f"{name} AS whole" if whole else f"{name}.*", prefix, name, params)
            level.joins.append(f" LEFT JOIN LATERAL ({rows}) AS {name} ON true")
            joined_prefix = f"({name}.whole)." if whole else f"{name}."
            level.prefixes.setdefault(member.way, joined_prefix)
            _add_members(level, below, member.read.members, name, joined_prefix, params, is_grouped=is_grouped)


def _value(resource: Resource, member: Member, prefix: str, params: dict[str, Param], param: str) -> str:
    value = "*"
    if member.column:
        value = reached(resource, member.column, member.path, prefix, params, param)
    if member.cast:
        value = f"({value})::{member.cast}"
    if member.aggregate:
        value = f"{member.aggregate}({value})"
    return f"({value})::{member.aggregate_cast}" if member.aggregate_cast else value


def _embedded(embedded: Embedded, prefix: str, alias: str, params: dict[str, Param]) -> str:
    """The rows at the end of a way as JSON: an array, or an object, or null."""
    resource, read = embedded.way[-1].resource, embedded.read
    level = level_of(resource, read, alias, params)
    are_declared = level.has_declared_labels
    names = names_of(level.labels, are_declared=are_declared)
    if not are_declared:
        params |= {f"{alias}_label_{n}": label for n, label in enumerate(level.labels)}
    values = ", ".join(f"{value} AS {name}" for value, name in zip(level.values, names, strict=True))
    rows, page = _page(embedded, values, prefix, alias, params, level), f"{alias}_page"
    item = object_of(names, page, f"{alias}_label", are_declared=are_declared)
    if embedded.is_many:
        return f"(SELECT coalesce(json_agg({item}), json_build_array()) FROM ({rows}) AS {page})"
    return f"(SELECT {item} FROM ({rows}) AS {page})"


def _add_lists(
    level: Level, embedded: Embedded, prefix: str, alias: str, params: dict[str, Param], *, is_grouped: bool
) -> None:
    """Add the members of many rows: each is an array."""
    inner = level_of(embedded.way[-1].resource, embedded.read, alias, params)
    for label, each in zip(inner.labels, inner.values, strict=True):
        rows, page = _page(embedded, f"{each} AS value", prefix, alias, params, inner), f"{alias}_page"
        value = f"(SELECT coalesce(json_agg({page}.value), json_build_array()) FROM ({rows}) AS {page})"
        level.add(label, f"{value}::jsonb" if is_grouped else value, is_declared=inner.has_declared_labels)


def _page(
    embedded: Embedded,
    values: str,
    prefix: str,
    alias: str,
    params: dict[str, Param],
    level: Level | None = None,
) -> str:
    """The query for the rows at the end of a way. `level` has what is joined to them."""
    resource, read, level = embedded.way[-1].resource, embedded.read, level or Level()
    source, belongs = joined(embedded.way, alias, prefix)
    conditions = conditions_of(resource, read.conditions, params, f"{alias}.", f"{alias}_filter")
    order = ordered(resource, read.order, f"{alias}.", params, f"{alias}_order", level.prefixes)
    params[f"{alias}_limit"], offset = (read.limit if embedded.is_many else min(1, read.limit)), ""
    if read.offset:
        params[f"{alias}_offset"], offset = Typed("int8", str(read.offset)), f" OFFSET :{alias}_offset"
    found = f"FROM {source}{''.join(level.joins)}{where([belongs, *conditions])}"
    return f"SELECT {values} {found}{sorted_by(level, order)} LIMIT :{alias}_limit{offset}"


def names_of(labels: Sequence[str], *, are_declared: bool) -> list[str]:
    """The names of members in SQL: their labels if these are declared. Any other label is a text of the request."""
    return [quoted(label) if are_declared else f"item_{n}" for n, label in enumerate(labels)]


def sorted_by(level: Level, order: str) -> str:
    """The GROUP BY and the ORDER BY of the rows."""
    groups = f" GROUP BY {', '.join(map(str, level.groups))}" if level.groups else ""
    return f"{groups}{f' ORDER BY {order}' if order else ''}"


def object_of(names: Sequence[str], page: str, label: str, *, are_declared: bool) -> str:
    """The JSON object of a row of the page. If the names are not those of declared columns, they are params."""
    if are_declared:
        return f"row_to_json({page}.*)"
    # The names are params, and so no function that makes an object of a row can have them.
    pairs = ", ".join(f"(:{label}_{n}::text, to_json({page}.{name}))" for n, name in enumerate(names))
    return f"(SELECT json_object_agg(label, value) FROM (VALUES {pairs}) AS members (label, value))"
