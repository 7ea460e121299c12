"""Where the columns of a view come from, as PostgreSQL's own tree of its query says it (pg_rewrite.ev_action).

A target that is a plain column names its table and its column (`resorigtbl`, `resorigcol`), also through joins and
subqueries. A target of a UNION, or a calculated one, names none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.local.adopt.catalogue import Table

Origin = tuple[int, str]  # the oid of a table, and the name of its column


def origins_of(
    view: Table, table_of: Callable[[int], Table | None], above: frozenset[int] = frozenset()
) -> Mapping[str, Origin]:
    """The columns of a view that are columns of a table, by name. Views between them are looked through.

    `above` are the views that lead to this one. A view may be replaced so that it shows itself.
    """
    found: dict[str, Origin] = {}
    numbers = {column.number: column.name for column in view.columns}
    for place, (oid, number) in _targets(view.origins or "").items():
        table = table_of(oid)
        if table is None or place not in numbers or oid in {view.oid, *above}:
            continue
        name = next((column.name for column in table.columns if column.number == number), None)
        if name is None:
            continue
        if table.is_view:
            if (origin := origins_of(table, table_of, above | {view.oid}).get(name)) is not None:
                found[numbers[place]] = origin
        else:
            found[numbers[place]] = (oid, name)
    return found


def first_shown(origins: Mapping[str, Origin]) -> dict[Origin, str]:
    """The view's name of each column below it: the first, if it shows the column more than once."""
    shown: dict[Origin, str] = {}
    for column, origin in origins.items():
        shown.setdefault(origin, column)
    return shown


def keys_shown(
    origins: Mapping[str, Origin], table_of: Callable[[int], Table | None]
) -> dict[str, tuple[str, str, str]]:
    """The columns of a view that show a column of a foreign key, or a column that one names: schema, table, column."""
    shown: dict[str, tuple[str, str, str]] = {}
    for column, (oid, name) in origins.items():
        below = table_of(oid)
        if below is not None and (name in below.referred or any(name in key.columns for key in below.foreign_keys)):
            shown[column] = (*below.place, name)
    return shown


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
