"""The call of a function in SQL. Names and types are those of the declaration, and values are params."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crud_api.request.calls import Call
from crud_api.request.reading import Form, Read
from crud_api.request.writing import Terms
from crud_api.resource import Resource
from crud_api.resource.functions import Argument, Function
from crud_api.sql import SHAPES
from crud_api.sql.names import qualified, quoted, where
from crud_api.sql.outcome import SETTINGS, chosen, met
from crud_api.sql.query import Query
from crud_api.sql.rows import ROW, WHOLE, Rows, Shape, prefix_of, shape_of, shaped
from crud_api.sql.where import conditions_of
from query_executor.contract import Param, Statement, Typed

_CALLED = '"called rows"'  # a name that no table has
_VALUE = '"pgrst_scalar"'  # the column of a value
_ROW = '"#called"'  # no column of it has this name


class Called(Struct, frozen=True):
    """What a call answers. `changed` is the number of all rows that the function gives, if they are counted.

    `status` and `headers` are the settings by which the function chose them, or null.
    """

    rows: Rows
    changed: int | None
    status: str | None
    headers: str | None


def call_rows(
    call: Call, resource: Resource, read: Read, form: Form, terms: Terms, *, is_counted: bool = False
) -> Query[Called]:
    """Call the function, and read its rows, which are of the resource. The function is called once.

    What it changes is kept if it meets the terms, and if the answer can be sent.
    """
    params: dict[str, Param] = {"limit": read.limit, "offset": Typed("int8", str(read.offset)), **SETTINGS}
    prefix = prefix_of(resource, read)
    conditions = conditions_of(resource, read.conditions, params, prefix)
    shape = shape_of(resource, read, form, params, prefix=prefix)
    if call.function.gives_values and shape.labels == (_VALUE.strip('"'),):
        shape = replace(shape, are_values=True)
    if call.texts is not None:
        params |= {f"given_{n}": call.texts[argument.name] for n, argument in enumerate(call.given)}
    elif call.given:
        params["given"] = call.document
    changes = call.function.volatility == "volatile"
    sql = _call_rows(
        call.function,
        call.given,
        shape,
        tuple(conditions),
        met(terms, params, shows_rows=True),
        are_texts=call.texts is not None,
        are_whole=prefix != ROW,
        is_counted=is_counted,
        runs_all=changes or terms.most is not None,
    )
    statements = [*_path(call.function), Statement(sql, params)]
    return Query(statements, _called, "is_kept" if changes else None)


def _path(function: Function) -> list[Statement]:
    """What lets the function find the tables of its own schema, as PostgREST does. Nothing else finds public first."""
    schema = function.place[0]
    if schema in {None, "public"}:
        return []
    path = {"schema": quoted(str(schema)), "setting": "search_path", "between": ", "}
    return [Statement("SELECT set_config(:setting, :schema || :between || current_setting(:setting), true)", path)]


@lru_cache(SHAPES)
def _call_rows(
    function: Function,
    given: Sequence[Argument],
    shape: Shape,
    conditions: Sequence[str],
    kept: str,
    *,
    are_texts: bool,
    are_whole: bool,
    is_counted: bool,
    runs_all: bool,
) -> str:
    source, which = f"{_CALLED} AS one", where(conditions)
    shown, answer = shaped(shape, source, which, " LIMIT :limit OFFSET :offset")
    every = f"(SELECT count(*) FROM {source}{which})" if is_counted else "null"
    # Without the count, PostgreSQL would run the function as far as the page needs its rows.
    changed = f"(SELECT count(*) FROM {_CALLED})" if runs_all else "null::int8"
    return f"""WITH {_CALLED} AS ({_call(function, given, are_texts=are_texts, are_whole=are_whole)})
               SELECT items, found, every, changed, {chosen("changed" if runs_all else "found")}, {kept} AS is_kept
               FROM (SELECT {shown} AS items, count(*) AS found, {every} AS every, {changed} AS changed
                     FROM {answer}) AS told"""


def _call(function: Function, given: Sequence[Argument], *, are_texts: bool, are_whole: bool) -> str:
    arguments, before, lateral = _arguments(function, given, are_texts=are_texts), "", ""
    if given and given[0].name and not are_texts:
        types = ", ".join(f"{quoted(argument.name)} {type_of(argument)}" for argument in given)
        before, lateral = f"json_to_record(:given::json) AS given ({types})", ", LATERAL "
    call = f"{qualified(function.place)}({arguments})"
    if function.gives_values:  # a call after FROM would make columns of a composite value
        return f"SELECT {call} AS {_VALUE}{f' FROM {before}' if before else ''}"
    rows = f"{_ROW} AS {quoted(WHOLE)}" if are_whole else f"{_ROW}.*"
    return f"SELECT {rows} FROM {before}{lateral}{call} AS {_ROW}"


def _arguments(function: Function, given: Sequence[Argument], *, are_texts: bool) -> str:
    if given and not given[0].name:
        return f":{'given_0' if are_texts else 'given'}::{type_of(given[0])}"
    # PostgreSQL calls a variadic function by names only if VARIADIC is among them.
    lacks_variadic = any(argument.is_variadic and argument not in given for argument in function.arguments)
    are_named = not lacks_variadic or given != function.arguments[: len(given)]
    return ", ".join(
        f"{'VARIADIC ' if argument.is_variadic else ''}{f'{quoted(argument.name)} := ' if are_named else ''}"
        + (f":given_{n}::{type_of(argument)}" if are_texts else f"given.{quoted(argument.name)}")
        for n, argument in enumerate(given)
    )


@cache
def type_of(argument: Argument) -> str:
    """The type of the argument in SQL. PostgreSQL gives a type in quotes no length, so it cuts no value."""
    name = argument.type.removesuffix("[]")
    return ".".join(quoted(part) for part in name.split(".", 1)) + "[]" * (name != argument.type)


def _called(*columns: Any) -> Called:
    items, found, every, changed, status, headers, _is_kept = columns[-7:]
    return Called(Rows(items, found, every), changed, status, headers)
