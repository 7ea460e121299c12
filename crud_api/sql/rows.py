"""Rows as a `Read` asks for them: any members, under any names, grouped where a member is an aggregate.

The rows have the alias `one`. They are those of a table, or of anything else that has its columns: what a change
returns, what a function returns. `Shape` says what is read of them, and `shaped` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crud_api.request.conditions import Filter
from crud_api.request.listing import MAX_LIMIT
from crud_api.request.operators import EQUAL
from crud_api.request.reading import Count, Embedded, Form, Member, OrderTerm, Read, max_age_of, takes_rows
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.counting import exact_if_hidden, expected, explained
from crud_api.sql.members import level_of, names_of, object_of, sorted_by
from crud_api.sql.names import quoted, table, version, where
from crud_api.sql.query import Query
from crud_api.sql.reaching import ordered
from crud_api.sql.where import conditions_of
from query_executor.contract import MAX_REPLY_BYTES, Param, Statement, Typed

ROW = "one."  # before a column of the row that is read
WHOLE = "#whole"  # the column of rows that are no rows of a table, but contain one
_BETWEEN = {"json": ",\n", "stripped": ",\n", "csv": "\n", "none": ""}
_VERSION = '"#version"'


class Rows(Struct, frozen=True):
    """The rows in their form, and how many there are.

    `items` is null if there is no row, or if the rows are too large for a reply. `count` is the number of all rows that
    the conditions find, if the client asked for it. `version` is the ETag of the row, if it is asked for.
    """

    items: str | None
    found: int
    count: int | None = None
    version: str | None = None

    @property
    def are_too_large(self) -> bool:
        """Whether no reply can hold them."""
        return self.items is None and self.found > 0


class Shape(Struct, frozen=True, cache_hash=True):
    """What is read of rows, in SQL: their members, what is joined to them, their order and their form.

    `labels` are the names of the members if they are those of columns. Other names are params. `version` is the SQL of
    a row's ETag, or empty. `are_values`: each row is answered as the value of its only member.
    """

    members: tuple[str, ...]
    labels: tuple[str, ...] | None
    joins: str
    sort: str
    form: Form
    version: str = ""
    are_values: bool = False


def prefix_of(resource: Resource, read: Read) -> str:
    """What stands before a column of rows that are not read from a table. They contain a row where functions take it.

    PostgreSQL takes other rows for records, and no function of a table takes a record.
    """
    return f"({ROW}{quoted(WHOLE)})." if takes_rows(read, resource) else ROW


def shape_of(
    resource: Resource,
    read: Read,
    form: Form,
    params: dict[str, Param],
    *,
    prefix: str = ROW,
    is_versioned: bool = False,
    last: str = "",
) -> Shape:
    """What a read asks of rows. Adds its params. `last` is the order of rows for which it asks for none."""
    if all([isinstance(member, Member) for member in read.members]):  # noqa: C419 - a generator costs more
        shape, own = _shape_alone(resource, read.members, read.order, form, prefix, is_versioned, last)
        params |= own
        return shape
    return _shape(resource, read, form, params, prefix, is_versioned, last)


@lru_cache(SHAPES)
def _shape_alone(
    resource: Resource,
    members: tuple[Member | Embedded, ...],
    order: tuple[OrderTerm, ...],
    form: Form,
    prefix: str,
    is_versioned: bool,
    last: str,
) -> tuple[Shape, dict[str, Param]]:
    """The shape of rows in which no others are embedded, and its params. Nobody changes them."""
    params: dict[str, Param] = {}
    read = Read(members=members, order=order, limit=MAX_LIMIT)
    return _shape(resource, read, form, params, prefix, is_versioned, last), params


def _shape(
    resource: Resource, read: Read, form: Form, params: dict[str, Param], prefix: str, is_versioned: bool, last: str
) -> Shape:
    level = level_of(resource, read, "one", params, prefix)
    labels = level.labels
    are_declared = level.has_declared_labels
    if not are_declared and form in {"json", "stripped"}:
        params |= {f"label_{n}": label for n, label in enumerate(labels)}
    order = ordered(resource, read.order, prefix, params, prefixes=level.prefixes) or last
    return Shape(
        tuple(level.values),
        tuple(labels) if are_declared else None,
        "".join(level.joins),
        sorted_by(level, "" if level.groups and order is last else order),
        form,
        version(resource, prefix) if is_versioned and not read.is_grouped else "",
    )


def shaped(shape: Shape, source: str, which: str = "", part: str = "") -> tuple[str, str]:
    """The SQL of the rows in their form, and what follows FROM there. `source` are the rows, as FROM names them.

    `which` is their WHERE, and `part` their LIMIT. Beside the rows, `count(*)` is their number and `min(version)` the
    version of the only row.
    """
    are_declared = shape.labels is not None
    names = names_of(shape.labels or shape.members, are_declared=are_declared)
    values = [f"{member} AS {name}" for member, name in zip(shape.members, names, strict=True)]
    versions = f", {shape.version} AS {_VERSION}" if shape.version else ""
    page = f"(SELECT {', '.join(values)}{versions} FROM {source}{shape.joins}{which}{shape.sort}{part})"
    if versions:  # the page has the members only
        page = f"{page} AS found CROSS JOIN LATERAL (SELECT {', '.join(f'found.{name}' for name in names)})"
    between = " || ".join(f"chr({ord(character)})" for character in _BETWEEN[shape.form])
    items = f"string_agg(item, {between})"  # with a quoted string, the executor would not prepare it
    shown = f"CASE WHEN octet_length({items}) <= {MAX_REPLY_BYTES} THEN {items} END"
    if shape.form == "none":
        shown = "chr(32)"  # there is no answer to send, and so it fits
    if shape.are_values:  # in an array and out of it again: null is a value, too
        item = f"(json_build_array(page.{names[0]}) -> 0)"
    else:
        item = object_of(names, "page", "label", are_declared=are_declared)
    versions = f", {_VERSION} AS version" if versions else ""
    # Without the OFFSET, PostgreSQL would make each item twice: once for its length.
    return shown, f"(SELECT {_item(item, shape.form)} AS item{versions} FROM {page} AS page OFFSET 0) AS answer"


def select_rows(
    resource: Resource, read: Read, form: Form = "json", count: Count | None = None, *, is_versioned: bool = False
) -> Query[Rows]:
    """Read the rows. `is_versioned`: with the ETag of the only row."""
    found: dict[str, Param] = {}
    conditions = conditions_of(resource, read.conditions, found, ROW)
    params = dict(found)
    shape = shape_of(resource, read, form, params, is_versioned=is_versioned)
    part = ""
    if not _is_by_key(resource, read):
        params["limit"], part = read.limit, " LIMIT :limit"
        if read.offset:
            params["offset"], part = Typed("int8", str(read.offset)), " LIMIT :limit OFFSET :offset"
    text = _select_rows(resource, shape, tuple(conditions), part, count)
    max_age_s = max_age_of(resource, read)
    if count not in {"planned", "estimated"}:
        return Query([Statement(text, params)], Rows, max_age_s=max_age_s)
    # The plan has neither members nor an order, so it gets the params of the conditions only.
    plan = Statement(explained(resource, conditions, "one"), found)
    return Query([Statement(text, {**params, "counted": table(resource)}), plan], _estimated, max_age_s=max_age_s)


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
def _select_rows(resource: Resource, shape: Shape, conditions: Sequence[str], part: str, count: Count | None) -> str:
    source, which = f"{table(resource)} AS one", where(conditions)
    shown, answer = shaped(shape, source, which, part)
    versions = ", min(version)" if shape.version else ""
    return f"""SELECT {shown}, count(*), {_counts(f"FROM {source}{which}", count)}{versions}
               FROM {answer}"""


def _item(item: str, form: Form) -> str:
    """The text of a row in its form. `item` is its JSON."""
    if form == "none":
        return "null"
    if form == "csv":
        return "substr(ROW(page.*)::text, 2, length(ROW(page.*)::text) - 2)"
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


def _estimated(*columns: Any) -> Rows:
    *of_rows, plan = columns
    rows = Rows(*of_rows)
    return rows if rows.count is not None else replace(rows, count=expected(plan))
