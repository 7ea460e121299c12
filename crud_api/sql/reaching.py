"""The SQL of what a condition, an order or an answer reaches: a column, or a part of the document in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crud_api.request.conditions import Path, Way
from crud_api.request.reading import OrderTerm
from crud_api.request.sorting import SortKey
from crud_api.resource import Resource
from crud_api.sql.joining import joined
from crud_api.sql.names import is_joined, quoted, value_of
from query_executor.contract import Param


def reached(resource: Resource, name: str, path: Path, prefix: str, params: dict[str, Param], param: str) -> str:
    """The SQL of a column, of a computed value, or of what its path leads to. Adds the params of the path."""
    column = value_of(resource, name, prefix) if resource.computed else f"{prefix}{quoted(name)}"
    if not path:
        return column
    if not resource.column(name).is_document:
        column = f"to_jsonb({column})"
    for n, step in enumerate(path):
        params[f"{param}_step_{n}"] = step.key
        column += f" {'->>' if step.as_text else '->'} :{param}_step_{n}{'::int4' if step.is_number else ''}"
    return f"({column})"


def ordered(
    resource: Resource,
    order: Sequence[SortKey],
    prefix: str = "",
    params: dict[str, Param] | None = None,
    param: str = "order",
    prefixes: Mapping[Way, str] | None = None,
) -> str:
    """The keys of an ORDER BY. Adds the params of the paths in them, whose names begin with `param`.

    `prefixes` stand before the columns of rows that are joined, by the ways to them.
    """
    keys = []
    for n, key in enumerate(order):
        term = key if isinstance(key, OrderTerm) else OrderTerm(key.column, key.descending)
        reach = _term(resource, term, prefix, {} if params is None else params, f"{param}_{n}", prefixes or {})
        nulls = f" NULLS {term.nulls.upper()}" if term.nulls else ""
        keys.append(f"{reach}{' DESC' if term.descending else ''}{nulls}")
    return ", ".join(keys)


def _term(
    resource: Resource, term: OrderTerm, prefix: str, params: dict[str, Param], param: str, prefixes: Mapping[Way, str]
) -> str:
    if not term.way:
        return reached(resource, term.column, term.path, prefix, params, param)
    joined_prefix, below = prefixes.get(term.way), term.way[-1].resource
    if joined_prefix is not None and (term.column in below.fields or is_joined(joined_prefix)):
        return reached(below, term.column, term.path, joined_prefix, params, param)
    source, belongs = joined(term.way, param, prefix)
    value = reached(below, term.column, term.path, f"{param}.", params, param)
    return f"(SELECT {value} FROM {source} WHERE {belongs} LIMIT 1)"
