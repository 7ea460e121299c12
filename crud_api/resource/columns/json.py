"""Columns that hold documents: json, jsonb, hstore.

A null in JSON becomes SQL's null if the column may be null. Otherwise it becomes the document `null`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from crud_api.resource.columns.column import MAX_VALUE_CHARACTERS, NO_NUL, Column, Schema, text_flaw
from query_executor.contract import Value

_QUOTED = r'"([^"\\]|\\.)*"'
_PAIR = rf"{_QUOTED}=>(NULL|{_QUOTED})"
_HSTORE = re.compile(rf"({_PAIR}(, *{_PAIR})*)?", re.DOTALL)


class JsonbColumn(Column):
    """A document: jsonb. PostgreSQL keeps what it contains, but not the spaces and the order of the members."""

    name = "Jsonb"
    sql_type = "jsonb"
    carriers = frozenset({"jsonb"})
    says = "JSON"
    shown_example: Any = {"a": 1}  # noqa: RUF012 - no class is changed
    is_populated_as_json = True
    is_document = True
    may_hold_commas = True

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """With `nullable`, null is SQL's null. Without it, null is a document."""
        super().__init__(hint, meta, nullable=nullable)
        self.takes_null = not nullable

    def from_json(self, value: Any) -> Value:
        """Return the text of the document. Its numbers keep the digits that the client sent."""
        self.converted(value)
        return json_text(value)

    def from_text(self, text: str) -> Value:
        """Return the text of the document. The text in the URL is JSON."""
        try:
            value = json.loads(text, parse_float=Decimal, parse_constant=Decimal)
        except (ValueError, RecursionError):
            raise ValueError(f"{self.wrong()}: put a text in quotes") from None
        return json_text(value)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same document."""
        try:
            return bool(json.loads(str(self.parse_json(sent))) == json.loads(str(key)))
        except ValueError:
            return False

    def schema(self) -> Schema:
        """Any JSON."""
        return {}

    def answered(self) -> Schema:
        """Any JSON."""
        return {}

    def filtered(self) -> Schema:
        """A string with JSON."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}

    def url_example(self) -> Any:
        """The example as a text."""
        return json.dumps(self.example())


class JsonColumn(JsonbColumn):
    """A document: json. PostgreSQL keeps its text as it is, and cannot compare it."""

    name = "Json"
    sql_type = "json"
    carriers = frozenset({"json"})
    has_equality = False
    has_order = False


class ObjectColumn(JsonbColumn):
    """An object in a column of type jsonb."""

    name = "dict"
    says = "a JSON object"

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Null is never a value, because it is not an object."""
        super().__init__(hint, meta, nullable=nullable)
        self.takes_null = False

    def checked_as(self) -> Any:
        """An object with any members, and the limits of the declaration."""
        return Annotated[dict[str, Any], self.meta]

    def schema(self) -> Schema:
        """An object."""
        return {"type": "object"}


class HstoreColumn(Column):
    """An object whose values are texts or nulls (PostgreSQL's extension hstore)."""

    name = "Hstore"
    sql_type = "hstore"
    carriers = frozenset({"hstore"})
    says = "an object whose values are texts or nulls"
    shown_example: Any = {"a": "1"}  # noqa: RUF012
    may_hold_commas = True
    has_order = False

    def from_json(self, value: Any) -> Value:
        """Return the object as PostgreSQL writes it."""
        return ", ".join(
            f"{_quoted(name)}=>{'NULL' if text is None else _quoted(text)}"
            for name, text in self.converted(value).items()
        )

    def from_element(self, text: str) -> Value:
        """Return the text. Raises `ValueError` if PostgreSQL would not write an object like this."""
        if not _HSTORE.fullmatch(text):
            raise self.wrong()
        return text

    def from_text(self, text: str) -> Value:
        """Return the object as PostgreSQL writes it. The text in the URL is JSON."""
        try:
            return self.from_json(json.loads(text))
        except (ValueError, RecursionError):
            raise self.wrong() from None

    def key_text(self, column: str) -> str:
        """The SQL of the object's JSON as a text."""
        return f"hstore_to_json({column})::text"

    def schema(self) -> Schema:
        """An object whose values are texts or nulls."""
        return {"type": "object", "additionalProperties": {"type": ["string", "null"]}}

    def answered(self) -> Schema:
        """An object whose values are texts or nulls."""
        return self.schema()

    def url_example(self) -> Any:
        """The example as JSON."""
        return json.dumps(self.example())


def json_text(value: Any) -> str:
    """Return the JSON text of a value. Its numbers keep all their digits. Raises `ValueError`."""
    match value:
        case str():
            if flaw := text_flaw(value):
                raise ValueError(flaw)
            return json.dumps(value, ensure_ascii=False)
        case None | bool():
            return json.dumps(value)
        case Mapping():
            return f"{{{','.join(f'{json_text(name)}:{json_text(inner)}' for name, inner in value.items())}}}"
        case list():
            return f"[{','.join(json_text(inner) for inner in value)}]"
        case Decimal() if not value.is_finite():
            raise ValueError("must be JSON, which has no NaN and no Infinity")
    return str(value)


def _quoted(text: str) -> str:
    if flaw := text_flaw(text):
        raise ValueError(flaw)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


Json = Annotated[Any, JsonColumn]
Jsonb = Annotated[Any, JsonbColumn]
Hstore = Annotated[dict[str, str | None], HstoreColumn]
