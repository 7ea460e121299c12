"""What a response has of a row: its fields, and the rows that are embedded in it."""

from __future__ import annotations

from msgspec import Struct

from crud_api.request import parameters
from crud_api.request.parameters import Parameters
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, Relations

MAX_EMBEDDED = 1000  # rows of a relation in one row
MAX_EMBEDDED_IN_PAGE = 10_000  # rows of a relation in all rows of a page


class Selection(Struct, frozen=True):
    """The columns, in the order of the declaration, and the embedded relations, in the order of the request."""

    columns: tuple[str, ...]
    embedded: tuple[Relation, ...] = ()


def selection(resource: Resource, relations: Relations, query: Parameters) -> Selection:
    """What a request for one row selects. Raises `InvalidParameterError` naming every wrong parameter."""
    if not query:
        return Selection(resource.columns)
    columns, embedded = resource.columns, tuple[Relation, ...]()

    def take(name: str, text: str) -> None:
        nonlocal columns, embedded
        if name == "fields":
            columns = columns_of(resource, text)
        elif name == "expand":
            embedded = embedded_of(relations, text)
        else:
            raise ValueError("is not a parameter of this path")

    parameters.read(query, take)
    return Selection(columns, embedded)


def columns_of(resource: Resource, text: str) -> tuple[str, ...]:
    """The columns that `fields` names. Raises `ValueError`."""
    wanted = parameters.names(text, resource.fields, "fields")
    return tuple(name for name in resource.fields if name in wanted)


def embedded_of(relations: Relations, text: str) -> tuple[Relation, ...]:
    """The relations that `expand` names. Raises `ValueError`."""
    return tuple(relations[name] for name in parameters.names(text, relations, "relations"))
