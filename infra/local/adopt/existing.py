"""The declarations that the folder of tables has already."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from crud_api.resource import Resource
from crud_api.resource.functions import Function
from crud_api.resource.resource import column_names
from infra.errors import CommandError
from infra.local.adopt.plan import Declared
from infra.local.adopt.relations import Place


class Existing(Struct):
    """A file and the resource that it declares as `variable`."""

    path: Path
    source: str
    variable: str
    resource: Resource

    @property
    def place(self) -> Place:
        """The schema and name of its table."""
        schema, name = self.resource.place
        return schema or "public", name


def loaded(folder: Path) -> dict[Place, Existing]:
    """Every declaration of the folder. Raises `CommandError` for a file that does not work."""
    found: dict[Place, Existing] = {}
    for path in sorted(folder.glob("*.py")):
        if path.name == "__init__.py":
            continue
        source = path.read_text()
        try:
            made = run(source, path)
        except Exception as error:
            raise CommandError(
                f"{path} does not work: {type(error).__name__}: {error}\nCorrect it or remove it, then run this again."
            ) from error
        for variable in _variables(source):
            resource = made.get(variable)
            if isinstance(resource, Resource):
                each = Existing(path, source, variable, resource)
                found[each.place] = each
    return found


def run(source: str, path: Path) -> dict[str, object]:
    """What a file defines. It raises whatever the file raises."""
    name = f"_adopted_{path.stem}"
    module = ModuleType(name)
    sys.modules[name] = module  # where the names in annotations are looked up
    try:
        # The source is a file of this clone.
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 # nosec B102
        for each in module.__dict__.values():
            if isinstance(each, Resource):
                _ = each.fields
            for function in each if isinstance(each, tuple) else (each,):
                if isinstance(function, Function) and not isinstance(function.of, str):
                    _ = function.own_rows.fields
    finally:
        del sys.modules[name]
    return dict(module.__dict__)


def declared_of(existing: dict[Place, Existing]) -> dict[Place, Declared]:
    """The same for the plans."""
    return {
        place: Declared(
            name=each.resource.name,
            key=each.resource.key_columns,
            columns=set(each.resource.fields),
            references={
                column_names(columns): (reference.resource, reference.name, reference.reverse)
                for columns, reference in each.resource.references.items()
            },
            class_name=each.resource.model.__name__,
            variable=each.variable,
            defined=_defined(each.source),
        )
        for place, each in existing.items()
    }


def _defined(source: str) -> set[str]:
    """The names of a file's classes, imports and assignments."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name):
                found.add(name)
            case ast.ImportFrom(names=names):
                found.update(each.asname or each.name for each in names)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
    return found


def _variables(source: str) -> list[str]:
    """The names that a file gives to calls of Resource."""
    return [
        node.targets[0].id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "Resource"
    ]
