"""From a column's type to the annotation that declares it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import Any

from msgspec import Struct

from infra.local.adopt import names
from infra.local.adopt.catalogue import Catalogue, Type
from infra.local.adopt.checks import Limits, limits_of
from infra.local.adopt.layout import Group, Node, flat, laid, long_text, text

# PostgreSQL's types that have one annotation: its module and name.
_COLUMNS = "crud_api.resource.columns."
_NAMED = {
    "bool": ("", "bool"), "uuid": ("uuid", "UUID"), "bytea": ("", "bytes"), "date": ("datetime", "date"),
    "time": ("datetime", "time"), "timetz": (f"{_COLUMNS}time", "TimeTz"),
    "timestamptz": (f"{_COLUMNS}time", "Timestamp"), "timestamp": (f"{_COLUMNS}time", "LocalTimestamp"),
    "interval": (f"{_COLUMNS}time", "Interval"), "json": (f"{_COLUMNS}json", "Json"),
    "jsonb": (f"{_COLUMNS}json", "Jsonb"), "money": (f"{_COLUMNS}number", "Money"),
    "bit": (f"{_COLUMNS}binary", "Bits"), "varbit": (f"{_COLUMNS}binary", "Bits"),
    **{name: (f"{_COLUMNS}network", name.capitalize()) for name in ("inet", "cidr", "macaddr", "macaddr8")},
    **{name: (f"{_COLUMNS}other", name.capitalize()) for name in (
        "tsvector", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle",
    )},
    **{f"{name.lower()}{kind.lower()}": (f"{_COLUMNS}ranges", f"{name}{kind}")
       for name in ("Int4", "Int8", "Num", "Date", "Ts", "Tstz") for kind in ("Range", "Multirange")},
}  # fmt: skip
_OF_EXTENSIONS = {"citext": (f"{_COLUMNS}text", "Citext"), "hstore": (f"{_COLUMNS}json", "Hstore")}
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "char"})
_INTEGERS = frozenset({"int2", "int4", "int8"})
_NOT_PLAIN = frozenset({"bytes", "Money"})  # written in SQL by more than a cast: no lists of lists
_NAME_CHARACTERS = 15  # of PostgreSQL's type `name`, which has 63 bytes: a character has at most 4
_HEADER = 4  # that PostgreSQL adds to the length in a type's modifier


class Definition(Struct):
    """A name that a file defines above the class: the values of a choice, or the fields of a composite type."""

    name: str
    text: str


class Annotation(Struct):
    """How a column is declared. `read_only` says why no value is taken for it, if that is so."""

    node: Node
    kind: str  # "str", "int", ...: what a default has to be
    read_only: str = ""
    not_null: bool = False  # by a domain
    has_default: bool = False  # by a domain
    choices: list[str] | None = None


class Annotations:
    """Makes the annotations of a file's columns, and keeps what they import and define."""

    def __init__(self, catalogue: Catalogue, taken: Iterable[str]) -> None:
        self.types = catalogue.types
        self.imports: dict[str, set[str]] = {}
        self.definitions: list[Definition] = []
        self._taken = {name.lower() for name in taken}
        self._by_type: dict[int, str] = {}

    def uses(self, module: str, *imported: str) -> None:
        """Import the names from the module."""
        if module:
            self.imports.setdefault(module, set()).update(imported)

    def of(
        self, oid: int, modifier: int, dimensions: int, limits: Limits, comment: str | None, called: str
    ) -> Annotation:
        """The annotation of a column called `called`. Raises `ValueError` with the reason why there is none."""
        type_ = self.types[oid]
        not_null = has_default = False
        while type_.kind == "d":
            not_null, has_default = not_null or type_.not_null, has_default or type_.has_default
            comment = comment or type_.comment
            modifier = type_.modifier if modifier < 0 else modifier
            _narrow(limits, limits_of(type_.checks).get("value", Limits()))
            type_ = self.types[type_.base]
        made = self._array(type_, modifier, dimensions, called) if type_.element else self._leaf(
            type_, modifier, limits, called
        )  # fmt: skip
        made.not_null, made.has_default = not_null, has_default
        if comment and comment.strip():
            made.node = self._with_meta(made.node, [long_text("description=", _one_line(comment))])
        return made

    def define(self, called: str, node: Node) -> str:
        """Give the node a name above the class; return the name."""
        name = names.class_name(called, self._taken)
        self._taken.add(name.lower())
        self.definitions.append(Definition(name, laid(node, f"{name} = ")))
        return name

    def _array(self, type_: Type, modifier: int, dimensions: int, called: str) -> Annotation:
        element = self.of(type_.element, modifier, 0, Limits(), None, called)
        if element.kind == "list":
            raise ValueError("is an array of a domain of arrays, which has no declaration")
        nested = max(1, dimensions) if element.kind not in _NOT_PLAIN | {"composite"} else 1
        inner = flat(element.node)
        node: Node = f"{inner} | None"
        for _ in range(min(nested, 6)):
            node = Group("list[", [node], "]")
        return Annotation(node, "list", element.read_only and "is an array of such a type")

    def _leaf(  # noqa: PLR0911 - a return a kind of type
        self, type_: Type, modifier: int, limits: Limits, called: str
    ) -> Annotation:
        is_system = type_.schema == "pg_catalog"
        named = _NAMED.get(type_.name) if is_system else _OF_EXTENSIONS.get(type_.name)
        if type_.kind == "e":
            return self._choice(type_.labels, limits, type_)
        if type_.kind == "c":
            return self._composite(type_)
        if is_system and type_.name in _TEXTS:
            return self._text(type_, modifier, limits, called)
        if is_system and type_.name in _INTEGERS:
            return Annotation(self._with_meta("int", _whole(limits)), "int")
        if is_system and type_.name == "numeric":
            return self._numeric(modifier, limits)
        if is_system and type_.name in {"float4", "float8"}:
            return Annotation(self._with_meta("float", _bounds(limits, float)), "float")
        if named is not None:
            module, name = named
            self.uses(module, name)
            node: Node = name
            if name == "Money":
                node = self._with_meta(name, self._extra(limits, {}))
            return Annotation(node, name)
        if type_.category == "A":
            raise ValueError(f"is of type {type_.name}, whose arrays begin at 0, and which has no declaration")
        return Annotation("str", "other")

    def _choice(self, labels: list[str], limits: Limits, type_: Type | None, called: str = "") -> Annotation:
        if limits.choices is not None:
            labels = [label for label in labels if label in limits.choices]
        if not labels:
            return Annotation("str", "str")
        if type_ is not None and limits.choices is None and (known := self._by_type.get(type_.oid)):
            return Annotation(known, "str", choices=labels)
        self.uses("typing", "Literal")
        name = self.define(
            called or (type_.name if type_ else ""), Group("Literal[", [text(one) for one in labels], "]")
        )
        if type_ is not None and limits.choices is None:
            self._by_type[type_.oid] = name
        return Annotation(name, "str", choices=labels)

    def _text(self, type_: Type, modifier: int, limits: Limits, called: str) -> Annotation:
        if type_.name == "char":
            reason = 'is of type "char", which keeps one byte of a text without an error'
            return Annotation("str", "str", reason)
        if limits.choices:
            return self._choice(limits.choices, Limits(), None, called)
        lengths = [] if modifier < _HEADER or type_.name == "name" else [modifier - _HEADER]
        lengths += [_NAME_CHARACTERS] if type_.name == "name" else []
        lengths += [] if limits.max_length is None else [limits.max_length]
        metas = [f"min_length={limits.min_length}"] if limits.min_length else []
        metas += [f"max_length={min(lengths)}"] if lengths and min(lengths) >= 0 else []
        return Annotation(self._with_meta("str", metas), "str")

    def _numeric(self, modifier: int, limits: Limits) -> Annotation:
        digits, places = _digits(modifier)
        if places is not None and places <= 0:
            self.uses(f"{_COLUMNS}number", "Whole")
            reason = f"rounds to numbers that end with {-places} zeros, without an error" if places < 0 else ""
            most = Decimal(10) ** (digits or 0) - 1
            if digits and digits <= 18:
                limits = _narrow(Limits(at_least=-most, at_most=most), limits)
            elif any(bound is not None and abs(bound) >= 2**63 for bound in _all_bounds(limits)):
                limits = Limits()  # msgspec's bounds have 64 bits
            return Annotation(self._with_meta("Whole", _whole(limits)), "Whole", reason)
        self.uses("decimal", "Decimal")
        extra = {} if places is None else {"max_digits": str(digits), "decimal_places": str(places)}
        return Annotation(self._with_meta("Decimal", self._extra(limits, extra)), "Decimal")

    def _extra(self, limits: Limits, extra: dict[str, str]) -> list[Node]:
        for name, bound in (
            ("minimum", limits.at_least), ("above", limits.above), ("maximum", limits.at_most), ("below", limits.below),
        ):  # fmt: skip
            if bound is not None and bound == int(bound):
                extra[name] = str(int(bound))
            elif bound is not None:
                self.uses("decimal", "Decimal")
                extra[name] = f'Decimal("{bound}")'
        return [Group("extra={", [f'"{name}": {value}' for name, value in extra.items()], "}")] if extra else []

    def _composite(self, type_: Type) -> Annotation:
        self.uses(f"{_COLUMNS}composite", "Composite")
        self.uses("typing", "Annotated")
        self.uses("msgspec", "Struct")
        name = self._by_type.get(type_.oid)
        if name is None:
            if "." in type_.name or "." in type_.schema:
                raise ValueError(
                    f"is of the composite type {type_.name}, whose name has a dot: no declaration has that"
                )
            name = names.class_name(type_.name, self._taken)
            self._taken.add(name.lower())
            lines = [f"class {name}(Struct):", f'    """A value of {type_.schema}.{type_.name}."""', ""]
            attributes: list[str] = []
            for each in type_.fields:
                inner = self.types[each.type]
                while inner.kind == "d":
                    inner = self.types[inner.base]
                of = self.types[inner.element] if inner.element else inner
                if of.kind == "c" or of.name == "money":
                    what = "an amount of money" if of.name == "money" else "a composite type"
                    raise ValueError(
                        f"is of the composite type {type_.name} with {what} within it: no declaration has that"
                    )
                refuse_name(each.name)
                made = self.of(each.type, each.modifier, 0, Limits(), each.comment, each.name)
                attribute = names.identifier(each.name, attributes)
                attributes.append(attribute)
                lines.append(line_of(attribute, each.name, made.node, "| None", "None", self))
            self.definitions.append(Definition(name, "\n".join(lines)))
            self._by_type[type_.oid] = name
        node = Group("Annotated[", [name, f"Composite({text(f'{type_.schema}.{type_.name}')})"], "]")
        return Annotation(node, "composite")

    def _with_meta(self, node: Node, metas: Iterable[Node]) -> Node:
        """The node with more in its Meta."""
        added = list(metas)
        if not added:
            return node
        self.uses("typing", "Annotated")
        self.uses("msgspec", "Meta")
        if isinstance(node, Group) and node.head == "Annotated[":
            *most, last = node.items
            if isinstance(last, Group) and last.head == "Meta(":
                return Group("Annotated[", [*most, Group("Meta(", [*last.items, *added], ")")], "]")
            return Group("Annotated[", [*node.items, Group("Meta(", added, ")")], "]")
        return Group("Annotated[", [node, Group("Meta(", added, ")")], "]")


def refuse_name(name: str) -> None:
    """Raises `ValueError` for a name of a column that no field can have: msgspec writes it into JSON as it is."""
    if any(char in '"\\' or ord(char) < 32 for char in name):
        raise ValueError("has a quote, a backslash or a control character in its name, which has no declaration")


def line_of(attribute: str, name: str, node: Node, tail: str, default: str, file: Annotations) -> str:
    """The line of a field: `city: str | None = None`. `tail` is what follows the type, `default` its default if any."""
    annotation = f"{flat(node)} {tail}".rstrip()
    if attribute != name:
        file.uses("msgspec", "field")
        default = f"field(name={text(name)}{f', default={default}' if default else ''})"
    line = f"    {attribute}: {annotation}{f' = {default}' if default else ''}"
    if len(line) <= 120:
        return line
    alias = file.define(attribute, node)
    return f"    {attribute}: {f'{alias} {tail}'.rstrip()}{f' = {default}' if default else ''}"


def _narrow(limits: Limits, more: Limits) -> Limits:
    """Add the limits of `more` to `limits`."""
    for sign, bound in ((">=", more.at_least), (">", more.above), ("<=", more.at_most), ("<", more.below)):
        if bound is not None:
            limits.bound(sign, bound)
    if more.min_length is not None:
        limits.length(">=", more.min_length)
    if more.max_length is not None:
        limits.length("<=", more.max_length)
    if more.choices is not None:
        limits.choose(more.choices)
    return limits


def _all_bounds(limits: Limits) -> tuple[Decimal | None, ...]:
    return (limits.at_least, limits.above, limits.at_most, limits.below)


def _whole(limits: Limits) -> list[str]:
    """The bounds of a whole number."""
    if any(bound is not None and abs(bound) >= 2**63 for bound in _all_bounds(limits)):
        return []
    whole = Limits(
        at_least=None if limits.at_least is None else Decimal(ceil(limits.at_least)),
        above=None if limits.above is None else Decimal(floor(limits.above)),
        at_most=None if limits.at_most is None else Decimal(floor(limits.at_most)),
        below=None if limits.below is None else Decimal(ceil(limits.below)),
    )
    return _bounds(whole, int)


def _bounds(limits: Limits, number: Callable[[Decimal], int | float]) -> list[str]:
    named = (("ge", limits.at_least), ("gt", limits.above), ("le", limits.at_most), ("lt", limits.below))
    return [f"{name}={number(bound)}" for name, bound in named if bound is not None]


def _digits(modifier: int) -> tuple[int | None, int | None]:
    """The precision and the scale of a numeric, which its modifier has in 16 and in 11 bits with a sign."""
    if modifier < _HEADER:
        return None, None
    bits = modifier - _HEADER
    return bits >> 16 & 0xFFFF, ((bits & 0x7FF) ^ 1024) - 1024


def _one_line(comment: str) -> str:
    return " ".join(comment.split())


def facts_of(types: Mapping[int, Type], oid: int, modifier: int) -> dict[str, Any]:
    """A column's type as query_executor/migrate/declared.py compares it with a declaration."""
    plain, modifier = _plain(types, oid, modifier)
    leaf, modifier = _plain(types, plain.element, modifier) if plain.element else (plain, modifier)
    return {
        "type": leaf.name,
        "array": bool(plain.element),
        "plain": leaf.name,
        "names": [leaf.name, f"{leaf.schema}.{leaf.name}"],
        "system": leaf.schema == "pg_catalog",
        "category": leaf.category,
        "modifier": modifier,
        "fields": {each.name: facts_of(types, each.type, each.modifier) for each in leaf.fields} or None,
    }


def _plain(types: Mapping[int, Type], oid: int, modifier: int) -> tuple[Type, int]:
    """The type below domains, and the modifier that counts."""
    type_ = types[oid]
    while type_.kind == "d":
        modifier = type_.modifier if modifier < 0 else modifier
        type_ = types[type_.base]
    return type_, modifier
