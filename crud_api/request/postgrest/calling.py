"""A call of a function: its arguments are parameters of a GET, or the body of a POST."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from crud_api.errors import MalformedBodyError, PostgrestError
from crud_api.request.body import parse_json
from crud_api.request.calls import Call
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.conditions import is_filter
from crud_api.request.postgrest.functions import WHOLE, function_of
from crud_api.request.postgrest.query import refuse_what_cannot_be_read
from crud_api.resource.columns.column import text_flaw
from crud_api.resource.columns.json import json_text
from crud_api.resource.functions import Function, Functions
from query_executor.contract import Value

JSON, FORM, CSV = "application/json", "application/x-www-form-urlencoded", "text/csv"
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


def call_by_body(
    functions: Functions, name: str, parameters: Parameters, content_type: str, body: Callable[[], bytes]
) -> Call:
    """The call that a POST asks for. Raises `PostgrestError`."""
    refuse_what_cannot_be_read(parameters)
    kind = content_type.partition(";")[0].strip().lower() or JSON
    if kind == FORM:
        texts = _form(_text(body()))
        return _by_texts(function_of(functions, name, texts, kind), texts)
    if kind == CSV:
        row = _first_row(_text(body()))
        return _by_document(function_of(functions, name, row, kind), json_text(row), row)
    if kind == JSON:
        return _by_json(functions, name, _text(body()), parameters.get("columns"))
    if kind in WHOLE:
        return _by_document(function_of(functions, name, (), kind), _text(body()))
    raise _not_acceptable(f"Content-Type not acceptable: {kind}")


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
        raise _not_acceptable("Empty or invalid json", error.detail) from None
    first = value[0] if isinstance(value, list) and value else value
    is_list = isinstance(value, list)
    if is_list and not all(isinstance(row, dict) and row.keys() == first.keys() for row in value):
        raise _not_acceptable("All object keys must match")
    arguments = [*first] if isinstance(first, dict) else []
    if columns:
        arguments = columns[0].split(",")
    function = function_of(functions, name, arguments, JSON)
    if first is value or (function.arguments and not function.arguments[0].name):
        return _by_document(function, text or "{}", arguments)
    try:
        return _by_document(function, json_text(first), arguments)
    except ValueError as error:
        raise _not_acceptable("Empty or invalid json", f"A text {error}.") from None


def _first_row(text: str) -> dict[str, str | None]:
    """The first row of a CSV, by the names of its columns. NULL is null, as PostgREST has it."""
    import csv  # noqa: PLC0415 - hardly a call needs it

    try:
        names, *rows = csv.reader(io.StringIO(text), strict=True)
    except (csv.Error, ValueError):
        raise _not_acceptable("The CSV cannot be read") from None
    if not rows or any(len(row) != len(names) for row in rows):
        raise _not_acceptable("All lines must have same number of fields")
    return {name: None if text == "NULL" else text for name, text in zip(names, rows[0], strict=True)}


def _form(text: str) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise _not_acceptable("The form has too many fields") from None
    for name, value in pairs:
        if text_flaw(name) or text_flaw(value):
            raise PostgrestError("The form has a character that PostgreSQL cannot hold.", code="22021")
        texts.setdefault(name, []).append(value)
    return texts


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except ValueError:
        raise _not_acceptable("The body is not UTF-8") from None


def _not_acceptable(message: str, details: str | None = None) -> PostgrestError:
    return PostgrestError(message, code="PGRST102", details=details)
