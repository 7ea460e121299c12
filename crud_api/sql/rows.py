"""Rows as a `Read` asks for them: any members, under any names, grouped where a member is an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from crud_api.request.conditions import Filter, Way
from crud_api.request.listing import MAX_LIMIT
from crud_api.request.operators import EQUAL
from crud_api.request.reading import Count, Embedded, Form, Member, Read
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.counting import HIDES, expected, explained, where
from crud_api.sql.joining import joined
from crud_api.sql.names import quoted, table
from crud_api.sql.query import Query
from crud_api.sql.reaching import ordered, reached
from crud_api.sql.where import conditions_of
from query_executor.contract import MAX_REPLY_BYTES, Param, Statement, Typed

_ROW = "one."  # the row that is read
_BETWEEN = {"json": ",\n", "stripped": ",\n", "csv": "\n", "none": ""}


class Rows(Struct, frozen=True):
    """The rows in their form, and how many there are.

    `items` is null if there is no row, or if the rows are too large for a reply. `count` is the number of all rows that
    the conditions find, if the client asked for it.
    """

    items: str | None
    found: int
    count: int | None

    @property
    def are_too_large(self) -> bool:
        """Whether no reply can hold them."""
        return self.items is None and self.found > 0


def select_rows(resource: Resource, read: Read, form: Form = "json", count: Count | None = None) -> Query[Rows]:
    """Read the rows."""
    params: dict[str, Param] = {}
    conditions = conditions_of(resource, read.conditions, params, _ROW)
    level = _level(resource, read, "one", params)
    labels = level.labels
    are_declared = _are_declared(resource, labels)
    if not are_declared and form in {"json", "stripped"}:
        params |= {f"label_{n}": label for n, label in enumerate(labels)}
    part = ""
    if not _is_by_key(resource, read):
        params["limit"], part = read.limit, " LIMIT :limit"
        if read.offset:
            params["offset"], part = Typed("int8", str(read.offset)), " LIMIT :limit OFFSET :offset"
    text = _select_rows(
        resource,
        tuple(level.values),
        tuple(labels) if are_declared else None,
        "".join(level.joins),
        tuple(conditions),
        _sorted(level, ordered(resource, read.order, _ROW, params, aliases=level.aliases)),
        part=part,
        form=form,
        count=count,
    )
    if count not in {"planned", "estimated"}:
        return Query([Statement(text, params)], Rows)
    found: dict[str, Param] = {}
    plan = Statement(explained(resource, conditions_of(resource, read.conditions, found, _ROW), "one"), found)
    return Query([Statement(text, {**params, "counted": table(resource)}), plan], _estimated)


def _is_by_key(resource: Resource, read: Read) -> bool:
    """Whether it reads the row of a key. Without a limit PostgreSQL keeps one plan for all keys."""
    if not read.limit or read.offset or not resource.key_columns:
        return False
    equal = {
        condition.field
        for condition in read.conditions
        if isinstance(condition, Filter)
        and condition.operator == EQUAL.name
        and not (condition.is_negated or condition.path or condition.quantifier)
    }
    return equal.issuperset(resource.key_columns)


class _Level:
    """The members of the rows at one level in SQL, and the rows that are joined to these for their members.

    `aliases` are the names of the joined rows, by the ways to them.
    """

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.values: list[str] = []
        self.joins: list[str] = []
        self.aliases: dict[Way, str] = {}
        self._aggregates: set[int] = set()  # the places of the values that are aggregates, counted from 1

    def add(self, label: str, value: str, *, is_aggregate: bool = False) -> None:
        self.labels.append(label)
        self.values.append(value)
        if is_aggregate:
            self._aggregates.add(len(self.values))

    @property
    def groups(self) -> tuple[int, ...]:
        """The places of the values by which the rows are grouped, counted from 1."""
        if not self._aggregates:
            return ()
        return tuple(n for n in range(1, len(self.values) + 1) if n not in self._aggregates)


def _level(resource: Resource, read: Read, alias: str, params: dict[str, Param]) -> _Level:
    """The members of a row, which has the alias. Adds their params."""
    if all([isinstance(member, Member) and not member.path for member in read.members]):  # noqa: C419 - a generator costs more
        return _plain_level(resource, read.members, alias)
    level = _Level()
    _add_members(level, resource, read.members, alias, params, is_grouped=read.is_grouped)
    return level


@lru_cache(SHAPES)
def _plain_level(resource: Resource, members: Sequence[Member | Embedded], alias: str) -> _Level:
    """The level of members without params. Nobody changes it."""
    level = _Level()
    _add_members(level, resource, members, alias, {}, is_grouped=False)
    return level


def _add_members(
    level: _Level,
    resource: Resource,
    members: Sequence[Member | Embedded],
    alias: str,
    params: dict[str, Param],
    *,
    is_grouped: bool,
) -> None:
    for n, member in enumerate(members):
        name = f"{alias}_{n}"
        if isinstance(member, Member):
            value = _value(resource, member, f"{alias}.", params, name)
            level.add(member.label, value, is_aggregate=bool(member.aggregate))
        elif not member.is_spread:
            # A value can be grouped if it is jsonb, and not if it is json.
            value = _embedded(member, f"{alias}.", name, params)
            level.add(member.label, f"{value}::jsonb" if is_grouped else value)
        elif member.is_many:
            _add_lists(level, member, f"{alias}.", name, params)
        else:
            rows = _page(member, f"{name}.*", f"{alias}.", name, params)
            level.joins.append(f" LEFT JOIN LATERAL ({rows}) AS {name} ON true")
            level.aliases.setdefault(member.way, name)
            _add_members(level, member.way[-1].resource, member.read.members, name, params, is_grouped=is_grouped)


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
    level = _level(resource, read, alias, params)
    are_declared = _are_declared(resource, level.labels)
    names = [quoted(label) if are_declared else f"item_{n}" for n, label in enumerate(level.labels)]
    if not are_declared:
        params |= {f"{alias}_label_{n}": label for n, label in enumerate(level.labels)}
    values = ", ".join(f"{value} AS {name}" for value, name in zip(level.values, names, strict=True))
    rows, page = _page(embedded, values, prefix, alias, params, level), f"{alias}_page"
    item = _object(names, page, f"{alias}_label", are_declared=are_declared)
    if embedded.is_many:
        return f"(SELECT coalesce(json_agg({item}), json_build_array()) FROM ({rows}) AS {page})"
    return f"(SELECT {item} FROM ({rows}) AS {page})"


def _add_lists(level: _Level, embedded: Embedded, prefix: str, alias: str, params: dict[str, Param]) -> None:
    """Add the members of many rows: each is an array."""
    inner = _level(embedded.way[-1].resource, embedded.read, alias, params)
    for label, value in zip(inner.labels, inner.values, strict=True):
        rows, page = _page(embedded, f"{value} AS value", prefix, alias, params, inner), f"{alias}_page"
        level.add(label, f"(SELECT coalesce(json_agg({page}.value), json_build_array()) FROM ({rows}) AS {page})")


def _page(
    embedded: Embedded,
    values: str,
    prefix: str,
    alias: str,
    params: dict[str, Param],
    level: _Level | None = None,
) -> str:
    """The query for the rows at the end of a way. `level` has what is joined to them."""
    resource, read, level = embedded.way[-1].resource, embedded.read, level or _Level()
    source, belongs = joined(embedded.way, alias, prefix)
    conditions = conditions_of(resource, read.conditions, params, f"{alias}.", f"{alias}_filter")
    order = ordered(resource, read.order, f"{alias}.", params, f"{alias}_order", level.aliases)
    params[f"{alias}_limit"], offset = (read.limit if embedded.is_many else min(1, read.limit)), ""
    if read.offset:
        params[f"{alias}_offset"], offset = Typed("int8", str(read.offset)), f" OFFSET :{alias}_offset"
    found = f"FROM {source}{''.join(level.joins)}{where([belongs, *conditions])}"
    return f"SELECT {values} {found}{_sorted(level, order)} LIMIT :{alias}_limit{offset}"


def _are_declared(resource: Resource, labels: Sequence[str]) -> bool:
    return len({*labels}) == len(labels) and all(label in resource.fields for label in labels)


def _sorted(level: _Level, order: str) -> str:
    groups = f" GROUP BY {', '.join(map(str, level.groups))}" if level.groups else ""
    return f"{groups}{f' ORDER BY {order}' if order else ''}"


@lru_cache(SHAPES)
def _select_rows(
    resource: Resource,
    members: Sequence[str],
    labels: Sequence[str] | None,
    joins: str,
    conditions: Sequence[str],
    sort: str,
    *,
    part: str,
    form: Form,
    count: Count | None,
) -> str:
    names = [f"item_{n}" for n in range(len(members))] if labels is None else [quoted(label) for label in labels]
    values = ", ".join(f"{member} AS {name}" for member, name in zip(members, names, strict=True))
    rows, which = f"FROM {table(resource)} AS one", where(conditions)
    page = f"SELECT {values} {rows}{joins}{which}{sort}{part}"
    between = " || ".join(f"chr({ord(character)})" for character in _BETWEEN[form])
    items = f"string_agg(item, {between})"  # with a quoted string, the executor would not prepare it
    shown = f"CASE WHEN octet_length({items}) <= {MAX_REPLY_BYTES} THEN {items} END"
    if form == "none":
        shown = "chr(32)"  # there is no answer to send, and so it fits
    item = _item(names, form, are_declared=labels is not None)
    return f"""SELECT {shown}, count(*), {_counts(f"{rows}{which}", count)}
               FROM (SELECT {item} AS item FROM ({page}) AS page) AS answer"""


def _item(names: Sequence[str], form: Form, *, are_declared: bool) -> str:
    if form == "none":
        return "null"
    if form == "csv":
        return "substr(ROW(page.*)::text, 2, length(ROW(page.*)::text) - 2)"
    item = _object(names, "page", "label", are_declared=are_declared)
    return f"json_strip_nulls({item})::text" if form == "stripped" else f"{item}::text"


def _object(names: Sequence[str], page: str, label: str, *, are_declared: bool) -> str:
    if are_declared:
        return f"row_to_json({page}.*)"
    # The names are params, and so no function that makes an object of a row can have them.
    pairs = ", ".join(f"(:{label}_{n}::text, to_json({page}.{name}))" for n, name in enumerate(names))
    return f"(SELECT json_object_agg(label, value) FROM (VALUES {pairs}) AS members (label, value))"


def _counts(found: str, count: Count | None) -> str:
    every = f"(SELECT count(*) {found})"
    if count == "planned":
        return f"CASE WHEN {HIDES} THEN {every} END"
    if count == "estimated":
        # It is exact up to the largest page. Beyond, the planner's estimate is the answer, and -1 stands for it.
        some = f"(SELECT count(*) FROM (SELECT {found} LIMIT {MAX_LIMIT + 1}) AS few)"
        return f"CASE WHEN {HIDES} THEN {every} WHEN {some} <= {MAX_LIMIT} THEN {some} END"
    return every if count else "null"


def _estimated(items: str | None, found: int, count: int | None, plan: str) -> Rows:
    return Rows(items, found, expected(plan) if count is None else count)
