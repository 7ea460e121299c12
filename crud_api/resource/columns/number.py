"""Numbers: smallint, integer, bigint, numeric, real, double precision, money."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from crud_api.resource.columns.column import Column, Schema, param
from query_executor.contract import Value

# Python would accept more: 1_000, NaN, digits of other scripts. A number may have as many digits as a value in a URL,
# because PostgreSQL writes all 310 digits of 1e309.
_MAX_DIGITS = 1000
_WHOLE = rf"-?[0-9]{{1,{_MAX_DIGITS}}}"
_NUMBER = rf"{_WHOLE}(\.[0-9]{{1,1000}})?([eE][+-]?[0-9]{{1,3}})?"
# PostgreSQL writes these as strings in JSON. A declaration with limits does not allow them.
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
_NO_NUMBER_PATTERN = "^(NaN|-?Infinity)$"
_BOUNDS = {"minimum": "minimum", "maximum": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}
_INT64: Schema = {"format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}


class _Number(Column):
    in_one_pass = True
    form = _NUMBER

    def from_json(self, value: Any) -> Value:
        if isinstance(value, str):
            if self.takes(value):
                return value
            raise ValueError(f"{self.must}, not a string")
        return self.number(self.converted(value))

    def from_text(self, text: str) -> Value:
        if self.takes(text):
            return text
        if not re.fullmatch(self.form, text):
            raise self.wrong()
        try:
            return param(msgspec.convert(text, self.python(), strict=False))
        except (ValueError, OverflowError):
            raise self.wrong() from None

    def from_element(self, text: str) -> Value:
        try:
            return text if self.takes(text) else self.from_json(self.python()(text))
        except ArithmeticError:
            raise self.wrong() from None

    def same(self, sent: Any, key: Value) -> bool:
        if isinstance(sent, bool) or (isinstance(sent, str) and not self.takes(sent)):
            return False
        try:
            value = self.parse_text(str(sent))
        except ValueError:
            return False
        return bool(self.comparable(str(value)) == self.comparable(str(key)))

    def comparable(self, text: str) -> Any:
        return text if text in _NO_NUMBERS else Decimal(text)

    def takes(self, text: str) -> bool:
        """Whether the text is NaN or an infinity, and the declaration allows it."""
        return text in _NO_NUMBERS and not self.meta.extra

    def python(self) -> type:
        raise NotImplementedError

    def number(self, value: Any) -> Value:
        raise NotImplementedError


class IntegerColumn(_Number):
    """A whole number of any size that its column can store."""

    name = "int"
    sql_type = "bigint"
    carriers = frozenset({"int2", "int4", "int8"})
    says = "a whole number"
    shown_example = 1
    form = _WHOLE

    def from_json(self, value: Any) -> Value:
        """Return the number; -0 becomes 0, and 2.0 becomes 2."""
        return super().from_json(_whole(value))

    def same(self, sent: Any, key: Value) -> bool:
        return super().same(_whole(sent), key)

    def takes(self, text: str) -> bool:  # noqa: ARG002
        """A whole number is never NaN or infinite."""
        return False

    def python(self) -> type:
        return int

    def number(self, value: Any) -> Value:
        return int(value)

    def schema(self) -> Schema:
        """An integer with the limits of the declaration, or else of a bigint."""
        return _INT64 | msgspec.json.schema(self.hint)

    def answered(self) -> Schema:
        """An integer with the limits of a bigint."""
        return {"type": "integer"} | _INT64

    def filtered(self) -> Schema:
        """An integer of any size: the column has no row with a number that it cannot hold."""
        return {"type": "integer", "format": "int64"}


class WholeColumn(IntegerColumn):
    """A whole number in a column of numeric(n) or numeric(n, 0). It may have more digits than a bigint."""

    name = "Whole"
    sql_type = "numeric(38, 0)"
    carriers = frozenset({"numeric"})

    def schema(self) -> Schema:
        """An integer with the limits of the declaration."""
        return msgspec.json.schema(self.hint)

    def answered(self) -> Schema:
        """An integer of any size."""
        return {"type": "integer"}

    def filtered(self) -> Schema:
        """An integer of any size."""
        return {"type": "integer"}


class DecimalColumn(_Number):
    """A number that keeps every digit. Its limits are in `extra` of its `Meta`, because msgspec has none for it.

    `max_digits` and `decimal_places` mean the same as in numeric(max_digits, decimal_places). `minimum` is the
    smallest value and `maximum` the largest. Every value is larger than `above` and smaller than `below`.
    """

    name = "Decimal"
    sql_type = "numeric"
    carriers = frozenset({"numeric"})
    says = "a number"
    shown_example: Any = 1.5

    def made_as(self) -> str:
        """numeric, with the digits of the declaration."""
        extra = self.meta.extra or {}
        digits = extra.get("max_digits")
        return f"numeric({digits}, {extra.get('decimal_places', 0)})" if digits else self.sql_type

    def python(self) -> type:
        return Decimal

    def number(self, value: Any) -> Value:
        """Return the digits; -0 becomes 0. Raises `ValueError` if the limits forbid the number."""
        if not within(value, self.meta.extra or {}):
            raise ValueError(self.must)
        return str(value if value else value.copy_abs())

    def schema(self) -> Schema:
        """A number with the limits of the declaration."""
        # msgspec describes a Decimal as a string with a format. The API writes it as a number.
        limits = {key: value for key, value in msgspec.json.schema(self.hint).items() if key not in {"type", "format"}}
        return limits | _number_type(self.meta) | _decimal_limits(self.meta.extra or {})

    def answered(self) -> Schema:
        """Any number."""
        return _number_type(self.meta)

    def filtered(self) -> Schema:
        """Any number."""
        return {"type": "number"}


class FloatColumn(_Number):
    """A floating-point number: double precision (8 bytes) or real (4 bytes)."""

    name = "float"
    sql_type = "double precision"
    carriers = frozenset({"float4", "float8"})
    says = "a number"
    shown_example = 1.5
    in_one_pass = False  # msgspec rounds a number with many digits in another way

    def from_text(self, text: str) -> Value:
        """Return the number. Python's float and double precision have the same range."""
        if re.fullmatch(self.form, text) and abs(float(text)) == float("inf"):
            raise ValueError("is out of range: it must be between -1.8e308 and 1.8e308")
        return super().from_text(text)

    def python(self) -> type:
        return float

    def number(self, value: Any) -> Value:
        """Return the shortest digits that PostgreSQL reads as the same number."""
        if not within(Decimal(value), self.meta.extra or {}):
            raise ValueError(self.must)
        return str(value)

    def schema(self) -> Schema:
        """A number with the limits of the declaration."""
        return msgspec.json.schema(self.hint) | {"format": "double"} | _number_type(self.meta)

    def answered(self) -> Schema:
        """Any number."""
        return {"format": "double"} | _number_type(self.meta)

    def filtered(self) -> Schema:
        """Any number."""
        return {"type": "number"}


class MoneyColumn(DecimalColumn):
    """An amount of money. It travels as a number, because its text depends on the server's lc_monetary."""

    name = "Money"
    sql_type = "money"
    carriers = frozenset({"money"})
    says = "an amount of money, a number like 1234.56 with at most 2 decimal places"
    shown_example = 1234.56
    in_one_pass = False
    cast = "::numeric::money"
    shown_as = "::numeric"

    def takes(self, text: str) -> bool:  # noqa: ARG002
        """An amount is never NaN or infinite."""
        return False

    def from_text(self, text: str) -> Value:
        """Return the amount. PostgreSQL would round more decimal places and compare with another amount."""
        value = super().from_text(text)
        if not _has_places(Decimal(str(value)), 2):
            raise self.wrong()
        return value

    def number(self, value: Any) -> Value:
        """Return the amount. PostgreSQL would round more decimal places without an error."""
        if value.is_finite() and not _has_places(value, 2):
            raise ValueError(self.must)
        return super().number(value)

    def schema(self) -> Schema:
        return {**super().schema(), "type": "number"}

    def answered(self) -> Schema:
        return {"type": "number"}


def within(number: Decimal, limits: Mapping[str, Any]) -> bool:
    """Whether a number respects the limits in `extra` of a declaration."""
    if not number.is_finite() or number < limits.get("minimum", number) or number > limits.get("maximum", number):
        return False
    if ("above" in limits and number <= limits["above"]) or ("below" in limits and number >= limits["below"]):
        return False
    places = limits.get("decimal_places", 0)
    if "max_digits" in limits and number and number.adjusted() >= limits["max_digits"] - places:
        return False
    return "decimal_places" not in limits or _has_places(number, places)


def _whole(value: Any) -> Any:
    # JSON has no type of its own for whole numbers: 2.0 is one (JSON Schema 2020-12, validation, section 6.1.1).
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _MAX_DIGITS and _has_places(value, 0):
        return int(value)
    return value


def _has_places(number: Decimal, most: int) -> bool:
    # round() raises if the number has more digits than the precision of Python's decimal context.
    _, digits, exponent = number.as_tuple()
    return exponent >= -most or not any(digits[exponent + most :])  # type: ignore[operator]  # it is finite


def _number_type(meta: Meta) -> Schema:
    if meta.extra:
        return {"type": "number"}
    return {"type": ["number", "string"], "pattern": _NO_NUMBER_PATTERN, "maxLength": 9}


def _decimal_limits(extra: Mapping[str, Any]) -> Schema:
    limits: Schema = {}
    places = extra.get("decimal_places", 0)
    if "max_digits" in extra:
        # A float cannot hold all digits of these limits. The API checks the exact limits.
        most = float(Decimal(10) ** (extra["max_digits"] - places) - Decimal(10) ** -places)
        limits |= {"minimum": -most, "maximum": most}
    for name, shown in _BOUNDS.items():
        if name in extra:
            limits[shown] = extra[name] if isinstance(extra[name], int) else float(extra[name])
    # There is no multipleOf: most amounts, as floating-point numbers, are not a multiple of 0.01.
    return limits


Amount = Annotated[
    Decimal,
    Meta(
        description="a number from 0 to 9999999999.99 with at most 2 decimal places",
        examples=[150.75],
        extra={"minimum": 0, "max_digits": 12, "decimal_places": 2},
    ),
]
Whole = Annotated[int, WholeColumn]
Money = Annotated[Decimal, MoneyColumn]
