"""The operators of filters, one entry each: parsing, SQL and the description read them here."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from crud_api.resource.columns.column import Column

# The values of [is], and their SQL.
PRESENCES = {"null": "NULL", "not_null": "NOT NULL"}


# What follows an operator, and what the type of a column must have for it.
Takes = Literal["a value", "values", "a pattern", "a presence"]
Needs = Literal["nothing", "equality", "order", "text"]


class Operator(Struct, frozen=True):
    """`field[name]=...`. `sql` is its condition, of the `{column}`, its `{text}` and the `{value}`."""

    name: str
    sql: str
    takes: Takes
    help: str  # of a field's `{name}`
    needs: Needs

    def flaw(self, column: Column) -> str | None:
        """Why it cannot filter such a column, if it cannot."""
        if self.needs == "text" and not column.is_text:
            return "works only on text columns"
        if self.needs == "equality" and not column.has_equality:
            return f"cannot compare values of type {column.made_as()}; use [is]"
        if self.needs == "order" and not column.has_order:
            others = "[is]" if not column.has_equality else "=, [ne], [in] or [is]"
            return f"needs an order, which type {column.made_as()} does not have; use {others}"
        return None


_PATTERN = "`%` or `*` stands for any characters, `_` for one; a backslash takes the next character literally"
EQUAL = Operator("eq", "{column} = {value}", "a value", "Only rows whose {name} is this value.", "equality")
OPERATORS = {
    operator.name: operator
    for operator in (
        Operator(
            "ne",
            "{column} <> {value}",
            "a value",
            "Only rows whose {name} differs from this value. A null column does not pass.",
            "equality",
        ),
        Operator("gt", "{column} > {value}", "a value", "Only rows whose {name} is greater than this value.", "order"),
        Operator(
            "gte",
            "{column} >= {value}",
            "a value",
            "Only rows whose {name} is this value or greater.",
            "order",
        ),
        Operator("lt", "{column} < {value}", "a value", "Only rows whose {name} is less than this value.", "order"),
        Operator("lte", "{column} <= {value}", "a value", "Only rows whose {name} is this value or less.", "order"),
        Operator(
            "in",
            "{column} = ANY({value})",
            "values",
            "Only rows whose {name} is one of these, separated by commas.",
            "equality",
        ),
        Operator(
            "like",
            "{text} LIKE {value}",
            "a pattern",
            f"Only rows whose {{name}} is like this pattern: {_PATTERN}.",
            "text",
        ),
        Operator(
            "ilike",
            "{text} ILIKE {value}",
            "a pattern",
            f"Only rows whose {{name}} is like this pattern, where capital and small letters are equal: {_PATTERN}.",
            "text",
        ),
        Operator(
            "is", "{column} IS {value}", "a presence", "Only rows whose {name} is null, or is not null.", "nothing"
        ),
    )
}


def operator_of(name: str) -> Operator:
    """The operator of a filter."""
    return EQUAL if name == EQUAL.name else OPERATORS[name]
