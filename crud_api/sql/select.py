"""Queries that read: one row, or a page of rows and their number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from crud_api.request.listing import DEFAULT_LIMIT, MAX_LIMIT, ListQuery
from crud_api.request.selection import MAX_EMBEDDED, MAX_EMBEDDED_IN_PAGE, Selection
from crud_api.request.sorting import SortKey
from crud_api.resource import Resource
from crud_api.resource.relations import Relation
from crud_api.resource.resource import KeyValues
from crud_api.sql import SHAPES
from crud_api.sql.counting import exact_if_hidden, expected, explained
from crud_api.sql.names import columns, equal, has_key, quoted, shown, table, where
from crud_api.sql.params import key_params
from crud_api.sql.query import Query
from crud_api.sql.reaching import ordered
from crud_api.sql.where import after_cursor, filtered, held
from query_executor.contract import MAX_REPLY_BYTES, Statement

# Between the items of a page. JSON cannot contain MARK. A line feed would not do: a json column may contain line feeds.
MARK = "\x1e"
SEPARATOR = f",{MARK}"
# CTEs. Their names begin with a space: they would hide a table of the same name that is declared without a schema.
_PAGE, _ANSWER, _LARGE = '" page"', '" answer"', '" large"'
# A row of a megabyte may be embedded in each row of a page, and PostgreSQL takes milliseconds for each. So a page with
# embedded rows and a limit above the default is summed while it is read, and ends at the row that makes it too large.
# EXISTS reads no more rows than it needs. OFFSET 0 keeps the rows themselves out of what the window remembers.
_SUMMED = f"""{_LARGE} AS MATERIALIZED (
                SELECT EXISTS (
                  SELECT FROM (
                    SELECT sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) AS so_far
                    FROM (SELECT octet_length(item) AS bytes FROM {_ANSWER} OFFSET 0) AS sizes
                  ) AS summed WHERE so_far > {MAX_REPLY_BYTES}
                ) AS found)"""
# A page with at most so many rows has the same SQL. A smaller page cannot exceed the limit of embedded rows of a page,
# because each row has its own limit.
_SIZES = (MAX_EMBEDDED_IN_PAGE // MAX_EMBEDDED - 1, DEFAULT_LIMIT, MAX_LIMIT)


class Row(Struct, frozen=True):
    """A row as JSON, and its ETag. `too_many` is the number of a relation that has too many rows for the response."""

    body: str
    etag: str
    too_many: int | None = None


class PageRows(Struct, frozen=True):
    """The rows of a page, in the order in which they are read. A cursor for the previous page reverses this order.

    `items` are the rows as JSON, with SEPARATOR between them, or null if they are too large for a reply. `found` is
    the number of rows; it is one more than the limit if more rows follow, and -1 if the rows were too large to be read
    to the end. `first` has the sort values of the first row, `last` of the last row within the limit. `too_many` means
    the same as in `Row`; it is -1 - n if the whole page has too many rows of relation n. `has_parent` is also false if
    the row that a cursor looks up no longer has its values. `count` is the number of all rows that the filters find, if
    the client asked for it.
    """

    items: str | None
    found: int
    first: Sequence[str | None]
    last: Sequence[str | None]
    too_many: int | None
    has_parent: bool
    count: int | None


def select_one(resource: Resource, key: KeyValues, selection: Selection) -> Query[Row]:
    """Read the row with this key. The query returns no row if there is none."""
    # Most keys are one text, which travels as it is.
    params = {"key": key[0]} if len(key) == 1 and isinstance(key[0], str) else key_params(resource, key)
    return Query([Statement(_select_one(resource, selection), params)], Row, max_age_s=_max_age(resource, selection))


@lru_cache(SHAPES)
def _select_one(resource: Resource, selection: Selection) -> str:
    found = f"SELECT {_needed(resource, selection)} FROM {table(resource)} WHERE {has_key(resource)}"
    too_many = f", {_too_many(selection, 'lacks_{}')}" if selection.embedded else ""
    return f"""SELECT body, md5(body){too_many} FROM (
                 SELECT row_to_json(shown.*)::text AS body{_lacks(selection)}
                 FROM ({found}) AS page CROSS JOIN LATERAL ({_shown(resource, selection)}) AS shown
               ) AS answer"""


def select_page(resource: Resource, query: ListQuery, count: str | None = None) -> Query[PageRows]:
    """Read a page of rows. `count` says how to count all rows that the filters find: `exact` or `estimated`."""
    conditions, found = filtered(resource, query)
    params = {**found, "limit": query.limit}
    direction, places, there = query.order, list[str](), None
    if query.cursor is not None:
        if query.cursor.backwards:
            direction = [key.reversed() for key in query.order]
        places, values = after_cursor(resource, direction, query.cursor)
        there = held(resource, direction, query.cursor)
        params |= values
    text = _select_page(
        resource,
        query.selection,
        tuple(direction),
        None if query.parent is None else query.parent.resource,
        tuple(conditions),
        tuple(places),
        there,
        count=count,
        size=next(size for size in _SIZES if query.limit <= size) if query.selection.embedded else 0,
    )
    max_age_s = _max_age(resource, query.selection)
    if query.parent is not None:
        max_age_s = min(max_age_s, query.parent.resource.max_age_s)
    if count == "estimated":
        # The plan has no place of a page, so it gets the params of the filters only.
        estimate = Statement(explained(resource, conditions), found)
        return Query(
            [Statement(text, {**params, "counted": table(resource)}), estimate], _estimated, max_age_s=max_age_s
        )
    return Query([Statement(text, params)], PageRows, max_age_s=max_age_s)


@lru_cache(SHAPES)
def _select_page(
    resource: Resource,
    selection: Selection,
    direction: Sequence[SortKey],
    parent: Resource | None,
    conditions: Sequence[str],
    places: Sequence[str],
    there: str | None,
    *,
    count: str | None,
    size: int,
) -> str:
    counts = f"(SELECT count(*) FROM {table(resource)}{where(conditions)})" if count else "null"
    if count == "estimated":
        counts = exact_if_hidden(counts)
    keys = {f"key_{n}": key.column for n, key in enumerate(direction)}
    needed = _needed(resource, selection, *keys.values())
    alternatives = [[*conditions, place] for place in places] or [list(conditions)]
    page = _limited(resource, f"SELECT {needed} FROM {table(resource)}", direction, alternatives)
    has_parent = "true"
    if parent is not None:
        has_parent = f"EXISTS (SELECT FROM {table(parent)} WHERE {has_key(parent, param='parent')})"
    if there is not None:
        has_parent += f" AND {there}"
    values = ", ".join(f"page.{quoted(column)}::text AS {key}" for key, column in keys.items())
    between = " || ".join(f"chr({ord(character)})" for character in SEPARATOR)
    items = f"string_agg(item, {between})"  # with a quoted string, the executor would not prepare it
    first = ", ".join(f"(array_agg({key}))[1]" for key in keys)
    last = ", ".join(f"(array_agg({key}))[:limit]" for key in keys)
    many = [n for n, relation in enumerate(selection.embedded) if relation.many and size > _SIZES[0]]
    ctes, source, too_many = list[str](), f"({page}) AS page", _too_many(selection, "bool_or(lacks_{})")
    if many:
        ctes = [f"{_PAGE} AS MATERIALIZED ({page})", *(_few(n, selection.embedded[n]) for n in many)]
        source = f"{_PAGE} AS page"
        pages = " ".join(f"WHEN NOT (SELECT few FROM {_few_of(n)}) THEN {-1 - n}" for n in many)
        too_many = f"CASE {pages} ELSE {too_many} END"
    rows = f"""SELECT row_to_json(shown.*)::text AS item, {values}{_lacks(selection)}
               FROM {source} CROSS JOIN LATERAL ({_shown(resource, selection, many)}) AS shown"""
    answer, found = f"({rows})", "count(*)"
    if size > DEFAULT_LIMIT:
        ctes += [f"{_ANSWER} AS MATERIALIZED ({rows})", _SUMMED]
        is_large = f"(SELECT found FROM {_LARGE})"
        answer = f"(SELECT * FROM {_ANSWER} WHERE NOT {is_large})"
        found = f"CASE WHEN {is_large} THEN -1 ELSE count(*) END"
    before = f"WITH {', '.join(ctes)}" if ctes else ""
    return f"""{before} SELECT CASE WHEN octet_length({items}) <= {MAX_REPLY_BYTES} THEN {items} END, {found},
                      ARRAY[{first}], ARRAY[{last}],
                      {too_many}, {has_parent}, {counts}
               FROM {answer} AS answer"""


def _max_age(resource: Resource, selection: Selection) -> int:
    return resource.max_age_s and min([resource.max_age_s, *[one.resource.max_age_s for one in selection.embedded]])


def _estimated(*columns: Any) -> PageRows:
    *page, counted, plan = columns
    page.append(expected(plan) if counted is None else counted)
    return PageRows(*page)


def _limited(resource: Resource, rows: str, direction: Sequence[SortKey], alternatives: Sequence[Sequence[str]]) -> str:
    # Each alternative uses the index that suits it and stops at the limit. Then the limit cuts their union.
    cut = f"ORDER BY {ordered(resource, direction)} LIMIT :limit + 1"
    pages = [f"{rows}{where(conditions)} {cut}" for conditions in alternatives]
    if len(pages) == 1:
        return pages[0]
    return f"SELECT * FROM ({' UNION ALL '.join(f'({page})' for page in pages)}) AS either {cut}"


def _needed(resource: Resource, selection: Selection, *others: str) -> str:
    wanted = {*selection.columns, *(name for relation in selection.embedded for name in relation.own), *others}
    return ", ".join(quoted(name) for name in resource.fields if name in wanted)


def _few_of(n: int) -> str:
    return f'" few_{n}"'


def _few(n: int, relation: Relation) -> str:
    # Whether the page does not have too many rows of a relation. It stops counting at the limit, and makes no rows.
    theirs = f"""SELECT FROM {table(relation.resource)} AS theirs
                 WHERE {_belong(relation)} LIMIT {MAX_EMBEDDED + 1}"""
    return f"""{_few_of(n)} AS MATERIALIZED (
                 SELECT count(*) <= {MAX_EMBEDDED_IN_PAGE} AS few FROM (
                   SELECT FROM {_PAGE} AS page CROSS JOIN LATERAL ({theirs}) AS one
                   LIMIT {MAX_EMBEDDED_IN_PAGE + 1}) AS counted)"""


def _shown(resource: Resource, selection: Selection, bounded: Sequence[int] = ()) -> str:
    parts = [shown(resource, name, "page.") for name in selection.columns]
    for n, relation in enumerate(selection.embedded):
        rows = f"({_embedded(relation)})"
        if n in bounded:
            rows = f"CASE WHEN (SELECT few FROM {_few_of(n)}) THEN {rows} END"
        parts.append(f"{rows} AS {quoted(relation.name)}")
    # OFFSET 0 makes the query of a relation run once. Without it, the planner copies the query to each use of it.
    return f"SELECT {', '.join(parts)}{' OFFSET 0' if selection.embedded else ''}"


def _embedded(relation: Relation) -> str:
    other = relation.resource
    rows = f"""SELECT {columns(other, "theirs.")} FROM {table(other)} AS theirs
               WHERE {_belong(relation)}"""
    if not relation.many:
        return f"SELECT row_to_json(one.*) FROM ({rows} LIMIT 1) AS one"
    order = ", ".join(f"theirs.{quoted(name)}" for name in other.key_columns)
    return f"""SELECT CASE WHEN count(*) <= {MAX_EMBEDDED} THEN coalesce(json_agg(one.*), json_build_array()) END
               FROM ({rows} ORDER BY {order} LIMIT {MAX_EMBEDDED + 1}) AS one"""


def _belong(relation: Relation) -> str:
    return equal("theirs.", relation.columns, "page.", relation.own)


def _lacks(selection: Selection) -> str:
    return "".join(
        f", shown.{quoted(relation.name)} IS NULL AS lacks_{n}"
        for n, relation in enumerate(selection.embedded)
        if relation.many
    )


def _too_many(selection: Selection, lacks: str) -> str:
    cases = [f"WHEN {lacks.format(n)} THEN {n}" for n, relation in enumerate(selection.embedded) if relation.many]
    return f"CASE {' '.join(cases)} END" if cases else "null"
