"""One value on its way from a body or a URL to a param of a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from crud_api.fields import Field
from query_executor.contract import Value

MAX_VALUE_CHARACTERS = 1000  # of a value in a URL
_NO_TEXTS = frozenset({Decimal, int, float, bool})
_SURROGATE = re.compile("[\ud800-\udfff]")
# Python takes more: 1_000, NaN, digits of other scripts.
_WHOLE = re.compile(r"-?[0-9]{1,100}")
_NUMBER = re.compile(rf"{_WHOLE.pattern}(\.[0-9]{{1,100}})?([eE][+-]?[0-9]{{1,3}})?")
_FORMS = {int: _WHOLE, float: _NUMBER, Decimal: _NUMBER}
# PostgreSQL answers these where a column holds them, so a filter takes them; not where a declaration has limits.
_UNLIMITED = frozenset({"infinity", "-infinity"})
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPACE_FOR_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})")
_SPECIAL = {datetime: _UNLIMITED, date: _UNLIMITED, float: _NO_NUMBERS, Decimal: _NO_NUMBERS}


def parse_json(field: Field, value: Any) -> Value:
    """The value of a body's member as a param. Raises `ValueError` saying what it must be."""
    if isinstance(value, str):
        if flaw := text_flaw(value):
            raise ValueError(flaw)
        if field.base in _NO_TEXTS:
            raise ValueError(f"must be {field.description}, not a string")
    try:
        made = msgspec.convert((value,), field.alone).made
        if isinstance(made, str):
            return made
        if isinstance(made, datetime):
            return _in_utc(made).isoformat()
    except (msgspec.ValidationError, OverflowError):
        raise ValueError(f"must be {field.description}") from None
    if isinstance(made, Decimal | float) and not within(Decimal(made), field.extra):
        raise ValueError(f"must be {field.description}")
    return param(made if isinstance(made, Decimal | date | UUID) else value)


def parse_text(field: Field, text: str) -> Value:
    """The value of a field that is written in a URL. Only its type counts: old rows may hold what is refused today.

    Raises `ValueError` with the reason.
    """
    if flaw := text_flaw(text):
        raise ValueError(flaw)
    if len(text) > MAX_VALUE_CHARACTERS:
        raise ValueError(f"must have at most {MAX_VALUE_CHARACTERS} characters")
    if field.base is str or (not field.extra and text in _SPECIAL.get(field.base, ())):
        return text
    try:
        if (form := _FORMS.get(field.base)) and not form.fullmatch(text):
            raise ValueError
        if field.base is datetime:
            text = _time(text)
        # Not strict, a number would be a time, in seconds since 1970.
        value = msgspec.convert(text, field.base, strict=field.base in {datetime, date})
        if isinstance(value, datetime):
            if field.aware and value.tzinfo is None:
                raise ValueError
            value = _in_utc(value)
    except (ValueError, OverflowError, msgspec.ValidationError):
        raise ValueError(f"must be {field.description.removesuffix(' or null')}") from None
    return param(value)


def same_key(field: Field, sent: Any, key: Value) -> bool:
    """Whether a member of a body is this key, however both are written: 1.50 is 1.5, a time has many offsets."""
    if sent is None or isinstance(sent, bool) != (field.base is bool):
        return False
    if sent == key:
        return True
    if field.base is str:  # of a column of numbers, which are answered as numbers
        return not isinstance(sent, str) and str(sent) == key
    if isinstance(sent, str) == (field.base in _NO_TEXTS):
        return False
    try:
        one, other = (str(parse_text(field, str(each))) for each in (sent, key))
        return Decimal(one) == Decimal(other) if field.base in {Decimal, float} else one == other
    except ValueError:
        return False


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


def _time(text: str) -> str:
    """The time, as a URL has it in which nobody encoded the +, or a date alone, which is its midnight in UTC."""
    if _DATE.fullmatch(text):
        return f"{text}T00:00:00Z"
    return _SPACE_FOR_PLUS.sub(r"\1+\2", text)


def _in_utc(time: datetime) -> datetime:
    # PostgreSQL takes no offset of 16 hours or more. A time without an offset is one in UTC, as in its sessions.
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
