"""Compares what an application declares of its functions with the functions of the database.

A declaration is plain JSON, like that of a table (declared.py):

    {"function": ["demo", "add_up"], "gives": "rows", "columns": ["a"], "changes": false,
     "arguments": [{"name": "a", "type": "int4"}, {"name": "b", "type": "demo.mood[]"}]}

`arguments` are those that a call gives, with the names that types have in `pg_type`, after their schema unless it is
pg_catalog. `gives` is nothing, value, values, row or rows, and `columns` are those of the rows. `changes`: requests may
change the database by a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

from query_executor.migrate.catalogue import GRANTEE, READER, Facts
from query_executor.migrate.declared import Difference
from query_executor.migrate.identifiers import named, quoted

Function = Mapping[str, Any]

# What a role, in `reader`, may do with a function `p` in a schema `n`.
RIGHTS = f"""'signature', p.oid::regprocedure::text,
    'usable', coalesce((SELECT has_schema_privilege(oid, n.oid, 'USAGE') FROM reader), true),
    'callable', coalesce((SELECT has_function_privilege(oid, p.oid, 'EXECUTE') FROM reader), true),
    'grantee', {GRANTEE}"""  # noqa: S608 - of a text of catalogue.py

# For each declared function, in their order: the functions of its name.
_CATALOGUE = f"""
WITH RECURSIVE base (oid, plain) AS (
  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT pg_type.oid, base.plain FROM pg_type JOIN base ON base.oid = pg_type.typbasetype WHERE typtype = 'd'
), wanted AS (
  SELECT n, listed_name ->> 0 AS schema_name, listed_name ->> 1 AS function_name
  FROM json_array_elements(%(functions)s::json) WITH ORDINALITY AS listed (listed_name, n)
), {READER}
SELECT (
  SELECT coalesce(json_agg(json_build_object(
    'arguments', coalesce((
      SELECT json_agg(json_build_object('name', coalesce(p.proargnames[place], ''), 'type',
        CASE WHEN space.nspname <> 'pg_catalog' THEN space.nspname || '.' ELSE '' END || leaf.typname
        || CASE WHEN leaf.oid <> own.oid THEN '[]' ELSE '' END) ORDER BY place)
      FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS listed (of, place)
      JOIN pg_type own ON own.oid = listed.of
      JOIN pg_type leaf ON leaf.oid = CASE WHEN own.typcategory = 'A' AND own.typelem <> 0 AND own.typlen = -1
                                           THEN own.typelem ELSE own.oid END
      JOIN pg_namespace space ON space.oid = leaf.typnamespace
      WHERE coalesce(p.proargmodes[place], 'i') IN ('i', 'b', 'v')), '[]'),
    'is_set', p.proretset, 'volatility', p.provolatile,
    'is_void', p.prorettype = 'void'::regtype,
    'columns', CASE
      WHEN p.proargmodes && ARRAY['o', 'b', 't']::"char"[] THEN (
        SELECT json_agg(p.proargnames[place]) FROM unnest(p.proargmodes) WITH ORDINALITY AS listed (mode, place)
        WHERE mode IN ('o', 'b', 't'))
      WHEN result.typtype = 'c' THEN (
        SELECT json_agg(attname) FROM pg_attribute
        WHERE attrelid = result.typrelid AND attnum > 0 AND NOT attisdropped) END,
    {RIGHTS}
  )), '[]')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN base ON base.oid = p.prorettype JOIN pg_type result ON result.oid = base.plain
  WHERE p.prokind = 'f' AND p.proname = wanted.function_name
    AND (n.nspname = wanted.schema_name OR wanted.schema_name IS NULL AND pg_function_is_visible(p.oid)))
FROM wanted ORDER BY n
"""  # noqa: S608 - of the texts above


def function_differences(
    source: connection, functions: Sequence[Function], role: str | None = None
) -> list[Difference]:
    """All differences at once, in the order of the functions. `role` is as for tables (declared.py)."""
    if not functions:
        return []
    names = json.dumps([function["function"] for function in functions])
    with source.cursor() as cursor:
        cursor.execute(_CATALOGUE, {"functions": names, "role": role})
        found = [overloads for (overloads,) in cursor.fetchall()]
    return [
        difference
        for function, overloads in zip(functions, found, strict=True)
        for difference in _differences(function, overloads, role or source.info.user)
    ]


def _differences(function: Function, overloads: Sequence[Facts], role: str) -> Iterator[Difference]:
    name, wanted = named(function["function"]), list(function["arguments"])
    facts = next((each for each in overloads if each["arguments"] == wanted), None)
    if facts is None:
        others = ", ".join(_signature(name, each["arguments"]) for each in overloads)
        yield Difference(
            f"There is no function {_signature(name, wanted)}." + (f" There is {others}." if others else ""),
            "Make it by a migration, or take its declaration out of crud_api/functions. `make adopt ARGS=--functions` "
            "writes what the database has.",
        )
        return
    gives = _gives(facts)
    if gives != function["gives"]:
        yield Difference(
            f"{facts['signature']} gives {gives}, and the declaration says {function['gives']}.",
            "Correct the declaration: `make adopt ARGS='--functions --write'` does.",
        )
    elif missing := [column for column in function["columns"] if column not in (facts["columns"] or [])]:
        yield Difference(
            f"The rows of {facts['signature']} have no column {quoted(missing[0])}.",
            "Correct the declaration: `make adopt ARGS='--functions --write'` does.",
        )
    if facts["volatility"] == "v" and not function["changes"]:
        yield Difference(
            f"{facts['signature']} is volatile, and the declaration says that it changes nothing: a call that changes "
            "something is refused with status 405.",
            "Correct the declaration: `make adopt ARGS='--functions --write'` does.",
            stops=False,
        )
    yield from rights_differences(facts, function["function"], role)


def rights_differences(facts: Facts, place: Sequence[str | None], role: str) -> Iterator[Difference]:
    """What the role may not do with a function, whose facts have `RIGHTS`."""
    if not (facts["usable"] and facts["callable"]):
        to, schema = quoted(facts["grantee"] or role), quoted(place[0] or "public")
        usage = "" if facts["usable"] else f"GRANT USAGE ON SCHEMA {schema} TO {to}; "
        yield Difference(
            f"The role {quoted(role)} may not call {facts['signature']}: its requests are refused with status 403.",
            f"If they should work, run: {usage}GRANT EXECUTE ON FUNCTION {facts['signature']} TO {to};",
            stops=False,
        )


def _gives(facts: Facts) -> str:
    if facts["is_void"]:
        return "nothing"
    one = "row" if facts["columns"] else "value"
    return f"{one}s" if facts["is_set"] else one


def _signature(name: str, arguments: Sequence[Mapping[str, str]]) -> str:
    return f"{name}({', '.join(' '.join(filter(None, each.values())) for each in arguments)})"
