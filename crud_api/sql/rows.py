"""Rows as a `Read` asks for them: any members, under any names, grouped where a member is an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from crud_api.request.listing import MAX_LIMIT
from crud_api.request.reading import Count, Form, Member, Read
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.counting import HIDES, expected, explained, where
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
    params: dict[str, Param] = {"limit": read.limit}
    conditions = conditions_of(resource, read.conditions, params, _ROW)
    members = [_value(resource, member, n, params) for n, member in enumerate(read.members)]
    labels = [member.label for member in read.members]
    are_declared = len({*labels}) == len(labels) and all(label in resource.fields for label in labels)
    if not are_declared and form in {"json", "stripped"}:
        params |= {f"label_{n}": label for n, label in enumerate(labels)}
    if read.offset:
        params["offset"] = Typed("int8", str(read.offset))
    is_grouped = any(member.aggregate for member in read.members)
    text = _select_rows(
        resource,
        tuple(members),
        tuple(labels) if are_declared else None,
        tuple(conditions),
        ordered(resource, read.order, _ROW, params),
        tuple(n for n, member in enumerate(read.members, 1) if is_grouped and not member.aggregate),
        has_offset=read.offset > 0,
        form=form,
        count=count,
    )
    if count not in {"planned", "estimated"}:
        return Query([Statement(text, params)], Rows)
    found: dict[str, Param] = {}
    plan = Statement(explained(resource, conditions_of(resource, read.conditions, found)), found)
    return Query([Statement(text, {**params, "counted": table(resource)}), plan], _estimated)


def _value(resource: Resource, member: Member, n: int, params: dict[str, Param]) -> str:
    value = "*"
    if member.column:
        value = reached(resource, member.column, member.path, _ROW, params, f"member_{n}")
    if member.cast:
        value = f"({value})::{member.cast}"
    if member.aggregate:
        value = f"{member.aggregate}({value})"
    return f"({value})::{member.aggregate_cast}" if member.aggregate_cast else value


@lru_cache(SHAPES)
def _select_rows(
    resource: Resource,
    members: Sequence[str],
    labels: Sequence[str] | None,
    conditions: Sequence[str],
    order: str,
    groups: Sequence[int],
    *,
    has_offset: bool,
    form: Form,
    count: Count | None,
) -> str:
    names = [f"item_{n}" for n in range(len(members))] if labels is None else [quoted(label) for label in labels]
    values = ", ".join(f"{member} AS {name}" for member, name in zip(members, names, strict=True))
    found = f"FROM {table(resource)} AS one{where(conditions)}"
    group = f" GROUP BY {', '.join(map(str, groups))}" if groups else ""
    sort = f" ORDER BY {order}" if order else ""
    page = f"SELECT {values} {found}{group}{sort} LIMIT :limit{' OFFSET :offset' if has_offset else ''}"
    between = " || ".join(f"chr({ord(character)})" for character in _BETWEEN[form])
    items = f"string_agg(item, {between})"  # with a quoted string, the executor would not prepare it
    shown = f"CASE WHEN octet_length({items}) <= {MAX_REPLY_BYTES} THEN {items} END"
    if form == "none":
        shown = "chr(32)"  # there is no answer to send, and so it fits
    item = _item(names, form, are_declared=labels is not None)
    return f"""SELECT {shown}, count(*), {_counts(found, count)}
               FROM (SELECT {item} AS item FROM ({page}) AS page) AS answer"""


def _item(names: Sequence[str], form: Form, *, are_declared: bool) -> str:
    if form == "none":
        return "null"
    if form == "csv":
        return "substr(ROW(page.*)::text, 2, length(ROW(page.*)::text) - 2)"
    item = "row_to_json(page.*)"
    if not are_declared:
        # The names are params, and so no function that makes an object of a row can have them.
        pairs = ", ".join(f"(:label_{n}::text, to_json(page.{name}))" for n, name in enumerate(names))
        item = f"(SELECT json_object_agg(label, value) FROM (VALUES {pairs}) AS members (label, value))"
    return f"json_strip_nulls({item})::text" if form == "stripped" else f"{item}::text"


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
