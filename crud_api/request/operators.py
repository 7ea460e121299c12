"""The operators of filters, one entry each: parsing, SQL and the description read them here."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from crud_api.resource.columns.column import Column

# The values of [is], and their SQL. PostgREST's dialect has those of a boolean, too.
PRESENCES = {"null": "NULL", "not_null": "NOT NULL"}
TRUTHS = {**PRESENCES, "true": "TRUE", "false": "FALSE", "unknown": "UNKNOWN"}


# What follows an operator, and what the type of a column must have for it.
Takes = Literal["a value", "values", "a pattern", "a presence", "a search"]
Needs = Literal["nothing", "equality", "order", "text"]


class Operator(Struct, frozen=True):
    """`field[name]=...`. `sql` is its condition, of the `{column}`, its `{text}` and the `{value}`.

    A search has the words `{words}` of the column, and the configuration `{language}` before its value.
    """

    name: str
    sql: str
    takes: Takes
    help: str  # of a field's `{name}`
    needs: Needs
    rest: str = ""  # its name in PostgREST's dialect: `field=name.value`; empty if that dialect does not have it
    is_quantified: bool = False  # whether that dialect has it with (any) and (all)

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
EQUAL = Operator(
    "eq", "{column} = {value}", "a value", "Only rows whose {name} is this value.", "equality", "eq", is_quantified=True
)
# The operators of both dialects.
OPERATORS = {
    operator.name: operator
    for operator in (
        Operator(
            "ne",
            "{column} <> {value}",
            "a value",
            "Only rows whose {name} differs from this value. A null column does not pass.",
            "equality",
            "neq",
        ),
        Operator(
            "gt",
            "{column} > {value}",
            "a value",
            "Only rows whose {name} is greater than this value.",
            "order",
            "gt",
            is_quantified=True,
        ),
        Operator(
            "gte",
            "{column} >= {value}",
            "a value",
            "Only rows whose {name} is this value or greater.",
            "order",
            "gte",
            is_quantified=True,
        ),
        Operator(
            "lt",
            "{column} < {value}",
            "a value",
            "Only rows whose {name} is less than this value.",
            "order",
            "lt",
            is_quantified=True,
        ),
        Operator(
            "lte",
            "{column} <= {value}",
            "a value",
            "Only rows whose {name} is this value or less.",
            "order",
            "lte",
            is_quantified=True,
        ),
        Operator(
            "in",
            "{column} = ANY({value})",
            "values",
            "Only rows whose {name} is one of these, separated by commas.",
            "equality",
            "in",
        ),
        Operator(
            "like",
            "{text} LIKE {value}",
            "a pattern",
            f"Only rows whose {{name}} is like this pattern: {_PATTERN}.",
            "text",
            "like",
            is_quantified=True,
        ),
        Operator(
            "ilike",
            "{text} ILIKE {value}",
            "a pattern",
            f"Only rows whose {{name}} is like this pattern, where capital and small letters are equal: {_PATTERN}.",
            "text",
            "ilike",
            is_quantified=True,
        ),
        Operator(
            "is",
            "{column} IS {value}",
            "a presence",
            "Only rows whose {name} is null, or is not null.",
            "nothing",
            "is",
        ),
    )
}


def _search(name: str, function: str, help_: str) -> Operator:
    return Operator(name, f"{{words}} @@ {function}({{language}}{{value}})", "a search", help_, "nothing", name)


# The operators that only PostgREST's dialect has. The database says which columns they fit.
_ONLY_REST = {
    operator.name: operator
    for operator in (
        Operator(
            "match",
            "{text} ~ {value}",
            "a value",
            "Only rows whose {name} matches this regular expression.",
            "text",
            "match",
            is_quantified=True,
        ),
        Operator(
            "imatch",
            "{text} ~* {value}",
            "a value",
            "Only rows whose {name} matches this regular expression, where capital and small letters are equal.",
            "text",
            "imatch",
            is_quantified=True,
        ),
        Operator(
            "isdistinct",
            "{column} IS DISTINCT FROM {value}",
            "a value",
            "Only rows whose {name} differs from this value. A null column passes.",
            "equality",
            "isdistinct",
        ),
        _search("fts", "to_tsquery", "Only rows whose {name} has these words, in PostgreSQL's syntax of a search."),
        _search("plfts", "plainto_tsquery", "Only rows whose {name} has all words of this text."),
        _search("phfts", "phraseto_tsquery", "Only rows whose {name} has the words of this text in their order."),
        _search("wfts", "websearch_to_tsquery", "Only rows whose {name} fits this text, written as in a web search."),
        Operator("cs", "{column} @> {value}", "a value", "Only rows whose {name} contains this.", "nothing", "cs"),
        Operator(
            "cd", "{column} <@ {value}", "a value", "Only rows whose {name} is contained in this.", "nothing", "cd"
        ),
        Operator("ov", "{column} && {value}", "a value", "Only rows whose {name} overlaps this.", "nothing", "ov"),
        Operator(
            "sl", "{column} << {value}", "a value", "Only rows whose {name} is left of this range.", "nothing", "sl"
        ),
        Operator(
            "sr", "{column} >> {value}", "a value", "Only rows whose {name} is right of this range.", "nothing", "sr"
        ),
        Operator(
            "nxr",
            "{column} &< {value}",
            "a value",
            "Only rows whose {name} does not reach beyond the end of this range.",
            "nothing",
            "nxr",
        ),
        Operator(
            "nxl",
            "{column} &> {value}",
            "a value",
            "Only rows whose {name} does not begin before this range.",
            "nothing",
            "nxl",
        ),
        Operator(
            "adj", "{column} -|- {value}", "a value", "Only rows whose {name} is next to this range.", "nothing", "adj"
        ),
    )
}
# The operators of PostgREST's dialect, by their names there.
REST_OPERATORS = {
    operator.rest: operator for operator in (EQUAL, *OPERATORS.values(), *_ONLY_REST.values()) if operator.rest
}


def operator_of(name: str) -> Operator:
    """The operator of a filter."""
    return EQUAL if name == EQUAL.name else OPERATORS.get(name) or _ONLY_REST[name]
