"""The call of a function in SQL: a source of rows. Names and types are those of the declaration, values are params."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from crud_api.request.calls import Call
from crud_api.resource.functions import Argument, Function
from crud_api.sql import SHAPES
from crud_api.sql.names import quoted
from crud_api.sql.rows import VALUE, Source
from query_executor.contract import Param


def called(call: Call) -> Source:
    """The rows that the call answers."""
    params: dict[str, Param]
    if call.texts is not None:
        params = {f"given_{n}": call.texts[argument.name] for n, argument in enumerate(call.given)}
    else:
        params = {"given": call.document} if call.given else {}
    sql = _called(call.function, call.given, are_texts=call.texts is not None)
    return Source(sql, params, sets_response=True, has_values=call.function.gives_values)


@lru_cache(SHAPES)
def _called(function: Function, given: Sequence[Argument], *, are_texts: bool) -> str:
    arguments, before, lateral = _arguments(given, are_texts=are_texts), "", ""
    if given and given[0].name and not are_texts:
        types = ", ".join(f"{quoted(argument.name)} {type_of(argument)}" for argument in given)
        before, lateral = f"json_to_record(:given::json) AS given ({types})", ", LATERAL "
    call = f"{'.'.join(quoted(part) for part in function.place if part is not None)}({arguments})"
    if function.gives_values:  # a call after FROM would make columns of a composite value
        return f"SELECT {call} AS {VALUE}{f' FROM {before}' if before else ''}"
    return f"SELECT called.* FROM {before}{lateral}{call} AS called"


def _arguments(given: Sequence[Argument], *, are_texts: bool) -> str:
    if given and not given[0].name:
        return f":given::{type_of(given[0])}"
    return ", ".join(
        f"{'VARIADIC ' if argument.is_variadic else ''}{quoted(argument.name)} := "
        + (f":given_{n}::{type_of(argument)}" if are_texts else f"given.{quoted(argument.name)}")
        for n, argument in enumerate(given)
    )


@cache
def type_of(argument: Argument) -> str:
    """The type of the argument in SQL. PostgreSQL gives a type in quotes no length, so it cuts no value."""
    name = argument.type.removesuffix("[]")
    return ".".join(quoted(part) for part in name.split(".", 1)) + "[]" * (name != argument.type)
