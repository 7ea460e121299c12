"""Asks the catalogue of PostgreSQL for the facts of tables: their columns, keys and rights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

Facts = Mapping[str, Any]

# The facts of the columns of `{of}`, by name. The columns of a composite type are its `{fields}`.
_COLUMNS = """(
  SELECT json_object_agg(a{n}.attname, json_build_object(
      'type', format_type(a{n}.atttypid, a{n}.atttypmod),
      'array', plain{n}.oid <> leaf{n}.oid,
      'plain', leaf{n}.typname,
      'names', ARRAY[leaf{n}.typname, (
        SELECT nspname || '.' || leaf{n}.typname FROM pg_namespace WHERE pg_namespace.oid = leaf{n}.typnamespace)],
      'system', leaf{n}.typnamespace = 'pg_catalog'::regnamespace,
      'category', leaf{n}.typcategory,
      'fields', {fields},
      'modifier', CASE WHEN a{n}.atttypmod >= 0 THEN a{n}.atttypmod WHEN base{n}.modifier >= 0 THEN base{n}.modifier
                       ELSE element{n}.modifier END,
      'not_null', a{n}.attnotnull OR own{n}.typnotnull,
      'filled', a{n}.atthasdef OR a{n}.attidentity <> '' OR own{n}.typdefault IS NOT NULL,
      'computed', CASE WHEN a{n}.attgenerated <> '' THEN 'generated' WHEN a{n}.attidentity = 'a' THEN 'identity' END,
      'readable', coalesce(
        (SELECT has_column_privilege(oid, a{n}.attrelid, a{n}.attnum, 'SELECT') FROM reader), true)
    ) ORDER BY a{n}.attnum)
    FROM pg_attribute a{n}
    JOIN pg_type own{n} ON own{n}.oid = a{n}.atttypid
    JOIN base base{n} ON base{n}.oid = own{n}.oid
    JOIN pg_type plain{n} ON plain{n}.oid = base{n}.plain
    JOIN base element{n}
      ON element{n}.oid = CASE WHEN plain{n}.typcategory = 'A' THEN plain{n}.typelem ELSE plain{n}.oid END
    JOIN pg_type leaf{n} ON leaf{n}.oid = element{n}.plain
    WHERE a{n}.attrelid = {of} AND a{n}.attnum > 0 AND NOT a{n}.attisdropped)"""

# The declared tables, which are named as [schema or None, table], and how each is found.
WANTED = """wanted AS (
  SELECT n, listed_name ->> 0 AS schema_name, listed_name ->> 1 AS table_name
  FROM json_array_elements(%(tables)s::json) WITH ORDINALITY AS listed (listed_name, n)
)"""
FOUND = """(
  SELECT pg_class.*, nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
) AS c ON c.relname = wanted.table_name
  AND (c.nspname = wanted.schema_name OR wanted.schema_name IS NULL AND pg_table_is_visible(c.oid))"""

# The role of the requests, which may not exist yet, and the role whose rights it has.
READER = """reader AS (
  SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = coalesce(%(role)s, current_user)
)"""
GRANTEE = """coalesce((SELECT 'crud_api' FROM reader JOIN pg_roles AS whole ON whole.rolname = 'crud_api'
                       WHERE pg_has_role(reader.oid, whole.oid, 'USAGE') AND NOT reader.rolsuper),
                      (SELECT rolname FROM reader))"""

# For each declared table, in their order: the facts that are compared, or null if there is no such table.
_CATALOGUE = f"""
WITH RECURSIVE base (oid, plain, modifier) AS (
  SELECT oid, oid, -1 FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT pg_type.oid, base.plain, CASE WHEN typtypmod >= 0 THEN typtypmod ELSE base.modifier END
  FROM pg_type JOIN base ON base.oid = pg_type.typbasetype WHERE typtype = 'd'
), {WANTED}, {READER}
SELECT CASE WHEN c.oid IS NOT NULL THEN json_build_object(
  'kind', c.relkind,
  'updatable', pg_relation_is_updatable(c.oid, false) <> 0 AND NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgtype & 68 = 68), -- INSTEAD OF INSERT: pg_trigger.h
  'has_children', c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
  'schema_usable', coalesce((SELECT has_schema_privilege(oid, c.relnamespace, 'USAGE') FROM reader), true),
  'lacks', (SELECT json_agg(wish) FROM reader, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS wish
            WHERE NOT has_table_privilege(oid, c.oid, wish)
              AND (wish = 'DELETE' OR NOT has_any_column_privilege(oid, c.oid, wish))),
  'unique', (SELECT json_agg((SELECT json_agg(attname) FROM pg_attribute WHERE attrelid = i.indrelid
                                AND array_position(i.indkey::int2[], attnum) < i.indnkeyatts))
             FROM pg_index i
             WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
               AND i.indpred IS NULL AND i.indexprs IS NULL),
  'grantee', {GRANTEE},
  'sequences', (SELECT json_agg(s.oid::regclass::text ORDER BY s.oid) FROM reader, pg_attrdef
                JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
                JOIN pg_class AS s ON refclassid = 'pg_class'::regclass AND s.oid = refobjid AND s.relkind = 'S'
                WHERE adrelid = c.oid AND NOT has_sequence_privilege(reader.oid, s.oid, 'USAGE, UPDATE')),
  'columns', {{columns}}
) END
FROM wanted LEFT JOIN {FOUND}
ORDER BY n
"""  # noqa: S608 - of the texts above


def facts_of(source: connection, tables: Sequence[Sequence[str | None]], role: str | None) -> list[Facts | None]:
    """The facts of each table, which is named as [schema or None, table]; None if there is no such table.

    The rights are those of `role`. Without it, they are those of the user of the connection.
    """
    with source.cursor() as cursor:
        cursor.execute(_catalogue(), {"tables": json.dumps(tables), "role": role})
        return [facts for (facts,) in cursor.fetchall()]


def _catalogue() -> str:
    # No composite type is declared within another.
    fields = _COLUMNS.format(n=1, of="leaf0.typrelid", fields="NULL::json")
    return _CATALOGUE.replace("{columns}", _COLUMNS.format(n=0, of="c.oid", fields=fields))
