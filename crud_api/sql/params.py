"""How values travel to the executor. A statement has the same text for all values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues
from crud_api.sql.names import param_names
from query_executor.contract import Param, Typed, Value

_INT8 = range(-(2**63), 2**63)


def typed_param(value: Value) -> Param:
    """Return the value. A whole number gets a type, so the executor prepares the statement once for all numbers."""
    # The type is large, so that a number that is too large for the column finds no row, instead of an error.
    if type(value) is int:
        return Typed("int8", value) if value in _INT8 else Typed("numeric", str(value))
    if isinstance(value, list) and value and type(value[0]) is int:  # all elements are numbers, or none is
        large = all(number in _INT8 for number in value)
        return Typed("int8[]", value) if large else Typed("numeric[]", [str(number) for number in value])
    return value


def key_params(resource: Resource, key: KeyValues, param: str = "key") -> dict[str, Param]:
    """The values of a key, by the names that `has_key` has for them."""
    if len(key) == 1:
        return {param: typed_param(key[0])}
    return dict(zip(param_names(resource, param), map(typed_param, key), strict=True))


def typed_params(values: Mapping[str, Value]) -> dict[str, Param]:
    """Return the values of columns, after `typed_param`."""
    return {param_of(name): typed_param(value) for name, value in values.items()}


@cache
def param_of(name: str) -> str:
    """The param of a column: its name, or the name's bytes if a param cannot have the name (`first name`)."""
    return name if name.isidentifier() else f"_{name.encode().hex()}"
