"""The conditions of a list in SQL: its filters, and the place where a cursor lets the page begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count

from crud_api.request.conditions import Condition, Filter, Group, Related
from crud_api.request.cursors import Cursor, Looked
from crud_api.request.listing import ListQuery
from crud_api.request.operators import EQUAL, TRUTHS, Operator, operator_of
from crud_api.request.sorting import SortKey
from crud_api.resource import Resource
from crud_api.resource.columns.column import Column
from crud_api.resource.relations import Relation
from crud_api.sql.fitting import fits
from crud_api.sql.joining import joined
from crud_api.sql.names import cast_of, has_key, param_names, quoted, table
from crud_api.sql.params import key_params, typed_param
from crud_api.sql.reaching import reached
from query_executor.contract import Param

_JOINS = {"and": " AND ", "or": " OR "}
_QUANTIFIERS = {"any": "ANY", "all": "ALL"}


def filtered(resource: Resource, query: ListQuery) -> tuple[list[str], dict[str, Param]]:
    """Return the conditions of the filters and of the parent, and their params."""
    conditions, params = list[str](), dict[str, Param]()
    if query.parent is not None:
        conditions.append(_belongs(resource, query.parent.resource, query.parent.relation))
        params |= key_params(query.parent.resource, query.parent.key, "parent")
    return conditions + conditions_of(resource, query.filters, params), params


def conditions_of(
    resource: Resource,
    conditions: Sequence[Condition],
    params: dict[str, Param],
    prefix: str = "",
    param: str = "filter",
) -> list[str]:
    """Return the conditions, and add their params, whose names begin with `param`. `prefix` is before each column."""
    numbers = count()
    return [_condition(resource, condition, numbers, params, prefix, param) for condition in conditions]


def _condition(
    resource: Resource, condition: Condition, numbers: Iterator[int], params: dict[str, Param], prefix: str, param: str
) -> str:
    match condition:
        case Filter():
            name = f"{param}_{next(numbers)}"
            sql = _compared(resource, condition, name, params, prefix)
            sql = _uncut(resource, condition, sql, f"{name}_spaced", params)
        case Group():
            members = [_condition(resource, member, numbers, params, prefix, param) for member in condition.members]
            sql = f"({_JOINS[condition.joined_by].join(members)})"
        case Related():
            name = f"{param}_{next(numbers)}"
            source, belongs = joined(condition.way, name, prefix)
            theirs = conditions_of(condition.way[-1].resource, condition.conditions, params, f"{name}.", name)
            sql = f"EXISTS (SELECT FROM {source} WHERE {' AND '.join([belongs, *theirs])})"
    return f"NOT ({sql})" if condition.is_negated else sql


@cache
def _belongs(resource: Resource, parent: Resource, relation: Relation) -> str:
    params = dict(zip(parent.key_columns, param_names(parent, "parent"), strict=True))

    def value(own: str, column: str) -> str:
        if own in params:
            return f":{params[own]}{cast_of(resource, column)}"
        return f"(SELECT {quoted(own)} FROM {table(parent)} WHERE {has_key(parent, param='parent')})"

    pairs = zip(relation.own, relation.columns, strict=True)
    return " AND ".join(f"{quoted(column)} = {value(own, column)}" for own, column in pairs)


def after_cursor(resource: Resource, order: Sequence[SortKey], cursor: Cursor) -> tuple[list[str], dict[str, Param]]:
    """Return the condition for the rows after a cursor, and its params. It may be two conditions that share no row.

    There are two conditions if the nulls of the first key come after its other values. Each condition is a range of an
    index that begins with this key; no single range covers both. `order` is the order in which the rows are read.
    """
    params: dict[str, Param] = {
        f"place_{n}": value.md5 if isinstance(value, Looked) else value
        for n, value in enumerate(cursor.values)
        if value is not None
    }
    values = [_place(resource, order, cursor, n) for n in range(len(order))]
    key, value = order[0], cursor.values[0]
    if len(order) == 1:
        return [_rest(resource, order, cursor, values, 0)], params
    column, rest = quoted(key.column), _rest(resource, order, cursor, values, 1)
    if value is None:
        nulls = f"{column} IS NULL AND {rest}"
        return [nulls, f"{column} IS NOT NULL"] if key.descending else [nulls], params
    if _is_row(resource, order, cursor):
        columns = ", ".join(quoted(one.column) for one in order)
        place = f"({columns}) {_after(key, cursor.inclusive)} ({', '.join(values)})"
    else:
        place = f"{column} {_after(key, True)} {values[0]} AND ({column} {_after(key)} {values[0]} OR {rest})"
    # No column of the key is null.
    return [place] if key.descending or key.column in resource.key_columns else [place, f"{column} IS NULL"], params


def _is_row(resource: Resource, order: Sequence[SortKey], cursor: Cursor) -> bool:
    """Whether the place can be compared as a row: nothing after its first value may be null."""
    return all(key.descending == order[0].descending for key in order) and all(
        order[n].column in resource.key_columns and cursor.values[n] is not None for n in range(1, len(order))
    )


def held(resource: Resource, order: Sequence[SortKey], cursor: Cursor) -> str | None:
    """Return the condition that the row of a cursor still has the values that the statement looks up in it.

    It uses the params of `after_cursor`. It is None if the cursor contains all its values.
    """
    looked = [_found(resource, order, n) for n, value in enumerate(cursor.values) if isinstance(value, Looked)]
    return " AND ".join(f"EXISTS (SELECT {place})" for place in looked) or None


def _place(resource: Resource, order: Sequence[SortKey], cursor: Cursor, n: int) -> str:
    if isinstance(cursor.values[n], Looked):
        return f"(SELECT looked.{quoted(order[n].column)} {_found(resource, order, n)})"
    return f":place_{n}{resource.fields[order[n].column].column.text_cast}"


def _found(resource: Resource, order: Sequence[SortKey], n: int) -> str:
    is_same = " AND ".join(
        f"looked.{quoted(key.column)} = :place_{place}{resource.fields[key.column].column.text_cast}"
        for place, key in enumerate(order)
        if key.column in resource.key_columns
    )
    column = quoted(order[n].column)
    return f"FROM {table(resource)} AS looked WHERE {is_same} AND md5(looked.{column}::text) = :place_{n}"


def _rest(resource: Resource, order: Sequence[SortKey], cursor: Cursor, values: Sequence[str], n: int) -> str:
    # The rows after the place, compared by the keys from the nth on. The keys before it are equal.
    key, value = order[n], cursor.values[n]
    column = quoted(key.column)
    if n == len(order) - 1:
        if value is not None:
            return f"{column} {_after(key, cursor.inclusive)} {values[n]}"
        return "true" if key.descending and cursor.inclusive else f"{column} {_after_null(key, cursor.inclusive)}"
    rest = _rest(resource, order, cursor, values, n + 1)
    if value is None:
        equal = f"({column} IS NULL AND {rest})"
        return f"({column} IS NOT NULL OR {equal})" if key.descending else equal
    nulls = "" if key.descending or key.column in resource.key_columns else f" OR {column} IS NULL"
    return f"({column} {_after(key)} {values[n]} OR ({column} = {values[n]} AND {rest}){nulls})"


def _after(key: SortKey, inclusive: bool = False) -> str:
    return ("<" if key.descending else ">") + ("=" if inclusive else "")


def _after_null(key: SortKey, inclusive: bool) -> str:
    if key.descending:
        return "IS NOT NULL"
    return "IS NULL" if inclusive else "IS NULL AND false"


def _uncut(resource: Resource, filter_: Filter, condition: str, param: str, params: dict[str, Param]) -> str:
    """The condition, which fails where a cast would cut its value: a composite type has lengths, a comparison none."""
    if not resource.column(filter_.field).cast or filter_.path:
        return condition
    values = filter_.value if isinstance(filter_.value, list) else [filter_.value]
    check = fits([(resource, {filter_.field: value}) for value in values], params, param)
    return f"({condition} AND {check})" if check else condition


def _compared(resource: Resource, filter_: Filter, param: str, params: dict[str, Param], prefix: str) -> str:
    """Return the condition of a filter, and add its params."""
    operator, column = operator_of(filter_.operator), resource.column(filter_.field)
    cast = "" if filter_.path else column.cast
    name, value = reached(resource, filter_.field, filter_.path, prefix, params, param), f":{param}{cast}"
    if operator.takes == "a presence":
        value = TRUTHS[str(filter_.value)]
    elif operator.takes == "values" and isinstance(filter_.value, list) and column.is_array and not filter_.path:
        # A list of arrays would be an array with one more dimension, and ANY would compare its single elements.
        params |= {f"{param}_{n}": element for n, element in enumerate(filter_.value)}
        each = [EQUAL.sql.format(column=name, value=f":{param}_{n}{column.cast}") for n in range(len(filter_.value))]
        return f"({' OR '.join(each) or 'false'})"
    else:
        params[param] = typed_param(filter_.value)
        if operator.takes == "values" or filter_.quantifier:
            value = f":{param}{cast and column.cast_of_list()}"
        if filter_.quantifier:
            value = f"{_QUANTIFIERS[filter_.quantifier]}({value})"
    if operator.takes == "a search":
        return _searched(column, filter_, operator, name, param, params)
    text = name if filter_.path else column.searched(name)
    return operator.sql.format(column=name, text=text, value=value)


def _searched(
    column: Column, filter_: Filter, operator: Operator, name: str, param: str, params: dict[str, Param]
) -> str:
    language = ""
    if filter_.language is not None:
        params[f"{param}_language"], language = filter_.language, f":{param}_language::regconfig, "
    words = name if column.is_words and not filter_.path else f"to_tsvector({language}{name})"
    return operator.sql.format(words=words, language=language, value=f":{param}")
