"""Bodies of /rest/v1: JSON, CSV (RFC 4180) and forms. Each becomes rows, whose values are the client's own JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Raw, Struct

from crud_api.errors import PostgrestError
from crud_api.request.caller import ApiRequest
from crud_api.request.http import body_bytes
from crud_api.request.inserts import MAX_ROWS
from crud_api.request.postgrest.grammar import too_many
from crud_api.settings import MAX_BODY_BYTES

FORM, CSV = "application/x-www-form-urlencoded", "text/csv"
# A page of another origin may send them, and its browser asks nobody before (the Fetch standard).
_UNASKED = frozenset({"", FORM, "text/plain", "multipart/form-data"})
_JSON = frozenset({"", "application/json", "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"})
_NOT_ALIKE = "All object keys must match"


class Body(Struct, frozen=True):
    """The rows of a body, each as JSON texts by their names. `is_many`: the body is an array.

    `is_text`: the form of the body knows texts only, so a number is a text too.
    """

    rows: Sequence[Mapping[str, str]]
    is_many: bool
    is_text: bool = False

    def at(self, place: int) -> str:
        """The JSON pointer to a row. The place counts from 0."""
        return f"#/{place}" if self.is_many else "#"


def body_of(request: ApiRequest) -> Body:
    """The rows of the body. Raises `ApiError`."""
    type_ = type_of(request)
    if type_ in _JSON:
        reads = _of_json
    elif type_ == CSV:
        reads = of_csv
    elif type_ == FORM:
        reads = _of_form
    else:
        raise not_acceptable(type_)
    body = reads(text_of(request))
    if len(body.rows) > MAX_ROWS:
        raise too_many(f"a body has at most {MAX_ROWS} rows")
    return body


def type_of(request: ApiRequest) -> str:
    """The media type of the body, empty if it has none. Raises `PostgrestError`."""
    type_ = str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()
    if type_ in _UNASKED and is_of_another_page(request):
        raise wrong_body("A page of another origin has to send its body as application/json")
    return type_


def text_of(request: ApiRequest) -> str:
    """The body as a text. Raises `ApiError`."""
    try:
        return body_bytes(request).decode()
    except UnicodeDecodeError:
        raise wrong_body("The body is not UTF-8") from None


def require_alike(body: Body) -> None:
    """Raises `PostgrestError` unless all rows have the same names."""
    names = body.rows[0].keys() if body.rows else ()
    if any(row.keys() != names for row in body.rows):
        raise wrong_body(_NOT_ALIKE)


def wrong_body(message: str, details: str | None = None) -> PostgrestError:
    """The error for a body that cannot be read."""
    return PostgrestError(message, code="PGRST102", details=details)


def not_acceptable(type_: str) -> PostgrestError:
    """The error for a body of a type that nothing here takes."""
    return wrong_body(f"Content-Type not acceptable: {type_}")


def is_of_another_page(request: ApiRequest) -> bool:
    """Whether a browser sends the request for a page of another origin, which it may do without asking for a form."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _of_json(text: str) -> Body:
    try:
        found = _decoder().decode(text)
    except msgspec.ValidationError:
        raise wrong_body(_NOT_ALIKE) from None
    except (msgspec.DecodeError, RecursionError):
        raise wrong_body("Empty or invalid json") from None
    rows = found if isinstance(found, list) else [found]
    return Body([{name: bytes(raw).decode() for name, raw in row.items()} for row in rows], found is rows)


@cache
def _decoder() -> msgspec.json.Decoder[dict[str, Raw] | list[dict[str, Raw]]]:
    return msgspec.json.Decoder(dict[str, Raw] | list[dict[str, Raw]])


def of_csv(text: str) -> Body:
    """The rows of a CSV. Its first line names them. NULL is null, as PostgREST has it. Raises `PostgrestError`."""
    import csv  # noqa: PLC0415 - only these bodies need it

    csv.field_size_limit(MAX_BODY_BYTES)  # of the whole process: a smaller limit could break another reader
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise wrong_body(f"Not CSV: {error}") from None
    if not lines:
        raise wrong_body("The body is empty. Its first line has to name the columns")
    names, *rows = lines
    if any(len(row) != len(names) for row in rows):
        raise wrong_body("All lines must have same number of fields")
    return Body([dict(zip(names, map(_cell, row), strict=True)) for row in rows], is_many=True, is_text=True)


def _cell(text: str) -> str:
    return "null" if text == "NULL" else _text(text)


def _of_form(text: str) -> Body:
    pairs = parse_qsl(text, keep_blank_values=True)
    return Body([{name: _text(value) for name, value in pairs}], is_many=False, is_text=True)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
