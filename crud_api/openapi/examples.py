"""Examples of bodies by name, in the form of OpenAPI's media types."""

from __future__ import annotations

from typing import Any

from crud_api.openapi.schemas import change_example, new_example, stored_example
from crud_api.resource import Resource
from crud_api.resource.relations import Relations

Examples = dict[str, dict[str, Any]]


def new(resource: Resource, relations: Relations) -> Examples:
    """One row, and one row with the rows that refer to it."""
    row = new_example(resource)
    found = {"one": _example("One row", row)}
    for relation in relations.values():
        if relation.many:
            other = {
                name: value for name, value in new_example(relation.resource).items() if name not in relation.columns
            }
            found[f"with_{relation.name}"] = _example(
                f"One row with its {relation.name}", row | {relation.name: [other]}
            )
    return found


def many(resource: Resource) -> Examples:
    """Several rows."""
    return {"several": _example("Several rows, all or none", [new_example(resource)])}


def change(resource: Resource) -> Examples:
    """A change of one field."""
    return {"one_field": _example("One field changes", change_example(resource))}


def stored(resource: Resource) -> Examples:
    """The response to a new row or to a change."""
    return {"stored": _example("The row as it is now", stored_example(resource))}


def stored_many(resource: Resource) -> Examples:
    """The response to several new rows."""
    return {"several": _example("Several rows, in the order sent", [stored_example(resource)])}


def view(resource: Resource) -> Examples:
    """The response with one row."""
    return {"whole": _example("All columns", stored_example(resource))}


def page(resource: Resource) -> Examples:
    """The first page of two, and an empty list."""
    following = f"/{resource.name}?limit=1&cursor=WyJuZXh0Il0"
    return {
        "first": _example("The first page", {"items": [stored_example(resource)], "next": following, "prev": None}),
        "empty": _example("No rows", {"items": [], "next": None, "prev": None}),
    }


def _example(summary: str, value: Any) -> dict[str, Any]:
    return {"summary": summary, "value": value}
