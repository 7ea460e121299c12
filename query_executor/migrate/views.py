"""Compares what an application declares of its views with the database: what they show, and which changes they take.

A declaration (declared.py) has these members beside the others:

    {"shows": {"guest": ["demo", "guests", "id"]}, "changes": ["update"]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from psycopg2.extensions import connection

from query_executor.migrate.catalogue import FOUND, WANTED
from query_executor.migrate.declared import Difference, Table
from query_executor.migrate.identifiers import named, quoted
from query_executor.migrate.origins import CHANGES, ORIGINS, origins_of, tables_below

# For each declared table, in their order: its oid, and the changes that it takes.
_DECLARED = f"WITH {WANTED} SELECT c.oid::int8, {CHANGES} FROM wanted LEFT JOIN {FOUND} ORDER BY n"  # noqa: S608

_RELATIONS = f"""
SELECT c.oid::int8, c.relkind IN ('v', 'm'), {ORIGINS}, nspname, relname, (
  SELECT json_object_agg(attnum, attname) FROM pg_attribute
  WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class AS c JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE c.oid = ANY (%(oids)s::oid[])
  OR (nspname, relname) IN (SELECT place ->> 0, place ->> 1 FROM json_array_elements(%(named)s::json) AS place)
"""  # noqa: S608 - of the texts above

_CORRECT = "Correct the declaration: `make adopt ARGS=--write` does."


class _Relation(NamedTuple):
    """A table, or a view with the marks of its query."""

    oid: int
    is_view: bool
    origins: str | None
    schema: str
    name: str
    columns: Mapping[str, str]

    @property
    def numbers(self) -> Mapping[int, str]:
        return {int(number): name for number, name in (self.columns or {}).items()}


def view_differences(source: connection, tables: Sequence[Table]) -> list[Difference]:
    """All differences at once, in the order of the tables. A table that does not exist has none here."""
    with source.cursor() as cursor:
        cursor.execute(_DECLARED, {"tables": json.dumps([table["table"] for table in tables])})
        found = cursor.fetchall()
    there = [(table, oid, changes) for table, (oid, changes) in zip(tables, found, strict=True) if oid is not None]
    relations = _relations(source, [(table, oid) for table, oid, _ in there if table.get("shows")])
    every: list[Difference] = []
    for table, oid, changes in there:
        every += _changes(table, changes)
        if table.get("shows"):
            every += _shows(table, relations[oid], relations)
    return every


def _relations(source: connection, views: Sequence[tuple[Table, int]]) -> dict[int, _Relation]:
    """The views, the tables and views below them, and the tables that their declarations name."""
    names = json.dumps([place[:2] for table, _ in views for place in table["shows"].values()])
    found: dict[int, _Relation] = {}
    missing = {oid for _, oid in views}
    while missing:
        with source.cursor() as cursor:
            cursor.execute(_RELATIONS, {"oids": [*missing], "named": names})
            more = {relation.oid: relation for relation in (_Relation(*row) for row in cursor.fetchall())}
        found |= more
        missing = {oid for relation in more.values() for oid in tables_below(relation)} - found.keys()
    return found


def _changes(table: Table, takes: Sequence[str]) -> Iterator[Difference]:
    if refused := [change for change in table.get("changes", ()) if change not in takes]:
        *most, last = map(str.upper, refused)
        written = f"{', '.join(most)} or {last}" if most else last
        listed = ", ".join(f'"{change}"' for change in takes) + ("," if len(takes) == 1 else "")
        yield Difference(  # no row is lost: the database refuses such a change, and the client gets its error
            f"{named(table['table'])} cannot be written by {written}, and its declaration allows it.",
            f"Declare what it takes: changes=({listed}). `make adopt ARGS=--write` does.",
            stops=False,
        )


def _shows(table: Table, view: _Relation, relations: Mapping[int, _Relation]) -> Iterator[Difference]:
    name, own = named(table["table"]), {*view.numbers.values()}
    by_place = {(relation.schema, relation.name): relation for relation in relations.values()}
    origins = origins_of(view, relations.get)
    for column, (*place, shown) in table["shows"].items():
        of, below = f"{name}.{quoted(column)}", by_place.get((place[0], place[1]))
        says = f"The declaration says that {of} shows {named([*place, shown])}."
        if column not in own:
            continue  # declared.py says that the column is missing
        if below is None:
            yield Difference(f"{says} There is no table {named(place)}.", _CORRECT)
        elif shown not in below.numbers.values():
            yield Difference(f"{says} {named(place)} has no column {quoted(shown)}.", _CORRECT)
        elif (origin := origins.get(column)) is None:
            what = "is a value of its own" if view.is_view else "is a column of a table, and not of a view"
            # Somebody may know that each value of a UNION is one of that column.
            yield Difference(
                f"{says} PostgreSQL does not know that: it {what}.",
                "Foreign keys hold for it only if it is true. Otherwise take it out of shows.",
                stops=False,
            )
        elif origin != (below.oid, shown):
            base = relations[origin[0]]
            yield Difference(f"{says} It shows {named([base.schema, base.name, origin[1]])}.", _CORRECT)
