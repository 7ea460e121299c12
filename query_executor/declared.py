"""Compares what an application declares of its tables with what the database has.

A declaration is plain JSON, so that it travels in the event of the migrations' function:

    {"table": ["demo", "orders"], "key": "order_id",
     "columns": [{"name": "order_id", "kind": "str", "carriers": null, "made_as": "text", "written": true,
                  "required": true, "nullable": false}, ...],
     "references": [{"column": "customer_id", "table": ["demo", "customers"], "key": "customer_id"}]}

`kind` is what the application calls the column's type. `carriers` are the types of PostgreSQL that carry its values
unchanged, both ways (`pg_type.typname`, or with its schema); null stands for all that come out as a text. `made_as` is
the type in a CREATE TABLE. A Decimal may have `max_digits` and `decimal_places`, a datetime is `zoned` where its values
have an offset. Of an `array`, the carriers and limits are those of its elements, and `element` is their kind. A
composite type has `fields`. The table's schema may be null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg2 import errors
from psycopg2.extensions import connection

Table = Mapping[str, Any]
Facts = Mapping[str, Any]

# Of each declared table, in their order: null where there is none, else what is compared here.
_CATALOGUE = """
WITH RECURSIVE base (oid, plain) AS (
  SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
  UNION ALL
  SELECT pg_type.oid, base.plain FROM pg_type JOIN base ON base.oid = pg_type.typbasetype WHERE typtype = 'd'
), wanted AS (
  SELECT n, one ->> 0 AS schema_name, one ->> 1 AS table_name
  FROM json_array_elements(%(tables)s::json) WITH ORDINALITY AS listed (one, n)
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

# By pg_type.typcategory.
_NO_TEXTS = {
    "A": "comes out as an array", "B": "comes out as true or false", "C": "comes out as an object",
    "N": "comes out as a number",
}  # fmt: skip
# What stands for itself unless it is quoted (PostgreSQL documentation, appendix C).
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
    returning right select session_user similar some symmetric system_user table tablesample then to trailing true
    union unique user using variadic verbose when where window with
    """.split()
)


class Difference(NamedTuple):
    """What the database has otherwise than it is declared, and what to do. `stops`: requests fail or rows are lost."""

    sentence: str
    cure: str
    stops: bool = True

    def __str__(self) -> str:
        return f"{'' if self.stops else 'WARNING: '}{self.sentence} {self.cure}".rstrip()


def differences(source: connection, tables: Sequence[Table], role: str | None = None) -> list[Difference]:
    """All differences at once, in the order of the tables. `role` is who will ask; without it, who asks now.

    A role that is not there is not judged.
    """
    with source.cursor() as cursor:
        cursor.execute(_CATALOGUE, {"tables": json.dumps([one["table"] for one in tables]), "role": role})
        found: list[Facts | None] = [facts for (facts,) in cursor.fetchall()]
    role = role or source.info.user
    by_name = {tuple(table["table"]): facts for table, facts in zip(tables, found, strict=True)}
    every: list[Difference] = []
    for table, facts in zip(tables, found, strict=True):
        if facts is None:
            every.append(Difference(f"There is no table {_named(table['table'])}.", f"Make it: {create_table(table)}"))
            continue
        every += _columns(table, facts)
        every += _key(source, table, facts)
        every += _references(source, table, facts, by_name)
        every += _rights(table, facts, role)
    return every


def create_table(table: Table) -> str:
    """The CREATE TABLE that a declaration asks for."""
    references = {one["column"]: one for one in table["references"]}
    lines = []
    for column in table["columns"]:
        line = f"{_quoted(column['name'])} {column['made_as']}"
        if column["name"] == table["key"]:
            line += " PRIMARY KEY"
        elif not column["nullable"]:
            line += " NOT NULL"
        if (reference := references.get(column["name"])) is not None:
            line += f" REFERENCES {_named(reference['table'])} ({_quoted(reference['key'])})"
        if column["kind"] == "datetime" and not column["written"]:
            line += " DEFAULT now()"
        lines.append(line)
    return f"CREATE TABLE {_named(table['table'])} ({', '.join(lines)});"


def _columns(table: Table, facts: Facts) -> Iterator[Difference]:
    name = _named(table["table"])
    declared = {column["name"] for column in table["columns"]}
    for column in table["columns"]:
        there = facts["columns"].get(column["name"])
        of = f"{name}.{_quoted(column['name'])}"
        if there is None:
            kind = f"ALTER TABLE {name} ADD COLUMN {_quoted(column['name'])} {column['made_as']};"
            yield Difference(f"{name} has no column {_quoted(column['name'])}.", f"Add it, or name yours so: {kind}")
            continue
        yield from _type(column, there, name, of)
        if there["computed"] and column["written"]:
            always = "GENERATED ALWAYS AS IDENTITY" if there["computed"] == "identity" else "a generated column"
            yield Difference(
                f"{of} is {always} and takes no value, but the declaration lets clients send a value.",
                "Name it in read_only of the declaration.",
            )
    for column_name, there in facts["columns"].items():
        if column_name not in declared and there["not_null"] and not there["filled"]:
            yield Difference(
                f"{name}.{_quoted(column_name)} must have a value and is not declared, so no row can be created.",
                f"Declare it, or give it a default: ALTER TABLE {name} ALTER COLUMN {_quoted(column_name)} "
                "SET DEFAULT ...;",
                stops=False,
            )


def _type(column: Mapping[str, Any], there: Facts, name: str, of: str) -> Iterator[Difference]:
    kind, plain = column["kind"], there["plain"] if there["system"] else ""
    stops, why, carriers = True, "", column["carriers"]
    is_array = column.get("array", False)
    if is_array != there["array"]:
        why = "is no array" if is_array else _NO_TEXTS["A"]
    elif carriers is None:
        stops, why = is_array or there["category"] != "N", _as_text(there["category"], plain)
    elif column.get("element", kind) == "Decimal" and plain == "numeric":
        why = _rounds(column, there)
    elif kind in {"int", "Whole"} and plain == "numeric":
        why = "" if _scale(there["modifier"]) == 0 else "may hold fractions, which a whole number has not"
    elif kind == "datetime" and plain == "timestamp":
        if column.get("zoned") and column["written"]:
            why = "keeps no offset: the time that a client sends with one would change"
    elif not set(carriers) & set(there["names"]):
        why = "cannot carry every value of it whole"
    elif column.get("fields") not in (None, there["fields"]):
        why = f"has other fields, or in another order: {', '.join(there['fields'] or [])}"
    if not why and column["written"] and (precision := _precision(plain, there["modifier"])):
        stops, why = False, f"rounds a time that has more than {precision}, without an error"
    if why:
        wanted = column["made_as"]
        yield Difference(
            f"{of} is of type {there['type']} and is declared as {kind}: it {why}.",
            f"Declare it as what it is, or: ALTER TABLE {name} ALTER COLUMN {_quoted(column['name'])} TYPE {wanted} "
            f"USING {_quoted(column['name'])}::{wanted};",
            stops,
        )


def _rounds(column: Mapping[str, Any], there: Facts) -> str:
    places, wanted = _scale(there["modifier"]), column.get("decimal_places")
    if places is None or not column["written"] or (wanted is not None and wanted <= places):
        return ""
    takes = "any number of them" if wanted is None else str(wanted)
    return (
        f"keeps {places} decimal places, and the declaration takes {takes}, so PostgreSQL would round without an error "
        f'(Meta(extra={{"decimal_places": {max(places, 0)}}}) refuses more)'
    )


def _precision(plain: str, modifier: int) -> str:
    """What a time keeps, where the column says that it keeps less than its type can."""
    fields = ""
    if plain == "interval" and modifier >= 0:  # the low half is the precision, the high half which fields it has
        fields = "" if modifier >> 16 & 0x7FFF == 0x7FFF else "its fields"
        modifier = -1 if modifier & 0xFFFF == 0xFFFF else modifier & 0xFFFF
    elif plain not in {"timestamptz", "timestamp", "time", "timetz"}:
        return ""
    return fields or (f"{modifier} decimals of a second" if 0 <= modifier < 6 else "")


def _as_text(category: str, plain: str) -> str:
    """What a column that is declared as a text does to it; nothing, where it is one or can be written as one."""
    if plain == "bytea":
        return "holds bytes: a text that goes in comes out as hexadecimal digits"
    if plain in {"json", "jsonb"}:
        return "comes out as the JSON that it holds, and takes a text as JSON"
    return _NO_TEXTS.get(category, "")


def _key(source: connection, table: Table, facts: Facts) -> Iterator[Difference]:
    name, key = _named(table["table"]), _quoted(table["key"])
    if (there := facts["columns"].get(table["key"])) is None:
        return
    lost = "A change of one row would change every row with the same key, and pages would leave out rows."
    unique = f"Once every row has a value of its own, run: ALTER TABLE {name} ADD UNIQUE ({key});"
    if facts["kind"] in "rp":
        if facts["has_children"]:
            yield Difference(
                f"{name} has child tables, and its key does not cover their rows. {lost}",
                "Make it a partitioned table, or declare another table.",
            )
        elif table["key"] not in (facts["unique"] or []):
            if facts["kind"] == "p":
                unique = f"Partition it by {key} alone and run: ALTER TABLE {name} ADD UNIQUE ({key});"
            yield Difference(
                f"{name} is not held unique by its key {key}: no valid, immediate, unique index covers that column "
                f"alone, and all rows. {lost}",
                unique,
            )
        if not there["not_null"]:
            yield Difference(
                f"{name}.{key} is the key and can be null: pages would leave out rows without a key.",
                f"Run: ALTER TABLE {name} ALTER COLUMN {key} SET NOT NULL;",
            )
    elif facts["kind"] == "v" and facts["updatable"]:
        # PostgreSQL looks through such a view at the table below it, when it looks for what a conflict could be with.
        if not _conflicts(source, name, key):
            yield Difference(f"{name} is a view of a table that does not hold {key} unique. {lost}", unique)
    elif table["key"] not in (facts["unique"] or []):
        yield Difference(
            f"{name} is {_KINDS[facts['kind']]}, and PostgreSQL cannot tell whether {key} is unique in it.",
            "Make sure that it is. Otherwise a page can leave out rows with the same key.",
            stops=False,
        )


_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def _conflicts(source: connection, name: str, key: str) -> bool:
    try:
        insert = f"INSERT INTO {name} ({key}) SELECT {key} FROM {name} ON CONFLICT ({key}) DO NOTHING"  # noqa: S608
        _run(source, f"EXPLAIN {insert}")
    except (errors.InvalidColumnReference, errors.ObjectNotInPrerequisiteState):
        return False
    except errors.InsufficientPrivilege:
        return True  # who may not write changes no row
    return True


def _references(
    source: connection, table: Table, facts: Facts, by_name: Mapping[tuple[Any, ...], Facts | None]
) -> Iterator[Difference]:
    for reference in table["references"]:
        other = by_name.get(tuple(reference["table"]))
        column = facts["columns"].get(reference["column"])
        key = None if other is None else other["columns"].get(reference["key"])
        if column is None or key is None:
            continue
        try:
            _run(source, f"SELECT NULL::{column['type']} = NULL::{key['type']}")
        except (errors.UndefinedFunction, errors.AmbiguousFunction):
            name, of = _named(table["table"]), _quoted(reference["column"])
            yield Difference(
                f"{name}.{of} is of type {column['type']} and refers to {_named(reference['table'])}."
                f"{_quoted(reference['key'])}, which is of type {key['type']}: PostgreSQL cannot compare them.",
                f"Run: ALTER TABLE {name} ALTER COLUMN {of} TYPE {key['type']} USING {of}::{key['type']};",
            )


def _rights(table: Table, facts: Facts, role: str) -> Iterator[Difference]:
    name, role = _named(table["table"]), _quoted(role)
    if not facts["schema_usable"]:
        schema = _quoted(table["table"][0] or "public")
        yield Difference(
            f"The role {role} may not use the schema {schema}.", f"Run: GRANT USAGE ON SCHEMA {schema} TO {role};"
        )
    declared = {column["name"] for column in table["columns"]}
    if any(not there["readable"] for column, there in facts["columns"].items() if column in declared):
        yield Difference(
            f"The role {role} may not read all declared columns of {name}.", f"Run: GRANT SELECT ON {name} TO {role};"
        )
    if lacks := facts["lacks"]:
        listed = ", ".join(lacks)
        yield Difference(
            f"The role {role} lacks {listed} on {name}: requests that need it are refused.",
            f"If they should not be, run: GRANT {listed} ON {name} TO {role};",
            stops=False,
        )


def _run(source: connection, sql: str) -> None:
    with source.cursor() as cursor:
        cursor.execute(sql)


def _scale(modifier: int) -> int | None:
    # As numeric's typmod has it: 11 bits with a sign, since PostgreSQL 15. None where any scale is kept.
    return None if modifier < 4 else (((modifier - 4) & 0x7FF) ^ 1024) - 1024


def _named(table: Sequence[str | None]) -> str:
    return ".".join(_quoted(part) for part in table if part is not None)


def _quoted(name: str) -> str:
    plain = name.isascii() and name.isidentifier() and name.islower() and name not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'
