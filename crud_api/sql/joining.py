"""The rows at the end of a way, in SQL: what they are read from, and the condition that they belong to a row."""

from __future__ import annotations

from crud_api.request.conditions import Way
from crud_api.sql.names import equal, is_joined, qualified, row_of, table


def joined(way: Way, alias: str, prefix: str) -> tuple[str, str]:
    """What follows FROM, and the condition. The rows have the alias; `prefix` stands before a column of the row."""
    *before, last = way
    if last.function is not None:
        row = row_of(prefix)
        # A function that returns no set may return null, which is a row of nulls here.
        conditions = [] if last.many else [f"NOT ({alias} IS NULL)"]
        if is_joined(row):
            conditions.append(f"{row} IS DISTINCT FROM NULL")
        return f"{qualified(last.function)}({row}) AS {alias}", " AND ".join(conditions) or "true"
    source = f"{table(last.resource)} AS {alias}"
    if not before:
        return source, equal(f"{alias}.", last.columns, prefix, last.own)
    (first,) = before
    between = f"{alias}_between"
    condition = equal(f"{between}.", first.columns, prefix, first.own)
    on = equal(f"{alias}.", last.columns, f"{between}.", last.own)
    return f"{source} JOIN {table(first.resource)} AS {between} ON {on}", condition
