"""One thing that is to be changed in AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What differs from the settings, as a sentence, and what puts it right. Making it twice does no harm."""

    sentence: str
    make: Callable[[], object]


def make(changes: Iterable[Change]) -> list[str]:
    """Make each change, and return their sentences. A later comparison sees what an earlier change made."""
    made = []
    for change in changes:
        change.make()
        made.append(change.sentence)
    return made
