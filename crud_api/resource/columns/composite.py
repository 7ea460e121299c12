"""Composite types: a value that is a row itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, get_args

from msgspec import Meta, Struct

from crud_api.resource.columns.column import MAX_VALUE_CHARACTERS, NO_NUL, Column, Schema
from crud_api.resource.columns.field import fields_of
from query_executor.contract import Value

# A member of a row's text. Quotes and escapes are not tried in another way, however many there are.
_MEMBER = r'((?:"(?:[^"\\]+|\\.|"")*+"|\\.|[^,()"\\]+)*+)[,)]'
_QUOTES = r'\\(.)|""|"'


class CompositeColumn(Column):
    """An object with the fields of a Struct. They are in the same order as in PostgreSQL's type."""

    name = "Composite"
    may_hold_commas = True

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False, sql_type: str) -> None:
        """Raises `ValueError` if the API does not support a field in a composite."""
        model = get_args(hint)[0]
        if not (isinstance(model, type) and issubclass(model, Struct)):
            raise ValueError(f"is Composite({sql_type!r}) of {model}, which is not a Struct. Declare a Struct.")  # noqa: TRY004
        self.fields = fields_of(model)
        if money := [name for name, field in self.fields.items() if field.column.cast]:
            raise ValueError(f"has {money[0]}, whose type is not supported in a composite. Declare it as numeric.")
        quoted = ".".join(_quoted(part) for part in sql_type.split("."))
        self.sql_type = sql_type
        self.carriers = frozenset({sql_type})
        self.cast = self.text_cast = f"::{quoted}"
        self.says = f"an object with {', '.join(self.fields)}"
        columns = [field.column for field in self.fields.values()]
        self.has_equality = all(column.has_equality for column in columns)
        self.has_order = all(column.has_order for column in columns)
        super().__init__(hint, meta, nullable=nullable)

    def checked_as(self) -> Any:
        """An object of anything: `from_json` checks each member."""
        return dict[str, Any]

    def from_json(self, value: Any) -> Value:
        """Return the row as PostgreSQL writes it."""
        value = self.converted(value)
        if unknown := [name for name in value if name not in self.fields]:
            raise ValueError(f"{self.must}, and nothing else: {unknown[0][:100]} is not one of them")
        return f"({','.join(self._member(name, value) for name in self.fields)})"

    def _member(self, name: str, row: Mapping[str, Any]) -> str:
        field = self.fields[name]
        if name not in row:
            if field.required:
                raise ValueError(f"{self.must}: {name} is missing")
            param = field.stored_default
        elif row[name] is None and not field.column.takes_null:
            if not field.column.nullable:
                raise ValueError(f"{self.must}: {name} {field.column.must}, not null")
            param = None
        else:
            try:
                param = field.column.parse_json(row[name])
            except ValueError as error:
                raise ValueError(f"{self.must}: {name} {error}") from None
        if param is None:
            return ""
        text = str(param).lower() if isinstance(param, bool) else str(param)
        return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'

    def spaced(self, text: str) -> Iterator[tuple[str | None, int]]:
        """Those of its members."""
        member, position = re.compile(_MEMBER, re.DOTALL), 1
        for name, field in self.fields.items():
            if (match := member.match(text, position)) is None:
                return
            position = match.end()
            value = re.sub(_QUOTES, lambda found: found[1] or found[0][1:], match[1], flags=re.DOTALL)
            yield from ((name, length) for _, length in field.column.spaced(value))

    def from_text(self, text: str) -> Value:
        """Return the row as PostgreSQL writes it. The text is JSON."""
        try:
            return self.from_json(json.loads(text, parse_float=Decimal, parse_constant=Decimal))
        except (json.JSONDecodeError, RecursionError):
            raise self.wrong() from None

    def shown(self, column: str) -> str:
        """The SQL for an object. The type of each member says how JSON shows it."""
        members = {name: f"({column}).{_quoted(name)}" for name in self.fields}
        shown = {name: self.fields[name].column.shown(member) for name, member in members.items()}
        if shown == members:
            return column
        row = ", ".join(f"{sql} AS {_quoted(name)}" for name, sql in shown.items())
        return f"CASE WHEN num_nulls({column}) = 0 THEN (SELECT to_json(made.*) FROM (SELECT {row}) AS made) END"

    def key_text(self, column: str) -> str:
        """The SQL of the object's JSON as a text."""
        return f"to_json({column})::text"

    def schema(self) -> Schema:
        """An object with the members that a body may have."""
        required = [name for name, field in self.fields.items() if field.required]
        return self._schema({name: field.column.written() for name, field in self.fields.items()}, required)

    def answered(self) -> Schema:
        """An object with all members."""
        return self._schema({name: field.column.answered() for name, field in self.fields.items()}, list(self.fields))

    def filtered(self) -> Schema:
        """A string with the object's JSON."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}

    def example(self, default: Any = None) -> Any:  # noqa: ARG002
        """An object with an example for each member."""
        return {name: field.column.example(field.default) for name, field in self.fields.items()}

    def url_example(self) -> Any:
        """The example as JSON."""
        return json.dumps(self.example())

    def _schema(self, members: Mapping[str, Schema], required: list[str]) -> Schema:
        properties = {
            name: {"anyOf": [schema, {"type": "null"}]} if self.fields[name].column.nullable and schema else schema
            for name, schema in members.items()
        }
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


class Composite(Struct, frozen=True):
    """The name of a composite type in PostgreSQL. It annotates a Struct, which has the fields of the type."""

    sql_type: str

    def column(self, hint: Any, meta: Meta, *, nullable: bool = False) -> Column:
        """Make the column of an annotation that contains this object."""
        return CompositeColumn(hint, meta, nullable=nullable, sql_type=self.sql_type)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
