"""Values of which there are few: true and false, and the texts that a declaration lists, as those of an enum."""

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
        """JSON's own true or false."""
        if isinstance(value, str):
            raise ValueError(f"{self.must}, not a string")  # noqa: TRY004 - for a client
        return bool(self.converted(value))

    def from_text(self, text: str) -> Value:
        """The two words in any case, or 1 and 0."""
        found = _WORDS.get(text.lower())
        if found is None:
            raise self.wrong()
        return found

    def same(self, sent: Any, key: Value) -> bool:
        """Whether it is the same one: 1 is a number."""
        return isinstance(sent, bool) and sent == key

    def schema(self) -> Schema:
        """JSON's own."""
        return {"type": "boolean"}

    def filtered(self) -> Schema:
        """JSON's own."""
        return self.schema()


_WORDS = {"true": True, "false": False, "1": True, "0": False}


class ChoiceColumn(TextColumn):
    """One of the texts that a `Literal` lists: of a text's column, or of an enum's."""

    name = "str"

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Raises `ValueError` where the literals are no texts."""
        self.choices = get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)
        if not all(isinstance(choice, str) for choice in self.choices):
            raise ValueError("is a Literal of other values than texts. Declare int with a Meta, or a Literal of texts.")
        super().__init__(hint, meta, nullable=nullable)
        self.description = f"one of {', '.join(self.choices)}"
        self.must = f"must be {self.description}{' or null' if nullable else ''}"

    def written(self) -> Schema:
        """The texts."""
        return {"type": "string", "enum": list(self.choices)}

    def answered(self) -> Schema:
        """The texts."""
        return self.written()

    def example(self, default: Any = None) -> Any:
        """The default, or the first."""
        return default if isinstance(default, str) else self.choices[0]
