"""Rows as a `Read` asks for them: any members, under any names, grouped where a member is an aggregate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from crud_api.request.conditions import Filter
from crud_api.request.listing import MAX_LIMIT
from crud_api.request.operators import EQUAL
from crud_api.request.reading import Count, Form, Read, tables_of
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.counting import exact_if_hidden, expected, explained
from crud_api.sql.members import has_declared_labels, level_of, names_of, object_of, sorted_by
from crud_api.sql.names import table, where
from crud_api.sql.query import Query
from crud_api.sql.reaching import ordered
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
    found: dict[str, Param] = {}
    conditions = conditions_of(resource, read.conditions, found, _ROW)
    params = dict(found)
    level = level_of(resource, read, "one", params)
    labels = level.labels
    are_declared = has_declared_labels(resource, labels)
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
        sorted_by(level, ordered(resource, read.order, _ROW, params, aliases=level.aliases)),
        part=part,
        form=form,
        count=count,
    )
    max_age_s = resource.max_age_s and min(one.max_age_s for one in tables_of(resource, read))
    if count not in {"planned", "estimated"}:
        return Query([Statement(text, params)], Rows, max_age_s)
    # The plan has neither members nor an order, so it gets the params of the conditions only.
    plan = Statement(explained(resource, conditions, "one"), found)
    return Query([Statement(text, {**params, "counted": table(resource)}), plan], _estimated, max_age_s)


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
    are_declared = labels is not None
    names = names_of(labels or members, are_declared=are_declared)
    values = ", ".join(f"{member} AS {name}" for member, name in zip(members, names, strict=True))
    rows, which = f"FROM {table(resource)} AS one", where(conditions)
    page = f"SELECT {values} {rows}{joins}{which}{sort}{part}"
    between = " || ".join(f"chr({ord(character)})" for character in _BETWEEN[form])
    items = f"string_agg(item, {between})"  # with a quoted string, the executor would not prepare it
    shown = f"CASE WHEN octet_length({items}) <= {MAX_REPLY_BYTES} THEN {items} END"
    if form == "none":
        shown = "chr(32)"  # there is no answer to send, and so it fits
    item = _item(names, form, are_declared=are_declared)
    return f"""SELECT {shown}, count(*), {_counts(f"{rows}{which}", count)}
               FROM (SELECT {item} AS item FROM ({page}) AS page) AS answer"""


def _item(names: Sequence[str], form: Form, *, are_declared: bool) -> str:
    if form == "none":
        return "null"
    if form == "csv":
        return "substr(ROW(page.*)::text, 2, length(ROW(page.*)::text) - 2)"
    item = object_of(names, "page", "label", are_declared=are_declared)
    return f"json_strip_nulls({item})::text" if form == "stripped" else f"{item}::text"


def _counts(found: str, count: Count | None) -> str:
    every = f"(SELECT count(*) {found})"
    if count == "planned":
        return exact_if_hidden(every)
    if count == "estimated":
        # It is exact up to the largest page. Beyond, it is null, and the planner's estimate is the answer.
        some = f"(SELECT count(*) FROM (SELECT {found} LIMIT {MAX_LIMIT + 1}) AS few)"
        return exact_if_hidden(every, f" WHEN {some} <= {MAX_LIMIT} THEN {some}")
    return every if count else "null"


def _estimated(items: str | None, found: int, count: int | None, plan: str) -> Rows:
    return Rows(items, found, expected(plan) if count is None else count)
