"""Responses that are not problems."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from chalice.app import Response

from crud_api.request.versions import has_version
from query_executor.contract import MAX_REPLY_BYTES

JSON = "application/json"
_MAX_LINK = 8000  # characters: API Gateway lets 10 KB of headers through
# Rows are private and change. A client may keep a response, and has to ask each time whether it is still valid (RFC
# 9111, section 5.2.2.4). No shared cache may keep it, and no browser may guess its type.
PRIVATE = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}

# The headers of a request by which an answer differs (RFC 9110, section 12.5.5).
DIFFERS_BY = "Accept, Authorization, Prefer, Range, X-Api-Key"


class ChosenResponse(Response):
    """Its status is chosen by a function of the database. From 400 on it is no error of the API's, either."""


def row(body: str, etag: str, if_none_match: str | None) -> Response:
    """A row as the JSON text that the database wrote, or 304 where the client has it."""
    if if_none_match is not None and has_version(if_none_match, etag):
        return not_modified(f'"{etag}"')
    return _response(body, 200, {"Content-Type": JSON, "ETag": f'"{etag}"'})


def stored(body: str, status_code: int, headers: Mapping[str, str]) -> Response:
    """What was stored, as the JSON text that the database wrote, or without a body if the client wants none."""
    return _response(body, status_code, {"Content-Type": JSON, **headers} if body else headers)


def location(collection: str, key: Sequence[str]) -> dict[str, str]:
    """The path of a row below the path of its collection, as a header. It is left out if no header can hold it.

    `key` are the parts of its key. In the path commas separate them, so a comma within a part is %2C.
    """
    path = f"{collection.rstrip('/')}/{','.join([quote(part, safe='') for part in key])}"
    return {"Location": path} if len(path) <= _MAX_LINK else {}


def not_modified(etag: str) -> Response:
    """The client has this version already (RFC 9110, section 15.4.5). `etag` is the whole header."""
    return _response("", 304, {"ETag": etag})


def json_text(body: str) -> Response:
    """A JSON text that is not a row."""
    return _response(body, 200, {"Content-Type": JSON})


def see(path: str) -> Response:
    """A redirect to another path of this API."""
    return _response("", 302, {"Location": path})


def with_etag(response: Response, if_none_match: str | None) -> Response:
    """The response with an ETag of its body, or 304 where the client has it. For lists and the description.

    The ETag is weak, because API Gateway compresses large responses under the same ETag.
    """
    # OpenSSL's part of hashlib takes milliseconds to load. An invocation of the executor has loaded it already.
    from hashlib import sha256  # noqa: PLC0415

    etag = f'W/"{sha256(response.body.encode()).hexdigest()[:32]}"'
    if has_version(if_none_match, etag):
        return not_modified(etag)
    response.headers["ETag"] = etag
    return response


def with_age(response: Response, max_age_s: int, age_s: float | None = None) -> Response:
    """The response, which a client may keep for some seconds. `age_s` is its age, if the database was asked earlier.

    One browser may serve several people, so it must not give the answer to a request that has another credential.
    """
    response.headers["Cache-Control"] = f"private, max-age={max_age_s}"
    response.headers["Vary"] = DIFFERS_BY
    if age_s is not None:
        response.headers["Age"] = str(math.ceil(age_s))
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
    """A page of rows. Its links (RFC 8288) are the same request with another of the `cursors`, or null."""
    same = urlencode([(name, values) for name, values in parameters.items() if name != "cursor"], doseq=True)
    place = f"{path}?{same}{'&' if same else ''}cursor="
    urls = {name: f"{place}{cursor}" if cursor else None for name, cursor in cursors.items()}
    members = "".join(f',"{name}":{json.dumps(url)}' for name, url in urls.items())
    members += f',"count":{count}' if count is not None else ""
    link = ", ".join(f'<{url}>; rel="{name}"' for name, url in urls.items() if url)
    headers = {"Content-Type": JSON, **({"Link": link} if 0 < len(link) <= _MAX_LINK else {}), **headers}
    return _response(f'{{"items":[{items}]{members}}}', 200, headers)


def without_body(response: Response) -> Response:
    """The response to a HEAD: the response to a GET without its body."""
    response.body = ""
    return response


def fits(response: Response) -> bool:
    """Whether Lambda lets it through as JSON. There the body is a string, with every quote escaped."""
    if len(response.body) < MAX_REPLY_BYTES // 10:
        return True
    return len(json.dumps(response.to_dict(), ensure_ascii=False).encode()) <= MAX_REPLY_BYTES


def _response(body: str, status_code: int, headers: Mapping[str, str]) -> Response:
    return Response(body, {**PRIVATE, **headers}, status_code)
