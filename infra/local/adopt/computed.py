"""Functions of a row as computed values and rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from infra.local.adopt.catalogue import Table
from infra.local.adopt.relations import Place, Side


class ComputedPlan(Struct):
    """What a function makes of a row. `resource` is the resource whose rows it returns, if it returns rows."""

    name: str
    function: Place
    resource: str
    many: bool


def computed_of(
    table: Table, columns: Collection[str], sides: Mapping[Place, Side], notes: list[str]
) -> Iterator[ComputedPlan]:
    """The computed values and rows of a table. What has no place in a declaration is said in `notes`."""
    for each in table.functions:
        rows = sides.get(each.rows_of) if each.rows_of else None
        said = f"the function {each.schema}.{each.name}"
        if each.name in columns:
            notes.append(f"{said}: a column has its name")
        elif each.is_set and rows is None:
            notes.append(f"{said}: it returns rows of no table that is adopted")
        else:
            yield ComputedPlan(each.name, (each.schema, each.name), rows.name if rows else "", each.many)
