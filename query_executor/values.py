"""Params as literals of SQL."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extensions import AsIs

from query_executor import pg_types
from query_executor.contract import FromResult, InvalidRequestError, Param, Result, Typed, Value
from query_executor.errors import MissingRowError


class Literal:
    """A string as a literal of SQL, with a `cast` (`::type`) if the param names its type.

    The literal and its cast are in parentheses. Without them, the text that follows could become part of the type:
    `[1]`, `(3)`, `minute`.

    psycopg2 writes E'' strings, with wrong escapes, if standard_conforming_strings is off when it connects. The server,
    the database or the role may set this. When the executor sends this literal, the setting is on, so only quotes have
    to be doubled.
    """

    __slots__ = ("cast", "literal")

    def __init__(self, text: str, cast: str = "") -> None:
        self.literal = "'" + text.replace("'", "''") + "'"
        self.cast = cast

    def __conform__(self, _protocol: object) -> Literal:
        return self

    def getquoted(self) -> bytes:
        """The literal with its cast, for psycopg2."""
        return self.written(self.literal).encode()

    def written(self, value: str) -> str:
        """Return a value with the cast. The value is the literal, or a `$1` in its place."""
        return f"({value}{self.cast})" if self.cast else value


def bound(param: Param, results: Sequence[Result]) -> object:
    """Return a param as a value that psycopg2 accepts. `results` are the results of the earlier statements.

    Raises `MissingRowError`, and `InvalidRequestError` for a column that an earlier result does not have.
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
        return AsIs(f"({param})")  # in -1::int8 the cast would apply before the sign
    if isinstance(param, float) and param == 0 and str(param)[0] == "-":
        return AsIs("'-0'::float8")  # without quotes it would be a numeric, which has no negative zero
    return param


def _text(value: Value, delimiter: str) -> str:
    """Return the text that PostgreSQL reads as the value. Without a cast, it gets the type that its place needs."""
    if isinstance(value, list):
        return "{" + delimiter.join(_element(element, delimiter) for element in value) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _element(value: Value, delimiter: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _text(value, delimiter)
    return '"' + _text(value, delimiter).replace("\\", "\\\\").replace('"', '\\"') + '"'
