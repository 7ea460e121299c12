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
    is_quantified: bool = False  # whether PostgREST's dialect has it with (any) and (all)
    rest_name: str = ""  # its name in PostgREST's dialect (`field=name.value`), if that is another one

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
    "eq", "{column} = {value}", "a value", "Only rows whose {name} is this value.", "equality", is_quantified=True
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
            rest_name="neq",
        ),
        Operator(
            "gt",
            "{column} > {value}",
            "a value",
            "Only rows whose {name} is greater than this value.",
            "order",
            is_quantified=True,
        ),
        Operator(
            "gte",
            "{column} >= {value}",
            "a value",
            "Only rows whose {name} is this value or greater.",
            "order",
            is_quantified=True,
        ),
        Operator(
            "lt",
            "{column} < {value}",
            "a value",
            "Only rows whose {name} is less than this value.",
            "order",
            is_quantified=True,
        ),
        Operator(
            "lte",
            "{column} <= {value}",
            "a value",
            "Only rows whose {name} is this value or less.",
            "order",
            is_quantified=True,
        ),
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
            is_quantified=True,
        ),
        Operator(
            "ilike",
            "{text} ILIKE {value}",
            "a pattern",
            f"Only rows whose {{name}} is like this pattern, where capital and small letters are equal: {_PATTERN}.",
            "text",
            is_quantified=True,
        ),
        Operator(
            "is",
            "{column} IS {value}",
            "a presence",
            "Only rows whose {name} is null, or is not null.",
            "nothing",
        ),
    )
}


def _search(name: str, function: str, help_: str) -> Operator:
    return Operator(name, f"{{words}} @@ {function}({{language}}{{value}})", "a search", help_, "nothing")


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
            is_quantified=True,
        ),
        Operator(
            "imatch",
            "{text} ~* {value}",
            "a value",
            "Only rows whose {name} matches this regular expression, where capital and small letters are equal.",
            "text",
            is_quantified=True,
        ),
        Operator(
            "isdistinct",
            "{column} IS DISTINCT FROM {value}",
            "a value",
            "Only rows whose {name} differs from this value. A null column passes.",
            "equality",
        ),
        _search("fts", "to_tsquery", "Only rows whose {name} has these words, in PostgreSQL's syntax of a search."),
        _search("plfts", "plainto_tsquery", "Only rows whose {name} has all words of this text."),
        _search("phfts", "phraseto_tsquery", "Only rows whose {name} has the words of this text in their order."),
        _search("wfts", "websearch_to_tsquery", "Only rows whose {name} fits this text, written as in a web search."),
        Operator("cs", "{column} @> {value}", "a value", "Only rows whose {name} contains this.", "nothing"),
        Operator("cd", "{column} <@ {value}", "a value", "Only rows whose {name} is contained in this.", "nothing"),
        Operator("ov", "{column} && {value}", "a value", "Only rows whose {name} overlaps this.", "nothing"),
        Operator("sl", "{column} << {value}", "a value", "Only rows whose {name} is left of this range.", "nothing"),
        Operator("sr", "{column} >> {value}", "a value", "Only rows whose {name} is right of this range.", "nothing"),
        Operator(
            "nxr",
            "{column} &< {value}",
            "a value",
            "Only rows whose {name} does not reach beyond the end of this range.",
            "nothing",
        ),
        Operator(
            "nxl",
            "{column} &> {value}",
            "a value",
            "Only rows whose {name} does not begin before this range.",
            "nothing",
        ),
        Operator("adj", "{column} -|- {value}", "a value", "Only rows whose {name} is next to this range.", "nothing"),
    )
}
# The operators of PostgREST's dialect, by their names there.
REST_OPERATORS = {
    operator.rest_name or operator.name: operator for operator in (EQUAL, *OPERATORS.values(), *_ONLY_REST.values())
}


def operator_of(name: str) -> Operator:
    """The operator of a filter."""
    return EQUAL if name == EQUAL.name else OPERATORS.get(name) or _ONLY_REST[name]
