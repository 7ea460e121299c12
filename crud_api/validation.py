"""From a request's body to the values of a row: every error of every field at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Never

import msgspec

from crud_api.errors import InvalidFieldsError, MalformedBodyError
from crud_api.fields import Field
from crud_api.resource import Resource
from query_executor.contract import Value

Values = dict[str, Value]


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that a body holds, its numbers as int and Decimal. Raises `MalformedBodyError`.

    Python's parser takes NaN, lone surrogates and numbers of any length; they become values here, which the
    fields refuse by name.
    """
    if not text:
        raise MalformedBodyError("The request has no body; it needs a JSON object.")
    try:
        value = json.loads(
            text, parse_int=_integer, parse_float=_decimal, parse_constant=Decimal, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise MalformedBodyError(f"Not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise MalformedBodyError("The body is nested too deeply.") from None
    if not isinstance(value, dict):
        raise MalformedBodyError("The body is JSON, but not an object.")
    return value


def new_row(resource: Resource, body: Mapping[str, Any]) -> Values:
    """The values of a row to be inserted. Raises `InvalidFieldsError`."""
    values, errors = _converted(resource, body)
    for name, field in resource.fields.items():
        if name in body or name in resource.read_only:
            continue
        if field.required:
            errors[name] = "is missing"
        elif field.default is not None and field.default is not msgspec.NODEFAULT:
            values[name] = param(field.default)
    if errors:
        _refuse(errors)
    return values


def changes(resource: Resource, body: Mapping[str, Any], key: Value) -> Values:
    """The values that change in the row of this key; absent fields stay. Raises `InvalidFieldsError`."""
    # A key that was made before today's rules, or by another program, may stay what it is.
    values, errors = _converted(resource, {name: one for name, one in body.items() if name != resource.key})
    if resource.key in body and body[resource.key] != key:
        errors[resource.key] = "must be the key in the path: a key does not change"
    if errors:
        _refuse(errors)
    return values


def param(value: Any) -> Value:
    """The value as a statement's param: what JSON cannot say goes as its text."""
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def text_flaw(text: str) -> str | None:
    """Why PostgreSQL cannot store the text, if it cannot."""
    if "\x00" in text:
        return "must not contain the NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "must not contain a lone surrogate, which is not a Unicode character"
    return None


def _converted(resource: Resource, body: Mapping[str, Any]) -> tuple[Values, dict[str, str]]:
    values: Values = {}
    errors: dict[str, str] = {}
    for name, value in body.items():
        field = resource.fields.get(name)
        if field is None:
            errors[name] = "is not a field of this resource"
        elif name in resource.read_only:
            errors[name] = "is set by the server and cannot be written"
        elif value is None:
            if field.nullable:
                values[name] = None
            else:
                errors[name] = f"must be {field.description}, not null"
        elif flaw := _flaw(field, value):
            errors[name] = flaw
        else:
            values[name] = param(value)
    return values, errors


def _flaw(field: Field, value: Any) -> str | None:
    if isinstance(value, str):
        if flaw := text_flaw(value):
            return flaw
        if field.base in (Decimal, int, float, bool):
            return f"must be {field.description}, not a string"
    try:
        converted = msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        return f"must be {field.description}"
    if isinstance(converted, Decimal | float) and not _within(Decimal(converted), field.extra):
        return f"must be {field.description}"
    return None


def _within(number: Decimal, limits: Mapping[str, int]) -> bool:
    if not number.is_finite() or number < limits.get("minimum", number):
        return False
    places = limits.get("decimal_places", 0)
    if "max_digits" in limits and abs(number) >= Decimal(10) ** (limits["max_digits"] - places):
        return False
    return "decimal_places" not in limits or number == round(number, places)


def _refuse(errors: Mapping[str, str]) -> Never:
    raise InvalidFieldsError(
        "Nothing was stored. Each error names its field.",
        errors=[{"detail": f"{name} {detail}", "pointer": pointer(name)} for name, detail in errors.items()],
    )


def pointer(name: str) -> str:
    """The JSON pointer of a field, as a URI fragment (RFC 6901, section 6)."""
    return "#/" + name.replace("~", "~0").replace("/", "~1")


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
        raise MalformedBodyError("The body names a field twice.")
    return body
