"""From a body's text to its JSON (RFC 8259): each member once, no deeper than needed, every digit kept."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from crud_api.errors import MalformedBodyError

# What to do when the Content-Type is missing or another one.
SEND_JSON = "Send the body with the header Content-Type: application/json (curl: -H 'Content-Type: application/json')."
MAX_DEPTH = 32  # of nested arrays and objects
_MAX_NAME = 100  # characters of a name that an answer repeats


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that a body holds. Raises `MalformedBodyError`."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise MalformedBodyError("The body is JSON, but not an object. Send an object.")
    return value


def parse_json(text: str) -> Any:
    """The JSON that a body holds, its numbers as int and Decimal. Raises `MalformedBodyError`.

    Python's parser takes NaN, lone surrogates and numbers of any length. They become values here, and the fields
    refuse them by name.
    """
    if not text:
        raise MalformedBodyError("The request has no body. Send JSON.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedBodyError(f"Not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    if levels == 0:
        return isinstance(value, dict | list)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in inner:  # noqa: SIM110 - any() of a generator costs more than the rest
        if isinstance(member, dict | list) and _is_deeper(member, levels - 1):
            return True
    return False


def _too_deep() -> MalformedBodyError:
    return MalformedBodyError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _integer(digits: str) -> int | Decimal:
    if digits == "-0":  # of a float that is another number than 0
        return Decimal(digits)
    # Python refuses to convert more than 4,300 digits. No column holds nearly as many.
    return int(digits) if len(digits) <= 1000 else Decimal(digits)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond 10^18
        return Decimal("NaN")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise MalformedBodyError(f"The body names a field twice in one object: {twice[:_MAX_NAME]!a}.")
    return body


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=Decimal, object_pairs_hook=_unique)
