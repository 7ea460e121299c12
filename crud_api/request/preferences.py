"""What a client would like, by its Prefer header (RFC 7240): read once, and said back where it was done."""

from __future__ import annotations

import re

from msgspec import Struct

_ONE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)++')  # between commas, those in quotes aside
_KNOWN = {
    "return": {"minimal", "representation"},
    "resolution": {"merge-duplicates"},
    "count": {"exact", "estimated"},
}


class Preferences(Struct, frozen=True):
    """What is preferred of the things this API can do; None where nothing is."""

    return_: str | None = None  # minimal, representation
    resolution: str | None = None  # merge-duplicates
    count: str | None = None  # exact, estimated

    def applied(self, *names: str) -> dict[str, str]:
        """The header `Preference-Applied` for those of `return`, `resolution` and `count` that were asked for."""
        if self is _NONE:
            return {}
        wanted = {"return": self.return_, "resolution": self.resolution, "count": self.count}
        said = ", ".join(f"{name}={wanted[name]}" for name in names if wanted[name])
        return {"Preference-Applied": said} if said else {}


_NONE = Preferences()


def parse_preferences(header: str | None) -> Preferences:
    """The preferences of a Prefer header. What is not known is ignored, and of two the first holds (RFC 7240)."""
    if not header:
        return _NONE
    found: dict[str, str] = {}
    for one in _ONE.findall(header):
        name, _, value = one.partition(";")[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name in _KNOWN and value in _KNOWN[name]:
            found.setdefault(name, value)
    return Preferences(found.get("return"), found.get("resolution"), found.get("count"))
