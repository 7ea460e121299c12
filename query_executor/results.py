"""Turns what a cursor holds into the contract's results, and counts the bytes of a reply."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import psycopg2
from psycopg2.extensions import cursor

from query_executor import pg_types
from query_executor.casters import array_caster
from query_executor.contract import MAX_REPLY_BYTES, Column, Result, Value
from query_executor.errors import StalledError

# int2vector has the category of arrays and is no array. So a type is an array if its element's type names it as such.
_TYPES = """
    SELECT t.oid::int8, t.typname::text, e.typname::text, e.typdelim::text
    FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
    WHERE t.oid = ANY(%s::oid[])
"""

TYPE_CHECKING = False  # that of `typing` would make the cold start import typing
if TYPE_CHECKING:
    from query_executor.casters import Caster

# The most that a reply has around its results. It is also the room for the headers of the API's own response, because
# Lambda limits that response too. So a change that was stored is never reported as failed.
_FRAME_BYTES = 16 * 1024
# These runtimes of Lambda do not escape characters beyond ASCII (awslambdaric's lambda_runtime_marshaller.py).
_UNESCAPED = frozenset(f"AWS_Lambda_python3.{minor}" for minor in range(12, 16))


class ResultReader:
    """Reads the results of one connection. It remembers the types that this database has beside PostgreSQL's own."""

    def __init__(self) -> None:
        self._type_names = dict(pg_types.NAMES)

    def read(self, source: cursor, size: ReplySize, most: int | None, *, named: bool, in_transaction: bool) -> Result:
        """The result of the cursor's last statement, with its columns if they are `named`.

        `size` counts its first `most` rows. Raises `psycopg2.Error` and `StalledError` only `in_transaction`, while
        everything can be rolled back. After the commit, a type that cannot be looked up is `unknown`, and its values
        are PostgreSQL's text.
        """
        if source.description is None:
            size.add([], [])
            return Result([], [], max(source.rowcount, 0))
        description, rows = source.description, source.fetchall()
        names = self._type_names
        unknown = {column.type_code for column in description if column.type_code not in names}
        if unknown:
            found = self._looked_up(source, sorted(unknown), in_transaction)
            names = names | dict.fromkeys(unknown - names.keys(), "unknown")
            if found:
                casters = [found.get(column.type_code) for column in description]
                rows = [
                    tuple(
                        value if cast is None else cast(value, source) for value, cast in zip(row, casters, strict=True)
                    )
                    for row in rows
                ]
        columns = [Column(column.name, names[column.type_code]) for column in description] if named else []
        size.add(columns, rows if most is None or len(rows) <= most else rows[:most])
        return Result(columns, rows, len(rows))

    def _looked_up(self, source: cursor, oids: Sequence[int], in_transaction: bool) -> dict[int, Caster]:
        # Enums, composite types and types of extensions are looked up once. Returns the casters of the arrays.
        casters: dict[int, Caster] = {}
        try:
            source.execute(_TYPES, (list(oids),))
            for oid, name, element, delimiter in source.fetchall():
                self._type_names[oid] = name if element is None else f"{element}[]"
                if element is not None:
                    casters[oid] = source.connection.string_types[oid] = array_caster(oid, delimiter)
        except (psycopg2.Error, StalledError):
            if in_transaction:
                raise
        return casters


class ReplySize:
    """The bytes of a growing reply as JSON. It never counts too few, and counts exactly near the limit."""

    def __init__(self) -> None:
        self.fits = True  # whether Lambda accepts a reply of this size
        self._counted = _FRAME_BYTES
        self._estimated = 0
        self._rows: list[Sequence[Sequence[Value]]] = []  # the rows that are only estimated yet

    def add(self, columns: Sequence[Column], rows: Sequence[Sequence[Value]]) -> None:
        """Add a result, or more rows of the last result without its columns."""
        self._counted += 80
        for column in columns:
            self._counted += 30 + 6 * (len(column.name) + len(column.type))
        self._estimated += _estimate(rows)
        self._rows.append(rows)
        if self._counted + self._estimated > MAX_REPLY_BYTES:
            self._counted += sum(_count(estimated) for estimated in self._rows)
            self._estimated = 0
            self._rows.clear()
            self.fits = self._counted <= MAX_REPLY_BYTES

    @property
    def bytes(self) -> int:
        """The number of bytes so far."""
        return self._counted + self._estimated


def _estimate(rows: Sequence[Sequence[Value]]) -> int:
    # In JSON a character takes at most 6 bytes (\u0000) and a number 24. Each value has quotes, a comma and a space.
    total = 0
    for row in rows:
        total += 4 + 28 * len(row)
        for value in row:
            if isinstance(value, str):
                total += 6 * len(value)
            elif isinstance(value, list):
                total += 6 * len(json.dumps(value))
    return total


def _count(rows: Sequence[Sequence[Value]]) -> int:
    text = json.dumps(rows, ensure_ascii=escapes(os.environ))
    return len(text) if text.isascii() else len(text.encode())


def escapes(environ: Mapping[str, str]) -> bool:
    r"""Whether Lambda's runtime sends é as \u00e9, which takes three times the bytes."""
    return "AWS_LAMBDA_FUNCTION_NAME" in environ and environ.get("AWS_EXECUTION_ENV") not in _UNESCAPED
