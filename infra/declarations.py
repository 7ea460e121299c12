"""What the application declares of its tables, as query_executor/declared.py compares it with a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from msgspec import Meta

from crud_api.application import RESOURCES
from crud_api.fields import Field
from crud_api.resource import Resource


def declared(resources: Sequence[Resource] = RESOURCES) -> list[dict[str, Any]]:
    """The declarations as plain JSON, one a resource."""
    by_name = {resource.name: resource for resource in resources}
    return [
        {
            "table": _table(resource),
            "key": resource.key,
            "columns": [_column(resource, field) for field in resource.fields.values()],
            "references": [
                {"column": column, "table": _table(other), "key": other.key}
                for column, reference in resource.references.items()
                if (other := by_name.get(reference.resource)) is not None
            ],
        }
        for resource in resources
    ]


def _table(resource: Resource) -> list[str | None]:
    schema, _, name = resource.table.rpartition(".")
    return [schema or None, name]


def _column(resource: Resource, field: Field) -> dict[str, Any]:
    zoned = any(meta.tz for meta in get_args(field.type) if isinstance(meta, Meta))
    return {
        "name": field.name,
        "kind": field.base.__name__,
        "written": field.name not in resource.read_only,
        "required": field.required,
        "nullable": field.nullable,
        **{name: field.extra[name] for name in ("max_digits", "decimal_places") if name in field.extra},
        **({"zoned": True} if zoned else {}),
    }
