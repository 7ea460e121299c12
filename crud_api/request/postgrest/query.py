"""From the parameters of a request to the `Read` that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Condition, Path, filters_in
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.conditions import filter_of, group_of
from crud_api.request.postgrest.grammar import Source, too_many
from crud_api.request.postgrest.levels import Level
from crud_api.request.postgrest.order import order_of
from crud_api.request.postgrest.select import items_of
from crud_api.request.reading import Read
from crud_api.resource import Resource
from crud_api.resource.columns.column import text_flaw
from crud_api.resource.tables import Tables
from crud_api.settings import MAX_QUERY_BYTES

MAX_FILTERS = 100
# `select` is read first. The others are of other methods, and a read ignores them as PostgREST does.
_NO_CONDITIONS = frozenset({"select", "columns", "on_conflict"})


def read_of(tables: Tables, resource: Resource, parameters: Parameters, range_: str | None = None) -> Read:
    """What the parameters ask for. Raises `PostgrestError`."""
    return level_of(tables, resource, parameters).read(range_)


def level_of(tables: Tables, resource: Resource, parameters: Parameters) -> Level:
    """The level of the table, with what the parameters ask for. Raises `PostgrestError`."""
    refuse_what_cannot_be_read(parameters)
    root = Level(tables, resource, items_of(parameters.get("select", "*")[0]))
    filters = 0
    for name, texts in parameters.items():
        if name in _NO_CONDITIONS:
            continue
        *before, last = name.split(".")
        match last:
            case "order":
                root.at(before).order = order_of(texts[-1])
            case "limit":
                root.at(before).limit = texts[-1]
            case "offset":
                root.at(before).offset = texts[-1]
            case _:
                for text in texts:
                    path, condition = _condition(name, text)
                    root.at(path).conditions.append(condition)
                    filters += filters_in(condition)
    if filters > MAX_FILTERS:
        raise too_many(f"a read has at most {MAX_FILTERS} filters")
    return root


def _condition(name: str, text: str) -> tuple[Sequence[str], Condition]:
    """The condition that a parameter is, and the path of names to its level."""
    *before, last = name.split(".")
    if last in {"and", "or"}:
        return [part for part in before if part != "not"], group_of(last, text, is_negated="not" in before)
    names, column, steps = _filtered(name)
    return names, filter_of(column, steps, text)


@lru_cache(256)  # clients repeat the same names
def _filtered(name: str) -> tuple[tuple[str, ...], str, Path]:
    """What the parameter of a filter names: the path to its level, a column there, and a path into its document."""
    source = Source(name, "tree path")
    names = [source.name()]
    while source.has("."):
        names.append(source.name())
    steps = source.path()
    source.end()
    return tuple(names[:-1]), names[-1], steps


def refuse_what_cannot_be_read(parameters: Parameters) -> None:
    """Raises `PostgrestError` for a query that PostgreSQL cannot hold, or that is too large."""
    query = "".join([f"{name}={text}&" for name, texts in parameters.items() for text in texts])
    if text_flaw(query):
        raise PostgrestError("The query has a character that PostgreSQL cannot hold.", code="22021")
    size = len(query.encode())
    if size > MAX_QUERY_BYTES:
        raise too_many(f"the query has {size} bytes, and the limit is {MAX_QUERY_BYTES}")
