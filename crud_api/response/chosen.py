"""What a function of the database chooses of the response: its status and headers.

It chooses them by settings of its transaction, `response.status` and `response.headers`, or by an error that it raises
with the SQLSTATE PGRST. PostgREST's documentation (references/transactions, references/errors) has their forms.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from chalice.app import Response

from crud_api.errors import PostgrestError
from crud_api.response.responses import ChosenResponse
from query_executor.contract import Failure

MAX_HEADERS = 50
MAX_HEADER_CHARACTERS = 4000  # of all of them: API Gateway lets 10 KB through, with our own
RAISED = "PGRST"  # the SQLSTATE
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # no line ends: they would begin another header
# They belong to a connection and to the framing of a message (RFC 9110, section 7.6.1).
_NOT_CHOSEN = frozenset(
    """
    connection content-length keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer
    transfer-encoding upgrade
    """.split()
)
_WITHOUT_BODY = frozenset({204, 205, 304})
_HINTS = {
    "MESSAGE": "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', "
    "'hint'.",
    "DETAIL": "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.",
}

Headers = dict[str, list[str]]


def status_of(setting: str | None) -> int | None:
    """The status in `response.status`, or None if it is not set. Raises `PostgrestError`."""
    if not setting:
        return None
    if not re.fullmatch("[2-5][0-9][0-9]", setting):
        raise PostgrestError("response.status guc must be a valid status code", 500, "PGRST112")
    return int(setting)


def headers_of(setting: str | None) -> Headers:
    """The headers in `response.headers`, none if it is not set. Raises `PostgrestError`."""
    if not setting:
        return {}
    found: Headers = {}
    try:
        for each in msgspec.json.decode(setting, type=list[dict[str, str]]):
            ((name, value),) = each.items()
            found.setdefault(name, []).append(value)
    except (msgspec.MsgspecError, ValueError):
        raise _wrong_headers() from None
    if not _may_be_sent(found):
        raise _wrong_headers("A name or a value cannot be sent, or there are too many headers.")
    return found


def as_chosen(response: Response, status: str | None, headers: str | None) -> Response:
    """The response with what the settings choose of it. Raises `PostgrestError`."""
    if not status and not headers:
        return response
    own_status, own_headers = status_of(status) or response.status_code, headers_of(headers)
    replaced = {name.lower() for name in own_headers}
    body = response.body
    if own_status in _WITHOUT_BODY:
        body = ""
        replaced.add("content-type")
    kept: dict[str, str | list[str]] = {
        name: value for name, value in response.headers.items() if name.lower() not in replaced
    }
    kept |= {name: values[0] if len(values) == 1 else values for name, values in own_headers.items()}
    return ChosenResponse(body, kept, own_status)


def raised(failure: Failure) -> PostgrestError:
    """The error that RAISE with the SQLSTATE PGRST describes."""
    said = _object("MESSAGE", failure.message, {"code", "message"})
    if isinstance(said, PostgrestError):
        return said
    if failure.detail is None:
        return _not_described("DETAIL", "DETAIL is missing in the RAISE statement")
    response = _object("DETAIL", failure.detail, {"status", "headers"})
    if isinstance(response, PostgrestError):
        return response
    status, headers = response["status"], response["headers"]
    texts = [said["code"], said["message"], said.get("details") or "", said.get("hint") or ""]
    is_right = (
        type(status) is int
        and 200 <= status <= 599
        and all(isinstance(text, str) for text in texts)
        and isinstance(headers, dict)
        and all(isinstance(value, str) for value in headers.values())
        and _may_be_sent({name: [value] for name, value in headers.items()})
    )
    if not is_right:
        return _not_described("DETAIL", "A status or a header cannot be sent")
    return PostgrestError(
        said["message"], status, said["code"], details=said.get("details"), hint=said.get("hint"), headers=headers
    )


def _object(part: str, text: str, needed: set[str]) -> dict[str, Any] | PostgrestError:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError):
        value = None
    if not isinstance(value, dict) or not needed <= value.keys():
        return _not_described(part, f"Invalid JSON value for {part}: '{text}'")
    return value


def _not_described(part: str, details: str) -> PostgrestError:
    return PostgrestError(
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", 500, "PGRST121", details=details,
        hint=_HINTS[part],
    )  # fmt: skip


def _wrong_headers(details: str | None = None) -> PostgrestError:
    return PostgrestError(
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
        500,
        "PGRST111",
        details=details,
    )


def _may_be_sent(headers: Headers) -> bool:
    pairs = [(name, value) for name, values in headers.items() for value in values]
    return (
        len(pairs) <= MAX_HEADERS
        and sum(len(name) + len(value) for name, value in pairs) <= MAX_HEADER_CHARACTERS
        and all(
            _NAME.fullmatch(name) and _VALUE.fullmatch(value) and name.lower() not in _NOT_CHOSEN
            for name, value in pairs
        )
    )
