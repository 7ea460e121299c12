"""What a client prefers, by its Prefer header (RFC 7240). A response says which preferences were applied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

_PREFERENCE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)++')  # text between commas that are not in quotes
_KNOWN = {
    "return": {"minimal", "representation"},
    "resolution": {"merge-duplicates"},
    "count": {"exact", "estimated"},
}


class Preferences(Struct, frozen=True):
    """The preferences that this API knows; None where the client has none."""

    return_: str | None = None  # minimal, representation
    resolution: str | None = None  # merge-duplicates
    count: str | None = None  # exact, estimated

    def applied(self, *names: str) -> dict[str, str]:
        """The header `Preference-Applied` with the requested preferences among `return`, `resolution` and `count`."""
        if self is _NONE:
            return {}
        return applied({"return": self.return_, "resolution": self.resolution, "count": self.count}, names)


_NONE = Preferences()


def parse_preferences(header: str | None) -> Preferences:
    """The preferences of a Prefer header. Unknown ones are ignored. Of two, the first holds (RFC 7240)."""
    if not header:
        return _NONE
    found: dict[str, str] = {}
    for preference in _PREFERENCE.findall(header):
        name, _, value = preference.partition(";")[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name in _KNOWN and value in _KNOWN[name]:
            found.setdefault(name, value)
    return Preferences(found.get("return"), found.get("resolution"), found.get("count"))


def applied(preferences: Mapping[str, str | None], names: Iterable[str]) -> dict[str, str]:
    """The header `Preference-Applied` with those of the names that the client has a preference for."""
    said = ", ".join(f"{name}={preferences[name]}" for name in names if preferences.get(name))
    return {"Preference-Applied": said} if said else {}
