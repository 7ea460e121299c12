"""Foreign keys as references: of a table its own, of a view those of the tables whose columns it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from infra.local.adopt import names
from infra.local.adopt.catalogue import ForeignKey, Table, Unique
from infra.local.adopt.views import first_shown
from query_executor.migrate.origins import Origin

Place = tuple[str, str]


class Side(Struct):
    """A resource that references may lead to: its name, its key, and the names that its fields and relations have."""

    name: str
    key: tuple[str, ...]
    taken: set[str]


class ReferencePlan(Struct):
    """A reference to be declared. `to_columns` is empty where the foreign key names the other's key."""

    columns: tuple[str, ...]
    resource: str
    name: str
    reverse: str
    to_columns: tuple[str, ...]
    unique: bool
    constraint: str


def foreign_keys_of(
    table: Table, origins: Mapping[str, Origin], table_of: Callable[[int], Table | None]
) -> Iterator[ForeignKey]:
    """The foreign keys that a table has, or that a view shows with all their columns."""
    if not table.is_view:
        yield from table.foreign_keys
        return
    shown = first_shown(origins)
    for oid in dict.fromkeys(oid for oid, _ in shown):
        base = table_of(oid)
        for key in base.foreign_keys if base is not None else ():
            if all((oid, column) in shown for column in key.columns):
                columns = [shown[oid, column] for column in key.columns]
                yield ForeignKey(key.name, columns, key.to, key.to_columns)


def references_of(
    own: Side,
    keys: Sequence[ForeignKey],
    uniques: Sequence[Unique],
    sides: Mapping[Place, Side],
    declared: Mapping[tuple[str, ...], object],
    notes: list[str],
) -> Iterator[ReferencePlan]:
    """The references of a resource that are not declared yet, each with names of its own on both sides.

    What has no place in a declaration is said in `notes`.
    """
    seen = set(declared)
    for key in keys:
        columns = tuple(key.columns)
        other = sides.get(key.to)
        if columns in seen:
            if columns not in declared:
                notes.append(f"the foreign key {key.name}: {', '.join(columns)} refers to another table already")
            continue
        if other is None:
            notes.append(f"the foreign key {key.name}: the table {'.'.join(key.to)} is not adopted")
            continue
        if lacking := [column for column in columns if column not in own.taken]:
            notes.append(f"the foreign key {key.name}: the column {lacking[0]} is not declared")
            continue
        seen.add(columns)
        alone = sum(each.to == key.to for each in keys) == 1
        unique = any(set(each.columns) <= set(columns) for each in uniques)
        name = _forward(own, other, columns, alone=alone)
        own.taken.add(name)
        back = names.identifier(names.singular(own.name) if unique else own.name, instead="rows")
        by = f"{back}_by_{_by_column(columns) if len(columns) == 1 else name}"
        reverse = by if not alone or other is own or back in other.taken else back
        reverse = names.unique(reverse, other.taken)
        other.taken.add(reverse)
        to_columns = () if tuple(key.to_columns) == other.key else tuple(key.to_columns)
        yield ReferencePlan(columns, other.name, name, reverse, to_columns, unique, key.name)


def _forward(own: Side, other: Side, columns: tuple[str, ...], *, alone: bool) -> str:
    """The name of the row that the columns refer to: by the column, otherwise by the other resource.

    `alone`: no other foreign key of the table leads to the other resource.
    """
    one = names.identifier(names.singular(other.name), instead="row")
    by_column = _by_column(columns)
    wishes = [by_column] if len(columns) == 1 else []
    wishes += [one, f"{one}_row"] if alone else [f"{by_column}_{one}"]
    wishes += [f"{one}_by_{'_and_'.join(names.identifier(column) for column in columns)}"]
    return next((wish for wish in wishes if wish not in own.taken), names.unique(wishes[-1], own.taken))


def _by_column(columns: Sequence[str]) -> str:
    return names.identifier(names.of_foreign_key(columns[0]), instead="row").rstrip("_")
