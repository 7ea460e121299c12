"""What a cursor holds, as the contract's results."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from psycopg2.extensions import UNICODEARRAY, cursor

from query_executor import types
from query_executor.contract import MAX_REPLY_BYTES, Column, Result, Value

# The most that a reply has around its results.
_FRAME_BYTES = 1024
# Where Lambda's runtime leaves what is not ASCII as it is (awslambdaric's lambda_runtime_marshaller.py).
_UNESCAPED = frozenset(f"AWS_Lambda_python3.{minor}" for minor in range(12, 16))


class ResultReader:
    """Reads results, and remembers the names of the types that are not PostgreSQL's own."""

    def __init__(self) -> None:
        self._type_names = dict(types.NAMES)

    def read(self, source: cursor, *, named: bool) -> Result:
        """The result of the cursor's last statement, its columns `named` or left out."""
        if source.description is None:
            return Result([], [], max(source.rowcount, 0))
        description, rows = source.description, source.fetchall()
        unknown = {column.type_code for column in description if column.type_code not in self._type_names}
        if unknown:
            arrays = self._look_up(source, sorted(unknown))
            at = [n for n, column in enumerate(description) if column.type_code in arrays]
            rows = [tuple(UNICODEARRAY(v, source) if n in at else v for n, v in enumerate(row)) for row in rows]
        names = self._type_names
        columns = [Column(column.name, names[column.type_code]) for column in description] if named else []
        return Result(columns, rows, len(rows))

    def _look_up(self, source: cursor, oids: Sequence[int]) -> set[int]:
        # Enums, composite types and what extensions bring: asked for once, then known.
        source.execute(
            """SELECT t.oid::int8, coalesce(e.typname || '[]', t.typname)::text, e.oid IS NOT NULL
               FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e
                 ON e.oid = t.typelem AND t.typcategory = 'A'
               WHERE t.oid = ANY(%s::oid[])""",
            (list(oids),),
        )
        arrays = set()
        for oid, name, is_array in source.fetchall():
            self._type_names[oid] = name
            if is_array:
                arrays.add(oid)
                source.connection.string_types[oid] = UNICODEARRAY
        return arrays


def cut(result: Result, max_rows: int | None) -> Result:
    """The result with at most `max_rows` rows."""
    if max_rows is None or len(result.rows) <= max_rows:
        return result
    return Result(result.columns, result.rows[:max_rows], max_rows, truncated=True)


class ReplySize:
    """The bytes of a reply as JSON while it grows: no less, and exact where rows are so many that it matters."""

    def __init__(self) -> None:
        self._counted = _FRAME_BYTES
        self._estimated = 0
        self._rows: list[Sequence[Sequence[Value]]] = []  # those that are estimated

    def add(self, columns: Sequence[Column], rows: Sequence[Sequence[Value]]) -> None:
        """A result, or more rows of one without its columns."""
        self._counted += 80
        for column in columns:
            self._counted += 30 + 6 * (len(column.name) + len(column.type))
        self._estimated += _estimate(rows)
        self._rows.append(rows)
        if self._counted + self._estimated > MAX_REPLY_BYTES:
            self._counted += sum(_count(one) for one in self._rows)
            self._estimated = 0
            self._rows.clear()

    @property
    def bytes(self) -> int:
        """How many there are so far."""
        return self._counted + self._estimated

    @property
    def fits(self) -> bool:
        """Whether Lambda lets them through."""
        return self._counted + self._estimated <= MAX_REPLY_BYTES


def _estimate(rows: Sequence[Sequence[Value]]) -> int:
    # Of a character JSON makes at most 6 bytes, \u0000; of a number 24; each has quotes, a comma and a space.
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
    r"""Whether what sends the reply writes é as \\u00e9, which has three times the bytes."""
    return "AWS_LAMBDA_FUNCTION_NAME" in environ and environ.get("AWS_EXECUTION_ENV") not in _UNESCAPED
