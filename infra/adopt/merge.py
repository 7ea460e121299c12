"""Changes the declaration that a file has, where it contradicts the database. Everything else of the file stays."""

from __future__ import annotations

from msgspec import Struct

from infra.adopt.existing import Existing
from infra.adopt.plan import Plan


class Merged(Struct):
    """The text of the file, and what a person should know."""

    source: str
    notes: list[str]


def merged(plan: Plan, known: Existing) -> Merged:
    """The file as it should be."""
    return Merged(known.source, [])
