"""What every column type can do: read a value, say what is wrong with it, write it in SQL and describe it.

A value travels as a statement's param. That is PostgreSQL's own text of it, or a number or a boolean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
from msgspec import Meta

from query_executor.contract import MAX_REPLY_BYTES, Value

MAX_VALUE_CHARACTERS = 1000  # of a value in a URL
# The pattern is published, and means the same in Python as in the ECMAScript of JSON Schema. PostgreSQL's text cannot
# hold NUL.
NO_NUL = r"^[^\x00]*$"

Schema = dict[str, Any]


class Column:
    """The type of one column, as one declaration has it. A type is a subclass."""

    name: ClassVar[str]  # what declares it, in messages
    sql_type: str  # its type in a CREATE TABLE
    # The types of PostgreSQL (pg_type.typname) that carry its values unchanged, both ways. None stands for all types
    # that PostgreSQL writes as a JSON string.
    carriers: frozenset[str] | None = None
    says: str  # what a value is; it completes the sentence "must be ..."
    shown_example: Any  # as JSON has it

    has_equality: bool = True  # in PostgreSQL; without it, only [is] filters the column
    has_order: bool = True
    is_text: ClassVar[bool] = False  # whether patterns search it
    takes_null: bool = False  # whether JSON's null is a value of it
    in_one_pass: ClassVar[bool] = (
        False  # whether msgspec decodes a body's member to the value that `parse_json` returns
    )
    is_populated_as_json: ClassVar[bool] = False  # whether a string among rows that travel as JSON may be taken as JSON
    is_array: ClassVar[bool] = False
    may_hold_commas: ClassVar[bool] = False  # a value as a URL has it
    delimiter: ClassVar[str] = ","  # between elements of an array (pg_type.typdelim)
    shown_as: ClassVar[str] = ""  # the cast by which a row's JSON has it
    # What SQL has after a param that is a value, and after one that is PostgreSQL's own text, in a cursor. Without a
    # cast, PostgreSQL takes the type of the column, whichever it is.
    cast: str = ""
    text_cast: str = ""

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Raises `ValueError` where the type cannot have the constraints of `meta`."""
        self.hint = hint
        self.meta = meta
        self.nullable = nullable
        self.description = meta.description or self.says
        self.must = f"must be {self.description}{' or null' if nullable else ''}"
        # A bare type would be looked into at every convert().
        self._alone = msgspec.defstruct("Alone", [("made", self.checked_as())], array_like=True)
        try:
            msgspec.convert((None,), self._alone)
        except TypeError as error:
            raise ValueError(f"has a Meta that its type cannot have: {error}.") from None
        except msgspec.ValidationError:
            pass

    @classmethod
    def column(cls, hint: Any, meta: Meta, *, nullable: bool = False) -> Column:
        """The column of an annotation that names this class."""
        return cls(hint, meta, nullable=nullable)

    def checked_as(self) -> Any:
        """The type that msgspec checks a value of JSON by, with its constraints."""
        return self.hint

    # Values

    def parse_json(self, value: Any) -> Value:
        """The value of a body's member as a param. Raises `ValueError` saying what it must be."""
        if isinstance(value, str) and (flaw := text_flaw(value)):
            raise ValueError(flaw)
        return self.from_json(value)

    def parse_text(self, text: str) -> Value:
        """The value of a field that is written in a URL. Only its type counts: old rows may hold what is refused today.

        Raises `ValueError` with the reason.
        """
        if flaw := text_flaw(text):
            raise ValueError(flaw)
        if len(text) > MAX_VALUE_CHARACTERS:
            raise ValueError(f"must have at most {MAX_VALUE_CHARACTERS} characters")
        return self.from_text(text)

    def from_json(self, value: Any) -> Value:
        """The param of a value of JSON, of which a string is one that PostgreSQL can hold."""
        raise NotImplementedError

    def from_text(self, text: str) -> Value:
        """The param of a text in a URL, which is one that PostgreSQL can hold: the text."""
        return text

    def from_element(self, text: str) -> Value:
        """The param of PostgreSQL's own text of a value, as an array's text has it. PostgreSQL judges its type."""
        return text

    def spaced(self, text: str) -> Iterator[tuple[str | None, int]]:
        """The texts in a param that end with a space: the field of a composite type, and how many characters it has."""
        if text.endswith(" "):
            yield None, len(text)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether a member of a body is this key, however both are written."""
        try:
            value = self.parse_text(sent) if isinstance(sent, str) else self.parse_json(sent)
        except ValueError:
            return False
        return value == key

    def comparable(self, text: str) -> Any:
        """What is equal of two texts of PostgreSQL's that mean the same."""
        return text

    def converted(self, value: Any) -> Any:
        """The value as msgspec makes it of JSON's. Raises `ValueError`."""
        try:
            return msgspec.convert((value,), self._alone).made  # type: ignore[attr-defined]
        except (msgspec.ValidationError, OverflowError):
            raise ValueError(self.must) from None

    def wrong(self) -> ValueError:
        """The error for a text of a URL that is no value of the type."""
        return ValueError(f"must be {self.description}")

    # SQL

    def made_as(self) -> str:
        """Its type in a CREATE TABLE."""
        return self.sql_type

    def cast_of_list(self) -> str:
        """What SQL has after a param that is an array of values."""
        return "".join(f"::{type_}[]" for type_ in self.cast.split("::")[1:])

    def shown(self, column: str) -> str:
        """The column as a row's JSON has it."""
        return f"{column}{self.shown_as}"

    def key_text(self, column: str) -> str:
        """The column, which is as it is shown, as a path has it: as JSON has it, without the quotes of a string."""
        return f"{column}::text"

    def searched(self, column: str) -> str:
        """The column as a pattern searches it: what is declared as a text may be an enum, or a domain."""
        return f"{column}::text"

    # JSON Schema

    def schema(self) -> Schema:
        """The type, as JSON Schema has it, with what the declaration demands of a value."""
        return {"type": "string"}

    def written(self) -> Schema:
        """What a body may hold."""
        return self.schema()

    def answered(self) -> Schema:
        """What a row may hold: it may be older than the limits of today, so only its type is certain."""
        return limited({key: value for key, value in self.schema().items() if key in {"type", "format"}})

    def filtered(self) -> Schema:
        """What a URL may hold."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}

    def example(self, default: Any = None) -> Any:  # noqa: ARG002 - a choice shows its default
        """A value, as JSON has it: the declaration's, or one of the type."""
        return self.meta.examples[0] if self.meta.examples else self.shown_example

    def url_example(self) -> Any:
        """The value, as a URL has it."""
        return self.example()


class Spelled(Column):
    """A type whose values are strings of a certain form, as PostgreSQL writes them. It has the last word on them."""

    form: ClassVar[str]  # a pattern, which `re` compiles when it is first used: a cold start has no time for it

    def __init_subclass__(cls) -> None:
        """The type in a CREATE TABLE carries the values, unless the class names other carriers."""
        if "sql_type" in cls.__dict__ and "carriers" not in cls.__dict__:
            cls.carriers = frozenset({cls.sql_type})

    def from_json(self, value: Any) -> Value:
        """The string, if it has the form."""
        text = self.converted(value)
        if not re.fullmatch(self.form, text, re.DOTALL):
            raise ValueError(self.must)
        return str(text)

    def from_text(self, text: str) -> Value:
        """The text, if it has the form."""
        if not re.fullmatch(self.form, text, re.DOTALL):
            raise self.wrong()
        return text

    def schema(self) -> Schema:
        """The form as a pattern."""
        limits = msgspec.json.schema(self.checked_as())
        return {**limits, "type": "string", "pattern": f"^({self.form})$"}

    def answered(self) -> Schema:
        """A string of that form: PostgreSQL writes no other."""
        return {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": f"^({self.form})$"}

    def filtered(self) -> Schema:
        """The form as a pattern."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": f"^({self.form})$"}


def json_text(column: str) -> str:
    """A column's text as its JSON has it, where a cast to text would write it otherwise."""
    return f"(to_json({column}) #>> ARRAY[]::text[])"


def limited(schema: Schema) -> Schema:
    """The schema, with the length that an answer allows a string."""
    return schema | ({"maxLength": MAX_REPLY_BYTES} if schema.get("type") == "string" else {})


def text_flaw(text: str) -> str | None:
    """Why PostgreSQL cannot store the text, if it cannot."""
    if "\x00" in text:
        return "must not contain the NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "must not contain a lone surrogate, which is not a Unicode character"
    return None


def param(value: Any) -> Value:
    """The value as a statement's param: what JSON cannot say goes as its text."""
    return value if value is None or isinstance(value, bool | int | str) else str(value)
