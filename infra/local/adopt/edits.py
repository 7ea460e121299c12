"""Edits of a Python file that leave everything else of it as it is, comments too."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from infra.local.adopt.layout import Group, Node, import_line, laid, section_of
from infra.local.adopt.plan import Plan
from infra.local.adopt.write import names_in


class Edits:
    """The text of a file, and what is to be replaced in it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._bytes = source.encode()
        self._tree = ast.parse(source)
        starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts
        self._edits: list[tuple[int, int, str]] = []

    def changed(self) -> str:
        """The text after the edits."""
        done = self._bytes
        # From the end of the file. In one place, what is replaced goes before what is put in front of it.
        places = [(start, end > start, n, end, new) for n, (start, end, new) in enumerate(self._edits)]
        for start, _, _, end, new in sorted(places, reverse=True):
            done = done[:start] + new.encode() + done[end:]
        return done.decode()

    def class_named(self, name: str) -> ast.ClassDef | None:
        """The class of this name."""
        return next((node for node in self._tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)

    def call_of(self, variable: str) -> ast.Call | None:
        """The call that a variable is assigned."""
        node = self.assigned(variable)
        return node.value if node is not None and isinstance(node.value, ast.Call) else None

    def assigned(self, name: str) -> ast.Assign | None:
        """The assignment to a name."""
        for node in self._tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
                    return node
        return None

    def segment(self, node: Any) -> str:
        """The text of a node."""
        start, end = self._range(node)
        return self._bytes[start:end].decode()

    def replace(self, node: Any, new: str) -> None:
        """Put a text in the place of a node."""
        self._edits.append((*self._range(node), new))

    def remove_lines(self, node: Any) -> None:
        """Remove the lines of a statement."""
        self._edits.append((self._starts[node.lineno - 1], self._starts[node.end_lineno], ""))

    def insert_after(self, node: Any, line: str) -> None:
        """Put a line below the lines of a statement."""
        at = self._starts[node.end_lineno]
        self._edits.append((at, at, f"{line}\n"))

    def insert_before(self, node: Any, line: str) -> None:
        """Put a line above the lines of a statement."""
        at = self._starts[node.lineno - 1]
        self._edits.append((at, at, f"{line}\n"))

    def texts(self, call: ast.Call, name: str) -> list[str]:
        """The texts in an argument of a call, in their order."""
        found = next((each.value for each in call.keywords if each.arg == name), None)
        constants = [] if found is None else [one for one in ast.walk(found) if isinstance(one, ast.Constant)]
        return [one.value for one in constants if isinstance(one.value, str)]

    def set_argument(self, call: ast.Call, name: str, new: Node | None) -> None:
        """Give an argument of a call this text, which has the argument's name in it; None removes it."""
        for keyword in call.keywords:
            if keyword.arg == name and new is None:
                self.remove_lines(keyword)
                return
            if keyword.arg == name and new is not None:
                self.replace(keyword, laid(new, indent=4, after=",").strip()[:-1])
                return
        if new is not None:
            self._add_argument(call, laid(new, indent=4).strip())

    def change_members(self, call: ast.Call, name: str, gone: Collection[Any], added: Sequence[str]) -> None:
        """Change an argument that is a dict: without the members of the keys `gone`, and with others."""
        if not gone and not added:
            return
        found = next((each for each in call.keywords if each.arg == name), None)
        if found is None or not isinstance(found.value, ast.Dict) or not found.value.keys:
            if added:
                lines = ",\n".join(added)
                self._add_argument(call, f"{name}={{\n{lines},\n    }}")
            return
        pairs = list(zip(found.value.keys, found.value.values, strict=True))
        kept = [(key, value) for key, value in pairs if key is not None and ast.literal_eval(key) not in gone]
        if not kept and not added:
            self.remove_lines(found)
            return
        members = [f"        {self.segment(key)}: {self.segment(value)}" for key, value in kept]
        lines = ",\n".join([*members, *added])
        self.replace(found, f"{name}={{\n{lines},\n    }}")

    def _add_argument(self, call: ast.Call, new: str) -> None:
        _, end = self._range(call.keywords[-1])
        self._edits.append((end, end, f",\n    {new}"))

    def _range(self, node: Any) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset


def without_none(annotation: str) -> str:
    """An annotation without `| None` and `| UnsetType` behind it."""
    node: Any = ast.parse(annotation, mode="eval").body
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and ast.unparse(node.right) in {
        "None", "UnsetType",
    }:  # fmt: skip
        node = node.left
    return ast.get_source_segment(annotation, node) or annotation


def inside_meta(annotation: str, arguments: Mapping[str, str]) -> Node:
    """The annotation with these arguments in its Meta."""
    if not arguments:
        return annotation
    node = ast.parse(annotation, mode="eval").body
    segment = {
        id(each): ast.get_source_segment(annotation, each) or "" for each in ast.walk(node) if hasattr(each, "lineno")
    }
    match node:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[*most, ast.Call() as meta])) if (
            segment[id(meta.func)] == "Meta"
        ):
            told = {each.arg or "": segment[id(each.value)] for each in meta.keywords} | dict(arguments)
            inner = [segment[id(each)] for each in most]
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=elements)):
            told, inner = dict(arguments), [segment[id(each)] for each in elements]
        case _:
            told, inner = dict(arguments), [annotation]
    meta_node = Group("Meta(", [f"{name}={value}" for name, value in told.items()], ")")
    return Group("Annotated[", [*inner, meta_node], "]")


def with_imports(source: str, before: str, plan: Plan) -> str:
    """The text with the imports and definitions that it needs now, and without the imports that it no longer needs."""
    if source == before:
        return source
    source = _with_definitions(source, plan)
    used = names_in(source)
    imports = {module: names & used for module, names in plan.imports.items()}
    for name in ("Annotated", "Meta", "Decimal", "field", "UNSET", "UnsetType"):
        module = {"Annotated": "typing", "Decimal": "decimal"}.get(name, "msgspec")
        if name in used:
            imports.setdefault(module, set()).add(name)
    was = names_in(before)
    edits = Edits(source)
    found = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    last: ast.stmt | None = None
    for node in found:
        module = node.module or ""
        names = {each.name for each in node.names}
        wanted = {name for name in names if name in used or name not in was} | imports.pop(module, set())
        if not wanted:
            edits.remove_lines(node)
        elif wanted != names:
            edits.replace(node, import_line(module, wanted))
        last = node
    for module in sorted(imports, reverse=True):
        if imports[module] and last is not None:
            _insert_import(edits, found, module, imports[module])
    return edits.changed()


def _insert_import(edits: Edits, found: Sequence[ast.ImportFrom], module: str, names: Collection[str]) -> None:
    """Put an import in its place: in the order of modules within its section."""
    line = import_line(module, names)
    place = (section_of(module), module)
    own = [node for node in found if node.module != "__future__"]
    before = [node for node in own if (section_of(node.module or ""), node.module or "") < place]
    after = [node for node in own if node not in before]
    if before and section_of(before[-1].module or "") == place[0]:
        edits.insert_after(before[-1], line)
    elif after and section_of(after[0].module or "") == place[0]:
        edits.insert_before(after[0], line)
    elif after:
        edits.insert_before(after[0], f"{line}\n")
    else:
        edits.insert_after(found[-1], f"\n{line}")


def _with_definitions(source: str, plan: Plan) -> str:
    """The text with the definitions of the plan that it uses, above its first class."""
    defined = {
        node.targets[0].id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    } | {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    used = names_in(source)
    missing = [each for each in plan.definitions if each.name in used and each.name not in defined]
    first = next((node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)), None)
    if not missing or first is None:
        return source
    edits = Edits(source)
    imported = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    for each in missing:
        if each.text.startswith("class ") or not imported:
            edits.insert_before(first, f"{each.text}\n\n")
        else:
            edits.insert_after(imported[-1], f"\n{each.text}")
    return edits.changed()
