"""Arrays of any other type.

Some arrays of PostgreSQL do not fit into an array of JSON: the first element does not have the number 1, the array has
other dimensions than the declaration, or it has a null that the declaration does not allow. The API returns such an
array as the text that PostgreSQL writes (`[0:1]={1,2}`), and accepts this text in a body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta

from crud_api.resource.columns.column import MAX_VALUE_CHARACTERS, NO_NUL, Column, Schema, text_flaw
from crud_api.resource.columns.field import column_of
from query_executor.contract import MAX_REPLY_BYTES, Value

_MOST_DIMENSIONS = 6  # PostgreSQL's MAXDIM
_LITERAL_PATTERN = r"(\[-?[0-9]{1,9}(:-?[0-9]{1,9})?\])*=?\{[^\x00]*\}"
_LITERAL = re.compile(_LITERAL_PATTERN)
_SPACE = " \t\n\r\v\f"  # of PostgreSQL's array_in
_BOUNDS = re.compile(r"(\[-?[0-9]{1,9}(:-?[0-9]{1,9})?\])+=\{")


class ArrayColumn(Column):
    """An array. `list[list[int]]` has two dimensions. An empty array has none in PostgreSQL and is always allowed."""

    name = "list"
    is_array = True
    may_hold_commas = True

    def __init__(self, hint: Any, meta: Meta, *, nullable: bool = False) -> None:
        """Raises `ValueError` if the API does not support arrays of the type."""
        (inner,) = get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint) or (None,)
        if inner is None:
            raise ValueError("is a list without a type of its elements. Declare it, like in list[str].")
        element = column_of(inner)
        self.leaf: Column = element.leaf if isinstance(element, ArrayColumn) else element
        self.depth: int = element.depth + 1 if isinstance(element, ArrayColumn) else 1
        if self.depth > _MOST_DIMENSIONS:
            raise ValueError(f"has more dimensions than PostgreSQL's {_MOST_DIMENSIONS}. Declare fewer lists.")
        leaf = self.leaf
        self.is_plain = leaf.shown("x") == f"x{leaf.shown_as}"
        if self.depth > 1 and not self.is_plain:
            raise ValueError(f"is a list of lists of {leaf.name}, which is not supported. Declare one list.")
        self.carriers = None if leaf.carriers is None else frozenset(f"{carrier}[]" for carrier in leaf.carriers)
        self.has_equality, self.has_order = leaf.has_equality, leaf.has_order
        self.cast = leaf.cast_of_list()
        self.says = f"an array{' of arrays' * (self.depth - 1)}, each element {_with_null(leaf)}"
        super().__init__(hint, meta, nullable=nullable)

    def made_as(self) -> str:
        """The type of the elements, and `[]` for each dimension."""
        return self.leaf.made_as() + "[]" * self.depth

    def checked_as(self) -> Any:
        """A list of anything: `from_json` checks each element."""
        return Annotated[list[Any], self.meta]

    def from_json(self, value: Any) -> Value:
        """Return the array as PostgreSQL writes it."""
        if isinstance(value, str):
            return self._literal(value)
        text, _ = self._text(self.converted(value), self.depth)
        return text

    def from_text(self, text: str) -> Value:
        """Return the array as PostgreSQL writes it. The text is JSON, or the text that PostgreSQL writes."""
        if text[:1] == "{" or _BOUNDS.match(text):
            return self._literal(text)
        try:
            return self.from_json(json.loads(text, parse_float=Decimal, parse_constant=Decimal))
        except (json.JSONDecodeError, RecursionError):
            raise self.wrong() from None

    def spaced(self, text: str) -> Iterator[tuple[str | None, int]]:
        """Those of its elements. PostgreSQL refuses a text that is no array, as one in a composite type may be."""
        with suppress(ValueError):
            for element in _elements(text, self.leaf.delimiter):
                yield from self.leaf.spaced(element)

    def same(self, sent: Any, key: Value) -> bool:
        """Whether both arrays have the same elements."""
        try:
            text = str(self.parse_text(sent) if isinstance(sent, str) else self.parse_json(sent))
            one, other = (
                [self.leaf.comparable(each) for each in _elements(of, self.leaf.delimiter)] for of in (text, str(key))
            )
        except (ValueError, ArithmeticError):
            return False
        return text == key or (one == other and text.count("{") == str(key).count("{"))

    def _literal(self, text: str) -> str:
        if not _LITERAL.fullmatch(text):
            raise ValueError(self.must)
        try:
            for element in _elements(text, self.leaf.delimiter):
                self.leaf.from_element(element)
        except ValueError as error:
            raise ValueError(f"{self.must}: an element {error}") from None
        return text

    def _text(self, value: Any, depth: int) -> tuple[str, tuple[int, ...]]:
        """Return the text of an array, and the number of elements in each dimension."""
        if not isinstance(value, list):
            raise ValueError(self.must)  # noqa: TRY004 - for a client
        if depth == 1:
            parts = [self._element(n, element) for n, element in enumerate(value)]
            return f"{{{self.leaf.delimiter.join(parts)}}}", (len(value),)
        inner = [self._text(element, depth - 1) for element in value]
        shapes = {shape for _, shape in inner}
        if len(shapes) > 1 or any(0 in shape for shape in shapes):
            raise ValueError(f"{self.must}; the arrays in it must have the same length and must not be empty")
        return f"{{{self.leaf.delimiter.join(text for text, _ in inner)}}}", (
            len(value),
            *(shapes.pop() if shapes else ()),
        )

    def _element(self, n: int, value: Any) -> str:
        if value is None and self.leaf.nullable:
            return "NULL"
        if value is None and not self.leaf.takes_null:
            raise ValueError(f"{self.must}: element {n} must not be null")
        try:
            param = self.leaf.parse_json(value)
        except ValueError as error:
            raise ValueError(f"{self.must}: element {n} {error}") from None
        text = str(param).lower() if isinstance(param, bool) else str(param)
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def shown(self, column: str) -> str:
        """The SQL for an array of JSON, or for PostgreSQL's text where the array does not fit into JSON."""
        array = f"{column}{self.leaf.shown_as and self.leaf.shown_as + '[]'}"
        if self.is_plain:
            shown = f"to_json({array})"
        else:
            element = self.leaf.shown(f"({column})[n]")
            shown = f"(SELECT json_agg({element} ORDER BY n) FROM generate_subscripts({column}, 1) AS n)"
        first = f"array_lower({column}, 1) = 1" if self.depth == 1 else f"ascii({column}::text) = ascii(chr(123))"
        unsaid = "json_typeof(to_json(one)) = 'null'" if self.leaf.nullable else "one IS NULL"
        if not self.leaf.nullable or (self.leaf.is_populated_as_json and self.leaf.name != "str"):
            first += f" AND NOT EXISTS (SELECT FROM unnest({column}) AS one WHERE {unsaid})"
        return (
            f"CASE WHEN cardinality({column}) = 0 THEN json_build_array() "
            f"WHEN array_ndims({column}) = {self.depth} AND {first} THEN {shown} ELSE to_json({array}::text) END"
        )

    def key_text(self, column: str) -> str:
        """The SQL of the array's JSON, or of PostgreSQL's text."""
        return f"({column} #>> ARRAY[]::text[])"

    def schema(self) -> Schema:
        """An array, or PostgreSQL's text of an array."""
        return self._schema(self.leaf.written())

    def answered(self) -> Schema:
        """An array, or PostgreSQL's text of an array."""
        return self._schema(self.leaf.answered())

    def filtered(self) -> Schema:
        """A string with an array."""
        return {"type": "string", "maxLength": MAX_VALUE_CHARACTERS, "pattern": NO_NUL}

    def example(self, default: Any = None) -> Any:
        """An array with one element."""
        if self.meta.examples:
            return self.meta.examples[0]
        example = self.leaf.example(default)
        for _ in range(self.depth):
            example = [example]
        return example

    def url_example(self) -> Any:
        """The example as JSON."""
        return json.dumps(self.example())

    def _schema(self, leaf: Schema) -> Schema:
        items = {"anyOf": [leaf, {"type": "null"}]} if self.leaf.nullable and leaf else leaf
        for _ in range(self.depth - 1):
            items = {"type": "array", "items": items}
        text = {"type": "string", "maxLength": MAX_REPLY_BYTES, "pattern": f"^{_LITERAL_PATTERN}$"}
        return {"anyOf": [{"type": "array", "items": items}, text]}


def _with_null(leaf: Column) -> str:
    return f"{leaf.value}{' or null' if leaf.nullable else ''}"


def _elements(text: str, delimiter: str) -> Iterator[str]:
    """Yield the elements in the text of an array, without the nulls. Raises `ValueError`."""
    token = re.compile(rf'"((?:[^"\\]|\\.)*)"|((?:[^{{}}"\\{delimiter}]+|\\.)+)|[{{}}{delimiter}]', re.DOTALL)
    position = text.index("{")
    while position < len(text):
        match = token.match(text, position)
        if match is None:
            raise ValueError("has a quotation mark in the wrong place")
        quoted, bare = match.groups()
        element = quoted if bare is None else _stripped(bare)
        if element is not None and (quoted is not None or element.upper() not in {"NULL", ""}):
            element = re.sub(r"\\(.)", r"\1", element, flags=re.DOTALL)
            if flaw := text_flaw(element):
                raise ValueError(flaw)
            yield element
        position = match.end()


def _stripped(bare: str) -> str:
    """An element without quotes. Spaces around it are no part of it, unless they are escaped."""
    left = bare.lstrip(_SPACE)
    element = left.rstrip(_SPACE)
    is_escaped = (len(element) - len(element.rstrip("\\"))) % 2
    return left[: len(element) + is_escaped]
