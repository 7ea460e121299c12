"""Types with few values: true and false, and the texts that a declaration lists, like the values of an enum."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta

from crud_api.resource.columns.column import Column, Schema
from crud_api.resource.columns.text import TextColumn
from query_executor.contract import Value


class BooleanColumn(Column):
    """True or false."""

    name = "bool"
    sql_type = "boolean"
    carriers = frozenset({"bool"})
    says = "true or false"
    shown_example = True
    in_one_pass = True

    def from_json(self, value: Any) -> Value:
        """Return the value if it is true or false in JSON. Raises `ValueError` for other values."""
        if isinstance(value, str):
            raise ValueError(f"{self.must}, not a string")  # noqa: TRY004 - for a client
        return bool(self.converted(value))

    def from_text(self, text: str) -> Value:
        """Return true for `true` and `1`, false for `false` and `0`. Capital letters are allowed."""
        found = _WORDS.get(text.lower())
        if found is None:
            raise self.wrong()
        return found

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both are the same. In Python True equals 1, but in JSON 1 is a number."""
        return isinstance(sent, bool) and sent == key

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}

    def filtered(self) -> Schema:
        """A boolean."""
        return self.schema()


_WORDS = {"true": True, "false": False, "1": True, "0": False}


class ChoiceColumn(TextColumn):
    """One of the texts that a `Literal` lists. The column is a text or an enum."""

    name = "str"

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Raises `ValueError` if a literal is not a text."""
        self.choices = get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)
        if not all(isinstance(choice, str) for choice in self.choices):
            raise ValueError("has a Literal that is not a text. Declare int with a Meta, or a Literal of texts.")
        super().__init__(hint, meta, nullable=nullable)
        self.value = f"one of {', '.join(self.choices)}"
        self.description = meta.description or self.value
        self.must = f"must be {self.value}{' or null' if nullable else ''}"

    def written(self) -> Schema:
        """A string that is one of the texts."""
        return {"type": "string", "enum": list(self.choices)}

    def answered(self) -> Schema:
        """A string that is one of the texts."""
        return self.written()

    def example(self, default: Any = None) -> Any:
        """The default, or else the first text."""
        return default if isinstance(default, str) else self.choices[0]
