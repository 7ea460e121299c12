"""Statements that come again: PostgreSQL reads and plans each once a connection, and from then on only runs it.

For a statement of the API that is most of the database's work. A statement is prepared the second time its text comes,
each string in it becoming a parameter of its own, whose type PostgreSQL finds as it does for a literal in that place;
numbers stay in the text, for the sake of the plan. Where PostgreSQL refuses to, or a pooler has handed us another
session, it is sent as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from psycopg2.extensions import adapt

from query_executor.sql import ScannedStatement
from query_executor.values import Literal

_MOST = 50  # statements a connection keeps; each takes some 0.1 MB of the server's memory
_LONGEST = 10_000  # characters; a longer text is hardly one that comes again, and all of them are kept here
_PLACE = re.compile(r"%\((\w+)\)s|%%")
# Syntax or a type that cannot be found (42), a name that this session does not know (26), a result whose columns are
# no longer the prepared ones (0A). Nothing has been done then.
_REFUSALS = ("42", "26", "0A")

# A statement with all that makes it another one: its text, the most rows, and what is written in each place.
_Shape = tuple[str | int | None, ...]
# By itself PostgreSQL may make one plan for all values. For a page of a common value that is an index with the order,
# in which a page of a rare one would read every row.
_PLANNED_BY_VALUE = "SET LOCAL plan_cache_mode = force_custom_plan; "


class Prepared:
    """What one connection has prepared."""

    def __init__(self) -> None:
        self._names: dict[_Shape, str] = {}  # the oldest first
        self._seen: set[_Shape] = set()
        self._refused: set[_Shape] = set()
        self._last: _Shape = ()

    def message(self, statement: ScannedStatement, params: Mapping[str, object], most: int | None) -> str | None:
        """The commands that run the statement prepared, for at most so many rows; None when it is to be sent as it is.

        `params` are as psycopg2 takes them.
        """
        arguments: list[str] = []
        written: list[str] = []  # what stands in each place: an argument's cast, or the value
        for name in statement.places:
            value = params[name]
            if isinstance(value, Literal):
                arguments.append(value.literal)
                written.append(value.cast)
            else:
                written.append(str(adapt(value).getquoted().decode()))
        self._last = shape = (statement.text, most, *written)
        values = f"({', '.join(arguments)})" if arguments else ""
        plan = _PLANNED_BY_VALUE if arguments and statement.is_page_of_value else ""
        if (prepared := self._names.get(shape)) is not None:
            return f"{plan}EXECUTE {prepared}{values}"
        if len(statement.text) > _LONGEST or shape in self._refused or not _came_before(shape, self._seen):
            return None
        text = _with_places(statement.text, params) if params else statement.text
        self._names[shape] = name = _name(text, most)
        dropped = f"DEALLOCATE {self._names.pop(next(iter(self._names)))}; " if len(self._names) > _MOST else ""
        # By itself first: within parentheses a text could be complete that is not.
        bound = f"{text}\n; DEALLOCATE {name}; PREPARE {name} AS SELECT * FROM ({text}\n) AS result LIMIT {most}"  # noqa: S608
        return f"{dropped}PREPARE {name} AS {text if most is None else bound}\n; {plan}EXECUTE {name}{values}"

    def refuse(self, sqlstate: str | None) -> bool:
        """Whether the last message failed for being a prepared one; it is never one again on this connection."""
        if sqlstate is None or not sqlstate.startswith(_REFUSALS):
            return False
        self._names.pop(self._last, None)
        _came_before(self._last, self._refused)
        return True


def _with_places(text: str, params: Mapping[str, object]) -> str:
    number = 0

    def place(match: re.Match[str]) -> str:
        nonlocal number
        if match[0] == "%%":
            return "%"
        value = params[match[1]]
        if not isinstance(value, Literal):
            return str(adapt(value).getquoted().decode())
        number += 1
        return f"${number}{value.cast}"

    return _PLACE.sub(place, text)


def _came_before(shape: _Shape, seen: set[_Shape]) -> bool:
    if shape in seen:
        return True
    if len(seen) >= _MOST:
        seen.clear()
    seen.add(shape)
    return False


def _name(text: str, most: int | None) -> str:
    from hashlib import sha256  # noqa: PLC0415 - not for the first answer of a cold start

    # Of the text, so that behind a pooler the same name can only be the same statement.
    key = text if most is None else f"{most} {text}"
    return f"crud_{sha256(key.encode()).hexdigest()[:32]}"
