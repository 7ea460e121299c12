"""The field types that resources are declared with, and what the API knows of a declared field.

A type is msgspec's: a Python type with its constraints in `Meta`. The description is also the error message, so it
completes the sentence "must be ...". msgspec has no constraints for `Decimal`; `extra` holds them. A type that the API
would not carry unchanged, in every request and back, is refused when it is declared.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

# The patterns are published, and mean the same in Python as in the ECMAScript of JSON Schema. In Python $ also matches
# before a last line feed: hence the (?!\n). What is a space to either is one here. NUL no text of PostgreSQL can hold.
NO_NUL = r"^[^\x00]*$"
_SPACE = r"\s\x1c-\x1f\x85\ufeff"
_VISIBLE = rf"[^{_SPACE}\x00]"

# A key is part of a path, where "." and ".." mean something else (RFC 3986, section 5.2.4).
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^(?!\.{{1,2}}$){_VISIBLE}([^\n\x00]*{_VISIBLE})?$(?!\n)",
        description="1 to 64 characters with no space before or after, and neither . nor ..",
    ),
]
# What it must be is for the row it refers to; the database holds that.
ForeignKey = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=NO_NUL, description="the key of a row, 1 to 200 characters"),
]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=rf"^[^\x00]*{_VISIBLE}[^\x00]*$",
        description="1 to 200 characters, not only spaces",
        examples=["Ada Lovelace"],
    ),
]
Text = Annotated[
    str,
    Meta(max_length=200, pattern=NO_NUL, description="a text of at most 200 characters", examples=["Paris"]),
]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=rf"^[^@{_SPACE}\x00]+@[^@{_SPACE}.\x00]+(\.[^@{_SPACE}.\x00]+)+$(?!\n)",
        description="an e-mail address like ada@example.com, at most 254 characters",
        examples=["ada@example.com"],
    ),
]
Amount = Annotated[
    Decimal,
    Meta(
        description="a number from 0 to 9999999999.99 with at most 2 decimal places",
        examples=[150.75],
        extra={"minimum": 0, "max_digits": 12, "decimal_places": 2},
    ),
]
Timestamp = Annotated[
    datetime,
    Meta(tz=True, description="a time, RFC 3339 with offset", examples=["2026-01-31T09:30:00.123456+00:00"]),
]

_DESCRIPTIONS = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    float: "a number",
    Decimal: "a number",
    datetime: "a time, RFC 3339",
    date: "a date like 2026-01-31",
    UUID: "a UUID",
}
_CARRIED = ", ".join([*(base.__name__ for base in _DESCRIPTIONS), "Literal of texts"])


class Field(Struct, frozen=True):
    """A field of a resource, as its model declares it."""

    name: str
    type: Any  # what msgspec converts to, with its constraints
    alone: type[Struct]  # with this field, `made`, and no other: a bare type msgspec would look into at every convert()
    base: type  # the bare Python type, one of _DESCRIPTIONS; of a Literal str
    aware: bool  # whether a time needs its offset; without one it would be in UTC
    required: bool
    nullable: bool
    default: Any  # None or msgspec.NODEFAULT where the database's own default applies
    description: str
    extra: dict[str, int]


def fields_of(model: type[Struct]) -> dict[str, Field]:
    """The model's fields by name, in its order. Raises `ValueError` for a type that the API does not carry."""
    fields = {}
    for info in msgspec.structs.fields(model):
        try:
            fields[info.name] = _field(info)
        except ValueError as error:
            raise ValueError(f"{model.__name__}.{info.name} {error}") from None
    return fields


def _field(info: msgspec.structs.FieldInfo) -> Field:
    hint, nullable = info.type, False
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        if len(kinds) != 1:
            raise ValueError("is a union of several types. Declare one type, or one type and None.")
        hint, nullable = kinds[0], len(kinds) < len(get_args(hint))
    base, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    meta = next((one for one in metadata if isinstance(one, Meta)), Meta())
    if get_origin(base) is Literal:
        choices, base = get_args(base), str
        if not all(isinstance(choice, str) for choice in choices):
            raise ValueError("is a Literal of other values than texts. Declare int with a Meta, or a Literal of texts.")
        description = f"one of {', '.join(choices)}"
    elif base in _DESCRIPTIONS:
        description = meta.description or _DESCRIPTIONS[base]
    else:
        raise ValueError(
            f"is declared as {getattr(base, '__name__', base)}, which the API would not carry unchanged. Declare "
            f"one of {_CARRIED}, each alone or with None. As str it is PostgreSQL's own text of the value."
        )
    if info.default_factory is not msgspec.NODEFAULT:
        raise ValueError("has a default_factory. Declare a default value, or None for the default of the column.")
    alone = msgspec.defstruct(info.name, [("made", hint)], array_like=True)
    _check(alone, info.default)
    return Field(
        name=info.name,
        type=hint,
        alone=alone,
        base=base,
        aware=meta.tz is True,
        required=info.required,
        nullable=nullable,
        default=info.default,
        description=description + (" or null" if nullable else ""),
        extra=meta.extra or {},
    )


def _check(alone: type[Struct], default: Any) -> None:
    """Refuse constraints that the type cannot have, and a default that is not of the type."""
    try:
        msgspec.convert((default,), alone)
    except TypeError as error:
        raise ValueError(f"has a Meta that its type cannot have: {error}.") from None
    except msgspec.ValidationError as error:
        if default is not None and default is not msgspec.NODEFAULT:
            raise ValueError(f"has a default that its own type refuses: {error}.") from None
