"""The levels of a read: the table of the path, and the rows that are embedded in its rows, and so on."""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.errors import PostgrestError
from crud_api.request.conditions import Condition, Filter, Group, Related, Way
from crud_api.request.postgrest.paging import page_of
from crud_api.request.postgrest.relations import is_many, way_to
from crud_api.request.postgrest.select import Embedding, Item, Star, every_column, known, no_column
from crud_api.request.reading import Embedded, Member, OrderTerm, Read
from crud_api.resource import Resource
from crud_api.resource.tables import Tables


class Level:
    """One level, to which the parameters add what they ask for. `embeds` are the levels below it, by their names."""

    def __init__(self, tables: Tables, resource: Resource, items: Sequence[Item], way: Way = ()) -> None:
        self.resource = resource
        self.way = way
        self.conditions: list[Condition] = []
        self.order: list[tuple[str, OrderTerm]] = []  # each with the name of the level that has its column
        self.limit: str | None = None
        self.offset: str | None = None
        self.is_empty = not items and bool(way)
        self.embeds: dict[str, tuple[Embedding, Level]] = {}
        for item in items:
            if isinstance(item, Embedding):
                below = way_to(tables, resource, item.relation, item.hint)
                level = Level(tables, below[-1].resource, item.items, below)
                self.embeds[item.alias or item.relation] = item, level
        self.members: list[Member | str] = []  # an embedding by its name in `embeds`
        for item in items if items or way else (Star(),):
            match item:
                case Star():
                    self.members += every_column(resource)
                case Embedding():
                    self.members.append(item.alias or item.relation)
                case _:
                    self.members.append(known(resource, item))

    def at(self, path: Sequence[str]) -> Level:
        """The level at the end of a path of names. Raises `PostgrestError`."""
        level = self
        for name in path:
            if name not in level.embeds:
                raise not_embedded(name)
            level = level.embeds[name][1]
        return level

    def read(self, range_: str | None = None) -> Read:
        """What is asked for at this level and below. Raises `PostgrestError`."""
        limit, offset = page_of(self.limit, self.offset, range_)
        return self._read(self.own_conditions(), limit, offset)

    def read_of_written(self) -> Read:
        """What is asked for of the rows that a write writes. It shows all of them: a limit is for reading."""
        limit, offset = page_of(None, None, None)
        return self._read([], limit, offset)

    def _read(self, conditions: list[Condition], limit: int, offset: int) -> Read:
        for embedding, level in self.embeds.values():
            if embedding.join == "inner":
                conditions.append(Related(level.way, level.read().conditions))
        members: list[Member | Embedded] = []
        for member in self.members:
            if isinstance(member, Member):
                members.append(member)
                continue
            embedding, level = self.embeds[member]
            if not level.has_no_members:
                embedded = Embedded(member, level.way, level.read(), is_many(level.way), embedding.is_spread)
                if embedded.is_spread and embedded.is_many and embedded.read.is_grouped:
                    raise PostgrestError(
                        "Feature not implemented",
                        code="PGRST127",
                        details="Aggregates are not implemented for one-to-many or many-to-many spreads.",
                    )
                members.append(embedded)
        return Read(
            members=tuple(members),
            conditions=tuple(conditions),
            order=tuple(self._term(name, term) for name, term in self.order),
            limit=limit,
            offset=offset,
        )

    def own_conditions(self) -> list[Condition]:
        """The conditions on the rows of this level. Raises `PostgrestError`."""
        return [self._condition(condition) for condition in self.conditions]

    @property
    def has_no_members(self) -> bool:
        """Whether its rows are only looked for, and not shown: `select=*,author()`."""
        return self.is_empty or (
            all(isinstance(member, str) for member in self.members)
            and all(level.has_no_members for _, level in self.embeds.values())
        )

    def _condition(self, condition: Condition) -> Condition:
        match condition:
            case Group():
                members = tuple(self._condition(member) for member in condition.members)
                return Group(condition.joined_by, members, condition.is_negated)
            case Filter() if condition.field not in self.resource.readable:
                if condition.field in self.embeds and not condition.path:
                    return self._presence(condition)
                raise no_column(self.resource, condition.field)
        return condition

    def _presence(self, condition: Filter) -> Related:
        """`author=is.null`: no row is embedded."""
        if condition.operator != "is" or condition.value not in {"null", "not_null"}:
            raise PostgrestError(
                f"Bad operator on the '{condition.field}' embedded resource",
                code="PGRST120",
                details="Only is null or not is null filters are allowed on embedded resources",
            )
        level = self.embeds[condition.field][1]
        return Related(level.way, level.read().conditions, (condition.value == "null") != condition.is_negated)

    def _term(self, name: str, term: OrderTerm) -> OrderTerm:
        if not name:
            if term.column not in self.resource.readable:
                raise no_column(self.resource, term.column)
            return term
        if name not in self.embeds:
            raise not_embedded(name)
        level = self.embeds[name][1]
        if is_many(level.way):
            raise PostgrestError(
                f"A related order on '{name}' is not possible",
                code="PGRST118",
                details=f"'{self.resource.name}' and '{name}' do not form a many-to-one or one-to-one relationship",
            )
        if term.column in level.resource.readable:
            return OrderTerm(term.column, term.descending, term.path, term.nulls, level.way)
        for member in level.members:  # by the name that select gives it
            if isinstance(member, Member) and member.label == term.column and member.column and not member.aggregate:
                return OrderTerm(member.column, term.descending, member.path + term.path, term.nulls, level.way)
        raise no_column(level.resource, term.column)


def not_embedded(name: str) -> PostgrestError:
    """The error for a name that `select` does not embed at its level."""
    return PostgrestError(
        f"'{name}' is not an embedded resource in this request",
        code="PGRST108",
        hint=f"Verify that '{name}' is included in the 'select' query parameter.",
    )
