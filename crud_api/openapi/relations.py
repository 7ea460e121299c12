"""Which rows of other resources belong to those of a resource, on both sides of a declared reference."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crud_api.resource import Resource


class Relation(Struct, frozen=True):
    """`name` is what the other rows are called here; `column` is the foreign key, of the side that has it."""

    name: str
    resource: Resource
    column: str
    to_many: bool


def relations(resource: Resource, resources: Sequence[Resource]) -> list[Relation]:
    """The rows that this resource's refer to, then those that refer to it."""
    by_name = {one.name: one for one in resources}
    to_one = [
        Relation(reference.name, by_name[reference.resource], column, False)
        for column, reference in resource.references.items()
    ]
    to_many = [
        Relation(reference.reverse, other, column, True)
        for other in resources
        for column, reference in other.references.items()
        if reference.resource == resource.name
    ]
    return to_one + to_many
