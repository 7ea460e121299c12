"""Which rows `select=author(*)` embeds: the relation is found by names of tables, columns and foreign keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Way
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, every_relation
from crud_api.resource.tables import Tables


def way_to(tables: Tables, origin: Resource, target: str, hint: str) -> Way:
    """The way from a row to the rows of the target. Raises `PostgrestError` unless there is exactly one."""
    known = _ways(tables).get(origin.name, ()) if origin in tables else ()  # the rows of a call may be of no table
    found = [way for way in known if _is_meant(origin, way, target, hint)]
    if len(found) == 1:
        return found[0]
    if not found:
        by_hint = f" using the hint '{hint}'" if hint else ""
        raise PostgrestError(
            f"Could not find a relationship between '{origin.name}' and '{target}' in the schema cache",
            code="PGRST200",
            details=f"Searched for a foreign key relationship between '{origin.name}' and '{target}'{by_hint} in the "
            f"schema '{origin.place[0] or 'public'}', but no matches were found.",
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


@cache
def _ways(tables: Tables) -> Mapping[str, Sequence[Way]]:
    """All ways by their origins. It reads every declaration, when something is embedded for the first time."""
    ways: dict[str, list[Way]] = {}
    for origin, relation in every_relation({table.name: table for table in tables}):
        ways.setdefault(origin.name, []).append((relation,))
    for between in tables:
        refers = [way[0] for way in ways.get(between.name, ()) if way[0].refers]
        keyed = [relation for relation in refers if {*relation.own} <= {*between.key_columns}]
        for first in keyed:
            for second in keyed:
                if first is not second:
                    back = Relation(
                        name=between.name, resource=between, own=first.columns, columns=first.own, many=True,
                        constraint=first.constraint,
                    )  # fmt: skip
                    ways.setdefault(first.resource.name, []).append((back, second))
    return ways


def _is_meant(origin: Resource, way: Way, target: str, hint: str) -> bool:
    last = way[-1]
    is_target, one = target == last.resource.name, way[0] if len(way) == 1 else None
    if one is not None and one.resource is origin:  # a table that refers to itself
        if hint:
            return is_target and one.many and one.columns == (hint,)
        return (is_target and one.many) or (one.refers and one.own == (target,))
    if not hint:
        return is_target or (one is not None and (_is(one.constraint, target) or one.own == (target,)))
    if not is_target:
        return False
    if one is None:
        return way[0].resource.name == hint
    return _is(one.constraint, hint) or one.own == (hint,) or one.columns == (hint,)


def _is(constraint: str, name: str) -> bool:
    return bool(constraint) and constraint == name


def _name(way: Way) -> str:
    return way[0].resource.name if len(way) > 1 else way[0].constraint or way[0].name


def _described(origin: Resource, way: Way) -> dict[str, str]:
    kind = "many-to-many" if len(way) > 1 else "one-to-many" if way[0].many else "many-to-one" if way[0].refers else ""
    target, columns = way[-1].resource, ", ".join
    said = f"{_name(way)} using {origin.name}({columns(way[0].own)}) and {target.name}({columns(way[0].columns)})"
    if len(way) > 1:
        said = (
            f"{way[0].resource.name} using {way[0].constraint}({columns(way[0].columns)}) and "
            f"{way[1].constraint}({columns(way[1].own)})"
        )
    return {
        "cardinality": kind or "one-to-one",
        "embedding": f"{origin.name} with {target.name}",
        "relationship": said,
    }
