"""Conditions on rows: a tree of filters and groups. Both dialects make it, and one builder writes its SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from crud_api.resource import Resource
from crud_api.resource.relations import Relation
from query_executor.contract import Value


class Step(Struct, frozen=True):
    """A step into a JSON document: to the member `key`, or to the element with this number. `as_text`: it is a text."""

    key: str
    is_number: bool = False
    as_text: bool = False


Path = tuple[Step, ...]


class Filter(Struct, frozen=True, omit_defaults=True):
    """A condition on a field. `operator` is the name of an `Operator`. The value of `in` is a list.

    `path` leads into the document of the field. With `quantifier` (`any`, `all`) the value is PostgreSQL's text of an
    array. `language` is the configuration of a full text search.
    """

    field: str
    operator: str
    value: Value
    path: Path = ()
    is_negated: bool = False
    quantifier: str = ""
    language: str | None = None


class Group(Struct, frozen=True):
    """Conditions of which all hold (`and`), or any (`or`)."""

    joined_by: str
    members: tuple[Condition, ...]
    is_negated: bool = False


# The way to the rows of another resource: a relation, or two of them through a table between both.
Way = tuple[Relation, ...]


class Related(Struct, frozen=True):
    """There is a row at the end of the way for which the conditions hold."""

    way: Way
    conditions: tuple[Condition, ...]
    is_negated: bool = False


Condition = Filter | Group | Related


def ages_of(resource: Resource, way: Way, name: str = "") -> Iterator[int]:
    """The `max_age_s` of all that a value needs: the column `name` of the row at the end of the way.

    A function may read any table, so the age of what it makes of a row is 0.
    """
    for relation in way:
        yield 0 if relation.function else relation.resource.max_age_s
    if name in (way[-1].resource if way else resource).computed:
        yield 0


def ages_in(resource: Resource, conditions: Sequence[Condition]) -> Iterator[int]:
    """The `max_age_s` of all that the conditions look at, beside that of their own table."""
    for condition in conditions:
        match condition:
            case Filter():
                yield from ages_of(resource, (), condition.field)
            case Group():
                yield from ages_in(resource, condition.members)
            case Related():
                yield from ages_of(resource, condition.way)
                yield from ages_in(condition.way[-1].resource, condition.conditions)


def are_of_computed(conditions: Sequence[Condition], resource: Resource) -> bool:
    """Whether a condition is about what a function makes of a row of the resource."""
    return any(
        are_of_computed(condition.members, resource)
        if isinstance(condition, Group)
        else condition.way[0].function is not None
        if isinstance(condition, Related)
        else condition.field in resource.computed
        for condition in conditions
    )


def filters_in(condition: Condition) -> int:
    """How many filters the tree has."""
    match condition:
        case Group():
            return sum(map(filters_in, condition.members))
        case _:
            return 1
