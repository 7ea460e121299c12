"""The tables and functions that the application declares. query_executor/migrate compares them with a database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from crud_api.resource import Resource
from crud_api.resource.columns.field import Field
from crud_api.resource.functions import Functions
from crud_api.resource.relations import Relations, relations_of
from crud_api.resource.tables import Tables
from infra.errors import DeclarationError


def tables() -> Collection[Resource]:
    """Read, and so check, every declared table. Raises `DeclarationError`."""
    try:
        from crud_api.tables import TABLES  # noqa: PLC0415 - a declaration is checked where it is read

        return tuple(TABLES)
    except (ValueError, TypeError, ImportError) as error:
        raise DeclarationError(
            f"A declaration in crud_api/tables is wrong: {error}\nCorrect it, then run this again."
        ) from error


def declared_functions(functions: Functions | None = None, listed: Tables | None = None) -> list[dict[str, Any]]:
    """The declared functions as plain JSON, an object for each. Raises `DeclarationError`.

    Without `functions` and `listed` tables they are those of crud_api/functions and crud_api/tables.
    """
    try:
        from crud_api.functions import FUNCTIONS  # noqa: PLC0415 - a declaration is checked where it is read
        from crud_api.tables import TABLES  # noqa: PLC0415

        functions, listed = functions or FUNCTIONS, listed or TABLES
        return [
            {
                "function": list(function.place),
                "arguments": [{"name": argument.name, "type": argument.type} for argument in function.arguments],
                "gives": function.gives,
                "columns": [] if function.gives_values else list(function.rows(listed).columns),
                "changes": function.volatility == "volatile",
            }
            for function in functions
        ]
    except (ValueError, TypeError, ImportError) as error:
        raise DeclarationError(
            f"A declaration in crud_api/functions is wrong: {error}\nCorrect it, then run this again."
        ) from error


def declared(resources: Collection[Resource] | None = None) -> list[dict[str, Any]]:
    """The declarations as plain JSON, an object for each resource. Raises `DeclarationError`."""
    resources = tables() if resources is None else resources
    by_name = {resource.name: resource for resource in resources}
    relations = relations_of(by_name)
    return [
        {
            "table": _table(resource),
            "key": list(resource.key_columns),
            "columns": [
                {
                    **_column(field),
                    "written": field.name not in resource.read_only,
                    **({"stamped": True} if field.name == resource.updated_at else {}),
                    **({"made": True} if field.name == _made(resource) else {}),
                }
                for field in resource.fields.values()
            ],
            "references": [
                {
                    "columns": list(relation.own),
                    "table": _table(relation.resource),
                    "key": list(relation.columns),
                    **({"constraint": relation.constraint} if relation.constraint else {}),
                }
                for relation in relations[resource.name].values()
                if relation.refers
            ],
            "unique": [list(columns) for columns in dict.fromkeys(_unique(resource, relations))],
            "changes": list(resource.changes),
            **({"shows": {name: list(shown) for name, shown in resource.shown.items()}} if resource.shows else {}),
            **({"computed": list(_computed(resource, by_name))} if resource.computed else {}),
        }
        for resource in resources
    ]


def _made(resource: Resource) -> str | None:
    """The column of the key that the database makes."""
    return resource.key_columns[-1] if resource.made_key == "default" else None


def _unique(resource: Resource, relations: Mapping[str, Relations]) -> Iterator[tuple[str, ...]]:
    """The columns that tell rows apart beside the key: what others refer to, and what one row may refer by."""
    for relation in (relation for named in relations.values() for relation in named.values()):
        needed = relation.refers or not relation.many
        if needed and relation.resource is resource and {*relation.columns} != {*resource.key_columns}:
            yield relation.columns


def _computed(resource: Resource, by_name: Mapping[str, Resource]) -> Iterator[dict[str, Any]]:
    for name, computed in resource.computed.items():
        of = by_name.get(computed.resource)
        yield {
            "name": name,
            "function": list(computed.place),
            **({"rows": True, "many": computed.many} if computed.resource else {}),
            **({"of": _table(of)} if of is not None else {}),
        }


def _table(resource: Resource) -> list[str | None]:
    return list(resource.place)


def _column(field: Field) -> dict[str, Any]:
    column = field.column
    leaf = getattr(column, "leaf", column)  # of an array its elements
    extra = leaf.meta.extra or {}
    fields = getattr(leaf, "fields", None)  # of a composite type
    choices = getattr(leaf, "choices", None)  # of a Literal
    shortest = min(map(len, choices)) if choices else leaf.meta.min_length
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
        **({} if shortest is None else {"min_length": shortest}),
        **({"zoned": True} if column.meta.tz else {}),
        **({"array": True, "element": leaf.name} if column.is_array else {}),
        **({"fields": [_column(one) for one in fields.values()]} if fields is not None else {}),
    }
