"""Texts: text, varchar(n), char(n), citext, and all other types that PostgreSQL writes as a JSON string."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from crud_api.resource.columns.column import NO_NUL, Column, Schema
from crud_api.settings import MAX_BODY_BYTES
from query_executor.contract import MAX_REPLY_BYTES, Value

# A space is what Python or ECMAScript takes for a space. In Python, $ also matches before a line feed at the end, so
# the patterns below add (?!\n).
_SPACE = r"\s\x1c-\x1f\x85\ufeff"
_VISIBLE = rf"[^{_SPACE}\x00]"


class TextColumn(Column):
    """A text with the limits of its `Meta`. In a column of another type it is the text that PostgreSQL writes."""

    name = "str"
    sql_type = "text"
    says = "a text"
    shown_example = "text"
    is_text = True
    in_one_pass = True
    may_hold_commas = True
    is_populated_as_json = True

    def from_json(self, value: Any) -> Value:
        """Return the string. Raises `ValueError` if the limits of the declaration forbid it."""
        return str(self.converted(value))

    def from_element(self, text: str) -> Value:
        """Return the text. Raises `ValueError` if the limits of the declaration forbid it."""
        return self.from_json(text)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same text. A column of numbers can be declared as a text, and returns numbers."""
        return sent == key or (not isinstance(sent, str | bool | None) and str(sent) == key)

    def schema(self) -> Schema:
        """A string with the limits of the declaration."""
        schema = msgspec.json.schema(self.hint)
        schema.pop("enum", None)  # msgspec sorts the values
        schema.setdefault("type", "string")
        if "pattern" in schema:
            # JSON Schema uses the patterns of ECMAScript, where $ matches only at the end. Generators of clients fail
            # at (?!\n).
            schema["pattern"] = schema["pattern"].removesuffix(r"(?!\n)")
        return schema

    def written(self) -> Schema:
        """A string with the limits of the declaration, and with the limits of every text."""
        return {"maxLength": MAX_BODY_BYTES, "pattern": NO_NUL} | self.schema()

    def answered(self) -> Schema:
        """A string of any text."""
        return {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": NO_NUL}


class CitextColumn(TextColumn):
    """A text that is compared without regard to case (PostgreSQL's extension citext)."""

    name = "Citext"
    sql_type = "citext"
    carriers = frozenset({"citext"})
    says = "a text; upper and lower case count as equal"
    is_populated_as_json = False

    def same(self, sent: Any, key: Value) -> bool:
        """Whether PostgreSQL considers both equal."""
        return isinstance(sent, str) and isinstance(key, str) and sent.lower() == key.lower()

    def searched(self, column: str) -> str:
        """The column itself: citext has its own operators for patterns."""
        return column


Citext = Annotated[str, CitextColumn]

# A key is a segment of a path. There, "." and ".." have another meaning (RFC 3986, section 5.2.4).
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=rf"^(?!\.{{1,2}}$){_VISIBLE}([^\n\x00]*{_VISIBLE})?$(?!\n)",
        description="1 to 64 characters, not . or .., with no space at the beginning or end",
    ),
]
# The resource that it refers to limits its keys, and the database checks that the row exists.
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
