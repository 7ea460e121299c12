"""From what a page's statement answers to the page: its items in order, and the cursors of its neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from msgspec import Struct

from crud_api.errors import InvalidParameterError
from crud_api.request import parameters
from crud_api.request.cursors import Cursor, Place, place
from crud_api.request.listing import ListQuery
from crud_api.request.selection import MAX_EMBEDDED, MAX_EMBEDDED_IN_PAGE, Selection
from crud_api.sql.select import SEPARATOR
from query_executor.contract import Value


class Page(Struct, frozen=True):
    """The items' JSON text, and the cursors that the pages after and before them have as parameters."""

    items: str
    next: str | None
    prev: str | None


def page_of(query: ListQuery, items: str | None, found: int, first: Sequence[Value], last: Sequence[Value]) -> Page:
    """The page, by the first four values that `select_page` answers. Raises `InvalidParameterError`."""
    backwards = query.cursor is not None and query.cursor.backwards
    if items is None and found:
        raise parameters.too_large(["limit"])
    text, ahead = items or "", None
    if found > query.limit:
        text = text[: text.rindex(SEPARATOR)]
        ahead = Cursor("lt" if backwards else "gt", _values(last))
    if query.cursor is None:
        behind = None
    elif found:
        behind = Cursor("gt" if backwards else "lt", _values(first))
    else:
        behind = query.cursor.opposite()
    if backwards:
        text, ahead, behind = SEPARATOR.join(reversed(text.split(SEPARATOR))), behind, ahead
    return Page(text.replace(SEPARATOR, ",\n"), _written(query, ahead), _written(query, behind))


def planned_count(plan: str) -> int:
    """How many rows the planner expects, by `explain_count`'s answer."""
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"])


def too_many(selection: Selection, number: int, path: str) -> InvalidParameterError:
    """The error for a relation with more rows than are embedded, by the number that `select_page` answers.

    `path` is what has the row, its key left open.
    """
    if number < 0:
        name, most, of = selection.embedded[-1 - number].name, MAX_EMBEDDED_IN_PAGE, "one page"
        cure = f"lower limit, or list them page by page at {path}/{name}"
    else:
        name, most, of = selection.embedded[number].name, MAX_EMBEDDED, "one row"
        cure = f"{path}/{name} lists them page by page"
    return parameters.wrong({"expand": f"finds more than {most} {name} for {of}; {cure}"})


def _written(query: ListQuery, cursor: Cursor | None) -> str | None:
    return None if cursor is None else query.cursor_text(cursor)


def _values(values: Sequence[Value]) -> tuple[Place, ...]:
    return place(cast("Sequence[str | None]", values))
