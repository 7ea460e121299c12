"""From the catalogue to declarations: what each table's file has to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from infra.local.adopt import names
from infra.local.adopt.catalogue import Catalogue, Column, ForeignKey, Table, Unique
from infra.local.adopt.checks import Limits, constant, limits_of
from infra.local.adopt.computed import ComputedPlan, computed_of
from infra.local.adopt.layout import Node, text
from infra.local.adopt.relations import Place, ReferencePlan, Side, foreign_keys_of, references_of
from infra.local.adopt.types import Annotation, Annotations, Definition, refuse_name
from infra.local.adopt.views import first_shown, keys_shown
from query_executor.migrate.origins import Origin, origins_of

KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
# What the API's own columns are called, which a new row gets from its default and no client sets.
_STAMPS = frozenset({"created_at", "updated_at"})


class FieldPlan(Struct):
    """A column as a field. `default` is Python's text of it; without one the field is required."""

    column: str
    attribute: str
    node: Node
    nullable: bool
    default: str
    computed: bool
    choices: list[str] | None = None
    comment: str | None = None  # of the column itself

    @property
    def tail(self) -> str:
        """What follows the type."""
        return "| None" if self.nullable else "| UnsetType" if self.default == "UNSET" else ""


class Plan(Struct):
    """A file to be written, or what an existing file has to agree with."""

    table: Table
    name: str
    class_name: str
    variable: str
    annotations: Annotations
    fields: list[FieldPlan]
    key: tuple[str, ...]
    keys: list[tuple[str, ...]]  # every key that PostgreSQL holds unique
    made_key: str
    read_only: list[str]
    updated_at: str | None
    references: list[ReferencePlan]
    shows: dict[str, tuple[str, str, str]]  # of a view: the schema, the table and the column below a column
    computed: list[ComputedPlan]
    notes: list[str]  # what is left out, and why

    @property
    def definitions(self) -> list[Definition]:
        """What stands above the class."""
        return self.annotations.definitions

    @property
    def imports(self) -> dict[str, set[str]]:
        """What the file imports, by module."""
        return self.annotations.imports


class Declared(Struct):
    """What is known of a resource that a file declares already."""

    name: str
    key: tuple[str, ...]
    columns: set[str]
    references: dict[tuple[str, ...], tuple[str, str, str]]  # to (resource, name, reverse)
    class_name: str
    variable: str
    defined: set[str]  # the names that its file defines or imports


def plans_of(catalogue: Catalogue, declared: Mapping[Place, Declared]) -> list[Plan]:
    """A plan for each table, in the order of the catalogue. What is declared keeps its names."""
    taken = _Taken(declared)
    origins = {table.place: origins_of(table, catalogue.table) for table in catalogue.tables if table.is_view}
    made = [
        _plan(table, catalogue, declared.get(table.place), taken, origins.get(table.place, {}))
        for table in catalogue.tables
    ]
    sides: dict[Place, Side] = {}
    for place, each in declared.items():
        sides[place] = Side(each.name, each.key, set(each.columns))
    for plan in made:
        side = Side(plan.name, plan.key, {field.column for field in plan.fields})
        if (known := declared.get(plan.table.place)) is not None:
            side = Side(known.name, known.key, side.taken | known.columns)
        sides[plan.table.place] = side
    by_name = {side.name: side for side in sides.values()}
    for each in declared.values():
        for other, name, reverse in each.references.values():
            by_name[each.name].taken.add(name)
            if other in by_name:
                by_name[other].taken.add(reverse)
    views = _views_of(origins, catalogue)
    for plan in made:
        of_view = origins.get(plan.table.place, {})
        keys = [
            _led_to_view(key, plan.table.place, sides, views)
            for key in foreign_keys_of(plan.table, of_view, catalogue.table)
        ]
        known = declared.get(plan.table.place)
        uniques = plan.table.uniques if not plan.table.is_simple else _shown_uniques(of_view, catalogue)
        own = sides[plan.table.place]
        plan.references = list(references_of(own, keys, uniques, sides, known.references if known else {}, plan.notes))
        columns = {field.column for field in plan.fields}
        plan.shows = {
            column: below for column, below in keys_shown(of_view, catalogue.table).items() if column in columns
        }
        plan.computed = list(computed_of(plan.table, columns, sides, plan.notes))
    return made


# By a column of a table: the views that show it, with their names of it.
_Views = Mapping[tuple[Place, str], Mapping[Place, str]]


def _views_of(origins_by_view: Mapping[Place, Mapping[str, Origin]], catalogue: Catalogue) -> _Views:
    found: dict[tuple[Place, str], dict[Place, str]] = {}
    for view, origins in origins_by_view.items():
        for (oid, column), shown in first_shown(origins).items():
            if (table := catalogue.table(oid)) is not None:
                found.setdefault((table.place, column), {})[view] = shown
    return found


def _led_to_view(key: ForeignKey, own: Place, sides: Mapping[Place, Side], views: _Views) -> ForeignKey:
    """The foreign key; if its table is not declared, to a view that shows the columns that it names.

    It is the view that has the key itself, else the view with the table's name, else the first.
    """
    if key.to in sides:
        return key
    shown = [views.get((key.to, column), {}) for column in key.to_columns]
    fit = [view for view in shown[0] if view in sides and all(view in each for each in shown)] if shown else []
    if not fit:
        return key
    view = min(fit, key=lambda view: (view != own, view[1] != key.to[1], view))
    return ForeignKey(key.name, key.columns, view, [each[view] for each in shown])


class _Taken:
    """The names that resources, classes (in lower case), variables and files have."""

    def __init__(self, declared: Mapping[Place, Declared]) -> None:
        self.resources = {each.name for each in declared.values()}
        self.classes = {each.class_name.lower() for each in declared.values()}
        self.variables = {each.variable for each in declared.values()}


def _plan(
    table: Table, catalogue: Catalogue, known: Declared | None, taken: _Taken, origins: Mapping[str, Origin]
) -> Plan:
    if known is not None:
        name, class_name, variable = known.name, known.class_name, known.variable
    else:
        name = table.name if table.name not in taken.resources else f"{table.schema}_{table.name}"
        name = names.unique(name, taken.resources)
        slug = names.identifier(name, instead="table")
        class_name = names.class_name(names.singular(slug))
        if class_name.lower() in taken.classes:
            class_name = names.class_name(slug, taken.classes)
        variable = names.variable(name, taken.variables)
        taken.resources.add(name)
        taken.classes.add(class_name.lower())
        taken.variables.add(variable)
    annotations = Annotations(catalogue, {class_name, variable, *(known.defined if known else ())})
    keys = _keys(table, origins, catalogue)
    key = keys[0] if keys else ()
    plan = Plan(table, name, class_name, variable, annotations, [], key, keys, "", [], None, [], {}, [], [])
    annotations.uses("msgspec", "Struct")
    annotations.uses("crud_api.resource", "Resource")
    limits = limits_of(table.checks)
    attributes: list[str] = []
    for column in table.columns:
        try:
            refuse_name(column.name)
            base, limit = _base(column, table, origins, catalogue)
            field = _field(plan, column, base, limit or limits.get(column.name, Limits()), attributes)
        except ValueError as error:
            plan.notes.append(f"the column {column.name}: it {error}")
            continue
        attributes.append(field.attribute)
        plan.fields.append(field)
    columns = {field.column for field in plan.fields}
    plan.keys = [each for each in keys if set(each) <= columns]
    plan.key = plan.keys[0] if plan.keys else ()
    if table.has_children:
        plan.notes.append("its key: child tables inherit from it, and the key does not cover their rows")
        plan.keys, plan.key = [], ()
    return plan


def _field(plan: Plan, column: Column, base: Column, limits: Limits, attributes: Sequence[str]) -> FieldPlan:
    """The field of a column. Of a simple view, `base` is the column below it."""
    annotations = plan.annotations
    made = annotations.of(column.type, column.modifier, column.dimensions, limits, column.comment, column.name)
    in_key = column.name in plan.key
    computed = base.generated != "" or base.identity == "a"
    is_filled = computed or base.identity != "" or base.default is not None or made.has_default
    not_null = base.not_null or made.not_null or in_key
    default = ""
    if in_key:
        if is_filled and column.name == plan.key[-1]:
            plan.made_key = "default"
    elif (value := _default(base, made, annotations)) is not None and not computed:
        default = value
    elif not not_null:
        default = "None"
    elif is_filled:
        default = "UNSET"
    if default == "UNSET":
        annotations.uses("msgspec", "UNSET", "UnsetType")
    stamps = column.name in _STAMPS and made.kind in {"Timestamp", "LocalTimestamp"} and base.default in {
        "now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "transaction_timestamp()", "statement_timestamp()",
    }  # fmt: skip
    if computed or made.read_only or stamps:
        plan.read_only.append(column.name)
    if made.read_only:
        plan.notes.append(f"values for the column {column.name}: it {made.read_only}, so it is read_only")
    if stamps and column.name == "updated_at":
        plan.updated_at = column.name
    return FieldPlan(
        column.name,
        names.identifier(column.name, attributes),
        made.node,
        not not_null,
        default,
        computed,
        made.choices,
        column.comment,
    )


def _default(column: Column, made: Annotation, annotations: Annotations) -> str | None:
    """Python's text of a default that is a constant, and that the type takes."""
    value = constant(column.default)
    match value:
        case bool():
            return str(value) if made.kind == "bool" else None
        case Decimal() if made.kind in {"int", "Whole"} and value == int(value):
            return str(int(value))
        case Decimal() if made.kind == "float":
            return repr(float(value))
        case Decimal() if made.kind == "Decimal":
            annotations.uses("decimal", "Decimal")
            return f'Decimal("{value}")'
        case str() if made.kind == "str" and (made.choices is None or value in made.choices):
            return text(value)
    return None


def _base(
    column: Column, table: Table, origins: Mapping[str, Origin], catalogue: Catalogue
) -> tuple[Column, Limits | None]:
    """The column below a view's, and its limits; for other tables the column itself."""
    origin = origins.get(column.name)
    below = catalogue.table(origin[0]) if origin else None
    if origin is None or below is None:
        return column, None
    limits = limits_of(below.checks).get(origin[1], Limits())
    if not table.is_simple:
        return column, limits
    return next(each for each in below.columns if each.name == origin[1]), limits


def _keys(table: Table, origins: Mapping[str, Origin], catalogue: Catalogue) -> list[tuple[str, ...]]:
    """The keys that hold the rows apart, the best first."""
    if not table.is_view:
        return _own_keys(table)
    if table.uniques:  # of a materialized view
        return [tuple(unique.columns) for unique in table.uniques]
    shown = first_shown(origins)
    tables = {oid: base for oid in dict.fromkeys(oid for oid, _ in shown) if (base := catalogue.table(oid))}
    found: dict[int, list[tuple[str, ...]]] = {}
    for oid, below in tables.items():
        for key in _own_keys(below):
            if all((oid, column) in shown for column in key):
                found.setdefault(oid, []).append(tuple(shown[oid, column] for column in key))
    # Of a join, the table that refers to all others has the rows of the join, at most once each.
    for oid, keys in found.items():
        if tables.keys() - {oid} <= _reached(tables[oid], tables):
            return keys
    return []


def _reached(table: Table, tables: Mapping[int, Table]) -> set[int]:
    """The tables that foreign keys lead to from this table."""
    by_place = {each.place: oid for oid, each in tables.items()}
    reached: set[int] = set()
    ahead = [table]
    while ahead:
        for key in ahead.pop().foreign_keys:
            if (oid := by_place.get(key.to)) is not None and oid not in reached:
                reached.add(oid)
                ahead.append(tables[oid])
    return reached


def _own_keys(table: Table) -> list[tuple[str, ...]]:
    not_null = {column.name for column in table.columns if column.not_null}
    return [tuple(unique.columns) for unique in table.uniques if set(unique.columns) <= not_null]


def _shown_uniques(origins: Mapping[str, Origin], catalogue: Catalogue) -> list[Unique]:
    """The unique indexes of the table below a simple view, by the view's names of the columns."""
    shown = first_shown(origins)
    bases = {oid: catalogue.table(oid) for oid, _ in shown}
    return [
        Unique([shown[oid, column] for column in unique.columns], unique.primary)
        for oid, base in bases.items()
        if base is not None
        for unique in base.uniques
        if all((oid, column) in shown for column in unique.columns)
    ]
