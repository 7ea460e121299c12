"""Which rows `select=author(*)` embeds: the relation is found by names of tables, columns and foreign keys."""

from __future__ import annotations

from functools import cache

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Way
from crud_api.request.postgrest.near import nearest
from crud_api.request.postgrest.ways import kind_of, ways_of
from crud_api.resource import Resource
from crud_api.resource.tables import Tables


def way_to(tables: Tables, origin: Resource, target: str, hint: str) -> Way:
    """The way from a row to the rows of the target. Raises `PostgrestError` unless there is exactly one."""
    # The rows of a call may be of no table.
    ways = _ways(tables).get(origin.name, ()) if origin in tables else ()
    found = [way for way in ways if _is_meant(origin, way, target, hint)]
    if len(found) == 1:
        return found[0]
    if not found:
        by_hint = f" using the hint '{hint}'" if hint else ""
        near = nearest(target, {way[-1].resource.name for way in ways}, 0.33)
        raise PostgrestError(
            f"Could not find a relationship between '{origin.name}' and '{target}' in the schema cache",
            code="PGRST200",
            details=f"Searched for a foreign key relationship between '{origin.name}' and '{target}'{by_hint} in the "
            f"schema '{origin.place[0] or 'public'}', but no matches were found.",
            hint=f"Perhaps you meant '{near}' instead of '{target}'." if near and near != target else None,
        )
    hints = ", ".join(f"'{way[-1].resource.name}!{_name(way)}'" for way in found)
    raise PostgrestError(
        f"Could not embed because more than one relationship was found for '{origin.name}' and '{target}'",
        300,
        "PGRST201",
        details=[_described(origin, way) for way in found],
        hint=f"Try changing '{target}' to one of the following: {hints}. Find the desired relationship in the "
        "'details' key.",
    )


def is_many(way: Way) -> bool:
    """Whether several rows may be at the end of the way."""
    return any(relation.many for relation in way)


_ways = cache(ways_of)


def _is_meant(origin: Resource, way: Way, target: str, hint: str) -> bool:
    last = way[-1]
    is_target, one = target == last.resource.name, way[0] if len(way) == 1 else None
    if last.function:
        return target == last.name
    if one is not None and one.resource is origin:  # a table that refers to itself
        is_back = is_target and not one.refers
        return is_back and one.columns == (hint,) if hint else is_back or (one.refers and one.own == (target,))
    if not hint:
        # A view is meant by its own name only: it comes beside its table.
        by_key = one is not None and not last.resource.shows
        return is_target or (by_key and (_is(last.constraint, target) or last.own == (target,)))
    if one is None:
        return is_target and way[0].resource.name == hint
    return is_target and (_is(one.constraint, hint) or one.own == (hint,) or one.columns == (hint,))


def _is(constraint: str, name: str) -> bool:
    return bool(constraint) and constraint == name


def _name(way: Way) -> str:
    return way[0].resource.name if len(way) > 1 else way[0].constraint or way[0].name


def _described(origin: Resource, way: Way) -> dict[str, str]:
    target, columns = way[-1].resource, ", ".join
    said = f"{_name(way)} using {origin.name}({columns(way[0].own)}) and {target.name}({columns(way[0].columns)})"
    if len(way) > 1:
        said = (
            f"{way[0].resource.name} using {way[0].constraint}({columns(way[0].columns)}) and "
            f"{way[1].constraint}({columns(way[1].own)})"
        )
    return {
        "cardinality": kind_of(way),
        "embedding": f"{origin.name} with {target.name}",
        "relationship": said,
    }
