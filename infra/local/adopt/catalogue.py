"""What PostgreSQL's catalogue says of tables, by one read-only request at a time through the executor's contract.

So a stage's database is read as the API reads it: by the executor's function. Everything comes as JSON text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource.resource import Change
from infra.errors import DatabaseError
from query_executor.contract import Failure, Request, Statement, Typed
from query_executor.migrate.origins import CHANGES, ORIGINS, tables_below

_AT_ONCE = 50  # tables in one request: an answer has at most 6 MB

Kind = Literal["r", "p", "v", "m", "f"]


class Found(Struct):
    """A table's name, and why it is skipped unless it is asked for by name."""

    oid: int
    schema: str
    name: str
    why_skipped: str | None


class Column(Struct):
    """A column. `type` is the oid of its type."""

    number: int
    name: str
    type: int
    modifier: int
    dimensions: int
    not_null: bool
    default: str | None
    identity: str  # "a" always, "d" by default
    generated: str
    comment: str | None


class Unique(Struct):
    """A unique index that is valid, immediate and without condition. Its columns may be null."""

    columns: list[str]
    primary: bool


class Function(Struct):
    """A function that takes a row of the table and nothing else. `rows_of` is the table whose rows it returns."""

    schema: str
    name: str
    rows_of: tuple[str, str] | None
    is_set: bool
    many: bool


class ForeignKey(Struct):
    """A foreign key to the table `to`: its schema and name."""

    name: str
    columns: list[str]
    to: tuple[str, str]
    to_columns: list[str]


class Table(Struct):
    """A table, view or foreign table. `origins` are the marks in a view's query that origins.py reads.

    `referred` are its columns that foreign keys of other tables name.
    """

    oid: int
    schema: str
    name: str
    kind: Kind
    comment: str | None
    changes: list[Change]  # that PostgreSQL takes, also by triggers
    is_simple: bool  # of a view: PostgreSQL itself passes changes on to the one table below it
    has_children: bool
    columns: list[Column]
    uniques: list[Unique]
    foreign_keys: list[ForeignKey]
    referred: list[str]
    functions: list[Function]
    checks: list[str]
    origins: str | None

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name

    @property
    def is_view(self) -> bool:
        """Whether it shows the rows of other tables."""
        return self.kind in {"v", "m"}

    @property
    def numbers(self) -> dict[int, str]:
        """The names of the columns by their numbers."""
        return {column.number: column.name for column in self.columns}


class TypeField(Struct):
    """A field of a composite type."""

    name: str
    type: int
    modifier: int
    comment: str | None


class Type(Struct):
    """A type: `kind` is pg_type.typtype; `base` is that of a domain, `element` that of an array."""

    oid: int
    schema: str
    name: str
    kind: str
    category: str
    base: int
    modifier: int
    not_null: bool
    has_default: bool
    element: int
    comment: str | None
    labels: list[str]
    fields: list[TypeField]
    checks: list[str]


class Catalogue(Struct):
    """Tables in the order of their names, and every type that their columns use, by oid.

    `others` has the tables that are not adopted, but whose columns views show.
    """

    tables: list[Table]
    others: dict[int, Table]
    types: dict[int, Type]

    def table(self, oid: int) -> Table | None:
        """The table of this oid, if it was read."""
        return next((table for table in self.tables if table.oid == oid), None) or self.others.get(oid)


OUR_OWN = "the API's own"

# Schemas of PostgreSQL's own are never meant. The API's own tables are no data of the user's.
_LIST = """
SELECT json_agg(json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'why_skipped',
  CASE
    WHEN c.relispartition THEN 'it is a partition, and its table has the rows'
    WHEN EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      THEN 'part of an extension'
    WHEN n.nspname = 'demo' AND c.relname ~ '^(_yoyo_.*|yoyo_lock|idempotency_keys)$' THEN 'the API''s own'
  END) ORDER BY n.nspname <> 'public', n.nspname, c.relname)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

_NAMES = """(SELECT json_agg(a.attname ORDER BY listed.place)
             FROM unnest({numbers}) WITH ORDINALITY AS listed (number, place)
             JOIN pg_attribute a ON a.attrelid = {of} AND a.attnum = listed.number)"""

_TABLES = f"""
SELECT json_build_object(
  'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
  'comment', obj_description(c.oid, 'pg_class'),
  'changes', {CHANGES},
  'is_simple', c.relkind = 'v' AND pg_relation_is_updatable(c.oid, false) & 4 <> 0,
  'has_children', c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
  'columns', coalesce((
    SELECT json_agg(json_build_object(
      'number', a.attnum, 'name', a.attname, 'type', a.atttypid::int8, 'modifier', a.atttypmod,
      'dimensions', a.attndims, 'not_null', a.attnotnull,
      'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
      'identity', a.attidentity, 'generated', a.attgenerated, 'comment', col_description(c.oid, a.attnum)
    ) ORDER BY a.attnum)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'uniques', coalesce((
    SELECT json_agg(json_build_object(
      'columns', {_NAMES.format(numbers="i.indkey[0 : i.indnkeyatts - 1]", of="i.indrelid")},
      'primary', i.indisprimary
    ) ORDER BY i.indisprimary DESC, i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
      AND 0 <> ALL (i.indkey)), '[]'),
  'foreign_keys', coalesce((
    SELECT json_agg(json_build_object(
      'name', k.conname,
      'to', (SELECT json_build_array(nspname, relname)
             FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = k.confrelid),
      'columns', {_NAMES.format(numbers="k.conkey", of="k.conrelid")},
      'to_columns', {_NAMES.format(numbers="k.confkey", of="k.confrelid")}
    ) ORDER BY k.conkey, k.conname)
    FROM pg_constraint k LEFT JOIN pg_constraint parent ON parent.oid = k.conparentid
    WHERE k.conrelid = c.oid AND k.contype = 'f' AND parent.conrelid IS DISTINCT FROM k.conrelid), '[]'),
  'referred', coalesce((
    SELECT json_agg(DISTINCT a.attname)
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
    WHERE k.confrelid = c.oid AND k.contype = 'f'), '[]'),
  'functions', coalesce((
    SELECT json_agg(json_build_object(
      'schema', n.nspname, 'name', p.proname, 'is_set', p.proretset, 'many', p.proretset AND p.prorows <> 1,
      'rows_of', (SELECT json_build_array(nspname, relname)
                  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                  WHERE reltype = p.prorettype AND relkind IN ('r', 'p', 'v', 'm', 'f'))
    ) ORDER BY p.proname)
    FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype
    WHERE p.pronargs = 1 AND p.proargtypes[0] = c.reltype AND p.pronamespace = c.relnamespace AND p.prokind = 'f'
      AND (t.typtype <> 'p' OR t.typname = 'record')), '[]'),
  'checks', coalesce((
    SELECT json_agg(pg_get_expr(k.conbin, k.conrelid) ORDER BY k.conname)
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'), '[]'),
  'origins', {ORIGINS}
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY(:oids::oid[])
ORDER BY n.nspname <> 'public', n.nspname, c.relname
"""  # noqa: S608 - it is put together from texts of this file

_TYPES = """
WITH RECURSIVE used (oid) AS (
  SELECT unnest(:oids::oid[])
  UNION
  SELECT next.oid
  FROM used JOIN pg_type t ON t.oid = used.oid
  CROSS JOIN LATERAL (
    SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL
    SELECT t.typelem WHERE t.typelem <> 0
    UNION ALL
    SELECT a.atttypid FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS next (oid)
)
SELECT json_build_object(
  'oid', t.oid::int8, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype, 'category', t.typcategory,
  'base', t.typbasetype::int8, 'modifier', t.typtypmod, 'not_null', t.typnotnull,
  'has_default', t.typdefault IS NOT NULL,
  'element', CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.typtype = 'b' THEN t.typelem ELSE 0 END::int8,
  'comment', obj_description(t.oid, 'pg_type'),
  'labels', coalesce((SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), '[]'),
  'fields', coalesce((
    SELECT json_agg(json_build_object('name', a.attname, 'type', a.atttypid::int8, 'modifier', a.atttypmod,
                                      'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.attnum)
    FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'checks', coalesce((
    SELECT json_agg(pg_get_expr(k.conbin, 0) ORDER BY k.conname)
    FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '[]')
)::text
FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_namespace n ON n.oid = t.typnamespace
"""


def listed(execute: Execute) -> list[Found]:
    """Every table of the database, in the order of schemas and names, public first. Raises `DatabaseError`.

    Of two tables with one name, the first keeps it. Clients of PostgREST mean public's.
    """
    ((text,),) = ask(execute, Statement(_LIST))
    return msgspec.json.decode(text or "[]", type=list[Found])


def read(execute: Execute, oids: Sequence[int]) -> Catalogue:
    """All about these tables. Raises `DatabaseError`."""
    tables = _tables(execute, oids)
    others: dict[int, Table] = {}
    more = tables
    while missing := _beyond(more) - others.keys() - {table.oid for table in tables}:
        more = _tables(execute, sorted(missing))
        others |= {table.oid: table for table in more}
    return Catalogue(tables, others, types_of(execute, {column.type for table in tables for column in table.columns}))


def types_of(execute: Execute, oids: Collection[int]) -> dict[int, Type]:
    """These types and the types in them, by oid. Raises `DatabaseError`."""
    return {each.oid: each for each in _rows(execute, _TYPES, sorted(oids), Type)}


def _beyond(tables: Sequence[Table]) -> set[int]:
    """The tables whose columns views show."""
    return {oid for table in tables for oid in tables_below(table)}


def _tables(execute: Execute, oids: Sequence[int]) -> list[Table]:
    return _rows(execute, _TABLES, oids, Table)


def _rows(execute: Execute, sql: str, oids: Sequence[int], kind: type[Any]) -> list[Any]:
    rows: list[Any] = []
    for start in range(0, len(oids), _AT_ONCE):
        some: list[Any] = list(oids[start : start + _AT_ONCE])
        answer = ask(execute, Statement(sql, {"oids": Typed("int8[]", some)}))
        rows += [msgspec.json.decode(text, type=kind) for (text,) in answer]
    return rows


def ask(execute: Execute, statement: Statement) -> Sequence[Sequence[Any]]:
    """The rows of a statement. Raises `DatabaseError`."""
    answer = execute(Request([statement], read_only=True))
    if isinstance(answer, Failure):
        raise DatabaseError(f"The catalogue cannot be read: {answer.message}")
    return answer.results[0].rows
