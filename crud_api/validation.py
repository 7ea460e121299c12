"""From a request's body to the values of a row: every error of every field at once."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import msgspec

from crud_api.errors import InvalidFieldsError, MalformedBodyError
from crud_api.fields import Field
from crud_api.resource import Resource
from query_executor.contract import Value

Values = dict[str, Value]
Errors = dict[str, str]  # what is wrong, by the JSON pointer to where it is

MAX_DEPTH = 32  # of arrays and objects in each other
_MAX_ERRORS = 1000  # in one answer, which has a limit too
_MAX_NAME = 100  # characters of a field's name that an answer repeats
_SURROGATE = re.compile("[\ud800-\udfff]")
_FRAGMENT = "!$&'()*+,;=:@?~"  # what a URI's fragment may have, beside letters, digits and -._ (RFC 3986, section 3.5)


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that a body holds. Raises `MalformedBodyError`."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise MalformedBodyError("The body is JSON, but not an object.")
    return value


def parse_json(text: str) -> Any:
    """The JSON that a body holds, its numbers as int and Decimal. Raises `MalformedBodyError`.

    Python's parser takes NaN, lone surrogates and numbers of any length; they become values here, which the
    fields refuse by name.
    """
    if not text:
        raise MalformedBodyError("The request has no body; it needs JSON.")
    try:
        value = json.loads(
            text, parse_int=_integer, parse_float=_decimal, parse_constant=Decimal, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise MalformedBodyError(f"Not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise _too_deep() from None
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def new_row(resource: Resource, body: Mapping[str, Any]) -> Values:
    """The values of a row to be inserted. Raises `InvalidFieldsError`."""
    errors: Errors = {}
    values = with_defaults(resource, converted(resource, body, errors), body, errors)
    refuse(errors)
    return values


def changes(resource: Resource, body: Mapping[str, Any], key: Value) -> Values:
    """The values that change in the row of this key; absent fields stay. Raises `InvalidFieldsError`."""
    # A key that was made before today's rules, or by another program, may stay what it is.
    errors: Errors = {}
    values = converted(resource, {name: one for name, one in body.items() if name != resource.key}, errors)
    if resource.key in body and body[resource.key] != key:
        errors[pointer(resource.key)] = f"{resource.key} must be the key in the path: a key does not change"
    refuse(errors)
    return values


def converted(resource: Resource, body: Mapping[str, Any], errors: Errors, at: str = "#") -> Values:
    """The values that the body has. What is wrong goes to `errors`, under pointers that begin with `at`."""
    values: Values = {}
    for name, value in body.items():
        field = resource.fields.get(name)
        if field is None and len(name) > _MAX_NAME:
            errors[at] = f"a name of {len(name)} characters is not a field of this resource"
        elif field is None:
            errors[pointer(name, at)] = f"{name} is not a field of this resource"
        elif name in resource.read_only:
            errors[pointer(name, at)] = f"{name} is set by the server and cannot be written"
        elif value is None:
            if field.nullable:
                values[name] = None
            else:
                errors[pointer(name, at)] = f"{name} must be {field.description}, not null"
        else:
            try:
                values[name] = _value(field, value)
            except ValueError as error:
                errors[pointer(name, at)] = f"{name} {error}"
    return values


def with_defaults(resource: Resource, values: Values, body: Mapping[str, Any], errors: Errors, at: str = "#") -> Values:
    """The values of a new row: those of the body and, where it has none, the declared defaults."""
    for name, field in resource.fields.items():
        if name in body or name in resource.read_only:
            continue
        if field.required:
            errors[pointer(name, at)] = f"{name} is missing"
        elif field.default is not None and field.default is not msgspec.NODEFAULT:
            values[name] = param(field.default)
    return values


def refuse(errors: Errors) -> None:
    """Raise `InvalidFieldsError` if there are errors."""
    if errors:
        more = len(errors) - _MAX_ERRORS
        raise InvalidFieldsError(
            "Nothing was stored. Each error names its field." + (f" {more} more are left out." if more > 0 else ""),
            errors=[{"detail": detail, "pointer": at} for at, detail in list(errors.items())[:_MAX_ERRORS]],
        )


def param(value: Any) -> Value:
    """The value as a statement's param: what JSON cannot say goes as its text."""
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def text_flaw(text: str) -> str | None:
    """Why PostgreSQL cannot store the text, if it cannot."""
    if "\x00" in text:
        return "must not contain the NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return "must not contain a lone surrogate, which is not a Unicode character"
    return None


def pointer(name: str, at: str = "#") -> str:
    """The JSON pointer of a field below `at`, as a URI fragment (RFC 6901, section 6)."""
    return f"{at}/{quote(name.replace('~', '~0').replace('/', '~1'), safe=_FRAGMENT, errors='replace')}"


def _value(field: Field, value: Any) -> Value:
    """The value as a param. Raises `ValueError` saying what it must be."""
    if isinstance(value, str):
        if flaw := text_flaw(value):
            raise ValueError(flaw)
        if field.base in (Decimal, int, float, bool):
            raise ValueError(f"must be {field.description}, not a string")
    try:
        made = msgspec.convert(value, field.type)
        if isinstance(made, datetime) and made.tzinfo is not None:
            return made.astimezone(UTC).isoformat()  # PostgreSQL knows fewer offsets than RFC 3339
    except (msgspec.ValidationError, OverflowError):
        raise ValueError(f"must be {field.description}") from None
    if isinstance(made, Decimal | float) and not _within(Decimal(made), field.extra):
        raise ValueError(f"must be {field.description}")
    return param(value)


def _within(number: Decimal, limits: Mapping[str, int]) -> bool:
    if not number.is_finite() or number < limits.get("minimum", number):
        return False
    places = limits.get("decimal_places", 0)
    if "max_digits" in limits and abs(number) >= Decimal(10) ** (limits["max_digits"] - places):
        return False
    return "decimal_places" not in limits or number == round(number, places)


def _is_deeper(value: Any, levels: int) -> bool:
    if levels == 0:
        return isinstance(value, dict | list)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:  # noqa: SIM110 - any() of a generator costs more than the rest
        if isinstance(one, dict | list) and _is_deeper(one, levels - 1):
            return True
    return False


def _too_deep() -> MalformedBodyError:
    return MalformedBodyError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _integer(digits: str) -> int | Decimal:
    # Python refuses to convert more than 4,300 digits; no column holds a fraction of that.
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
