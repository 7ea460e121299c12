"""Which function is called: PostgREST tells functions of one name apart by the names of the arguments."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from crud_api.errors import PostgrestError
from crud_api.request.postgrest.near import nearest
from crud_api.resource.functions import Function, Functions, Overloads

# The type of an argument without a name that takes a whole body, by the Content-Type of the body.
WHOLE = {
    "application/json": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}
# The names that PostgreSQL's messages have for types.
_SAID = {
    "bool": "boolean", "bpchar": "character", "float4": "real", "float8": "double precision", "int2": "smallint",
    "int4": "integer", "int8": "bigint", "time": "time without time zone", "timetz": "time with time zone",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "varbit": "bit varying",
    "varchar": "character varying",
}  # fmt: skip


def function_of(functions: Functions, name: str, arguments: Collection[str], content_type: str | None) -> Function:
    """The function that takes these arguments. Raises `PostgrestError` unless there is exactly one.

    `content_type` is that of the body; a GET has none. A function whose argument has no name takes a whole body if no
    other function takes the arguments. A member with an empty name is such an argument, too.
    """
    overloads = functions.get(name) or ()
    found = [function for function in overloads if _takes(function, {*arguments}, content_type)]
    found = found or [function for function in overloads if _takes_whole(function, content_type)]
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous(found)
    raise _not_found(functions, name, sorted(arguments), content_type)


def overloads_of(functions: Functions, name: str) -> Overloads:
    """All functions of the name. Raises `PostgrestError` if there is none."""
    overloads = functions.get(name)
    if overloads is None:
        raise _not_found(functions, name, [], None)
    return overloads


def _takes(function: Function, arguments: set[str], content_type: str | None) -> bool:
    if not function.arguments and _is_raw(content_type):
        return False
    required = {argument.name for argument in function.arguments if not argument.has_default}
    return required <= arguments <= {argument.name for argument in function.arguments}


def _takes_whole(function: Function, content_type: str | None) -> bool:
    if len(function.arguments) != 1 or function.arguments[0].name:
        return False
    return function.arguments[0].type in WHOLE.get(content_type or "", ())


def _is_raw(content_type: str | None) -> bool:
    """Whether the body is a text or bytes, and has no arguments in it."""
    return content_type in WHOLE and content_type != "application/json"


def _ambiguous(found: Iterable[Function]) -> PostgrestError:
    signatures = [
        f"{_called(function)}({', '.join(f'{each.name} => {_said(each.type)}' for each in function.arguments)})"
        for function in sorted(found, key=_in_a_list)
    ]
    return PostgrestError(
        f"Could not choose the best candidate function between: {', '.join(signatures)}", 300, "PGRST203",
        hint="Try renaming the parameters or the function itself in the database so function overloading can be "
        "resolved",
    )  # fmt: skip


def _in_a_list(function: Function) -> tuple[int, list[tuple[str, str]]]:
    """The place of a function in a message that lists several."""
    return len(function.arguments), [(each.name, _said(each.type)) for each in function.arguments]


def _not_found(functions: Functions, name: str, arguments: list[str], content_type: str | None) -> PostgrestError:
    overloads = functions.get(name) or ()
    close = nearest(name, functions.names(), 0.75)
    near = overloads or (functions[close] if close else ())
    schema = (near or functions[functions.names()[-1]])[0].place[0] or "public"
    listed = ", ".join(arguments)
    which = f" with parameter{'s' if len(arguments) > 1 else ''} {listed}" if arguments else " without parameters"
    said = f"({listed})" if arguments else " without parameters"
    hint = None
    if _is_raw(content_type):
        which, said = f" with a single unnamed {WHOLE[content_type or ''][0]} parameter", ""
    else:
        if content_type == "application/json":
            which += " or with a single unnamed json/jsonb parameter"
        signatures = [f"({', '.join(sorted(each.name for each in function.arguments))})" for function in overloads]
        if signature := nearest(f"({listed})", signatures, 0.3):
            hint = f"{name}{signature}"
        elif near and not overloads:
            hint = near[0].name
    return PostgrestError(
        f"Could not find the function {schema}.{name}{said} in the schema cache", 404, "PGRST202",
        details=f"Searched for the function {schema}.{name}{which}, but no matches were found in the schema cache.",
        hint=hint and f"Perhaps you meant to call the function {schema}.{hint}",
    )  # fmt: skip


def _said(type_: str) -> str:
    """A type as PostgreSQL says it (format_type)."""
    name = type_.removesuffix("[]")
    return _SAID.get(name, name) + type_.removeprefix(name)


def _called(function: Function) -> str:
    return f"{function.place[0] or 'public'}.{function.place[1]}"
