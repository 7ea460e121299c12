"""Makes columns from the annotations of a declaration."""

from __future__ import annotations

import builtins
from decimal import Decimal
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType

from crud_api.resource.columns.column import Column
from query_executor.contract import Value

# The column class for each Python type. Its module is imported when a declaration uses the type.
_OF_PYTHON = {
    "builtins.str": "text.TextColumn",
    "builtins.int": "number.IntegerColumn",
    "builtins.bool": "choice.BooleanColumn",
    "builtins.float": "number.FloatColumn",
    "decimal.Decimal": "number.DecimalColumn",
    "datetime.datetime": "time.TimestampColumn",
    "datetime.date": "time.DateColumn",
    "datetime.time": "time.TimeColumn",
    "datetime.timedelta": "time.IntervalColumn",
    "uuid.UUID": "uuid.UuidColumn",
    "builtins.bytes": "binary.BytesColumn",
    "builtins.list": "array.ArrayColumn",
    "builtins.dict": "json.ObjectColumn",
}
_CARRIED = ", ".join(["Literal of texts", *(name.rpartition(".")[2] for name in _OF_PYTHON)])
_CONSTRAINTS = [name for name in dir(Meta) if not name.startswith("_")]


class Field(Struct, frozen=True):
    """A field of a resource, as its model declares it.

    `name` is the column's: the field's own, or what `msgspec.field(name=...)` says where Python cannot spell it.
    """

    name: str
    column: Column
    required: bool
    default: Any  # None or msgspec.NODEFAULT: the default of the database applies
    stored_default: Value  # the default as a param, or None

    @property
    def nullable(self) -> bool:
        """Whether the field may be null."""
        return self.column.nullable


def fields_of(model: type[Struct]) -> dict[str, Field]:
    """Return the fields of the model by name, in its order. Raises `ValueError` for an unsupported type."""
    fields = {}
    for info in msgspec.structs.fields(model):
        try:
            fields[info.encode_name] = _field(info)
        except ValueError as error:
            raise ValueError(f"{model.__name__}.{info.name} {error}") from None
    return fields


def column_of(hint: Any) -> Column:
    """Return the column that an annotation declares. Raises `ValueError` for an unsupported type."""
    hint, nullable = _without_none(hint)
    base, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    meta = _merged([each for each in metadata if isinstance(each, Meta)])
    for each in metadata:
        if (make := getattr(each, "column", None)) is not None:
            return _made(make, hint, meta, nullable)
    origin = get_origin(base) or base
    if origin is Literal:
        name: str | None = "choice.ChoiceColumn"
    elif origin is dict and get_args(base) not in {(), (str, Any)}:
        name = None
    else:
        name = _OF_PYTHON.get(f"{getattr(origin, '__module__', '')}.{getattr(origin, '__qualname__', '')}")
    if name is None:
        raise ValueError(
            f"is declared as {getattr(base, '__name__', base)}, which the API does not support. Declare one of "
            f"{_CARRIED}, or a type of crud_api.resource.columns. Each can be combined with None. A str holds the "
            "text that PostgreSQL writes for a value of any type."
        )
    module, _, class_ = name.partition(".")
    return _made(getattr(import_module(f"crud_api.resource.columns.{module}"), class_).column, hint, meta, nullable)


def _made(make: Any, hint: Any, meta: Meta, nullable: bool) -> Column:
    column: Column = make(hint, meta, nullable=nullable)
    return column


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    kinds = [kind for kind in get_args(hint) if kind not in {NoneType, UnsetType}]
    if len(kinds) != 1:
        raise ValueError("is a union of several types. Declare one type, or one type and None.")
    return kinds[0], NoneType in get_args(hint)


def _merged(metas: list[Meta]) -> Meta:
    if len(metas) == 1:
        return metas[0]
    constraints = {name: value for meta in metas for name in _CONSTRAINTS if (value := getattr(meta, name)) is not None}
    return Meta(**constraints)


def _field(info: msgspec.structs.FieldInfo) -> Field:
    column, default = column_of(info.type), info.default
    if default is msgspec.UNSET:  # the field may be absent, but is never null
        default = None
    if info.default_factory in {builtins.list, builtins.dict}:  # msgspec's form of the defaults [] and {}
        default = info.default_factory()
    elif info.default_factory is not msgspec.NODEFAULT:
        raise ValueError("has a default_factory. Declare a default value, or None for the default of the column.")
    stored: Value = None
    if default is not None and default is not msgspec.NODEFAULT:
        try:
            stored = column.parse_json(msgspec.to_builtins(default, builtin_types=(Decimal,)))
        except ValueError as error:
            raise ValueError(f"has a default that its own type refuses: it {error}.") from None
    return Field(info.encode_name, column, info.required, default, stored)
