"""Changes the declaration that a file has, where it contradicts the database. Everything else of the file stays.

A contradiction is a column that is gone or new, a type that does not carry the column's values, a limit or a choice
that the database would refuse, a null on one side alone, or a key that is not unique. What is tighter than the database
stays, and so do names, descriptions and comments.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crud_api.resource.columns.choice import ChoiceColumn
from crud_api.resource.columns.field import Field
from infra.local.adopt import existing, write
from infra.local.adopt.edits import Edits, inside_meta, with_imports, without_none
from infra.local.adopt.existing import Existing
from infra.local.adopt.layout import Group, Node, docstring, flat, laid, text
from infra.local.adopt.plan import FieldPlan, Plan
from infra.local.adopt.types import facts_of, line_of
from query_executor.migrate.declared import type_differences


class Merged(Struct):
    """The text of the file, and what a person should know."""

    source: str
    notes: list[str]


def merged(plan: Plan, known: Existing) -> Merged:
    """The file as it should be."""
    edits = Edits(known.source)
    class_ = edits.class_named(known.resource.model.__name__)
    call = edits.call_of(known.variable)
    if class_ is None or call is None:
        return Merged(known.source, [f"changes: {known.path.name} declares it in a way that adopt cannot edit"])
    source = write.written(plan)
    try:
        made = existing.run(source, known.path)[plan.variable]
    except Exception as error:  # noqa: BLE001 - whatever the declaration raises is the reason
        return Merged(known.source, [f"changes: {error}. Edit {known.path.name} by hand."])
    wanted: Mapping[str, Field] = made.fields  # type: ignore[attr-defined] # a Resource
    _Fields(plan, known, edits, class_, wanted).change()
    _change_resource(plan, known, edits, call)
    try:
        changed = with_imports(edits.changed(), known.source, plan)
        return Merged(_working(changed, known, class_), [])
    except Exception as error:  # noqa: BLE001 - whatever the declaration raises is the reason
        return Merged(known.source, [f"changes: {error}. Edit {known.path.name} by hand."])


def _working(source: str, known: Existing, class_: ast.ClassDef) -> str:
    """The file, whose class takes keywords only if a required field now comes after others."""
    try:
        existing.run(source, known.path)
    except TypeError as error:
        if "Required field" not in str(error):
            raise
        source = source.replace(f"class {class_.name}(Struct):", f"class {class_.name}(Struct, kw_only=True):")
        existing.run(source, known.path)
    return source


class _Fields:
    """The fields of the class, each by the name of its column."""

    def __init__(
        self, plan: Plan, known: Existing, edits: Edits, class_: ast.ClassDef, wanted: Mapping[str, Field]
    ) -> None:
        # It reads all tables, of which one that does not work would be no error with a remedy here.
        from infra.declarations import declared  # noqa: PLC0415

        self._plan, self._known, self._edits, self._class, self._wanted = plan, known, edits, class_, wanted
        model = known.resource.model
        infos = dict(zip(model.__struct_fields__, model.__struct_encode_fields__, strict=True))
        self._nodes = {
            infos[node.target.id]: node
            for node in class_.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in infos
        }
        self._columns = {one["name"]: one for one in declared([known.resource])[0]["columns"]}

    def change(self) -> None:
        there = {column.name for column in self._plan.table.columns}
        for name, node in self._nodes.items():
            if name not in there:
                self._edits.remove_lines(node)
        before: ast.AnnAssign | None = None
        for field in self._plan.fields:
            if (known := self._nodes.get(field.column)) is not None:
                self._change_field(field, known)
                before = known
            else:
                self._add_field(field, before)
        comment = self._plan.table.comment
        first = self._class.body[0]
        said = ast.get_docstring(self._class) or ""
        if comment and said.startswith("A row of ") and isinstance(first, ast.Expr):
            self._edits.replace(first, docstring(comment).strip())

    def _add_field(self, field: FieldPlan, before: ast.AnnAssign | None) -> None:
        line = write.field_line(field, self._plan)
        nodes = list(self._nodes.values())
        takes_keywords = any(keyword.arg == "kw_only" for keyword in self._class.keywords)
        required = [node for node in nodes if node.value is None]
        if (
            not takes_keywords
            and required
            and (not field.default or before is None or before.lineno < required[-1].lineno)
        ):
            before = required[-1]
        if before is not None:
            self._edits.insert_after(before, line)
        elif nodes:
            self._edits.insert_before(nodes[0], line)
        else:
            self._edits.insert_after(self._class.body[-1], line)

    def _change_field(self, planned: FieldPlan, node: ast.AnnAssign) -> None:
        known, wanted = self._known.resource.fields[planned.column], self._wanted[planned.column]
        in_key = planned.column in self._known.resource.key_columns
        reads = planned.column in self._known.resource.read_only
        annotation = without_none(self._edits.segment(node.annotation))
        new: Node = annotation
        if not self._carries(planned.column):
            said = _description(node.annotation)
            new = inside_meta(flat(planned.node), {"description": said} if said else {})
        else:
            new = self._with_choices(annotation, planned, known)
            if not reads and new == annotation:
                new = _limited(annotation, known, _tighter(known, wanted))
            alias = self._edits.assigned(annotation)
            own_words = annotation if alias is None else self._edits.segment(alias)
            if planned.comment and "description=" not in own_words and not planned.choices:
                new = inside_meta(flat(new), {"description": text(" ".join(planned.comment.split()))})
        tail, default = self._tail(node), self._default(node)
        own = default not in {"", "None", "UNSET"}
        if planned.nullable and not known.nullable and not in_key:
            tail, default = "| None", default if own else "None"
        elif not planned.nullable and known.nullable and not reads and not in_key:
            tail, default = ("", default) if own else (planned.tail, planned.default)
        elif default == "UNSET" and not planned.default and not reads and not in_key:
            tail, default = "", ""
        if (flat(new), tail, default) != (annotation, self._tail(node), self._default(node)):
            attribute = node.target.id if isinstance(node.target, ast.Name) else planned.attribute
            line = line_of(attribute, planned.column, new, tail, default, self._plan.annotations)
            self._edits.replace(node, line.strip())

    def _carries(self, column: str) -> bool:
        """Whether the declared type carries the values of the column, and not as a text of what is none."""
        there = next(each for each in self._plan.table.columns if each.name == column)
        facts = facts_of(self._plan.annotations.types, there.type, there.modifier)
        found = type_differences(self._columns[column], facts, column)
        return not any(one.stops or "comes out as" in one.sentence for one in found)

    def _with_choices(self, annotation: str, planned: FieldPlan, known: Field) -> str:
        """The annotation, with the values that the database takes. Other choices that it would take stay."""
        if planned.choices is None or planned.column in self._known.resource.read_only:
            return annotation
        choices = known.column.choices if isinstance(known.column, ChoiceColumn) else None
        if choices is not None and set(choices) == set(planned.choices):
            return annotation
        if choices is not None and (alias := self._edits.assigned(annotation)) is not None:
            listed = next((each.text for each in self._plan.definitions if each.name == flat(planned.node)), None)
            if listed is not None:
                self._edits.replace(alias, listed.replace(flat(planned.node), annotation, 1))
                return annotation
        return flat(planned.node)

    def _tail(self, node: ast.AnnAssign) -> str:
        words = self._edits.segment(node.annotation)
        return words.removeprefix(without_none(words)).strip()

    def _default(self, node: ast.AnnAssign) -> str:
        match node.value:
            case None:
                return ""
            case ast.Call(func=ast.Name(id="field"), keywords=keywords):
                return next((self._edits.segment(each.value) for each in keywords if each.arg == "default"), "")
        return self._edits.segment(node.value)


def _limited(annotation: str, known: Field, tighter: Mapping[str, str]) -> Node:
    """The annotation with these limits. A limit that its type has by name cannot be said twice: then all are said."""
    own = known.column.meta
    limits = [name for name in tighter if name != "extra"]
    if all(getattr(own, name) is None or f"{name}=" in annotation for name in limits):
        return inside_meta(annotation, tighter)
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")
    said = {name: value for name in names if (value := getattr(own, name)) is not None}
    told = {name: text(value) if isinstance(value, str) else repr(value) for name, value in said.items()}
    return Group(
        "Annotated[",
        [known.column.name, Group("Meta(", [f"{name}={value}" for name, value in (told | dict(tighter)).items()], ")")],
        "]",
    )


def _description(annotation: ast.expr) -> str:
    """The description in an annotation, as it is written there."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.keyword) and node.arg == "description":
            return ast.unparse(node.value) if not isinstance(node.value, ast.Constant) else text(str(node.value.value))
    return ""


def _tighter(known: Field, wanted: Field) -> dict[str, str]:
    """The limits of the database that are tighter than those declared, as arguments of Meta."""
    own, new = known.column.meta, wanted.column.meta
    if isinstance(known.column, ChoiceColumn):
        return {}
    changes: dict[str, str] = {}
    for name, of in (("ge", "gt"), ("gt", "ge"), ("min_length", "min_length")):
        bounds = [bound for bound in (getattr(own, name), getattr(own, of)) if bound is not None]
        if (bound := getattr(new, name)) is not None and all(bound > each for each in bounds):
            changes[name] = repr(bound)
    for name, of in (("le", "lt"), ("lt", "le"), ("max_length", "max_length")):
        bounds = [bound for bound in (getattr(own, name), getattr(own, of)) if bound is not None]
        if (bound := getattr(new, name)) is not None and all(bound < each for each in bounds):
            changes[name] = repr(bound)
    extra = _tighter_extra(own.extra or {}, new.extra or {})
    if extra != (own.extra or {}):
        changes["extra"] = f"{{{', '.join(f'{text(name)}: {value!r}' for name, value in extra.items())}}}".replace(
            "Decimal('", 'Decimal("'
        ).replace("')", '")')
    return changes


def _tighter_extra(own: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    extra = dict(own)
    whole = own.get("max_digits", 10**6) - own.get("decimal_places", 0)
    if "max_digits" in new and new["max_digits"] - new.get("decimal_places", 0) < whole:
        extra |= {name: new[name] for name in ("max_digits", "decimal_places") if name in new}
    lows = [own[name] for name in ("minimum", "above") if name in own]
    highs = [own[name] for name in ("maximum", "below") if name in own]
    for name in ("minimum", "above"):
        if name in new and all(new[name] > low for low in lows):
            extra[name] = new[name]
    for name in ("maximum", "below"):
        if name in new and all(new[name] < high for high in highs):
            extra[name] = new[name]
    return extra


def _change_resource(plan: Plan, known: Existing, edits: Edits, call: ast.Call) -> None:
    resource = known.resource
    there = {column.name for column in plan.table.columns}
    computed = [field.column for field in plan.fields if field.computed]
    read_only = [name for name in edits.texts(call, "read_only") if name in there]
    read_only += [name for name in computed if name not in resource.read_only]
    if set(read_only) != resource.read_only:
        edits.set_argument(call, "read_only", write.read_only_node(read_only) if read_only else None)
    if resource.updated_at is not None and resource.updated_at not in there:
        edits.set_argument(call, "updated_at", None)
    key = resource.key_columns
    is_unique = any(set(key) == set(each) for each in plan.keys)
    if key != plan.key and not (is_unique and key) and (plan.keys or not plan.table.is_view):
        edits.set_argument(call, "key", write.columns_node("key=", plan.key))
    gone = [
        columns
        for columns in resource.references
        if any(name not in there for name in ((columns,) if isinstance(columns, str) else columns))
    ]
    edits.change_members(
        call, "references", gone, [laid(write.reference_node(each), indent=8) for each in plan.references]
    )
    if plan.references:
        plan.annotations.uses("crud_api.resource", "Reference")
    changes = [change for change in resource.changes if change in plan.table.changes]
    if changes != [*resource.changes]:
        edits.set_argument(call, "changes", write.changes_node(changes))
    if plan.shows != resource.shown:
        edits.set_argument(call, "shows", write.shows_node(plan.shows) if plan.shows else None)
    made = {each.name for each in plan.table.functions}
    new = [each for each in plan.computed if each.name not in resource.computed]
    edits.change_members(
        call,
        "computed",
        [name for name in resource.computed if name not in made],
        [laid(write.computed_node(each), indent=8) for each in new],
    )
    if new:
        plan.annotations.uses("crud_api.resource", "Computed")
