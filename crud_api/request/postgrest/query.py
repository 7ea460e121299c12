"""From the parameters of a request to the `Read` that they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Condition, Filter, filters_in
from crud_api.request.postgrest.conditions import filter_of, group_of
from crud_api.request.postgrest.grammar import Source, too_many
from crud_api.request.postgrest.order import order_of
from crud_api.request.postgrest.paging import page_of
from crud_api.request.postgrest.select import items_of, members_of, no_column
from crud_api.request.reading import OrderTerm, Read
from crud_api.resource import Resource
from crud_api.resource.columns.column import text_flaw
from crud_api.settings import MAX_QUERY_BYTES

MAX_FILTERS = 100
# Parameters of other methods, which a read ignores as PostgREST does.
_NOT_FOR_READS = frozenset({"columns", "on_conflict"})

Parameters = Mapping[str, Sequence[str]]


def read_of(resource: Resource, parameters: Parameters, range_: str | None = None) -> Read:
    """What the parameters ask for. Raises `PostgrestError`."""
    _refuse_what_cannot_be_read(parameters)
    conditions: list[Condition] = []
    order: tuple[OrderTerm, ...] = ()
    select, limit, offset = "*", None, None
    for name, texts in parameters.items():
        match name:
            case "select":
                select = texts[0]
            case "order":
                order = order_of(resource, texts[-1])
            case "limit":
                limit = texts[-1]
            case "offset":
                offset = texts[-1]
            case _ if name not in _NOT_FOR_READS:
                conditions += [_condition(name, text) for text in texts]
    if sum(map(filters_in, conditions)) > MAX_FILTERS:
        raise too_many(f"a read has at most {MAX_FILTERS} filters")
    for condition in conditions:
        _check(resource, condition)
    limited, first = page_of(limit, offset, range_)
    return Read(
        members=members_of(resource, items_of(select)),
        conditions=tuple(conditions),
        order=order,
        limit=limited,
        offset=first,
    )


def _condition(name: str, text: str) -> Condition:
    *before, last = name.split(".")
    if last in {"and", "or"}:
        _refuse_relations([part for part in before if part != "not"])
        return group_of(last, text, is_negated="not" in before)
    if last in {"select", "order", "limit", "offset"} and before:
        _refuse_relations(before)
    source = Source(name, "tree path")
    names = [source.name()]
    while source.has("."):
        names.append(source.name())
    path = source.path()
    source.end()
    _refuse_relations(names[:-1])
    return filter_of(names[-1], path, text)


def _refuse_relations(names: Sequence[str]) -> None:
    if names:
        raise PostgrestError(
            f"'{names[0]}' is not an embedded resource in this request",
            code="PGRST108",
            hint=f"Verify that '{names[0]}' is included in the 'select' query parameter.",
        )


def _check(resource: Resource, condition: Condition) -> None:
    if not isinstance(condition, Filter):
        for member in condition.members:
            _check(resource, member)
    elif condition.field not in resource.fields:
        raise no_column(resource, condition.field)


def _refuse_what_cannot_be_read(parameters: Parameters) -> None:
    size = 0
    for name, texts in parameters.items():
        for text in texts:
            size += len(f"{name}={text}&".encode(errors="replace"))
            if text_flaw(name) or text_flaw(text):
                raise PostgrestError("The query has a character that PostgreSQL cannot hold.", code="22021")
    if size > MAX_QUERY_BYTES:
        raise too_many(f"the query has {size} bytes, and the limit is {MAX_QUERY_BYTES}")
