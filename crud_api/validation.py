"""From the members of a body to the values of a row: every error of every field at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from crud_api.errors import InvalidFieldsError
from crud_api.fields import Field
from crud_api.resource import Resource
from query_executor.contract import Value

Values = dict[str, Value]
Errors = dict[str, str]  # what is wrong, by the JSON pointer to where it is

_MAX_ERRORS = 1000  # in one answer, which has a limit too
_MAX_NAME = 100  # characters of a field's name that an answer repeats
_NO_TEXTS = frozenset({Decimal, int, float, bool})
_SURROGATE = re.compile("[\ud800-\udfff]")
_FRAGMENT = "!$&'()*+,;=:@?~"  # what a URI's fragment may have, beside letters, digits and -._ (RFC 3986, section 3.5)


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
        elif name in resource.read_only:  # a row that is sent back has it: the server sets it anyway
            continue
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


def within(number: Decimal, limits: Mapping[str, int]) -> bool:
    """Whether a number keeps to what a field's `extra` says of it."""
    if not number.is_finite() or number < limits.get("minimum", number):
        return False
    places = limits.get("decimal_places", 0)
    if "max_digits" in limits and number and number.adjusted() >= limits["max_digits"] - places:
        return False
    return "decimal_places" not in limits or number == round(number, places)


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
        if field.base in _NO_TEXTS:
            raise ValueError(f"must be {field.description}, not a string")
    try:
        made = msgspec.convert((value,), field.alone).made
        if isinstance(made, str):
            return made
        if isinstance(made, datetime) and made.tzinfo is not None:
            return made.astimezone(UTC).isoformat()  # PostgreSQL knows fewer offsets than RFC 3339
    except (msgspec.ValidationError, OverflowError):
        raise ValueError(f"must be {field.description}") from None
    if isinstance(made, Decimal | float) and not within(Decimal(made), field.extra):
        raise ValueError(f"must be {field.description}")
    return param(made if isinstance(made, Decimal) else value)
