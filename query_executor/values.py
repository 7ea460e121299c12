"""Params as SQL's literals."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extensions import AsIs

from query_executor import pg_types
from query_executor.contract import FromResult, InvalidRequestError, Param, Result, Typed, Value


class MissingRowError(Exception):
    """An earlier result has no row of which a param could be."""


class Literal:
    """A string as psycopg2 writes it into SQL, with a `cast` (`::type`) if its type is said.

    The cast is closed in parentheses, or what follows could become part of the type: `[1]`, `(3)`, `minute`.

    psycopg2's own literals are E'' strings, wrongly escaped, wherever the server, the database or the role had
    standard_conforming_strings off while connecting. It is on when this is sent, and then only quotes are doubled.
    """

    __slots__ = ("cast", "literal")

    def __init__(self, text: str, cast: str = "") -> None:
        self.literal = "'" + text.replace("'", "''") + "'"
        self.cast = cast

    def __conform__(self, _protocol: object) -> Literal:
        return self

    def getquoted(self) -> bytes:
        """The literal with its cast."""
        return self.written(self.literal).encode()

    def written(self, value: str) -> str:
        """The literal, or what stands for it, with the cast."""
        return f"({value}{self.cast})" if self.cast else value


def bound(param: Param, results: Sequence[Result]) -> object:
    """A param as psycopg2 takes it. `results` are those of the earlier statements.

    Raises `MissingRowError` and, for a column that an earlier result does not have, `InvalidRequestError`.
    """
    if isinstance(param, Typed):
        if param.value is None:
            return AsIs(f"(NULL::{param.type})")
        return Literal(_text(param.value, pg_types.DELIMITERS.get(param.type, ",")), f"::{param.type}")
    delimiter = ","
    if isinstance(param, FromResult):
        result = results[param.result]
        names = [column.name for column in result.columns]
        if param.column not in names:
            raise InvalidRequestError(f"result {param.result} has no column {param.column}")
        if not result.rows:
            raise MissingRowError(f"result {param.result} has no row to take {param.column} from")
        at = names.index(param.column)
        param, delimiter = result.rows[0][at], pg_types.DELIMITERS.get(result.columns[at].type, ",")
    if isinstance(param, str | list):
        return Literal(_text(param, delimiter))
    if isinstance(param, int | float) and param < 0:
        return AsIs(f"({param})")  # in -1::int8 the cast would come before the sign
    if isinstance(param, float) and param == 0 and str(param)[0] == "-":
        return AsIs("'-0'::float8")  # as a number of SQL it would be a numeric, which has no such zero
    return param


def _text(value: Value, delimiter: str) -> str:
    """PostgreSQL's own text of a value, so that it takes its type from where it stands."""
    if isinstance(value, list):
        return "{" + delimiter.join(_element(one, delimiter) for one in value) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _element(value: Value, delimiter: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _text(value, delimiter)
    return '"' + _text(value, delimiter).replace("\\", "\\\\").replace('"', '\\"') + '"'
