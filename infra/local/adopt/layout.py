"""Lays Python out as `ruff format` does, which is not there when `make adopt` runs.

What fits is one line. What does not has one item a line, and a comma after the last: formatters keep that as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

WIDTH = 120
_STANDARD = frozenset({"__future__", "datetime", "decimal", "typing", "uuid"})
_OWN = ("crud_api",)


class Group(NamedTuple):
    """A bracket with its items, as `Meta(` ... `)`. An item is a text, or a group."""

    head: str
    items: Sequence[Node]
    close: str


class Lines(Group):
    """A group whose items have a line each, also where they would fit in one."""

    __slots__ = ()


Node = str | Group


def flat(node: Node) -> str:
    """The node in one line."""
    if isinstance(node, str):
        return node
    comma = " " if isinstance(node.items, Parts) else ", "
    return f"{node.head}{comma.join(flat(item) for item in node.items)}{node.close}"


def laid(node: Node, before: str = "", after: str = "", indent: int = 0) -> str:
    """The node in as many lines as it needs, after `before` and before `after`."""
    line = f"{before}{flat(node)}{after}"
    if isinstance(node, str) or (indent + len(line) <= WIDTH and not isinstance(node, Lines)):
        return " " * indent + line
    comma = "" if isinstance(node.items, Parts) else ","
    inner = [f"{laid(item, after=comma, indent=indent + 4)}\n" for item in node.items]
    space = " " * indent
    return f"{space}{before}{node.head}\n{''.join(inner)}{space}{node.close}{after}"


def text(value: str) -> str:
    """A string of Python, in the quotes that need fewer backslashes."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in escaped)
    return f"{quote}{shown}{quote}"


def dotted(parts: Sequence[str]) -> str:
    """The name of something with what it is in, as a text, or as a tuple if one of the names has a dot."""
    if any("." in part for part in parts):
        return f"({', '.join(map(text, parts))})"
    return text(".".join(parts))


def long_text(before: str, value: str) -> Node:
    """A string after `before`. If it is too long for a line, its parts stand below each other in parentheses."""
    if len(before) + len(text(value)) + 9 <= WIDTH:  # a line of an indented Meta, with its comma
        return f"{before}{text(value)}"
    parts, line = [], ""
    for word in value.split(" "):
        if line and len(text(line + word)) > WIDTH - 16:
            parts.append(line)
            line = ""
        line += f"{word} "
    return Group(f"{before}(", Parts(text(part) for part in [*parts, line[:-1]]), ")")


class Parts(tuple[str, ...]):
    """The parts of one string, which no commas separate."""

    __slots__ = ()


def docstring(summary: str, indent: int = 4) -> str:
    """A docstring: a first line that ends with a period, and the rest of a long text below it."""
    words = " ".join(line.rstrip() for line in summary.strip().splitlines() if line.strip())
    words = "".join(char for char in words if char.isprintable())
    words = words.replace("\\", "\\\\").replace('"""', "'''")
    words = words[:1].upper() + words[1:]
    if words[-1:] not in {".", "!", "?"}:
        words += "."
    space = " " * indent
    lines = _wrapped(words, WIDTH - indent)
    if len(lines) == 1 and len(words) + indent + 6 <= WIDTH:
        return f'{space}"""{words}"""'
    return "\n".join([f'{space}"""' + lines[0], *(f"{space}{line}" for line in lines[1:]), f'{space}"""'])


def _wrapped(words: str, width: int) -> list[str]:
    lines = [""]
    for word in words.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width - 3:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines


def import_line(module: str, names: Iterable[str]) -> str:
    """One import, its names in the order of ruff."""
    ordered = sorted(set(names), key=_order)
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in ordered), ")"])


def import_block(imports: Mapping[str, Iterable[str]]) -> str:
    """The imports of a file: Python's, those of packages, ours."""
    sections: list[list[str]] = [[], [], []]
    for module in sorted(imports):
        sections[section_of(module)].append(import_line(module, imports[module]))
    if "__future__" in imports:
        future = import_line("__future__", imports["__future__"])
        sections[0].remove(future)
        sections.insert(0, [future])
    return "\n\n".join("\n".join(section) for section in sections if section)


def section_of(module: str) -> int:
    """The place of a module's section: Python's own 0, packages 1, ours 2."""
    root = module.partition(".")[0]
    return 0 if root in _STANDARD else 2 if root in _OWN else 1


def _order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name.lower()
