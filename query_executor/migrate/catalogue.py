"""Asks the catalogue of PostgreSQL for the facts of tables: their columns, keys and rights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

Facts = Mapping[str, Any]

# For each declared table, in their order: the facts that are compared, or null if there is no such table.
_CATALOGUE = """
WITH RECURSIVE base (oid, plain) AS (
  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT pg_type.oid, base.plain FROM pg_type JOIN base ON base.oid = pg_type.typbasetype WHERE typtype = 'd'
), wanted AS (
  SELECT n, listed_name ->> 0 AS schema_name, listed_name ->> 1 AS table_name
  FROM json_array_elements(%(tables)s::json) WITH ORDINALITY AS listed (listed_name, n)
), reader AS (
  SELECT oid FROM pg_roles WHERE rolname = coalesce(%(role)s, current_user)
)
SELECT CASE WHEN c.oid IS NOT NULL THEN json_build_object(
  'kind', c.relkind,
  'updatable', pg_relation_is_updatable(c.oid, false) <> 0,
  'has_children', c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
  'schema_usable', coalesce((SELECT has_schema_privilege(oid, c.relnamespace, 'USAGE') FROM reader), true),
  'lacks', (SELECT json_agg(wish) FROM reader, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS wish
            WHERE NOT has_table_privilege(oid, c.oid, wish)
              AND (wish = 'DELETE' OR NOT has_any_column_privilege(oid, c.oid, wish))),
  'unique', (SELECT json_agg(a.attname) FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND i.indnkeyatts = 1 AND i.indisunique AND i.indisvalid AND i.indimmediate
               AND i.indpred IS NULL),
  'columns', (SELECT json_object_agg(a.attname, json_build_object(
      'type', format_type(a.atttypid, a.atttypmod),
      'array', plain.oid <> leaf.oid,
      'plain', leaf.typname,
      'names', ARRAY[leaf.typname, (
        SELECT nspname || '.' || leaf.typname FROM pg_namespace WHERE pg_namespace.oid = leaf.typnamespace)],
      'system', leaf.typnamespace = 'pg_catalog'::regnamespace,
      'category', leaf.typcategory,
      'fields', (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = leaf.typrelid AND leaf.typrelid <> 0 AND attnum > 0 AND NOT attisdropped),
      'modifier', CASE WHEN a.atttypmod >= 0 THEN a.atttypmod WHEN own.typtypmod >= 0 THEN own.typtypmod
                       ELSE (SELECT typtypmod FROM pg_type WHERE oid = element.oid) END,
      'not_null', a.attnotnull OR own.typnotnull,
      'filled', a.atthasdef OR a.attidentity <> '' OR own.typdefault IS NOT NULL,
      'computed', CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN a.attidentity = 'a' THEN 'identity' END,
      'readable', coalesce((SELECT has_column_privilege(oid, c.oid, a.attnum, 'SELECT') FROM reader), true)))
    FROM pg_attribute a
    JOIN pg_type own ON own.oid = a.atttypid
    JOIN base ON base.oid = own.oid
    JOIN pg_type plain ON plain.oid = base.plain
    JOIN base AS element ON element.oid = CASE WHEN plain.typcategory = 'A' THEN plain.typelem ELSE plain.oid END
    JOIN pg_type leaf ON leaf.oid = element.plain
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
) END
FROM wanted LEFT JOIN (
  SELECT pg_class.*, nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
) AS c ON c.relname = wanted.table_name
  AND (c.nspname = wanted.schema_name OR wanted.schema_name IS NULL AND pg_table_is_visible(c.oid))
ORDER BY n
"""


def facts_of(source: connection, tables: Sequence[Sequence[str | None]], role: str | None) -> list[Facts | None]:
    """The facts of each table, which is named as [schema or None, table]; None if there is no such table.

    The rights are those of `role`. Without it, they are those of the user of the connection.
    """
    with source.cursor() as cursor:
        cursor.execute(_CATALOGUE, {"tables": json.dumps(tables), "role": role})
        return [facts for (facts,) in cursor.fetchall()]
