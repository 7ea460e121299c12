"""The response to a call of a function: what it answers, with the status and the headers that it chose."""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import Response

from crud_api.request.postgrest.accept import Media
from crud_api.request.postgrest.paging import not_there
from crud_api.request.reading import Read
from crud_api.resource.functions import Function, Overloads
from crud_api.response import chosen
from crud_api.response.responses import PRIVATE, ChosenResponse, fits
from crud_api.response.rest_v1 import body, content_range, not_single, too_large
from crud_api.sql.calling import Called
from crud_api.sql.rows import Rows

_WITHOUT_BODY = frozenset({204, 205, 304})


def result(function: Function, called: Called, read: Read, media: Media, applied: Mapping[str, str]) -> ChosenResponse:
    """What the call answers. Raises `PostgrestError` if it is not what was asked for."""
    rows = called.rows
    own_status, own_headers = chosen.status_of(called.status), chosen.headers_of(called.headers)
    if rows.are_too_large:
        raise too_large()
    if media.is_single and rows.found != 1 and not function.is_single:
        raise not_single(rows.found)
    status, range_ = content_range(read.offset, rows)
    if status == 416:
        raise not_there(read.offset, rows.count or 0)
    headers: dict[str, str | list[str]] = {
        **PRIVATE, "Content-Type": media.content_type, "Content-Range": range_, **applied,
    }  # fmt: skip
    status = own_status or (204 if function.gives == "nothing" else status)
    body = _body(function, rows, read, media)
    if status in _WITHOUT_BODY or function.gives == "nothing":
        body = ""
        del headers["Content-Type"]
    chosen_names = {name.lower() for name in own_headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in chosen_names}
    response = ChosenResponse(
        body, kept | {name: values[0] if len(values) == 1 else values for name, values in own_headers.items()}, status
    )
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
