"""Compares what an application declares of functions of a row, in `computed`, with the functions of the database.

A declaration (declared.py) has a list of them. With `rows`, the function returns rows: of the table `of` if it is
declared, one of them or `many`.

    {"computed": [{"name": "full_name", "function": ["demo", "full_name"]},
                  {"name": "hits", "function": ["demo", "hits"], "rows": true, "many": true, "of": ["demo", "songs"]}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

from query_executor.migrate.catalogue import READER, Facts
from query_executor.migrate.declared import Difference, Table
from query_executor.migrate.functions import RIGHTS, rights_differences
from query_executor.migrate.identifiers import named, quoted

# For each declared function, in their order: the functions of its name, first what takes a row of the table itself.
# PostgreSQL also passes a row of the table as a row of a table from which it inherits, and as a value of any type.
# A function that is SECURITY DEFINER may be above row security, unless it selects the rows of a caller itself.
_CATALOGUE = f"""
WITH RECURSIVE wanted AS (
  SELECT n, entry #>> '{{function,0}}' AS schema_name, entry #>> '{{function,1}}' AS function_name,
         to_regclass(concat_ws('.', quote_ident(entry #>> '{{table,0}}'), quote_ident(entry #>> '{{table,1}}'))) AS of,
         to_regclass(concat_ws('.', quote_ident(entry #>> '{{of,0}}'), quote_ident(entry #>> '{{of,1}}'))) AS gives
  FROM json_array_elements(%(computed)s::json) WITH ORDINALITY AS listed (entry, n)
), kin (n, oid) AS (
  SELECT n, of::oid FROM wanted UNION SELECT kin.n, inhparent FROM kin JOIN pg_inherits ON inhrelid = kin.oid
), {READER}
SELECT of IS NOT NULL, gives IS NOT NULL, (
  SELECT coalesce(json_agg(json_build_object(
    'fits', p.pronargs > 0 AND p.pronargs - p.pronargdefaults <= 1 AND (
      p.proargtypes[0] IN (SELECT reltype FROM kin JOIN pg_class ON pg_class.oid = kin.oid WHERE kin.n = wanted.n)
      OR EXISTS (SELECT FROM pg_type WHERE pg_type.oid = p.proargtypes[0] AND typname IN (
        'record', 'any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray'))),
    'is_set', p.proretset, 'many', p.proretset AND p.prorows <> 1, 'type', format_type(p.prorettype, NULL),
    'gives', p.prorettype = (SELECT reltype FROM pg_class WHERE pg_class.oid = gives),
    'above', (SELECT rolname FROM pg_roles AS owner WHERE owner.oid = p.proowner AND p.prosecdef
                AND pg_get_functiondef(p.oid) !~ 'current_setting' AND EXISTS (
                  SELECT FROM pg_class t WHERE t.relrowsecurity AND (owner.rolsuper OR owner.rolbypassrls
                    OR NOT t.relforcerowsecurity AND pg_has_role(owner.oid, t.relowner, 'USAGE')))),
    {RIGHTS}
  ) ORDER BY p.proargtypes[0] = (SELECT reltype FROM pg_class WHERE pg_class.oid = of) DESC, p.pronargs), '[]')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prokind = 'f' AND p.proname = wanted.function_name
    AND (n.nspname = wanted.schema_name OR wanted.schema_name IS NULL AND pg_function_is_visible(p.oid)))
FROM wanted ORDER BY n
"""  # noqa: S608 - of the texts above

_CORRECT = "Correct the declaration: `make adopt ARGS=--write` does."


def computed_differences(source: connection, tables: Sequence[Table], role: str | None = None) -> list[Difference]:
    """All differences at once, in the order of the tables. `role` is as for tables (declared.py)."""
    computed = [{**each, "table": table["table"]} for table in tables for each in table.get("computed", ())]
    if not computed:
        return []
    with source.cursor() as cursor:
        cursor.execute(_CATALOGUE, {"computed": json.dumps(computed), "role": role})
        found = cursor.fetchall()
    return [
        difference
        for each, (is_there, is_of_table, overloads) in zip(computed, found, strict=True)
        if is_there
        for difference in _differences(each, overloads, role or source.info.user, is_of_table=is_of_table)
    ]


def _differences(
    computed: Mapping[str, Any], overloads: Sequence[Facts], role: str, *, is_of_table: bool
) -> Iterator[Difference]:
    value = f"{named(computed['table'])}.{quoted(computed['name'])}"
    facts = next((each for each in overloads if each["fits"]), None)
    if facts is None:
        others = ", ".join(each["signature"] for each in overloads)
        yield Difference(
            f"{value} is computed, and there is no function {named(computed['function'])}({named(computed['table'])})."
            + (f" There is {others}." if others else ""),
            f"Make it by a migration, or take {quoted(computed['name'])} out of computed: `make adopt ARGS=--write` "
            "does.",
        )
        return
    signature = facts["signature"]
    if not computed.get("rows"):
        if facts["is_set"]:
            yield Difference(f"{value} is declared as a value, and {signature} returns several.", _CORRECT)
    elif is_of_table and not facts["gives"]:
        yield Difference(
            f"{value} is declared as rows of {named(computed['of'])}, and {signature} returns {facts['type']}.",
            _CORRECT,
        )
    elif facts["many"] and not computed.get("many"):
        yield Difference(
            f"{value} is declared as one row, and {signature} returns a set of rows.",
            f"Declare it as many=True, or say that it returns at most one: ALTER FUNCTION {signature} ROWS 1;",
        )
    elif computed.get("many") and not facts["is_set"]:
        yield Difference(f"{value} is declared as many rows, and {signature} returns one.", _CORRECT)
    yield from rights_differences(facts, computed["function"], role)
    if facts["above"]:
        yield Difference(
            f"{value} shows rows without their row security: {signature} is SECURITY DEFINER, and reads with the "
            f"rights of its owner {quoted(facts['above'])}.",
            f"Run: ALTER FUNCTION {signature} SECURITY INVOKER; or select the rows of a caller in the function, by "
            "current_setting('request.jwt.claims', true).",
            stops=False,
        )
