"""Responses that are not problems."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from chalice.app import Response

from crud_api.request.versions import has_version
from query_executor.contract import MAX_REPLY_BYTES

JSON = "application/json"
_MAX_LINK = 8000  # characters: API Gateway lets 10 KB of headers through
# Rows are private and change. A client may keep an answer, and asks each time whether it is still true (RFC 9111,
# section 5.2.2.4). No cache on the way may keep it, and no browser may guess its type.
PRIVATE = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


def row(body: str, etag: str, if_none_match: str | None) -> Response:
    """A row as the JSON text that the database wrote, or 304 where the client has it."""
    if if_none_match is not None and has_version(if_none_match, etag):
        return not_modified(f'"{etag}"')
    return _response(body, 200, {"Content-Type": JSON, "ETag": f'"{etag}"'})


def stored(body: str, status_code: int, headers: Mapping[str, str]) -> Response:
    """What was stored, its body being the JSON text that the database wrote; or none, where the client wants none."""
    return _response(body, status_code, {"Content-Type": JSON, **headers} if body else headers)


def location(collection: str, key: str) -> dict[str, str]:
    """The path of a row below that of its collection, as a header; or none, where no header can hold it."""
    path = f"{collection.rstrip('/')}/{quote(key, safe='')}"
    return {"Location": path} if len(path) <= _MAX_LINK else {}


def not_modified(etag: str) -> Response:
    """The client has what would be answered (RFC 9110, section 15.4.5). `etag` is the whole header."""
    return _response("", 304, {"ETag": etag})


def json_text(body: str) -> Response:
    """A JSON text that is no row."""
    return _response(body, 200, {"Content-Type": JSON})


def see(path: str) -> Response:
    """Another path of this API has what the client looks for."""
    return _response("", 302, {"Location": path})


def with_etag(response: Response, if_none_match: str | None) -> Response:
    """The response with an ETag of its body, or 304 where the client has it: for lists and the description.

    It is weak: the same list compressed, or with its numbers written in another way, would do as well.
    """
    # OpenSSL's part of hashlib takes milliseconds to load, which an invocation of the executor has paid.
    from hashlib import sha256  # noqa: PLC0415

    etag = f'W/"{sha256(response.body.encode()).hexdigest()[:32]}"'
    if has_version(if_none_match, etag):
        return not_modified(etag)
    response.headers["ETag"] = etag
    return response


def no_content() -> Response:
    """The row is gone."""
    return _response("", 204, {})


def page(
    items: str,
    path: str,
    parameters: Mapping[str, Sequence[str]],
    cursors: Mapping[str, str | None],
    count: int | None = None,
    **headers: str,
) -> Response:
    """A page of rows. The pages beside it are the same request with another of the `cursors` (RFC 8288), or null."""
    same = urlencode([(name, values) for name, values in parameters.items() if name != "cursor"], doseq=True)
    place = f"{path}?{same}{'&' if same else ''}cursor="
    urls = {name: f"{place}{cursor}" if cursor else None for name, cursor in cursors.items()}
    members = "".join(f',"{name}":{json.dumps(url)}' for name, url in urls.items())
    members += f',"count":{count}' if count is not None else ""
    link = ", ".join(f'<{url}>; rel="{name}"' for name, url in urls.items() if url)
    headers = {"Content-Type": JSON, **({"Link": link} if 0 < len(link) <= _MAX_LINK else {}), **headers}
    return _response(f'{{"items":[{items}]{members}}}', 200, headers)


def without_body(response: Response) -> Response:
    """The response to a HEAD, made of the response to a GET."""
    response.body = ""
    return response


def fits(response: Response) -> bool:
    """Whether Lambda lets it through: as JSON, in which the body is a string with every quote escaped."""
    if len(response.body) < MAX_REPLY_BYTES // 10:
        return True
    return len(json.dumps(response.to_dict(), ensure_ascii=False).encode()) <= MAX_REPLY_BYTES


def _response(body: str, status_code: int, headers: Mapping[str, str]) -> Response:
    return Response(body, {**PRIVATE, **headers}, status_code)
