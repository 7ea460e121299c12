"""Which name a client may have meant."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 100  # characters: the comparison of two names costs the product of their lengths


def nearest(wanted: str, names: Iterable[str], least: float) -> str | None:
    """The name that is most similar, if its similarity is `least` or more: 1 for the same, 0 for another name."""
    if len(wanted) > _LONGEST:
        return None
    found, name = max(((_similarity(wanted.lower(), name.lower()), name) for name in names), default=(0.0, ""))
    return name if found >= least else None


def _similarity(one: str, other: str) -> float:
    longest = max(len(one), len(other))
    return 1 - _edits(one, other) / longest if longest else 1.0


def _edits(one: str, other: str) -> int:
    """How many characters are inserted, left out or replaced between both (Levenshtein's distance)."""
    row = list(range(len(other) + 1))
    for n, character in enumerate(one):
        before, row[0] = row[0], n + 1
        for m, theirs in enumerate(other):
            before, row[m + 1] = row[m + 1], min(row[m + 1] + 1, row[m] + 1, before + (character != theirs))
    return row[-1]
