"""The SQL of what a condition, an order or an answer reaches: a column, or a part of the document in it."""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.request.conditions import Path
from crud_api.request.sorting import SortKey
from crud_api.resource import Resource
from crud_api.sql.names import quoted
from query_executor.contract import Param


def reached(resource: Resource, name: str, path: Path, prefix: str, params: dict[str, Param], param: str) -> str:
    """The SQL of a column, or of what its path leads to. Adds the params of the path."""
    column = f"{prefix}{quoted(name)}"
    if not path:
        return column
    if not resource.fields[name].column.is_document:
        column = f"to_jsonb({column})"
    for n, step in enumerate(path):
        params[f"{param}_step_{n}"] = step.key
        column += f" {'->>' if step.as_text else '->'} :{param}_step_{n}{'::int4' if step.is_number else ''}"
    return f"({column})"


def ordered(
    resource: Resource, order: Sequence[SortKey], prefix: str = "", params: dict[str, Param] | None = None
) -> str:
    """The keys of an ORDER BY. Adds the params of the paths in them."""
    keys = []
    for n, key in enumerate(order):
        path: Path = getattr(key, "path", ())
        nulls: str = getattr(key, "nulls", "")
        reach = reached(resource, key.column, path, prefix, {} if params is None else params, f"order_{n}")
        keys.append(f"{reach}{' DESC' if key.descending else ''}{f' NULLS {nulls.upper()}' if nulls else ''}")
    return ", ".join(keys)
