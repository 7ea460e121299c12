"""What a CHECK says of one column: the values that it may have, or the limits of its value or length.

PostgreSQL writes a check anew from its own tree, so few forms are to be read: `BETWEEN` is two comparisons and `IN` is
`= ANY (ARRAY[...])`. What is not read stays PostgreSQL's alone, which judges every row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

_TOKEN = re.compile(
    r"""\s*(?: (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
             | [eE]?(?P<string>'(?:[^']|'')*')
             | (?P<name>"(?:[^"]|"")*"|[^\W\d][\w$]*)
             | (?P<sign>::|<=|>=|<>|[-+*/<>=~!@\#%^&|`?]+|[()\[\],.]) )""",
    re.VERBOSE,
)
_TYPE_WORDS = frozenset({"varying", "precision", "with", "without", "time", "zone"})
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_LENGTHS = frozenset({"length", "char_length", "character_length"})


class Limits(Struct):
    """What a column's value must be. The bounds are those of a number, and the lengths those of a text."""

    choices: list[str] | None = None
    at_least: Decimal | None = None
    above: Decimal | None = None
    at_most: Decimal | None = None
    below: Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None

    def bound(self, sign: str, value: Decimal) -> None:
        """Add a comparison with the value. Of two bounds on one side the tighter counts."""
        lows, highs = [self.at_least, self.above], [self.at_most, self.below]
        if sign in {">", ">="} and all(low is None or value >= low for low in lows):
            self.at_least, self.above = (value, None) if sign == ">=" else (None, value)
        elif sign in {"<", "<="} and all(high is None or value <= high for high in highs):
            self.at_most, self.below = (value, None) if sign == "<=" else (None, value)
        elif sign == "=":
            self.bound(">=", value)
            self.bound("<=", value)

    def length(self, sign: str, value: int) -> None:
        """Add a comparison of the length with the value."""
        value += {">": 1, "<": -1}.get(sign, 0)
        if sign in {">", ">=", "="}:
            self.min_length = max(value, self.min_length or 0)
        if sign in {"<", "<=", "="}:
            self.max_length = value if self.max_length is None else min(value, self.max_length)

    def choose(self, values: list[str]) -> None:
        """Add a list of values. Only values of all lists count."""
        kept = values if self.choices is None else [value for value in self.choices if value in values]
        self.choices = list(dict.fromkeys(kept))


def limits_of(checks: Iterable[str]) -> Mapping[str, Limits]:
    """The limits that checks set, by the names of columns. In a domain's check the name is `value`, in lower case."""
    found: dict[str, Limits] = {}
    for check in checks:
        try:
            tree = _Parser(check).whole()
        except (ValueError, IndexError):
            continue
        for part in _parts(tree):
            _add(part, found)
    return found


def constant(default: str | None) -> str | Decimal | bool | None:
    """The value of a default that is a plain constant, and None for any other."""
    try:
        tree = _Parser(default or "").whole()
    except (ValueError, IndexError):
        return None
    match tree:
        case ("string", text):
            return str(text)
        case ("number", number):
            return Decimal(number)
        case ("name", ("true" | "false") as word):
            return bool(word == "true")
    return None


def _parts(tree: Any) -> Iterator[Any]:
    if tree[0] == "and":
        for part in tree[1]:
            yield from _parts(part)
    else:
        yield tree


def _add(tree: Any, found: dict[str, Limits]) -> None:
    if tree[0] == "or":
        tree = _without_null(tree)
    if tree[0] == "or":
        _add_equals(tree[1], found)
        return
    if tree[0] != "compare":
        for part in _parts(tree) if tree[0] == "and" else ():
            _add(part, found)
        return
    _, sign, left, right = tree
    if left[0] in {"number", "string"} and sign in _FLIPPED:
        sign, left, right = _FLIPPED[sign], right, left
    match left, right:
        case ("name", name), ("number", number) if sign in _FLIPPED:
            found.setdefault(name, Limits()).bound(sign, Decimal(number))
        case ("name", name), ("string", text) if sign == "=":
            found.setdefault(name, Limits()).choose([text])
        case ("name", name), ("string", "") if sign == "<>":
            found.setdefault(name, Limits()).length(">=", 1)
        case ("name", name), ("string", text) if sign in _FLIPPED and re.fullmatch(r"-?\d+(\.\d+)?", text):
            found.setdefault(name, Limits()).bound(sign, Decimal(text))
        case ("name", name), ("any", values) if sign == "=":
            _add_values(found.setdefault(name, Limits()), values)
        case ("call", function, (("name", name),)), ("number", number) if function in _LENGTHS and sign in _FLIPPED:
            if Decimal(number) == int(Decimal(number)):
                found.setdefault(name, Limits()).length(sign, int(Decimal(number)))


def _without_null(tree: Any) -> Any:
    """The condition without `column IS NULL OR`: a null is allowed anyway."""
    rest = [part for part in tree[1] if part[0] != "is null"]
    return rest[0] if len(rest) == 1 else ("or", rest)


def _add_equals(parts: list[Any], found: dict[str, Limits]) -> None:
    values, names = [], set()
    for part in parts:
        match part:
            case ("compare", "=", ("name", name), (("string" | "number"), _) as value):
                names.add(name)
                values.append(value)
            case ("compare", "=", ("name", name), ("any", more)):
                names.add(name)
                values += more
            case _:
                return
    if len(names) == 1:
        _add_values(found.setdefault(names.pop(), Limits()), values)


def _add_values(limits: Limits, values: list[Any]) -> None:
    if values and all(kind == "string" for kind, _ in values):
        limits.choose([text for _, text in values])
    elif values and all(kind == "number" for kind, _ in values):
        limits.bound(">=", min(Decimal(number) for _, number in values))
        limits.bound("<=", max(Decimal(number) for _, number in values))


class _Parser:
    """Makes a tree of an expression. Raises `ValueError` or `IndexError` for a form that it does not know."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ValueError(text)
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._at = 0

    def whole(self) -> Any:
        tree = self._or()
        if self._at < len(self._tokens):
            raise ValueError(self._tokens[self._at])
        return tree

    def _next(self, *words: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] in words:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._next(word):
            raise ValueError(word)

    def _or(self) -> Any:
        parts = [self._and()]
        while self._next("OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else ("or", parts)

    def _and(self) -> Any:
        parts = [self._comparison()]
        while self._next("AND"):
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else ("and", parts)

    def _comparison(self) -> Any:
        if self._next("NOT"):
            return ("not", self._comparison())
        left = self._value()
        if self._next("IS"):
            negated = self._next("NOT")
            self._expect("NULL")
            return ("is not null", left) if negated else ("is null", left)
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "sign" and not self._peeks(")", "]", ","):
            sign = self._tokens[self._at][1]
            self._at += 1
            if self._next("ANY"):
                self._expect("(")
                array = self._value()
                self._expect(")")
                if array[0] != "array":
                    raise ValueError("ANY")
                return ("compare", sign, left, ("any", array[1]))
            return ("compare", sign, left, self._value())
        return left

    def _peeks(self, *words: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1] in words

    def _value(self) -> Any:
        value = self._plain()
        while self._next("::"):
            value = self._cast(value)
        return value

    def _plain(self) -> Any:  # noqa: PLR0911 - a return a form
        kind, text = self._tokens[self._at]
        self._at += 1
        if text == "(":
            inner = self._or()
            self._expect(")")
            return inner
        if text == "-":
            inner = self._value()
            if inner[0] != "number":
                raise ValueError(text)
            return ("number", f"-{inner[1]}")
        if kind == "number":
            return ("number", text)
        if kind == "string":
            return ("string", text[1:-1].replace("''", "'"))
        if text == "ARRAY":
            return ("array", self._list("[", "]"))
        if kind != "name":
            raise ValueError(text)
        if self._peeks("("):
            return ("call", text, tuple(self._list("(", ")")))
        if text.startswith('"'):
            return ("name", text[1:-1].replace('""', '"'))
        return ("name", text.lower())

    def _list(self, opening: str, closing: str) -> list[Any]:
        self._expect(opening)
        values: list[Any] = []
        while not self._next(closing):
            values.append(self._or())
            self._next(",")
        return values

    def _cast(self, value: Any) -> Any:
        """The value without its cast. A text that is cast to a number is a number."""
        name = self._tokens[self._at][1]
        self._at += 1
        while self._next("."):
            name = self._tokens[self._at][1]
            self._at += 1
        while self._peeks(*_TYPE_WORDS):
            self._at += 1
        if self._peeks("("):
            self._list("(", ")")
            while self._peeks(*_TYPE_WORDS):  # timestamp(3) without time zone
                self._at += 1
        while self._next("["):
            self._expect("]")
        numbers = {"smallint", "integer", "bigint", "numeric", "real", "double"}
        if value[0] == "string" and name in numbers and re.fullmatch(r"-?\d+(\.\d+)?", value[1]):
            return ("number", value[1])
        return value
