"""From the rows of a page to the page: its items in order, and the cursors of its neighbours."""

from __future__ import annotations

from msgspec import Struct

from crud_api.errors import InvalidParameterError
from crud_api.request import parameters
from crud_api.request.cursors import Cursor, place
from crud_api.request.listing import ListQuery
from crud_api.request.selection import MAX_EMBEDDED, MAX_EMBEDDED_IN_PAGE, Selection
from crud_api.resource import Resource
from crud_api.sql.select import MARK, SEPARATOR, PageRows


class Page(Struct, frozen=True):
    """The items as JSON, and the cursors of the pages after and before them, as parameters."""

    items: str
    next: str | None
    prev: str | None


def page_of(resource: Resource, query: ListQuery, rows: PageRows) -> Page:
    """The page that the rows are. Raises `InvalidParameterError`."""
    backwards = query.cursor is not None and query.cursor.backwards
    if rows.items is None and rows.found:
        raise parameters.too_large(["limit"])
    text, ahead, key = rows.items or "", None, resource.key_columns
    if rows.found > query.limit:
        text = text[: text.rindex(SEPARATOR)]
        ahead = Cursor("lt" if backwards else "gt", place(rows.last, query.order, key))
    if query.cursor is None:
        behind = None
    elif rows.found:
        behind = Cursor("gt" if backwards else "lt", place(rows.first, query.order, key))
    else:
        behind = query.cursor.opposite()
    if backwards:
        text, ahead, behind = SEPARATOR.join(reversed(text.split(SEPARATOR))), behind, ahead
    # A character for a character takes half the time of a longer text.
    return Page(text.replace(MARK, "\n"), _written(query, ahead), _written(query, behind))


def too_many(resource: Resource, selection: Selection, number: int) -> InvalidParameterError:
    """The error for a relation with more rows than are embedded. `number` is the `too_many` of `Row` or `PageRows`."""
    path = resource.path
    if number < 0:
        name, most, of = selection.embedded[-1 - number].name, MAX_EMBEDDED_IN_PAGE, "one page"
        cure = f"lower limit, or list them page by page at {path}/{name}"
    else:
        name, most, of = selection.embedded[number].name, MAX_EMBEDDED, "one row"
        cure = f"{path}/{name} lists them page by page"
    return parameters.wrong({"expand": f"finds more than {most} {name} for {of}; {cure}"})


def _written(query: ListQuery, cursor: Cursor | None) -> str | None:
    return None if cursor is None else query.cursor_text(cursor)
