"""What every column type can do: read a value, say what is wrong with it, write it in SQL and describe it.

A value travels as a param of a statement: as a number, as a boolean, or as the text that PostgreSQL writes for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
from msgspec import Meta

from query_executor.contract import MAX_REPLY_BYTES, Value

MAX_VALUE_CHARACTERS = 1000  # of a value in a URL
# A text in PostgreSQL cannot hold NUL. The API's description publishes this pattern: it means the same in Python and in
# ECMAScript, whose patterns JSON Schema uses.
NO_NUL = r"^[^\x00]*$"

Schema = dict[str, Any]


# The first words of a description that completes "must be ...": an article, or a number.
_COMPLETES = frozenset({"a", "an", "the", "one", ""})


class Column:
    """One column as its declaration describes it. Each type is a subclass."""

    name: ClassVar[str]  # the name of the type in messages
    sql_type: str  # the type in a CREATE TABLE
    # The types of PostgreSQL (pg_type.typname) that store a value of this type and return it unchanged. None stands
    # for all types that PostgreSQL writes as a JSON string.
    carriers: frozenset[str] | None = None
    says: str  # what a value is; it completes the sentence "must be ..."
    shown_example: Any  # as a value in JSON

    has_equality: bool = True  # PostgreSQL can compare values; if not, only [is] filters the column
    has_order: bool = True
    is_text: ClassVar[bool] = False  # whether a pattern can search it
    takes_null: bool = False  # whether null in JSON is a value of the type
    in_one_pass: ClassVar[bool] = (
        False  # whether msgspec decodes a member of a body to the value that `parse_json` returns
    )
    is_populated_as_json: ClassVar[bool] = False  # in rows that travel as JSON, a string may be read as JSON
    is_array: ClassVar[bool] = False
    is_document: ClassVar[bool] = False  # whether a path leads into a value: json or jsonb
    is_words: ClassVar[bool] = False  # whether it holds the words of a text: tsvector
    may_hold_commas: ClassVar[bool] = False  # in a URL
    delimiter: ClassVar[str] = ","  # between the elements of an array (pg_type.typdelim)
    shown_as: ClassVar[str] = ""  # the cast that is applied before a row is written as JSON
    # The casts that SQL puts after a param: `cast` when the param is a value, `text_cast` when it is PostgreSQL's text
    # of a value, in a cursor. Without a cast, PostgreSQL gives the param the type of the column.
    cast: str = ""
    text_cast: str = ""

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Raises `ValueError` if the type cannot have the constraints of `meta`."""
        self.hint = hint
        self.meta = meta
        self.nullable = nullable
        # What a value must be, and what a reader is told of the column: a comment need not complete that sentence.
        self.value = self.says + self._limits()
        if meta.description and meta.description.split(" ")[0].rstrip("0123456789") in _COMPLETES:
            self.value = meta.description
        self.description = meta.description or self.value
        self.must = f"must be {self.value}{' or null' if nullable else ''}"
        # msgspec analyses a bare type in every call of convert(). It analyses a Struct once.
        self._alone = msgspec.defstruct("Alone", [("made", self.checked_as())], array_like=True)
        try:
            msgspec.convert((None,), self._alone)
        except TypeError as error:
            raise ValueError(f"has a Meta that does not fit its type: {error}.") from None
        except msgspec.ValidationError:
            pass

    @classmethod
    def column(cls, hint: Any, meta: Meta, *, nullable: bool = False) -> Column:
        """Make the column of an annotation that names this class."""
        return cls(hint, meta, nullable=nullable)

    def checked_as(self) -> Any:
        """The type, with its constraints, against which msgspec checks a value of JSON."""
        return self.hint

    # Values

    def parse_json(self, value: Any) -> Value:
        """Return the param for a member of a body. Raises `ValueError`, which says what the value must be."""
        if isinstance(value, str) and (flaw := text_flaw(value)):
            raise ValueError(flaw)
        return self.from_json(value)

    def parse_text(self, text: str) -> Value:
        """Return the param for a value in a URL. Raises `ValueError` with the reason.

        Only the type is checked. An old row may hold a value that today's limits refuse, and a filter has to find it.
        """
        if flaw := text_flaw(text):
            raise ValueError(flaw)
        if len(text) > MAX_VALUE_CHARACTERS:
            raise ValueError(f"must have at most {MAX_VALUE_CHARACTERS} characters")
        return self.from_text(text)

    def from_json(self, value: Any) -> Value:
        """Return the param for a value of JSON. PostgreSQL can store it, if it is a string."""
        raise NotImplementedError

    def from_text(self, text: str) -> Value:
        """Return the param for a text in a URL. PostgreSQL can store the text."""
        return text

    def from_element(self, text: str) -> Value:
        """Return the param for an element in the text of an array. PostgreSQL checks its type."""
        return text

    def spaced(self, text: str) -> Iterator[tuple[str | None, int]]:
        """The texts in a param that end with a space: the field of a composite type, and how many characters it has."""
        if text.endswith(" "):
            yield None, len(text)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether a member of a body is the same value as the key. Both may be written in different ways."""
        try:
            value = self.parse_text(sent) if isinstance(sent, str) else self.parse_json(sent)
        except ValueError:
            return False
        return value == key

    def comparable(self, text: str) -> Any:
        """Return an object to compare. Two texts of PostgreSQL with the same meaning have equal objects."""
        return text

    def converted(self, value: Any) -> Any:
        """Return what msgspec converts the value of JSON to. Raises `ValueError`."""
        try:
            return msgspec.convert((value,), self._alone).made  # type: ignore[attr-defined]
        except (msgspec.ValidationError, OverflowError):
            raise ValueError(self.must) from None

    def wrong(self) -> ValueError:
        """The error for a text in a URL that is not a value of the type."""
        return ValueError(f"must be {self.value}")

    def _limits(self) -> str:
        """The limits of the declaration, in words that follow those of the type."""
        extra = self.meta.extra or {}
        low, above = (_first(self.meta.ge, extra.get("minimum")), _first(self.meta.gt, extra.get("above")))
        high, below = (_first(self.meta.le, extra.get("maximum")), _first(self.meta.lt, extra.get("below")))
        said = ""
        if low is not None and high is not None:
            said = f" from {low} to {high}"
        else:
            bounds = (("at least", low), ("more than", above), ("at most", high), ("less than", below))
            said = " and".join(f" {words} {bound}" for words, bound in bounds if bound is not None)
            said = said and f", which is{said}"
        least, most = self.meta.min_length, self.meta.max_length
        if self.is_text and most is not None:
            said = f" of {least} to {most} characters" if least else f" of at most {most} characters"
        elif self.is_text and least:
            said = f" of at least {least} {'character' if least == 1 else 'characters'}"
        if "decimal_places" in extra:
            said += f" with at most {extra['decimal_places']} decimal places"
        if "max_digits" in extra:
            said += f" and {extra['max_digits'] - extra.get('decimal_places', 0)} digits before them"
        return said

    # SQL

    def made_as(self) -> str:
        """The type in a CREATE TABLE, with the limits of the declaration."""
        return self.sql_type

    def cast_of_list(self) -> str:
        """The cast that SQL puts after a param that is an array of values."""
        return "".join(f"::{type_}[]" for type_ in self.cast.split("::")[1:])

    def shown(self, column: str) -> str:
        """The SQL of the column for the JSON of a row."""
        return f"{column}{self.shown_as}"

    def key_text(self, column: str) -> str:
        """The SQL of a key as a path writes it: like JSON, but without the quotes of a string."""
        return f"{column}::text"

    def searched(self, column: str) -> str:
        """The SQL of the column for a search with a pattern. A column that is declared as a text may be an enum."""
        return f"{column}::text"

    # JSON Schema

    def schema(self) -> Schema:
        """The JSON Schema of the type with the limits of the declaration."""
        return {"type": "string"}

    def written(self) -> Schema:
        """The JSON Schema of a value in a body."""
        return self.schema()

    def answered(self) -> Schema:
        """The JSON Schema of a value in a row. Only its type is certain: a row may be older than the limits."""
        return limited({key: value for key, value in self.schema().items() if key in {"type", "format"}})

    def filtered(self) -> Schema:
        """The JSON Schema of a value in a URL."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}

    def example(self, default: Any = None) -> Any:  # noqa: ARG002 - a choice shows its default
        """An example in JSON: the example of the declaration, or else an example of the type."""
        return self.meta.examples[0] if self.meta.examples else self.shown_example

    def url_example(self) -> Any:
        """The example as a URL writes it."""
        return self.example()


class Spelled(Column):
    """A type whose values are strings that PostgreSQL writes and reads. `form` sorts out most that it would refuse."""

    form: ClassVar[str]  # a pattern; `re` compiles it at its first use, so a cold start does not pay for it

    def __init_subclass__(cls) -> None:
        """Make the type in a CREATE TABLE the carrier of the values, unless the class names other carriers."""
        if "sql_type" in cls.__dict__ and "carriers" not in cls.__dict__:
            cls.carriers = frozenset({cls.sql_type})

    def from_json(self, value: Any) -> Value:
        """Return the string. Raises `ValueError` if it does not have the form."""
        text = self.converted(value)
        if not re.fullmatch(self.form, text, re.DOTALL):
            raise ValueError(self.must)
        return str(text)

    def from_text(self, text: str) -> Value:
        """Return the text. Raises `ValueError` if it does not have the form."""
        if not re.fullmatch(self.form, text, re.DOTALL):
            raise self.wrong()
        return text

    def schema(self) -> Schema:
        """A string whose pattern is the form."""
        limits = msgspec.json.schema(self.checked_as())
        return {**limits, "type": "string", "pattern": f"^({self.form})$"}

    def answered(self) -> Schema:
        """A string whose pattern is the form: PostgreSQL writes no other strings."""
        return {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": f"^({self.form})$"}

    def filtered(self) -> Schema:
        """A string whose pattern is the form."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": f"^({self.form})$"}


def _first(*bounds: Any) -> Any:
    return next((bound for bound in bounds if bound is not None), None)


def json_text(column: str) -> str:
    """The SQL of a column's text as JSON writes it, for types that a cast to text writes in another way."""
    return f"(to_json({column}) #>> ARRAY[]::text[])"


def limited(schema: Schema) -> Schema:
    """Return the schema. A string gets the largest length that a reply allows."""
    return schema | ({"maxLength": MAX_REPLY_BYTES} if schema.get("type") == "string" else {})


def text_flaw(text: str) -> str | None:
    """Return the reason why PostgreSQL cannot store the text, or None."""
    if "\x00" in text:
        return "must not contain the NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "must not contain a lone surrogate, which is not a Unicode character"
    return None


def param(value: Any) -> Value:
    """Return the value as a param of a statement. A value that JSON does not have becomes its text."""
    return value if value is None or isinstance(value, bool | int | str) else str(value)
