"""The responses of /rest/v1 to writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote_plus

from chalice.app import Response
from msgspec import Struct

from crud_api.errors import PreconditionFailedError
from crud_api.request.postgrest.accept import Media
from crud_api.request.postgrest.writes import other_key
from crud_api.request.writing import Shown
from crud_api.resource import Resource
from crud_api.response import rest_v1
from crud_api.response.chosen import as_chosen
from crud_api.response.responses import PRIVATE, fits
from crud_api.sql.rows import Rows
from crud_api.sql.written import Written


class Told(Struct, frozen=True, kw_only=True):
    """What an answer is made by: what it shows, in which form, and the path. `most` is how many rows may be written."""

    resource: Resource
    shown: Shown
    media: Media
    path: str
    is_counted: bool
    most: int | None = None


def stored(written: Written, status: int, told: Told, headers: Mapping[str, str]) -> Response:
    """The rows of a POST. Raises `ApiError` if they are not kept."""
    _check(written, told)
    location = {}
    if written.key is not None:
        pairs = zip(told.resource.key_columns, json.loads(written.key), strict=True)
        location = {"Location": f"{told.path}?{'&'.join([_filter(name, text) for name, text in pairs])}"}
    return _response(written, status, told, {**location, "Content-Range": f"*/{_total(written, told)}", **headers})


def put(written: Written, told: Told, headers: Mapping[str, str]) -> Response:
    """The row of a PUT. Raises `ApiError` if it is not kept."""
    if written.changed != 1:
        raise other_key()
    _check(written, told)
    status = 204 if told.shown.form == "none" else 201 if written.inserted else 200
    return _response(written, status, told, headers)


def changed(written: Written, told: Told, headers: Mapping[str, str]) -> Response:
    """The rows of a PATCH. Raises `ApiError` if they are not kept."""
    _check(written, told)
    range_ = f"0-{written.found - 1}" if written.found else "*"
    headers = {"Content-Range": f"{range_}/{_total(written, told)}", **headers}
    return _response(written, 204 if told.shown.form == "none" else 200, told, headers)


def deleted(written: Written, told: Told, headers: Mapping[str, str]) -> Response:
    """The rows of a DELETE. Raises `ApiError` if they are not kept."""
    _check(written, told)
    headers = {"Content-Range": f"*/{_total(written, told)}", **headers}
    return _response(written, 204 if told.shown.form == "none" else 200, told, headers)


def _check(written: Written, told: Told) -> None:
    if written.matched is not None and not written.changed:
        raise PreconditionFailedError(
            "The filters do not find one row in a version that If-Match or If-None-Match allows. Nothing was changed."
        )
    rows = Rows(written.items, written.found)
    rest_v1.check(rows, is_single=told.media.is_single, changed=written.changed, most=told.most)


def _response(written: Written, status: int, told: Told, headers: Mapping[str, str]) -> Response:
    plain = Response("", {**PRIVATE, **headers}, status)
    if told.shown.form == "none":
        return as_chosen(plain, written.status, written.headers)
    version = {} if written.version is None else {"ETag": f'"{written.version}"'}
    body = rest_v1.body(Rows(written.items, written.found), told.shown.read, told.media)
    shown = Response(body, {**PRIVATE, "Content-Type": told.media.content_type, **version, **headers}, status)
    response = as_chosen(shown, written.status, written.headers)
    return response if fits(response) else plain  # the executor's answer did fit, but it has no headers


def _total(written: Written, told: Told) -> str:
    return str(written.found) if told.is_counted else "*"


def _filter(name: str, text: str | None) -> str:
    value = "is.null" if text is None else f"eq.{quote_plus(text)}"
    return f"{quote_plus(name)}={value}"
