"""Where the columns of a view come from, as PostgreSQL's own tree of its query says it (pg_rewrite.ev_action).

A target that is a plain column names its table and its column (`resorigtbl`, `resorigcol`), also through joins and
subqueries. A target of a UNION, or a calculated one, names none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

Origin = tuple[int, str]  # the oid of a table, and the name of its column

# Of a view `c`, only the marks that `origins_of` reads are taken out of the tree; what is escaped is text.
_MARKS = r"\\.|(\{|\}|:targetList|:resno \d+|:resorigtbl \d+|:resorigcol \d+|:resjunk \w+)"
ORIGINS = f"""CASE WHEN c.relkind IN ('v', 'm') THEN (
    SELECT string_agg(mark[1], ' ' ORDER BY place)
    FROM pg_rewrite r, regexp_matches(r.ev_action::text, '{_MARKS}', 'g') WITH ORDINALITY AS found (mark, place)
    WHERE r.ev_class = c.oid AND r.rulename = '_RETURN') END"""  # noqa: S608 - it is put together from texts of this file

# The changes that PostgreSQL takes of a table `c`, also by triggers.
CHANGES = """(SELECT coalesce(json_agg(name), '[]')
              FROM (VALUES (8, 'insert'), (4, 'update'), (16, 'delete')) AS known (bit, name)
              WHERE pg_relation_is_updatable(c.oid, true) & bit <> 0)"""


class Relation(Protocol):
    """A table or a view. `origins` are the marks of a view's query (`ORIGINS`), `numbers` the names of its columns."""

    @property
    def oid(self) -> int: ...
    @property
    def is_view(self) -> bool: ...
    @property
    def origins(self) -> str | None: ...
    @property
    def numbers(self) -> Mapping[int, str]: ...


R = TypeVar("R", bound=Relation)


def origins_of(
    view: R, table_of: Callable[[int], R | None], above: frozenset[int] = frozenset()
) -> Mapping[str, Origin]:
    """The columns of a view that are columns of a table, by name. Views between them are looked through.

    `above` are the views that lead to this one. A view may be replaced so that it shows itself.
    """
    found: dict[str, Origin] = {}
    names = view.numbers
    for place, (oid, number) in _targets(view.origins or "").items():
        table = table_of(oid)
        if table is None or place not in names or oid in {view.oid, *above}:
            continue
        name = table.numbers.get(number)
        if name is None:
            continue
        if table.is_view:
            if (origin := origins_of(table, table_of, above | {view.oid}).get(name)) is not None:
                found[names[place]] = origin
        else:
            found[names[place]] = (oid, name)
    return found


def tables_below(view: Relation) -> set[int]:
    """The oids of the tables and views whose columns a view shows."""
    return {oid for oid, _ in _targets(view.origins or "").values()}


def _targets(marks: str) -> dict[int, tuple[int, int]]:
    """The table and column of each target of the outermost query, by the target's number."""
    found: dict[int, tuple[int, int]] = {}
    depth, in_targets, entry = 0, False, dict[str, int]()
    words = iter(marks.split(" "))
    for word in words:
        if word == "{":
            depth += 1
        elif word == "}":
            if depth == 2 and in_targets and entry.get(":resorigtbl"):
                found[entry[":resno"]] = (entry[":resorigtbl"], entry[":resorigcol"])
            depth -= 1
            if depth == 1:
                entry = {}
        elif word == ":targetList":
            in_targets = in_targets or depth == 1
        elif word == ":resjunk":
            if next(words) == "true" and depth == 2:
                entry = {}
        elif word.startswith(":res"):
            value = int(next(words))
            if depth == 2:
                entry[word] = value
    return found
