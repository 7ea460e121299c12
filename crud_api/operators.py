"""The operators of filters, one entry each: parsing, SQL and the description read them here."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from crud_api.resource.columns.column import Column

# What [is] takes, and what it is in SQL.
PRESENCES = {"null": "NULL", "not_null": "NOT NULL"}


class Takes(Enum):
    """What an operator is followed by."""

    VALUE = auto()
    VALUES = auto()  # separated by commas
    PATTERN = auto()
    PRESENCE = auto()


class Needs(Enum):
    """What the column's type must have."""

    NOTHING = auto()
    EQUALITY = auto()
    ORDER = auto()
    TEXT = auto()


class Operator(Struct, frozen=True):
    """`field[name]=...`. `sql` is its condition, of the `{column}`, its `{text}` and the `{value}`."""

    name: str
    sql: str
    takes: Takes
    help: str  # of a field's `{name}`
    needs: Needs

    def flaw(self, column: Column) -> str | None:
        """Why it cannot filter such a column, if it cannot."""
        if self.needs is Needs.TEXT and not column.is_text:
            return "is an operator of texts only"
        if self.needs is Needs.EQUALITY and not column.has_equality:
            return f"compares a value of type {column.made_as()}, which PostgreSQL cannot; use [is]"
        if self.needs is Needs.ORDER and not column.has_order:
            others = "[is]" if not column.has_equality else "=, [ne], [in] or [is]"
            return f"needs an order, which type {column.made_as()} has not in PostgreSQL; use {others}"
        return None


_PATTERN = "`%` or `*` stands for any characters, `_` for one; a backslash before one of them makes it an ordinary one"
EQUAL = Operator("eq", "{column} = {value}", Takes.VALUE, "Only rows whose {name} is this value.", Needs.EQUALITY)
OPERATORS = {
    one.name: one
    for one in (
        Operator(
            "ne",
            "{column} <> {value}",
            Takes.VALUE,
            "Only rows whose {name} differs from this value; null is left out.",
            Needs.EQUALITY,
        ),
        Operator(
            "gt", "{column} > {value}", Takes.VALUE, "Only rows whose {name} is greater than this value.", Needs.ORDER
        ),
        Operator(
            "gte",
            "{column} >= {value}",
            Takes.VALUE,
            "Only rows whose {name} is this value or greater.",
            Needs.ORDER,
        ),
        Operator(
            "lt", "{column} < {value}", Takes.VALUE, "Only rows whose {name} is less than this value.", Needs.ORDER
        ),
        Operator(
            "lte", "{column} <= {value}", Takes.VALUE, "Only rows whose {name} is this value or less.", Needs.ORDER
        ),
        Operator(
            "in",
            "{column} = ANY({value})",
            Takes.VALUES,
            "Only rows whose {name} is one of these, separated by commas.",
            Needs.EQUALITY,
        ),
        Operator(
            "like",
            "{text} LIKE {value}",
            Takes.PATTERN,
            f"Only rows whose {{name}} is like this pattern: {_PATTERN}.",
            Needs.TEXT,
        ),
        Operator(
            "ilike",
            "{text} ILIKE {value}",
            Takes.PATTERN,
            f"Only rows whose {{name}} is like this pattern, in capital or small letters: {_PATTERN}.",
            Needs.TEXT,
        ),
        Operator("is", "{column} IS {value}", Takes.PRESENCE, "Only rows that have no {name}, or one.", Needs.NOTHING),
    )
}


def operator_of(name: str) -> Operator:
    """The operator of a filter."""
    return EQUAL if name == EQUAL.name else OPERATORS[name]
