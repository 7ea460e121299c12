"""Names of tables and columns, as a person would write them in SQL."""

from __future__ import annotations

from collections.abc import Sequence

# The key words that need quotes as a name (PostgreSQL documentation, appendix C).
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
    returning right select session_user similar some symmetric system_user table tablesample then to trailing true
    union unique user using variadic verbose when where window with
    """.split()
)


def named(table: Sequence[str | None]) -> str:
    """The name of a table in SQL, from [schema or None, table]."""
    return ".".join(quoted(part) for part in table if part is not None)


def listed(columns: Sequence[str]) -> str:
    """The names of columns in SQL, separated by commas."""
    return ", ".join(quoted(column) for column in columns)


def quoted(name: str) -> str:
    """A name in SQL, with quotes only if it needs them."""
    plain = name.isascii() and name.isidentifier() and name.islower() and name not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'
