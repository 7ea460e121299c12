"""Filters (`age=gte.18`) and groups of them (`or=(age.lt.18,age.gt.65)`)."""

from __future__ import annotations

import re

from crud_api.request.conditions import Condition, Filter, Group, Path
from crud_api.request.operators import REST_OPERATORS, TRUTHS, Operator
from crud_api.request.postgrest.grammar import CLOSES, COMMA, MAX_DEPTH, NAMED, Source, too_many, unescaped
from query_executor.contract import Value

MAX_VALUES = 1000  # of a list
_NOT = re.compile(r"not\.")
_OPERATOR = re.compile(r"([a-z]+)(?:\(([\w $]+)\))?\.")
_BEGINS_FILTER = re.compile(r"(?:not\.)?([a-z]+)(?:\([\w $]+\))?\.")
_GROUP = re.compile(r"(not\.)?(and|or)[ \t]*\([ \t]*")
_CLOSE = re.compile(r"[ \t]*\)[ \t]*")
_TRUTH = re.compile("|".join(sorted(TRUTHS, key=len, reverse=True)), re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"(?=[,)]|$)', re.DOTALL)
_ARRAY = re.compile(r"\{[^{}]*+\}")
_PLAIN = re.compile(r"[^,)]*+")
_MEMBER = f"{NAMED}, negation operator (not) or logic operator (and, or)"
_EXPECTED = '"not" or operator (eq, gt, ...)'


def is_filter(text: str) -> bool:
    """Whether a parameter with this text is a filter, and not an argument of a function."""
    match = _BEGINS_FILTER.match(text)
    return match is not None and match[1] in REST_OPERATORS


def filter_of(column: str, path: Path, text: str) -> Filter:
    """The filter that a parameter is. Raises `PostgrestError`."""
    source = Source(text, "filter")
    found = _compared(source, column, path, in_group=False)
    source.end()
    return found


def group_of(operator: str, text: str, *, is_negated: bool) -> Group:
    """The group that the parameter `and` or `or` is. Raises `PostgrestError`."""
    source = Source(operator + text, "logic tree", text)
    group = _condition(source, MAX_DEPTH)
    source.take(CLOSES)  # clients that count them wrong work with PostgREST
    source.end()
    assert isinstance(group, Group)  # noqa: S101 - the text begins with its operator
    return Group(group.joined_by, group.members, is_negated)


def _condition(source: Source, levels: int) -> Condition:
    if levels < 0:
        raise too_many(f"conditions are nested at most {MAX_DEPTH} levels deep")
    start = source.take(_GROUP)
    if start is not None:
        members = [_condition(source, levels - 1)]
        while source.take(COMMA):
            members.append(_condition(source, levels - 1))
        if not source.take(_CLOSE):
            raise source.wrong('"," or ")"')
        return Group(start[2], tuple(members), start[1] is not None)
    if levels == MAX_DEPTH:
        source.at += len("and") if source.text.startswith("and") else len("or")
        raise source.wrong('"("')
    source.skip_spaces()
    column, path = source.name(_MEMBER), source.path()
    source.skip_spaces()
    if not source.has("."):
        raise source.wrong("delimiter (.)")
    return _compared(source, column, path, in_group=True)


def _compared(source: Source, column: str, path: Path, *, in_group: bool) -> Filter:
    is_negated = source.take(_NOT) is not None
    start = source.at
    match = source.take(_OPERATOR)
    operator = REST_OPERATORS.get(match[1]) if match else None
    if match is None or operator is None or not _may_have(operator, match[2]):
        source.at = start
        raise source.wrong("operator (eq, gt, ...)" if is_negated else _EXPECTED)
    value: str | list[Value]
    match operator.takes:
        case "values":
            value = _list(source)
        case "a presence":
            truth = source.take(_TRUTH)
            if truth is None:
                raise source.wrong("isVal: (null, not_null, true, false, unknown)")
            value = truth[0].lower()
        case _:
            value = _in_group(source) if in_group else _rest(source)
    if operator.takes == "a pattern":
        value = str(value).replace("*", "%")
    searches = operator.takes == "a search"
    return Filter(
        column,
        operator.name,
        value,
        path=path,
        is_negated=is_negated,
        quantifier="" if searches else match[2] or "",
        language=match[2].strip() if searches and match[2] else None,
    )


def _may_have(operator: Operator, modifier: str | None) -> bool:
    if modifier is None or operator.takes == "a search":
        return True
    return operator.is_quantified and modifier in {"any", "all"}


def _rest(source: Source) -> str:
    text = source.text[source.at :]
    source.at = len(source.text)
    return text


def _in_group(source: Source) -> str:
    if quoted := source.take(_QUOTED):
        return unescaped(quoted[1])
    found = source.take(_ARRAY) or source.take(_PLAIN)
    return found[0] if found else ""


def _list(source: Source) -> list[Value]:
    source.skip_spaces()
    if not source.has("("):
        raise source.wrong('"("')
    source.skip_spaces()
    values: list[Value] = []
    while True:
        quoted = source.take(_QUOTED)
        plain = None if quoted else source.take(_PLAIN)
        values.append(unescaped(quoted[1]) if quoted else plain[0] if plain else "")
        if len(values) > MAX_VALUES:
            raise too_many(f"a list has at most {MAX_VALUES} values")
        if not source.has(","):
            break
    if not source.take(_CLOSE):
        raise source.wrong('"," or ")"')
    return [] if values == [""] else values
