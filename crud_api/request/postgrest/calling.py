"""A call of a function: its arguments are parameters of a GET, or the body of a POST."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from crud_api.errors import MalformedBodyError, PostgrestError
from crud_api.request.body import parse_json
from crud_api.request.caller import ApiRequest
from crud_api.request.calls import Call
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.bodies import CSV, FORM, Body, not_acceptable, of_csv, text_of, type_of, wrong_body
from crud_api.request.postgrest.conditions import is_filter
from crud_api.request.postgrest.functions import WHOLE, function_of
from crud_api.request.postgrest.query import refuse_what_cannot_be_read
from crud_api.resource.columns.column import text_flaw
from crud_api.resource.columns.json import json_text
from crud_api.resource.functions import Function, Functions
from query_executor.contract import Value

JSON = "application/json"
# What they end with is no argument and no filter.
_OWN = frozenset({"select", "columns", "on_conflict", "order", "limit", "offset", "and", "or"})

Texts = Mapping[str, Sequence[str]]


def call_by_query(functions: Functions, name: str, parameters: Parameters) -> tuple[Call, Parameters]:
    """The call that a GET asks for, and the parameters that are about its rows. Raises `PostgrestError`."""
    refuse_what_cannot_be_read(parameters)
    arguments: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for parameter, texts in parameters.items():
        is_own = parameter.rpartition(".")[2] in _OWN
        for text in texts:
            to = others if is_own or is_filter(text) else arguments
            to.setdefault(parameter, []).append(text)
    return _by_texts(function_of(functions, name, arguments, None), arguments), others


def call_by_body(functions: Functions, name: str, parameters: Parameters, request: ApiRequest) -> Call:
    """The call that a POST asks for. Raises `PostgrestError`."""
    refuse_what_cannot_be_read(parameters)
    kind = type_of(request) or JSON
    if kind == FORM:
        texts = _form(text_of(request))
        return _by_texts(function_of(functions, name, texts, kind), texts)
    if kind == CSV:
        row = _first(of_csv(text_of(request)))
        document = ",".join(f"{json.dumps(column)}:{text}" for column, text in row.items())
        return _by_document(function_of(functions, name, row, kind), f"{{{document}}}", row)
    if kind == JSON:
        return _by_json(functions, name, text_of(request), parameters.get("columns"))
    if kind in WHOLE:
        return _by_document(function_of(functions, name, (), kind), text_of(request))
    raise not_acceptable(kind)


def _by_texts(function: Function, texts: Texts) -> Call:
    """Of a text that is repeated the last one counts, except for a variadic argument, which takes them all."""
    given = tuple(argument for argument in function.arguments if argument.name in texts)
    values: dict[str, Value] = {
        argument.name: [*texts[argument.name]] if argument.is_variadic else texts[argument.name][-1]
        for argument in given
    }
    return Call(function, given, values)


def _by_document(function: Function, document: str, names: Iterable[str] = ()) -> Call:
    names = {*names}
    given = tuple(argument for argument in function.arguments if argument.name in names or not argument.name)
    return Call(function, given, document=document)


def _by_json(functions: Functions, name: str, text: str, columns: Sequence[str] | None) -> Call:
    """Of an array of objects the first has the arguments. An argument without a name takes all of the body."""
    try:
        value = parse_json(text or "{}")
    except MalformedBodyError as error:
        raise wrong_body("Empty or invalid json", error.detail) from None
    first = value[0] if isinstance(value, list) and value else value
    is_list = isinstance(value, list)
    if is_list and not all(isinstance(row, dict) and row.keys() == first.keys() for row in value):
        raise wrong_body("All object keys must match")
    arguments = [*first] if isinstance(first, dict) else []
    if columns:
        arguments = columns[0].split(",")
    function = function_of(functions, name, arguments, JSON)
    if first is value or (function.arguments and not function.arguments[0].name):
        return _by_document(function, text or "{}", arguments)
    try:
        return _by_document(function, json_text(first), arguments)
    except ValueError as error:
        raise wrong_body("Empty or invalid json", f"A text {error}.") from None


def _first(body: Body) -> Mapping[str, str]:
    if not body.rows:
        raise wrong_body("The CSV has no row")
    return body.rows[0]


def _form(text: str) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise wrong_body("The form has too many fields") from None
    for name, value in pairs:
        if text_flaw(name) or text_flaw(value):
            raise PostgrestError("The form has a character that PostgreSQL cannot hold.", code="22021")
        texts.setdefault(name, []).append(value)
    return texts
