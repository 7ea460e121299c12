"""Every way from a row to rows of other tables: by foreign keys, through a table between, through views, by functions.

A foreign key holds for each view that shows its columns, on both sides (PostgREST's documentation, resource_embedding).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from msgspec import Struct

from crud_api.request.conditions import Way
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, every_relation
from crud_api.resource.tables import Tables

_Place = tuple[str, str]  # the schema and the name of a table
_Seen = tuple[Resource, tuple[str, ...]]  # a table or a view, and its names of some columns


class _Key(Struct, frozen=True):
    """A foreign key. Its tables need not be declared: a view may show them."""

    declared: Relation
    own: tuple[_Place, tuple[str, ...]]
    to: tuple[_Place, tuple[str, ...]]


def ways_of(tables: Tables) -> Mapping[str, Sequence[Way]]:
    """All ways by the names of their origins. It reads every declaration."""
    ways: dict[str, list[Way]] = {table.name: [] for table in tables}
    for origin, relation in _relations(tables):
        ways[origin.name].append((relation,))
    for between in tables:
        refers = [way[0] for way in ways[between.name] if way[0].refers and not way[0].unique]
        keyed = [relation for relation in refers if {*relation.own} <= {*between.key_columns}]
        for first, second in product(keyed, keyed):
            if (first.constraint, first.own) != (second.constraint, second.own):
                back = Relation(
                    name=between.name, resource=between, own=first.columns, columns=first.own, many=True,
                    constraint=first.constraint,
                )  # fmt: skip
                ways[first.resource.name].append((back, second))
    for origin in tables:
        functions = [*_functions(tables, origin)]
        instead = {relation.name for relation in functions}
        found = [way for way in ways[origin.name] if way[-1].resource.name not in instead]
        ways[origin.name] = [*sorted(found, key=_order), *((relation,) for relation in functions)]
    return ways


def kind_of(way: Way) -> str:
    """How many rows are at both ends of the way, in PostgREST's words."""
    if len(way) > 1:
        return "many-to-many"
    if way[0].unique:
        return "one-to-one"
    return "one-to-many" if way[0].many else "many-to-one"


_KINDS = ("one-to-many", "many-to-one", "one-to-one", "many-to-many")


def _order(way: Way) -> tuple[object, ...]:
    return way[-1].resource.name, _KINDS.index(kind_of(way)), way[0].constraint, way[0].own, way[0].columns


def _relations(tables: Tables) -> Iterator[tuple[Resource, Relation]]:
    """Both relations of each foreign key, for each table and view that shows its columns."""
    views: dict[_Place, list[tuple[Resource, dict[str, list[str]]]]] = {}
    for table in tables:
        shown: dict[_Place, dict[str, list[str]]] = {}
        for name, (schema, of, column) in table.shown.items():
            shown.setdefault((schema, of), {}).setdefault(column, []).append(name)
        for place, columns in shown.items():
            views.setdefault(place, []).append((table, columns))
    declared: dict[_Place, list[Resource]] = {}  # a table may have several declarations
    for table in tables:
        declared.setdefault(_place(table), []).append(table)

    def seen(place: _Place, columns: tuple[str, ...]) -> Iterator[_Seen]:
        for table in declared.get(place, ()):
            if table.fields.keys() >= {*columns}:
                yield table, columns
        for view, names in views.get(place, ()):
            for shown in product(*(names.get(column, ()) for column in columns)):
                yield view, shown

    for key in _keys(tables):
        relation = key.declared
        for (one, own), (other, theirs) in product(seen(*key.own), seen(*key.to)):
            yield one, Relation(
                name=relation.name, resource=other, own=own, columns=theirs, many=False, refers=True,
                unique=relation.unique, constraint=relation.constraint,
            )  # fmt: skip
            yield other, Relation(
                name=one.name, resource=one, own=theirs, columns=own, many=not relation.unique,
                unique=relation.unique, constraint=relation.constraint,
            )  # fmt: skip


def _keys(tables: Tables) -> Iterator[_Key]:
    """The foreign keys, each once: a table and the views of it may all declare it. What the table says holds."""
    found: dict[object, _Key] = {}
    for owner, relation in every_relation({table.name: table for table in tables}):
        if relation.refers:
            key = _Key(relation, _below(owner, relation.own), _below(relation.resource, relation.columns))
            if not owner.shows or (key.own, key.to) not in found:
                found[key.own, key.to] = key
    yield from found.values()


def _below(resource: Resource, columns: tuple[str, ...]) -> tuple[_Place, tuple[str, ...]]:
    """The table whose columns these are, and its names of them. Of a view, it is the table that the view shows."""
    shown = [resource.shown.get(column) for column in columns]
    places = {(each[0], each[1]) for each in shown if each is not None}
    if None in shown or len(places) != 1:
        return _place(resource), columns
    return places.pop(), tuple(each[2] for each in shown if each is not None)


def _place(resource: Resource) -> _Place:
    schema, name = resource.place
    return schema or "public", name


def _functions(tables: Tables, origin: Resource) -> Iterator[Relation]:
    """The relations that functions make. They stand instead of those to a table of the same name."""
    for name, computed in origin.computed.items():
        if computed.resource and (resource := tables.get(computed.resource)) is not None:
            yield Relation(
                name=name, resource=resource, own=(), columns=(), many=computed.many, function=computed.place,
            )  # fmt: skip
