"""Cursors: the place in an order where a page begins, and the list that it belongs to."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from crud_api.request.sorting import SortKey, key_places
from crud_api.resource.columns.column import text_flaw

Toward = Literal["gt", "gte", "lt", "lte"]
_MOST = 1500  # bytes of the values in a cursor, which has to fit into a URL with filters; a key alone may be longer
_OPPOSITE: dict[Toward, Toward] = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}


class Looked(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A value too long for a URL: it is looked up by the row's key. `md5` tells whether it is still the same."""

    md5: str


Place = str | Looked | None


class Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The rows after (`gt`) or before (`lt`) the place of `values` in the order, or including it (`gte`, `lte`).

    The values are PostgreSQL's own text of the sort keys, or null. The columns of the resource's key are among them.
    """

    toward: Toward
    values: tuple[Place, ...]

    @property
    def backwards(self) -> bool:
        """Whether it reads against the order."""
        return self.toward in {"lt", "lte"}

    @property
    def inclusive(self) -> bool:
        """Whether a row in exactly this place is included."""
        return self.toward in {"gte", "lte"}

    @property
    def looks_up(self) -> bool:
        """Whether the row of this place has to be there."""
        return any(isinstance(value, Looked) for value in self.values)

    def opposite(self) -> Cursor:
        """The cursor of all the rows that this cursor leaves out."""
        return Cursor(_OPPOSITE[self.toward], self.values)


class Sealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A cursor as a parameter carries it, with the seal of its list."""

    cursor: Cursor
    seal: str

    def opened(self, scope: bytes) -> Cursor:
        """The cursor, if it is of a list with this scope. Raises `ValueError`."""
        if self.seal != _seal(self.cursor, scope):
            raise ValueError("belongs to a list with other filters, another order or another path")
        return self.cursor


def encode(cursor: Cursor, scope: bytes) -> str:
    """The cursor as a parameter. `scope` is JSON with everything that the next request must have in common."""
    wire = msgspec.json.encode(Sealed(cursor, _seal(cursor, scope)))
    return base64.urlsafe_b64encode(wire).decode().rstrip("=")


def decode(text: str) -> Sealed:
    """The cursor that a parameter holds. Raises `ValueError`."""
    try:
        wire = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        sealed = msgspec.json.decode(wire, type=Sealed)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise ValueError("is not a cursor of this API") from None
    if any(text_flaw(value) for value in sealed.cursor.values if isinstance(value, str)):
        raise ValueError("is not a cursor of this API")
    return sealed


def place(values: Sequence[str | None], order: Sequence[SortKey], key: Sequence[str]) -> tuple[Place, ...]:
    """The values as a cursor carries them: the longest of them are looked up, until the rest fits.

    The values are those of `order`. The row is found by its own `key`, whose columns are among them.
    """
    sizes = [len(value.encode()) if value else 0 for value in values]
    if sum(sizes) <= _MOST:
        return tuple(values)
    # MD5 tells whether the value is still the same. Nobody gains by forging it. Few pages need it: it is loaded here.
    from hashlib import md5  # noqa: PLC0415

    found: list[Place] = list(values)
    for n in sorted(set(range(len(values))) - set(key_places(order, key)), key=lambda n: -sizes[n]):
        if sum(sizes) > _MOST and (value := values[n]):
            found[n], sizes[n] = Looked(md5(value.encode(), usedforsecurity=False).hexdigest()), 0
    return tuple(found)


def _seal(cursor: Cursor, scope: bytes) -> str:
    # The seal is not a secret: a forged cursor shows no more rows than filters. It detects cut and exchanged cursors.
    return f"{zlib.crc32(msgspec.json.encode(cursor), zlib.crc32(scope)):08x}"
