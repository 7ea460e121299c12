"""What PostgreSQL's catalogue says of functions, and why some of them cannot be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource.functions import WHOLE_BODIES
from infra.local.adopt.catalogue import Type, ask, types_of
from query_executor.contract import Statement, Typed

VOLATILITIES = {"v": "volatile", "s": "stable", "i": "immutable"}
_KINDS = {"a": "an aggregate", "w": "a window function", "p": "a procedure"}
_INPUTS = frozenset("ibv")  # pg_proc.proargmodes: IN, INOUT, VARIADIC


class Given(Struct):
    """An argument, or a column of the rows that a function answers. `type` is the oid of its type."""

    name: str
    type: int
    mode: str  # pg_proc.proargmodes


class Routine(Struct):
    """A function. The last `defaults` of its input arguments have a default. `returns` is the oid of a type."""

    oid: int
    schema: str
    name: str
    kind: str  # pg_proc.prokind
    arguments: list[Given]
    defaults: int
    returns: int
    is_set: bool
    volatility: str
    is_definer: bool
    owner: str
    is_of_extension: bool
    comment: str | None

    @property
    def inputs(self) -> list[Given]:
        """What it takes."""
        return [argument for argument in self.arguments if argument.mode in _INPUTS]

    @property
    def outputs(self) -> list[Given]:
        """The columns of its OUT arguments and of RETURNS TABLE."""
        return [argument for argument in self.arguments if argument.mode in "bot"]


_ROUTINES = """
SELECT json_agg(json_build_object(
  'oid', p.oid::int8, 'schema', n.nspname, 'name', p.proname, 'kind', p.prokind,
  'arguments', coalesce((
    SELECT json_agg(json_build_object('name', coalesce(p.proargnames[place], ''), 'type', of::int8,
                                      'mode', coalesce(p.proargmodes[place], 'i')) ORDER BY place)
    FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS listed (of, place)), '[]'),
  'defaults', p.pronargdefaults, 'returns', p.prorettype::int8, 'is_set', p.proretset, 'volatility', p.provolatile,
  'is_definer', p.prosecdef, 'owner', pg_get_userbyid(p.proowner), 'comment', obj_description(p.oid, 'pg_proc'),
  'is_of_extension', EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
) ORDER BY n.nspname <> 'public', n.nspname, p.proname, p.oid)::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(:schemas::text[])
"""


def read(execute: Execute, schemas: Sequence[str]) -> tuple[list[Routine], dict[int, Type]]:
    """The functions of the schemas in the order of their names, and every type that they use.

    Raises `DatabaseError`.
    """
    ((text,),) = ask(execute, Statement(_ROUTINES, {"schemas": Typed("text[]", [*schemas])}))
    routines = msgspec.json.decode(text or "[]", type=list[Routine])
    used = {each.returns for each in routines} | {given.type for each in routines for given in each.arguments}
    return routines, types_of(execute, used)


def why_not(routine: Routine, types: Mapping[int, Type]) -> str | None:  # noqa: PLR0911 - a return a reason
    """Why no request can call the function, or None."""
    if routine.kind in _KINDS:
        return f"it is {_KINDS[routine.kind]}"
    if routine.is_of_extension:
        return "it is part of an extension"
    returns = types[routine.returns]
    if returns.name in {"trigger", "event_trigger"}:
        return "triggers call it"
    inputs = routine.inputs
    if any(not given.name for given in inputs) and (len(inputs) > 1 or types[inputs[0].type].name not in WHOLE_BODIES):
        return (
            "requests name arguments, and it has one without a name. Only a single argument of type "
            f"{', '.join(sorted(WHOLE_BODIES))} can do without"
        )
    if any(not given.name for given in routine.outputs):
        return "one of its OUT arguments has no name"
    used = [types[given.type] for given in routine.arguments]
    used += [] if returns.name in {"void", "record"} else [returns]
    for each in used:
        if each.kind == "p" or (each.element and types[each.element].kind == "p"):
            return f"no request has a value of type {each.name}"
    for type_ in (types[given.type] for given in inputs):
        if type_name(type_, types).count(".") > 1 or type_.name.endswith("[]"):
            return f"its type {type_.name} has a name that no declaration can have"
    return None


def type_name(type_: Type, types: Mapping[int, Type]) -> str:
    """A type as a declaration names it: `int4`, `text[]`, `demo.mood`."""
    element = types[type_.element] if type_.element else type_
    schema = "" if element.schema == "pg_catalog" else f"{element.schema}."
    return f"{schema}{element.name}{'[]' if type_.element else ''}"
