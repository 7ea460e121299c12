"""The rows of other resources that belong to a row. A reference makes a relation for each of its two resources."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crud_api.resource import Resource


class Relation(Struct, frozen=True, kw_only=True):
    """The rows of `resource` whose `column` equals the column `own` of the row. Without `many`, it is one row."""

    name: str
    resource: Resource
    own: str
    column: str
    many: bool


Relations = Mapping[str, Relation]


def relations_of(resources: Mapping[str, Resource]) -> dict[str, Relations]:
    """Return the relations of each resource by name. Raises `ValueError` if two have the same name.

    A reference to a resource that is not in `resources` makes no relation.
    """
    relations: dict[str, dict[str, Relation]] = {name: {} for name in resources}
    for resource in resources.values():
        for column, reference in resource.references.items():
            if (other := resources.get(reference.resource)) is None:
                continue
            to_one = Relation(name=reference.name, resource=other, own=column, column=other.key, many=False)
            to_many = Relation(name=reference.reverse, resource=resource, own=other.key, column=column, many=True)
            for owner, relation in ((resource, to_one), (other, to_many)):
                if relation.name in relations[owner.name] or relation.name in owner.fields:
                    raise ValueError(f"{owner.name} has {relation.name} twice. Rename the field or the relation.")
                relations[owner.name][relation.name] = relation
    return dict(relations)
