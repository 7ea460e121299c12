"""The response to a call of a function: what it answers, with the status and the headers that it chose."""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import Response

from crud_api.request.postgrest.accept import Media
from crud_api.request.reading import Read
from crud_api.request.writing import Terms
from crud_api.resource.functions import Function, Overloads
from crud_api.response.chosen import as_chosen
from crud_api.response.responses import PRIVATE, fits
from crud_api.response.rest_v1 import body, check, content_range, too_large
from crud_api.sql.calling import Called
from crud_api.sql.rows import Rows


def result(
    function: Function, called: Called, read: Read, media: Media, terms: Terms, applied: Mapping[str, str]
) -> Response:
    """What the call answers. Raises `PostgrestError` if it is not what was asked for."""
    rows = called.rows
    check(rows, is_single=terms.shows_one, changed=called.changed, most=terms.most)
    status, range_ = content_range(read.offset, rows)
    headers: dict[str, str | list[str]] = {**PRIVATE, "Content-Range": range_, **applied}
    if function.gives == "nothing":
        plain = Response("", headers, 204)
    else:
        plain = Response(_body(function, rows, read, media), {**headers, "Content-Type": media.content_type}, status)
    response = as_chosen(plain, called.status, called.headers)
    if not fits(response):
        raise too_large()
    return response


def methods(overloads: Overloads) -> Response:
    """The methods of a function, in PostgREST's order. A GET changes nothing, so it is not meant for volatile ones."""
    reads = any(function.volatility != "volatile" for function in overloads)
    return Response("", {**PRIVATE, "Allow": "OPTIONS,GET,HEAD,POST" if reads else "OPTIONS,POST"}, 200)


def _body(function: Function, rows: Rows, read: Read, media: Media) -> str:
    if function.is_single and media.form != "csv":
        return rows.items or "null"
    return body(rows, read, media)
