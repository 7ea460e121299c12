"""A change of something in AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What differs, as a sentence, and the call that corrects it. Making a change twice does no harm."""

    sentence: str
    make: Callable[[], object]


def make(changes: Iterable[Change]) -> list[str]:
    """Make each change, and return the sentences. A later comparison sees what an earlier change made."""
    made = []
    for change in changes:
        change.make()
        made.append(change.sentence)
    return made
