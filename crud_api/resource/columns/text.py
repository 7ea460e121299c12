"""Texts: text, varchar(n), char(n), citext, and every type that PostgreSQL writes as a JSON string."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from crud_api.resource.columns.column import NO_NUL, Column, Schema
from crud_api.settings import MAX_BODY_BYTES
from query_executor.contract import MAX_REPLY_BYTES, Value

# In Python $ also matches before a last line feed: hence the (?!\n). What is a space to Python or to ECMAScript is one
# here.
_SPACE = r"\s\x1c-\x1f\x85\ufeff"
_VISIBLE = rf"[^{_SPACE}\x00]"


class TextColumn(Column):
    """A text, whose limits its `Meta` has. Of a column of another type it is PostgreSQL's own text of the value."""

    name = "str"
    sql_type = "text"
    says = "a text"
    shown_example = "text"
    is_text = True
    in_one_pass = True
    may_hold_commas = True
    is_populated_as_json = True

    def from_json(self, value: Any) -> Value:
        """The string, if the declaration's limits allow it."""
        return str(self.converted(value))

    def from_element(self, text: str) -> Value:
        """The text, if the declaration's limits allow it."""
        return self.from_json(text)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether it is the same text. A column of numbers is answered as numbers."""
        return sent == key or (not isinstance(sent, str | bool | None) and str(sent) == key)

    def schema(self) -> Schema:
        """The limits of the declaration."""
        schema = msgspec.json.schema(self.hint)
        schema.pop("enum", None)  # msgspec sorts it
        schema.setdefault("type", "string")
        if "pattern" in schema:
            # In ECMAScript, which JSON Schema's patterns are, $ is the end and nothing else. Generators stumble over
            # more.
            schema["pattern"] = schema["pattern"].removesuffix(r"(?!\n)")
        return schema

    def written(self) -> Schema:
        """The limits, and those that every text has."""
        return {"maxLength": MAX_BODY_BYTES, "pattern": NO_NUL} | self.schema()

    def answered(self) -> Schema:
        """Any text."""
        return {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": NO_NUL}


class CitextColumn(TextColumn):
    """A text that is compared without regard to case (PostgreSQL's extension citext)."""

    name = "Citext"
    sql_type = "citext"
    carriers = frozenset({"citext"})
    says = "a text, compared without regard to case"
    is_populated_as_json = False

    def same(self, sent: Any, key: Value) -> bool:
        """Whether PostgreSQL takes them for the same."""
        return isinstance(sent, str) and isinstance(key, str) and sent.lower() == key.lower()

    def searched(self, column: str) -> str:
        """The column itself: citext has patterns of its own."""
        return column


Citext = Annotated[str, CitextColumn]

# A key is part of a path, where "." and ".." mean something else (RFC 3986, section 5.2.4).
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^(?!\.{{1,2}}$){_VISIBLE}([^\n\x00]*{_VISIBLE})?$(?!\n)",
        description="1 to 64 characters with no space before or after, and neither . nor ..",
    ),
]
# What it must be is for the row it refers to; the database holds that.
ForeignKey = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=NO_NUL, description="the key of a row, 1 to 200 characters"),
]
Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=rf"^[^\x00]*{_VISIBLE}[^\x00]*$",
        description="1 to 200 characters, not only spaces",
        examples=["Ada Lovelace"],
    ),
]
Text = Annotated[
    str,
    Meta(max_length=200, pattern=NO_NUL, description="a text of at most 200 characters", examples=["Paris"]),
]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=rf"^[^@{_SPACE}\x00]+@[^@{_SPACE}.\x00]+(\.[^@{_SPACE}.\x00]+)+$(?!\n)",
        description="an e-mail address like ada@example.com, at most 254 characters",
        examples=["ada@example.com"],
    ),
]
