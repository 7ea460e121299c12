"""How values travel to the executor, so that a statement has the same text for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from query_executor.contract import Param, Typed, Value

_INT8 = range(-(2**63), 2**63)


def typed_param(value: Value) -> Param:
    """The value. A whole number has its type beside it, so the executor prepares the statement once for all numbers."""
    # A large type, not the column's, so that a number that the column cannot hold finds no row.
    if type(value) is int:
        return Typed("int8", value) if value in _INT8 else Typed("numeric", str(value))
    if isinstance(value, list) and value and type(value[0]) is int:  # all are, or none
        large = all(number in _INT8 for number in value)
        return Typed("int8[]", value) if large else Typed("numeric[]", [str(number) for number in value])
    return value


def typed_params(values: Mapping[str, Value]) -> dict[str, Param]:
    """The values of columns, each as `typed_param` has it."""
    return {param_of(name): typed_param(value) for name, value in values.items()}


@cache
def param_of(name: str) -> str:
    """The param of a column: its name, or the name's bytes where no param can have the name (`first name`)."""
    return name if name.isidentifier() else f"_{name.encode().hex()}"
