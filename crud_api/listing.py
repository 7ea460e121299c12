"""From a list request's query parameters to a list query."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec import Struct

from crud_api.errors import InvalidParameterError
from crud_api.fields import Field
from crud_api.resource import Resource
from crud_api.validation import param, text_flaw
from query_executor.contract import Value

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
_NUMBER = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?")


class ListQuery(Struct, frozen=True):
    """Which rows of a resource: those equal to `filters`, in the order of the key, after the key `after`."""

    limit: int
    filters: Mapping[str, Value]
    after: Value = None


def list_query(resource: Resource, parameters: Mapping[str, Sequence[str]]) -> ListQuery:
    """The query that the parameters ask for. Raises `InvalidParameterError` naming every wrong one."""
    errors: dict[str, str] = {}
    limit, after, filters = DEFAULT_LIMIT, None, {}
    for name, values in parameters.items():
        field = resource.fields.get(name)
        try:
            if field is None and name not in {"limit", "cursor"}:
                raise ValueError("is neither a field nor a parameter of this list")
            if len(values) != 1:
                raise ValueError("is given more than once")
            if field is not None:
                filters[name] = parse_text(field, values[0])
            elif name == "limit":
                limit = _limit(values[0])
            else:
                after = _after(resource.fields[resource.key], values[0])
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InvalidParameterError(
            "Each error names its parameter.",
            errors=[{"detail": f"{name} {detail}", "parameter": name} for name, detail in errors.items()],
        )
    return ListQuery(limit=limit, filters=filters, after=after)


def parse_text(field: Field, text: str) -> Value:
    """The value of a field that is written in a URL. Only its type counts: old rows may hold what is refused today.

    Raises `ValueError` with the reason.
    """
    if flaw := text_flaw(text):
        raise ValueError(flaw)
    try:
        if field.base in {int, float, Decimal} and not _NUMBER.fullmatch(
            text
        ):  # Python takes more: 1_000, NaN, digits of other scripts
            raise ValueError
        value = msgspec.convert(text, field.base, strict=False)
    except (ValueError, msgspec.ValidationError):
        raise ValueError(f"must be {field.description}") from None
    return param(value)


def encode_cursor(key: str) -> str:
    """An opaque cursor that continues after this key."""
    return base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")


def _after(key: Field, cursor: str) -> Value:
    try:
        (after,) = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        return parse_text(key, after)
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ValueError("is not a cursor of this list") from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)
