"""Reads .chalice/config.json and checks it: nothing else in infra reads the file.

Every wrong member is named by its path, with what it must be. members.py has what each member may be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, ValidationError

from infra.errors import ConfigError
from infra.stage.members import ConfigFile

File = dict[str, Any]  # the file as it is written, checked

_DESCRIPTIONS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", NoneType: "null"}


def read(project: Path) -> File:
    """The file of a project. Raises `ConfigError` where it cannot be read, or has a wrong member."""
    path = project / ".chalice" / "config.json"
    try:
        content = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Restore it from git, then run this again.") from error
    return check(content)


def local_variables(project: Path) -> Mapping[str, str]:
    """The environment variables of the stage `local`, by Chalice's precedence. Raises `ConfigError`."""
    file = read(project)
    stage = file.get("stages", {}).get("local", {})
    return {**file.get("environment_variables", {}), **stage.get("environment_variables", {})}


def check(content: Any) -> File:
    """Return the content of the file, when nothing in it is wrong. Raises `ConfigError`."""
    refuse(problems("", content, ConfigFile))
    file: File = content
    return file


def refuse(wrong: Iterable[str]) -> None:
    """Raise `ConfigError` with all that is wrong, when something is."""
    if sentences := list(wrong):
        lines = "".join(f"\n  {sentence}" for sentence in sentences)
        raise ConfigError(f".chalice/config.json has to be corrected. Then run this again.{lines}")


def problems(path: str, value: Any, kind: Any, *, whole: bool = False) -> Iterator[str]:
    """A sentence for each wrong member of a value. A `whole` value also has to have the required members."""
    struct = next((part for part in _parts(kind) if isinstance(part, type) and issubclass(part, Struct)), None)
    if isinstance(value, Mapping) and struct is not None:
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        yield from unknown(path, value, fields)
        for name, field in fields.items():
            if name in value:
                yield from problems(_join(path, name), value[name], field.type, whole=whole)
            elif whole and field.required:
                yield f"{path} lacks {name}: it must be {_description(field.type)}."
    elif isinstance(value, Mapping) and (of := _values_of(kind)) is not None:
        for name, member in value.items():
            yield from problems(_join(path, name), member, of, whole=whole)
    elif not _fits(value, kind):
        why = "".join(f" {meta.extra['why']}" for meta in _metas(kind) if meta.extra and "why" in meta.extra)
        yield f"{path or 'The file'} must be {_description(kind)}, not {json.dumps(value)}.{why}"


def unknown(path: str, given: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """A sentence for each unknown name."""
    names = sorted(known)
    for name in sorted(set(given) - set(names)):
        near = get_close_matches(name, names, 1)
        yield f"{_join(path, name)} is not known. " + (
            f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _parts(kind: Any) -> tuple[Any, ...]:
    """The kinds of a union; else the kind alone."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _metas(kind: Any) -> tuple[Meta, ...]:
    return getattr(kind, "__metadata__", ()) if get_origin(kind) is Annotated else ()


def _values_of(kind: Any) -> Any:
    """The kind of the values, where an object may have any name."""
    return next((get_args(part)[1] for part in _parts(kind) if get_origin(part) is dict), None)


def _fits(value: Any, kind: Any) -> bool:
    for part in _parts(kind):
        only = [meta.extra["only"] for meta in _metas(part) if meta.extra and "only" in meta.extra]
        try:
            msgspec.convert(value, part)
        except ValidationError:
            continue
        if value in only or not only:
            return True
    return False


def _description(kind: Any) -> str:
    """What a value of the kind is: a whole number of at least 1, DAY or WEEK, an object with rate, burst."""
    parts = _parts(kind)
    if len(parts) > 1:
        return " or ".join(_description(part) for part in parts)
    if texts := [meta.description for meta in _metas(kind) if meta.description]:
        return texts[0]
    origin = get_origin(kind)
    if origin is Annotated:
        return _description(get_args(kind)[0])
    if origin is Literal:
        return " or ".join(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Struct):
        names = [field.encode_name for field in msgspec.structs.fields(kind)]
        return f"an object with {', '.join(names)}" if len(names) < 10 else "an object"
    return {dict: "an object", list: "a list"}.get(origin or kind) or _DESCRIPTIONS[kind]
