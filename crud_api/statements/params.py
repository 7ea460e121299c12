"""How values travel to the executor, so that a statement has the same text for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from query_executor.contract import Param, Typed, Value


def whole(value: Value) -> Param:
    """The value. A whole number says its type: the executor prepares the statement once, not for each number."""
    # The largest type, not the column's: a number that no column holds is then a row that is not there.
    return Typed("int8", value) if type(value) is int and -(2**63) <= value < 2**63 else value


def whole_in(values: Mapping[str, Value]) -> dict[str, Param]:
    """The values of columns, each as `whole` has it."""
    return {name: whole(value) for name, value in values.items()}
