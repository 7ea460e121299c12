"""Adopts tables: writes a declaration for each new one, and shows what the database changed in those declared."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from crud_api.executor.seam import Execute
from infra.errors import RefusedError
from infra.local.adopt import catalogue, existing, listing, merge, write
from infra.local.adopt.catalogue import Found
from infra.local.adopt.existing import Existing
from infra.local.adopt.listing import MOST_PATHS, Entry
from infra.local.adopt.plan import Plan, plans_of

# Paths that the API has itself.
_OWN_PATHS = frozenset({"health", "ready", "docs", "rest", "openapi.json"})
_IN_A_PATH = re.compile(r"[A-Za-z0-9_-]+")


class Wanted(Struct):
    """What to adopt: the tables by name, or all tables of the schemas."""

    schemas: Sequence[str] = ("public",)
    tables: Sequence[str] = ()


class Adoption(Struct):
    """What an adoption did: the files that it wrote, the changes that it shows, and what it left out and why."""

    written: list[Path]
    changed: dict[Path, str]  # to the text that it should have
    left_out: list[str]
    notes: list[str]


def adopt(
    execute: Execute,
    wanted: Wanted,
    folder: Path,
    say: Callable[[str], None],
    *,
    write_changes: bool = False,
    paths: bool = False,
) -> Adoption:
    """Write the declarations of new tables into the folder, and show how the files that exist have to change.

    With `write_changes`, those changes are written too. Without `paths`, more than `MOST_PATHS` tables get no paths.

    Raises `RefusedError` for a table that is not there, and `CommandError` where the database cannot be read.
    """
    found = catalogue.listed(execute)
    chosen, passed = _chosen(found, wanted)
    declared = existing.loaded(folder)
    made = plans_of(catalogue.read(execute, [each.oid for each in chosen]), existing.declared_of(declared))
    done = Adoption([], {}, [], [])
    entries: list[Entry] = []
    for plan in made:
        known = declared.get(plan.table.place)
        if known is None:
            _write(plan, folder, done, say, entries)
        else:
            _compare(plan, known, done, say, write_changes=write_changes)
    if crowded := not paths and len(entries) > MOST_PATHS:
        entries = [Entry(entry.variable, entry.name, False) for entry in entries]
    _list(entries, folder, done)
    _report(done, passed, declared, chosen, found, say, entries=entries, crowded=crowded, shown=not write_changes)
    return done


def _chosen(found: Sequence[Found], wanted: Wanted) -> tuple[list[Found], list[Found]]:
    """The tables to be adopted, and the tables that are skipped."""
    if not wanted.tables:
        inside = [each for each in found if each.schema in wanted.schemas]
        if not inside:
            schemas = sorted({each.schema for each in found if each.why_skipped is None})
            raise RefusedError(
                f"There are no tables in {', '.join(wanted.schemas)}. "
                + (f"Schemas with tables: {', '.join(schemas)}." if schemas else "The database has no tables.")
            )
        return [each for each in inside if not each.why_skipped], [each for each in inside if each.why_skipped]
    chosen: list[Found] = []
    for name in wanted.tables:
        matching = [
            each
            for each in found
            if name == f"{each.schema}.{each.name}" or (name == each.name and each.schema in wanted.schemas)
        ]
        if not matching:
            near = difflib.get_close_matches(name, [f"{each.schema}.{each.name}" for each in found], n=3, cutoff=0.5)
            raise RefusedError(
                f"There is no table {name}" + ("" if "." in name else f" in {', '.join(wanted.schemas)}") + "."
                + (f" Did you mean {' or '.join(near)}?" if near else "")
            )  # fmt: skip
        chosen += [each for each in matching if each not in chosen]
    return chosen, []


def _write(plan: Plan, folder: Path, done: Adoption, say: Callable[[str], None], entries: list[Entry]) -> None:
    """Write the file of a new table, if what it says works."""
    called = ".".join(plan.table.place)
    path = folder / f"{plan.variable}.py"
    if not plan.fields:
        done.left_out.append(f"{called}: it has no column that can be declared")
        return
    if path.exists():
        done.left_out.append(f"{called}: {path.name} is there and declares something else")
        return
    source = write.written(plan)
    try:
        existing.run(source, path)
    except Exception as error:  # noqa: BLE001 - whatever the declaration raises is the reason
        done.left_out.append(f"{called}: {error}")
        return
    path.write_text(source)
    done.written.append(path)
    done.notes += [f"{called}: {note}" for note in plan.notes]
    entries.append(Entry(plan.variable, plan.name, _fits_a_path(plan)))
    say(f"wrote {_shown(path)} ({called})")


def _fits_a_path(plan: Plan) -> bool:
    return (
        bool(plan.key)
        and _IN_A_PATH.fullmatch(plan.name) is not None
        and plan.name not in _OWN_PATHS
        and all(re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII) for column in plan.key)
    )


def _compare(plan: Plan, known: Existing, done: Adoption, say: Callable[[str], None], *, write_changes: bool) -> None:
    """Show how the file has to change, or change it."""
    called = ".".join(plan.table.place)
    merged = merge.merged(plan, known)
    done.notes += [f"{called}: {note}" for note in [*plan.notes, *merged.notes]]
    if merged.source == known.source:
        return
    name = _shown(known.path)
    diff = difflib.unified_diff(
        known.source.splitlines(keepends=True), merged.source.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    say("".join(diff).rstrip("\n"))
    done.changed[known.path] = merged.source
    if write_changes:
        known.path.write_text(merged.source)
        say(f"changed {name} ({called})")


def _list(entries: Sequence[Entry], folder: Path, done: Adoption) -> None:
    if not entries:
        return
    path = folder / "__init__.py"
    path.write_text(listing.listed(path.read_text(), entries))
    done.written.append(path)


def _report(
    done: Adoption,
    passed: Sequence[Found],
    declared: dict[tuple[str, str], Existing],
    chosen: Sequence[Found],
    found: Sequence[Found],
    say: Callable[[str], None],
    *,
    entries: Sequence[Entry],
    crowded: bool,
    shown: bool,
) -> None:
    if entries:
        served = [entry for entry in entries if entry.has_paths]
        say(f"New in TABLES: {len(entries)}. New in RESOURCES, with paths of their own: {len(served)}.")
        if crowded:
            say(f"More than {MOST_PATHS} tables get no paths of their own, unless you add --paths.")
    for each in passed:
        if each.why_skipped == catalogue.OUR_OWN:
            continue
        say(f"skipped {each.schema}.{each.name}: {each.why_skipped}. TABLE={each.schema}.{each.name} adopts it.")
    for line in done.left_out:
        say(f"left out {line}")
    for line in done.notes:
        say(f"not declared: {line}")
    there = {(each.schema, each.name) for each in found}
    schemas = {each.schema for each in chosen}
    for place, known in declared.items():
        if place not in there and place[0] in schemas:
            say(f"{_shown(known.path)} declares {'.'.join(place)}, which the database does not have.")
    if done.changed and shown:
        say("Nothing of these changes is written yet. Add --write to write them.")
    if not (done.changed or done.written or done.left_out):
        say("Nothing to do: the declarations say what the database has.")


def _shown(path: Path) -> str:
    return "/".join(path.parts[-3:])
