"""Which columns of tables a view shows (query_executor/migrate/origins.py), as a declaration says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.local.adopt.catalogue import Table
from query_executor.migrate.origins import Origin


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
