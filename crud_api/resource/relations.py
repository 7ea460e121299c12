"""The rows of other resources that belong to a row. A reference makes a relation for each of its two resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from crud_api.resource.resource import Reference, Resource, column_names


class Relation(Struct, frozen=True, kw_only=True):
    """The rows of `resource` whose `columns` equal the columns `own` of the row, in order: one row, or `many`.

    `refers`: the row refers to them by a foreign key, which is `own`. Otherwise they refer to the row, by `columns`.
    `unique`: no two rows refer to the same row. `constraint` is the name of the foreign key, if it is declared.

    A relation with a `function` has no columns: its rows are what the function returns for the row.
    """

    name: str
    resource: Resource
    own: tuple[str, ...]
    columns: tuple[str, ...]
    many: bool
    refers: bool = False
    unique: bool = False
    constraint: str = ""
    function: tuple[str | None, str] | None = None


Relations = Mapping[str, Relation]


def relations_of(resources: Mapping[str, Resource]) -> dict[str, Relations]:
    """Return the relations of each resource by name. Raises `ValueError` if two have the same name, or one cannot be.

    A reference to a resource that is not in `resources` makes no relation.
    """
    relations: dict[str, dict[str, Relation]] = {name: {} for name in resources}
    for owner, relation in every_relation(resources):
        if relation.name in relations[owner.name] or relation.name in owner.fields:
            raise ValueError(f"{owner.name} has {relation.name} twice. Rename the field or the relation.")
        relations[owner.name][relation.name] = relation
    return dict(relations)


def every_relation(resources: Mapping[str, Resource]) -> Iterator[tuple[Resource, Relation]]:
    """Yield each relation with its owner: two for a reference. Raises `ValueError` for one that cannot be."""
    for resource in resources.values():
        for columns, reference in resource.references.items():
            if (other := resources.get(reference.resource)) is None:
                continue
            own, theirs = column_names(columns), _referred(resource, column_names(columns), reference, other)
            to_one = Relation(
                name=reference.name, resource=other, own=own, columns=theirs, many=False, refers=True,
                unique=reference.unique, constraint=reference.constraint,
            )  # fmt: skip
            back = Relation(
                name=reference.reverse, resource=resource, own=theirs, columns=own, many=not reference.unique,
                unique=reference.unique, constraint=reference.constraint,
            )  # fmt: skip
            yield resource, to_one
            yield other, back


def _referred(resource: Resource, own: tuple[str, ...], reference: Reference, other: Resource) -> tuple[str, ...]:
    """The columns of the other resource that the foreign key names."""
    columns = reference.columns or other.key_columns
    said = f"The reference {', '.join(own)} of {resource.name}"
    if len(columns) != len(own):
        raise ValueError(
            f"{said} has {len(own)} column{'s'[: len(own) != 1]}, and the key of {other.name} has {len(columns)}. "
            "Name as many columns, or the other's columns in Reference(columns=...)."
        )
    if missing := [name for name in columns if name not in other.fields]:
        raise ValueError(f"{said} names {missing[0]}, which {other.name} does not have. Name a column of its model.")
    return columns
