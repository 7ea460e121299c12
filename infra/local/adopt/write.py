"""Writes a new file: the declaration of one table."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import get_args

from crud_api.resource.resource import Change
from infra.local.adopt.computed import ComputedPlan
from infra.local.adopt.layout import Group, Lines, Node, docstring, dotted, flat, import_block, laid, text
from infra.local.adopt.plan import KINDS, FieldPlan, Plan
from infra.local.adopt.relations import ReferencePlan
from infra.local.adopt.types import Definition, line_of


def written(plan: Plan) -> str:
    """The text of the file."""
    fields = [field_line(field, plan) for field in plan.fields]
    resource = laid(resource_of(plan), f"{plan.variable} = ")
    plan.annotations.uses("__future__", "annotations")
    names = ".".join(plan.table.place)
    keyword = ", kw_only=True" if _is_mixed(plan.fields) else ""
    class_ = [
        f"class {plan.class_name}(Struct{keyword}):",
        docstring(plan.table.comment or f"A row of {names}."),
        "",
        *fields,
    ]
    body = ["\n" + "\n".join(class_), "\n" + resource]
    body = [*definitions(plan.definitions, "\n".join(body)), *body]
    used = names_in("\n".join(body)) | {"annotations"}
    parts = [
        docstring(f"The {KINDS[plan.table.kind]} {names}.", indent=0),
        import_block({module: own for module, all_ in plan.imports.items() if (own := all_ & used)}),
        *body,
    ]
    return "\n\n".join(parts) + "\n"


def field_line(field: FieldPlan, plan: Plan) -> str:
    """The line of a field in its class."""
    return line_of(field.attribute, field.column, field.node, field.tail, field.default, plan.annotations)


def _is_mixed(fields: Sequence[FieldPlan]) -> bool:
    """Whether a required field comes after one with a default, which Python allows for keywords only."""
    required = [not field.default for field in fields]
    return required != sorted(required, reverse=True)


def names_in(source: str) -> set[str]:
    """The names that a text of Python uses."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def definitions(made: Sequence[Definition], body: str) -> list[str]:
    """The definitions that the body uses, and those that these use. A column that is left out leaves its own unused."""
    kept: list[Definition] = []
    for each in reversed(made):
        if each.name in names_in("\n".join([body, *(one.text for one in kept)])):
            kept.insert(0, each)
    classes = [f"\n{each.text}" for each in kept if each.text.startswith("class ")]
    others = [each.text for each in kept if not each.text.startswith("class ")]
    lines = "\n".join(others)
    return [*classes, *([f"\n{lines}" if classes else lines] if others else [])]


def resource_of(plan: Plan) -> Node:
    """The call that makes the resource, always an argument a line."""
    items: list[Node] = [
        f"name={text(plan.name)}",
        f"table={dotted(plan.table.place)}",
        f"model={plan.class_name}",
        columns_node("key=", plan.key),
    ]
    if plan.made_key:
        items.append(f'made_key="{plan.made_key}"')
    if plan.read_only:
        items.append(read_only_node(plan.read_only))
    if plan.updated_at:
        items.append(f"updated_at={text(plan.updated_at)}")
    if plan.references:
        plan.annotations.uses("crud_api.resource", "Reference")
        items.append(Group("references={", [reference_node(each) for each in plan.references], "}"))
    if len(plan.table.changes) < len(get_args(Change)):
        items.append(changes_node(plan.table.changes))
    if plan.shows:
        items.append(shows_node(plan.shows))
    if plan.computed:
        plan.annotations.uses("crud_api.resource", "Computed")
        items.append(Group("computed={", [computed_node(each) for each in plan.computed], "}"))
    return Lines("Resource(", items, ")")


def read_only_node(columns: Sequence[str]) -> Node:
    """The argument `read_only`."""
    return Group("read_only=frozenset({", [text(column) for column in columns], "})")


def changes_node(changes: Sequence[Change]) -> Node:
    """The argument `changes`."""
    return f"changes=({', '.join(map(text, changes))}{',' * (len(changes) == 1)})"


def shows_node(shows: Mapping[str, tuple[str, str, str]]) -> Node:
    """The argument `shows`."""
    return Group("shows={", [f"{text(column)}: {dotted(place)}" for column, place in shows.items()], "}")


def computed_node(computed: ComputedPlan) -> Node:
    """The member of `computed`."""
    items: list[Node] = [f"function={dotted(computed.function)}"]
    if computed.resource:
        items.append(f"resource={text(computed.resource)}")
    if computed.many:
        items.append("many=True")
    return Group(f"{text(computed.name)}: Computed(", items, ")")


def columns_node(before: str, columns: Sequence[str]) -> Node:
    """A key, or the columns of a foreign key: a text, or a tuple."""
    if len(columns) == 1:
        return f"{before}{text(columns[0])}"
    return Group(f"{before}(", [text(column) for column in columns], ")")


def reference_node(reference: ReferencePlan) -> Node:
    """The member of `references`."""
    items: list[Node] = [
        f"resource={text(reference.resource)}",
        f"name={text(reference.name)}",
        f"reverse={text(reference.reverse)}",
    ]
    if reference.to_columns:
        columns = [text(column) for column in reference.to_columns]
        items.append(f"columns=({columns[0]},)" if len(columns) == 1 else Group("columns=(", columns, ")"))
    if reference.unique:
        items.append("unique=True")
    items.append(f"constraint={text(reference.constraint)}")
    before = columns_node("", reference.columns)
    return Group(f"{flat(before)}: Reference(", items, ")")
