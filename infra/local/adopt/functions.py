"""Adopts functions: writes a declaration for each new one, and shows what the database changed in those declared.

A file has all functions of one name. A file whose declarations agree with the database stays as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource.functions import Function
from infra.errors import CommandError, RefusedError
from infra.local.adopt import existing, listing, names, routines
from infra.local.adopt.catalogue import Catalogue, Type
from infra.local.adopt.checks import Limits
from infra.local.adopt.layout import WIDTH, Group, Lines, Node, docstring, dotted, import_block, laid, text
from infra.local.adopt.relations import Place
from infra.local.adopt.routines import VOLATILITIES, Routine, type_name, why_not
from infra.local.adopt.types import Annotations, line_of, refuse_name
from infra.local.adopt.write import definitions, names_in

_DECLARING = "crud_api.resource.functions"


class FunctionsAdopted(Struct):
    """What an adoption of functions did."""

    written: list[Path]
    changed: dict[Path, str]  # to the text that it should have
    left_out: list[str]


class _File(Struct):
    """What a file has to say: its functions, and the definitions above them."""

    name: str
    variable: str
    source: str
    overloads: int


def adopt_functions(
    execute: Execute,
    schemas: Sequence[str],
    folder: Path,
    tables: Path,
    say: Callable[[str], None],
    *,
    write_changes: bool = False,
) -> FunctionsAdopted:
    """Write the declarations of new functions into the folder, and show how the files that exist have to change.

    `tables` is the folder of the declared tables, whose rows functions may give. Raises `RefusedError` if the schemas
    have no functions, and `CommandError` where the database or a file cannot be read.
    """
    found, types = routines.read(execute, schemas)
    if not found:
        raise RefusedError(f"There are no functions in {', '.join(schemas)}.")
    done = FunctionsAdopted([], {}, [])
    served: list[Routine] = []
    for routine in found:
        reason = why_not(routine, types)
        if reason is None:
            served.append(routine)
        else:
            done.left_out.append(f"{_said(routine)}: {reason}")
    declared = {place: each.resource.name for place, each in existing.loaded(tables).items()}
    known = _loaded(folder)
    taken, modules = {name for name, _ in known.values()}, {path.stem for _, path in known.values()}
    entries: list[listing.Entry] = []
    for place, group in groupby(served, key=lambda routine: (routine.schema, routine.name)):
        name, path = known.get(place) or _named(place, taken, modules, folder)
        try:
            file = _file(name, path.stem, [*group], types, declared)
            made = existing.run(file.source, path)
        except Exception as error:  # noqa: BLE001 - whatever the declaration raises is the reason
            done.left_out.append(f"{'.'.join(place)}: {error}")
            continue
        if place in known:
            _compare(path, file, made, done, say, write_changes=write_changes)
        elif path.exists():
            done.left_out.append(f"{'.'.join(place)}: {path.name} is there and declares something else")
        else:
            path.write_text(file.source)
            done.written.append(path)
            entries.append(listing.Entry(file.variable, file.name, has_paths=False))
            say(f"wrote {_shown(path)} ({'.'.join(place)}{_times(file.overloads)})")
    if entries:
        index = folder / "__init__.py"
        index.write_text(listing.functions_listed(index.read_text(), entries))
        done.written.append(index)
    _report(done, schemas, known, {(each.schema, each.name) for each in found}, say, entries=len(entries))
    if done.changed and not write_changes:
        say("Nothing of these changes is written yet. Add --write to write them.")
    return done


def _report(
    done: FunctionsAdopted,
    schemas: Sequence[str],
    known: Mapping[Place, tuple[str, Path]],
    there: set[Place],
    say: Callable[[str], None],
    *,
    entries: int,
) -> None:
    if entries:
        say(f"New in FUNCTIONS: {entries}.")
    for line in done.left_out:
        say(f"left out {line}.")
    for place, (_, path) in known.items():
        if place[0] in schemas and place not in there:
            say(f"{_shown(path)} declares {'.'.join(place)}, which the database does not have.")
    if not (done.changed or done.written or done.left_out):
        say("Nothing to do: the declarations say what the database has.")


def _loaded(folder: Path) -> dict[Place, tuple[str, Path]]:
    """The name and the file of each function that the folder declares. Raises `CommandError`."""
    found: dict[Place, tuple[str, Path]] = {}
    for path in sorted(folder.glob("*.py")):
        if path.name == "__init__.py":
            continue
        try:
            made = existing.run(path.read_text(), path)
        except Exception as error:
            raise CommandError(
                f"{path} does not work: {type(error).__name__}: {error}\nCorrect it or remove it, then run this again."
            ) from error
        for function in functions_in(made, path.stem):
            schema, name = function.place
            found[schema or "public", name] = function.name, path
    return found


def functions_in(made: Mapping[str, object], variable: str) -> Sequence[Function]:
    """The functions that a file declares under its own name."""
    value = made.get(variable)
    every = value if isinstance(value, tuple) else (value,)
    return [each for each in every if isinstance(each, Function)]


def _named(place: Place, taken: set[str], modules: set[str], folder: Path) -> tuple[str, Path]:
    schema, own = place
    name = names.unique(own if own not in taken else f"{schema}_{own}", taken)
    taken.add(name)
    module = names.variable(name, modules)
    modules.add(module)
    return name, folder / f"{module}.py"


def _compare(
    path: Path,
    file: _File,
    made: Mapping[str, object],
    done: FunctionsAdopted,
    say: Callable[[str], None],
    *,
    write_changes: bool,
) -> None:
    before = path.read_text()
    declared = functions_in(existing.run(before, path), path.stem)
    if sorted(map(_facts, declared)) == sorted(map(_facts, functions_in(made, file.variable))):
        return
    name = _shown(path)
    diff = difflib.unified_diff(
        before.splitlines(keepends=True), file.source.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    say("".join(diff).rstrip("\n"))
    done.changed[path] = file.source
    if write_changes:
        path.write_text(file.source)
        say(f"changed {name}")


def _facts(function: Function) -> str:
    """What a declaration says, as a text to compare."""
    rows = function.of
    if not isinstance(rows, str):
        fields = function.own_rows.fields.values()
        rows = ", ".join(f"{field.name} {field.column.name} {field.column.made_as()}" for field in fields)
    return repr((function.arguments, function.gives, rows, function.volatility))


def _file(
    name: str, variable: str, overloads: Sequence[Routine], types: dict[int, Type], declared: Mapping[Place, str]
) -> _File:
    """Raises `ValueError` for a function that no declaration can have."""
    annotations = Annotations(Catalogue([], {}, types), {variable})
    classes: list[str] = []
    calls = [_call(name, routine, types, declared, annotations, classes) for routine in overloads]
    value: Node = calls[0] if len(calls) == 1 else Lines("(", calls, ")")
    comments = [
        line
        for routine in overloads
        if routine.is_definer
        for line in wrap(
            f"{_said(routine)} is SECURITY DEFINER: it has the rights of its owner, {routine.owner}. The row security "
            "of a caller does not apply to what it does.",
            WIDTH, initial_indent="# ", subsequent_indent="# ",
        )
    ]  # fmt: skip
    body = ["\n" + class_ for class_ in classes]
    body.append("\n" * bool(classes) + "\n".join([*comments, laid(value, f"{variable} = ")]))
    body = [*definitions(annotations.definitions, "\n".join(body)), *body]
    annotations.uses(_DECLARING, "Function", "Argument")
    annotations.uses("msgspec", "Struct")
    used = names_in("\n".join(body)) | {"annotations"}
    annotations.uses("__future__", "annotations")
    first = overloads[0]
    several = "s" if len(overloads) > 1 else ""
    parts = [
        docstring(first.comment or f"The function{several} {first.schema}.{first.name}.", indent=0),
        import_block({module: own for module, all_ in annotations.imports.items() if (own := all_ & used)}),
        *body,
    ]
    return _File(name, variable, "\n\n".join(parts) + "\n", len(overloads))


def _call(
    name: str,
    routine: Routine,
    types: Mapping[int, Type],
    declared: Mapping[Place, str],
    annotations: Annotations,
    classes: list[str],
) -> Node:
    """The call that declares a function. Adds the class of its rows."""
    items: list[Node] = [f"name={text(name)}", f"function={dotted((routine.schema, routine.name))}"]
    inputs = routine.inputs
    if inputs:
        arguments = [
            _argument(given.name, type_name(types[given.type], types), n >= len(inputs) - routine.defaults, given.mode)
            for n, given in enumerate(inputs)
        ]
        items.append(Group("arguments=(", arguments, ",)" if len(arguments) == 1 else ")"))
    gives, of = _gives(name, routine, types, declared, annotations, classes)
    if gives != "nothing":
        items.append(f"gives={text(gives)}")
    if of:
        items.append(f"of={of}")
    if routine.volatility != "v":
        items.append(f"volatility={text(VOLATILITIES[routine.volatility])}")
    return Lines("Function(", items, ")")


def _argument(name: str, type_: str, has_default: bool, mode: str) -> Node:
    more = [*(["has_default=True"] if has_default else []), *(["is_variadic=True"] if mode == "v" else [])]
    return Group("Argument(", [text(name), text(type_), *more], ")")


def _gives(
    name: str,
    routine: Routine,
    types: Mapping[int, Type],
    declared: Mapping[Place, str],
    annotations: Annotations,
    classes: list[str],
) -> tuple[str, str]:
    """What the function gives, and whose rows these are."""
    plain = types[routine.returns]
    if routine.outputs:
        columns = [(each.name, each.type, -1) for each in routine.outputs]
    else:
        while plain.kind == "d":
            plain = types[plain.base]
        if plain.name == "void" and plain.kind == "p":
            return "nothing", ""
        if plain.kind != "c":
            return ("values" if routine.is_set else "value"), ""
        columns = [(field.name, field.type, field.modifier) for field in plain.fields]
    gives = "rows" if routine.is_set else "row"
    if not routine.outputs and (table := declared.get((plain.schema, plain.name))) is not None:
        return gives, text(table)
    class_ = names.class_name(f"{name}_row", {each.split("(")[0].split(" ")[1].lower() for each in classes})
    attributes: list[str] = []
    lines: list[str] = []
    for column, type_, modifier in columns:
        refuse_name(column)
        attribute = names.identifier(column, attributes)
        attributes.append(attribute)
        made = annotations.of(type_, modifier, 0, Limits(), None, column)
        lines.append(line_of(attribute, column, made.node, "| None", "", annotations))
    of = f"{plain.schema}.{plain.name}" if not routine.outputs else f"{routine.schema}.{routine.name}"
    classes.append("\n".join([f"class {class_}(Struct):", docstring(f"A row of {of}."), "", *lines]))
    return gives, class_


def _said(routine: Routine) -> str:
    return f"{routine.schema}.{routine.name}({', '.join(given.name or '_' for given in routine.inputs)})"


def _times(overloads: int) -> str:
    return f", {overloads} of them" if overloads > 1 else ""


def _shown(path: Path) -> str:
    return "/".join(path.parts[-3:])
