"""The tables that the application declares. query_executor/migrate/declared.py compares them with a database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from crud_api.resource import Resource
from crud_api.resource.columns.field import Field
from crud_api.tables import TABLES


def declared(resources: Collection[Resource] = TABLES) -> list[dict[str, Any]]:
    """The declarations as plain JSON, an object for each resource."""
    by_name = {resource.name: resource for resource in resources}
    return [
        {
            "table": _table(resource),
            "key": resource.key,
            "columns": [
                {
                    **_column(field),
                    "written": field.name not in resource.read_only,
                    **({"stamped": True} if field.name == resource.updated_at else {}),
                }
                for field in resource.fields.values()
            ],
            "references": [
                {"column": column, "table": _table(other), "key": other.key}
                for column, reference in resource.references.items()
                if (other := by_name.get(reference.resource)) is not None
            ],
        }
        for resource in resources
    ]


def _table(resource: Resource) -> list[str | None]:
    return list(resource.place)


def _column(field: Field) -> dict[str, Any]:
    column = field.column
    leaf = getattr(column, "leaf", column)  # of an array its elements
    extra = leaf.meta.extra or {}
    fields = getattr(leaf, "fields", None)  # of a composite type
    return {
        "name": field.name,
        "kind": column.name,
        "made_as": column.made_as(),
        "carriers": None
        if column.carriers is None
        else sorted(carrier.removesuffix("[]") for carrier in column.carriers),
        "required": field.required,
        "nullable": field.nullable,
        **{name: extra[name] for name in ("max_digits", "decimal_places") if name in extra},
        **({} if leaf.meta.max_length is None else {"max_length": leaf.meta.max_length}),
        **({"zoned": True} if column.meta.tz else {}),
        **({"array": True, "element": leaf.name} if column.is_array else {}),
        **({"fields": [_column(one) for one in fields.values()]} if fields is not None else {}),
    }
