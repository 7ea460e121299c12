"""Times: date, interval, and time and timestamp with and without a time zone.

PostgreSQL has values that Python does not have: infinity, and years before 1 or after 9999. Such a value travels as
the text that PostgreSQL writes, and PostgreSQL checks it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from crud_api.resource.columns.column import Column, Schema, Spelled, json_text, limited, param
from query_executor.contract import Value

_UNLIMITED = frozenset({"infinity", "-infinity"})
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_DATE_LENGTH = 10  # 2026-01-31
_DAY = r"[0-9]{4,7}-[0-9]{2}-[0-9]{2}"
_FAR_DATE = rf"{_DAY}( BC)?"
_FAR_TIME = rf"{_DAY}[T ]{_CLOCK}( BC)?"
_FAR_TIME_IN_UTC = rf"{_DAY}[T ]{_CLOCK}(Z|[+-]00:?00|\+00)( BC)?"
_SPACE_FOR_PLUS = r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})"
_OFFSET = r"[+-][0-9]{2}(:[0-9]{2}){0,2}"


class _Moment(Column):
    python: type
    far: str

    def from_json(self, value: Any) -> Value:
        if isinstance(value, str) and self.is_far(value):
            return value
        return self.stored(self.converted(value))

    def from_text(self, text: str) -> Value:
        if self.is_far(text):
            return text
        try:
            # With strict=False, msgspec would read a number as seconds since 1970.
            return self.stored(msgspec.convert(text, self.python))
        except (ValueError, OverflowError):
            raise self.wrong() from None

    def is_far(self, text: str) -> bool:
        """Whether only PostgreSQL has the value, and Python does not."""
        if text[4:5] == "-" and not text.endswith(" BC"):  # Python checks years 1 to 9999
            return False
        return text in _UNLIMITED or re.fullmatch(self.far, text) is not None

    def stored(self, value: Any) -> Value:
        """Return the param for a value of the Python type."""
        return param(value)

    def answered(self) -> Schema:
        return limited(self.plain())

    def schema(self) -> Schema:
        return msgspec.json.schema(self.hint) | self.plain()

    def filtered(self) -> Schema:
        return self.plain() | {"maxLength": 64}

    def plain(self) -> Schema:
        """A string, with the format if JSON Schema has one."""
        return {"type": "string"} | ({"format": self.format} if self.format else {})

    format = ""


class DateColumn(_Moment):
    """A day."""

    name = "date"
    sql_type = "date"
    carriers = frozenset({"date"})
    says = "a date like 2026-01-31"
    shown_example = "2026-01-31"
    python = date
    far = _FAR_DATE
    format = "date"


class TimestampColumn(_Moment):
    """A point in time. A value without an offset is in UTC, and a row always has the offset."""

    name = "datetime"
    carriers = frozenset({"timestamptz"})
    says = "a time, RFC 3339"
    shown_example = "2026-01-31T09:30:00+00:00"
    python = datetime
    far = _FAR_TIME_IN_UTC
    format = "date-time"
    shown_as = "::timestamptz"  # even if the type of the column has no zone

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Without `tz`, the column may also be a timestamp without time zone. Its values are in UTC."""
        super().__init__(hint, meta, nullable=nullable)
        if not meta.tz:
            self.carriers = frozenset({"timestamp", "timestamptz"})

    @classmethod
    def column(cls, hint: Any, meta: Meta, *, nullable: bool = False) -> Column:
        """Make the column. With `tz=False` it is a time without a zone."""
        return (LocalTimestampColumn if meta.tz is False else cls)(hint, meta, nullable=nullable)

    def made_as(self) -> str:
        """timestamptz, if the declaration requires an offset."""
        return "timestamptz" if self.meta.tz else "timestamp"

    def from_text(self, text: str) -> Value:
        """Return the time. The client may have left the + unencoded. A date alone means its midnight in UTC."""
        if len(text) == _DATE_LENGTH:
            text = f"{text}T00:00:00Z"
        elif " " in text:
            text = re.sub(_SPACE_FOR_PLUS, r"\1+\2", text)
        return super().from_text(text)

    def stored(self, value: Any) -> Value:
        """Return the time in UTC, because PostgreSQL refuses an offset of 16 hours or more."""
        if value.tzinfo is None:
            if self.meta.tz:
                raise ValueError(self.must)
            return str(value.replace(tzinfo=UTC))
        try:
            return str(value.astimezone(UTC))
        except OverflowError:
            raise ValueError(self.must) from None

    def key_text(self, column: str) -> str:
        """The time as JSON writes it."""
        return json_text(column)


class LocalTimestampColumn(_Moment):
    """A date and a time of day, in no particular zone: timestamp without time zone."""

    name = "LocalTimestamp"
    sql_type = "timestamp"
    carriers = frozenset({"timestamp"})
    says = "a time without an offset, like 2026-01-31T09:30:00"
    shown_example = "2026-01-31T09:30:00"
    python = datetime
    far = _FAR_TIME

    def stored(self, value: Any) -> Value:
        """Return the time. Raises `ValueError` if it has an offset."""
        if value.tzinfo is not None:
            raise self.wrong()
        return str(value)

    def from_text(self, text: str) -> Value:
        """Return the time. A date alone means its midnight."""
        return super().from_text(f"{text}T00:00:00" if len(text) == _DATE_LENGTH else text)

    def key_text(self, column: str) -> str:
        """The time as JSON writes it."""
        return json_text(column)


class TimeColumn(Spelled):
    """A time of day without an offset. It may be 24:00:00."""

    name = "time"
    sql_type = "time"
    says = "a time of day like 09:30:00"
    shown_example = "09:30:00"
    form = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?|24:00:00"

    def checked_as(self) -> Any:
        """A string, because Python's type has no 24:00:00."""
        return Annotated[str, self.meta]


class TimeTzColumn(TimeColumn):
    """A time of day with an offset."""

    name = "TimeTz"
    sql_type = "timetz"
    says = "a time of day with its offset, like 09:30:00+02"
    shown_example = "09:30:00+00"
    form = rf"({TimeColumn.form})(Z|{_OFFSET})"

    def from_text(self, text: str) -> Value:
        """Return the time. The client may have left the + unencoded."""
        return super().from_text(text.replace(" ", "+"))


class IntervalColumn(Spelled):
    """A length of time in the form of ISO 8601. PostgreSQL also allows a sign for each part."""

    name = "Interval"
    sql_type = "interval"
    says = "a length of time, ISO 8601, like P1DT2H30M"
    shown_example = "P1DT2H30M"
    form = (
        r"-?infinity|P(?=.)(-?[0-9]{1,9}Y)?(-?[0-9]{1,9}M)?(-?[0-9]{1,9}W)?(-?[0-9]{1,9}D)?"
        r"(T(?=.)(-?[0-9]{1,10}H)?(-?[0-9]{1,10}M)?(-?[0-9]{1,12}(\.[0-9]{1,6})?S)?)?"
    )

    def checked_as(self) -> Any:
        """A string, because Python's type has no months and no years."""
        return Annotated[str, self.meta]

    def schema(self) -> Schema:
        """A string whose pattern is the form. JSON Schema's format `duration` has no signs."""
        return self.answered()


# The names for a declaration. `Timestamp` requires an offset, `datetime` alone does not.
Timestamp = Annotated[
    datetime,
    Meta(tz=True, description="a time, RFC 3339 with offset", examples=["2026-01-31T09:30:00.123456+00:00"]),
]
LocalTimestamp = Annotated[datetime, Meta(tz=False)]
TimeTz = Annotated[str, TimeTzColumn]
Interval = Annotated[str, IntervalColumn]
