"""Cursors: where in an order a page begins, and of which list that is."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Literal

import msgspec
from msgspec import Struct

from crud_api.values import text_flaw

Toward = Literal["gt", "gte", "lt", "lte"]
_OPPOSITE: dict[Toward, Toward] = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}


class Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The rows after (`gt`) or before (`lt`) the place in the order that `values` are, or from it on (`gte`, `lte`).

    The values are PostgreSQL's own text of the sort keys, or null.
    """

    toward: Toward
    values: tuple[str | None, ...]

    @property
    def backwards(self) -> bool:
        """Whether it reads against the order."""
        return self.toward in {"lt", "lte"}

    @property
    def inclusive(self) -> bool:
        """Whether a row in the very place is meant, too."""
        return self.toward in {"gte", "lte"}

    def opposite(self) -> Cursor:
        """All the rows that this one leaves out."""
        return Cursor(_OPPOSITE[self.toward], self.values)


class Sealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A cursor as a parameter carries it, with the seal of the list it is of."""

    cursor: Cursor
    seal: str

    def opened(self, scope: bytes) -> Cursor:
        """The cursor, if it is of a list with this scope. Raises `ValueError`."""
        if self.seal != _seal(self.cursor, scope):
            raise ValueError("belongs to a list with other filters, another order or another path")
        return self.cursor


def encode(cursor: Cursor, scope: bytes) -> str:
    """The cursor as a parameter. `scope` is all that the next request has to have in common with this one, as JSON."""
    wire = msgspec.json.encode(Sealed(cursor, _seal(cursor, scope)))
    return base64.urlsafe_b64encode(wire).decode().rstrip("=")


def decode(text: str) -> Sealed:
    """The cursor that a parameter holds. Raises `ValueError`."""
    try:
        wire = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        sealed = msgspec.json.decode(wire, type=Sealed)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise ValueError("is not a cursor of this API") from None
    if any(text_flaw(value) for value in sealed.cursor.values if value):
        raise ValueError("is not a cursor of this API")
    return sealed


def _seal(cursor: Cursor, scope: bytes) -> str:
    # No secret: whoever forges one reads no more than filters would show. It finds what was mixed up or cut.
    return f"{zlib.crc32(msgspec.json.encode(cursor), zlib.crc32(scope)):08x}"
