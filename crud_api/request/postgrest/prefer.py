"""The header `Prefer` (RFC 7240), with PostgREST's preferences."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import cast

from msgspec import Struct

from crud_api.errors import PostgrestError
from crud_api.request.preferences import applied
from crud_api.request.reading import Count
from crud_api.resource.columns.column import text_flaw
from crud_api.settings import ALLOWS_TX

_KNOWN = {
    "resolution": {"merge-duplicates", "ignore-duplicates"},
    "missing": {"default", "null"},
    "return": {"representation", "minimal", "headers-only"},
    "count": {"exact", "planned", "estimated"},
    "tx": {"commit", "rollback"},
    "handling": {"strict", "lenient"},
}
_NUMBER = re.compile(r"[0-9]{1,18}")
_OPEN = frozenset({"timezone", "max-affected"})  # their values are not of a list
_EVERYWHERE = ("tx", "handling", "timezone")
_ORDER = ("resolution", "missing", "return", "count", "tx", "handling", "timezone", "max-affected")


class Preferences(Struct, frozen=True):
    """The preferences that are known, by name. Of two, the first holds."""

    values: dict[str, str]

    @property
    def resolution(self) -> str | None:
        """What becomes of rows that exist: merge-duplicates, ignore-duplicates."""
        return self.values.get("resolution")

    @property
    def return_(self) -> str | None:
        """What the answer to a write has: representation, headers-only, minimal."""
        return self.values.get("return")

    @property
    def applies_defaults(self) -> bool:
        """Whether a listed column that a row omits gets its default, and not null."""
        return self.values.get("missing") == "default"

    @property
    def most(self) -> int | None:
        """How many rows may be written."""
        most = self.values.get("max-affected", "")
        return int(most) if self.values.get("handling") == "strict" and _NUMBER.fullmatch(most) else None

    @property
    def is_trial(self) -> bool:
        """Whether the changes are wanted, or only shown and then undone."""
        return self.values.get("tx") == "rollback"

    @property
    def count(self) -> Count | None:
        """How to count the rows."""
        return cast("Count | None", self.values.get("count"))

    @property
    def settings(self) -> dict[str, str]:
        """The settings that the statements get. Raises `PostgrestError` for a time zone that no setting can hold."""
        zone = self.values.get("timezone")
        if zone is None:
            return {}
        if text_flaw(zone):
            raise PostgrestError('invalid value for parameter "TimeZone"', code="22023")
        return {"timezone": zone}

    def applied(self, *names: str) -> dict[str, str]:
        """The header `Preference-Applied` with those of these preferences that the client has.

        Each preference of the transaction holds everywhere, and `max-affected` only if it is strict.
        """
        if not self.values:
            return {}
        own = {*names, *_EVERYWHERE} - ({"max-affected"} if self.most is None else set())
        return applied(self.values, [name for name in _ORDER if name in own])


_NONE = Preferences({})


def preferences_of(header: str | None, allows: Collection[str] = ()) -> Preferences:
    """What a client prefers. Raises `PostgrestError` for an unknown preference, if the client wants to know of it.

    `allows` are the words of REST_ALLOWS.
    """
    if not header:
        return _NONE
    values: dict[str, str] = {}
    unknown: list[str] = []
    for preference in (part.strip() for part in header.split(",")):
        name, _, value = preference.partition("=")
        if name in _OPEN or value in _KNOWN.get(name, ()):
            values.setdefault(name, value)
        else:
            unknown.append(preference)
    if unknown and values.get("handling") == "strict":
        raise PostgrestError(
            "Invalid preferences given with handling=strict",
            code="PGRST122",
            details=f"Invalid preferences: {', '.join(unknown)}",
        )
    if ALLOWS_TX not in allows:
        values.pop("tx", None)
    return Preferences(values)
