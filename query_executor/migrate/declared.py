"""Compares what an application declares of its tables with the tables of the database.

A declaration is plain JSON, because it travels in the event of the migrations' function:

    {"table": ["demo", "orders"], "key": ["order_id"],
     "columns": [{"name": "order_id", "kind": "str", "carriers": null, "made_as": "text", "written": true,
                  "required": true, "nullable": false}, ...],
     "references": [{"columns": ["customer_id"], "table": ["demo", "customers"], "key": ["customer_id"]}],
     "unique": [], "changes": ["insert", "update", "delete"]}

`kind` is the application's name of the column's type. `carriers` are the types of PostgreSQL that carry its values
unchanged, both ways (`pg_type.typname`, alone or after its schema). Null stands for all types that come out as a text.
`made_as` is the type in a CREATE TABLE. A Decimal may have `max_digits` and `decimal_places`. A datetime is `zoned` if
its values have an offset. The carriers and limits of an `array` are those of its elements, and `element` is their kind.
A composite type has `fields`, which are columns too. Every change sets a `stamped` column, and
the database makes a `made` column of the key of a row that comes without it. The
table's schema may be null, and a table without a key has no columns in `key`. A reference may have the name of its
`constraint`. `unique` lists other columns that tell rows apart, because a reference relies on them. A text may
have a `max_length` and a `min_length`. views.py says what `changes` and `shows` are, and computed.py what `computed`
is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg2 import errors
from psycopg2.extensions import connection

from query_executor.migrate.catalogue import Facts, facts_of
from query_executor.migrate.identifiers import listed, named, quoted

Table = Mapping[str, Any]

# Why a column of this category is no text, by pg_type.typcategory.
_NO_TEXTS = {
    "A": "comes out as an array", "B": "comes out as true or false", "C": "comes out as an object",
    "N": "comes out as a number, and goes in as a text of it only",
}  # fmt: skip


_NUMBERS = frozenset({"smallint", "integer", "bigint"})  # that can be an identity
_NAME_BYTES = 63  # of PostgreSQL's type `name`


class Difference(NamedTuple):
    """A difference between the database and the declaration, and its cure. `stops`: requests fail or rows are lost."""

    sentence: str
    cure: str
    stops: bool = True

    def __str__(self) -> str:
        return f"{'' if self.stops else 'WARNING: '}{self.sentence} {self.cure}".rstrip()


def differences(source: connection, tables: Sequence[Table], role: str | None = None) -> list[Difference]:
    """All differences at once, in the order of the tables.

    `role` is the role of the requests. Without it, it is the user of the connection. The rights of a role that does not
    exist are not compared.
    """
    found = facts_of(source, [table["table"] for table in tables], role)
    role = role or source.info.user
    by_name = {tuple(table["table"]): facts for table, facts in zip(tables, found, strict=True)}
    every: list[Difference] = []
    for table, facts in zip(tables, found, strict=True):
        if facts is None:
            every.append(Difference(f"There is no table {named(table['table'])}.", f"Make it: {create_table(table)}"))
            continue
        every += _columns(table, facts)
        every += _key(source, table, facts)
        every += _unique(table, facts)
        every += _references(source, table, facts, by_name)
        every += _rights(table, facts, role)
    return every


def create_table(table: Table) -> str:
    """The CREATE TABLE that a declaration asks for."""
    single = {reference["columns"][0]: reference for reference in table["references"] if len(reference["columns"]) == 1}
    lines = []
    for column in table["columns"]:
        line = f"{quoted(column['name'])} {column['made_as']}{_default(column)}"
        if [column["name"]] == table["key"]:
            line += " PRIMARY KEY"
        elif not column["nullable"]:
            line += " NOT NULL"
        if (reference := single.get(column["name"])) is not None:
            line += f" {_refers(reference)}"
        if column["kind"] == "datetime" and not column["written"]:
            line += " DEFAULT now()"
        lines.append(line)
    if len(table["key"]) > 1:
        lines.append(f"PRIMARY KEY ({listed(table['key'])})")
    lines += [f"UNIQUE ({listed(columns)})" for columns in table["unique"] if {*columns} != {*table["key"]}]
    for reference in table["references"]:
        if len(reference["columns"]) > 1:
            lines.append(_refers(reference, f"FOREIGN KEY ({listed(reference['columns'])}) "))
    return f"CREATE TABLE {named(table['table'])} ({', '.join(lines)});"


def _default(column: Mapping[str, Any]) -> str:
    """What makes the key of a new row, if the database does."""
    if not column.get("made"):
        return ""
    if column["made_as"] in _NUMBERS:
        return f" GENERATED {'BY DEFAULT' if column['written'] else 'ALWAYS'} AS IDENTITY"
    return " DEFAULT gen_random_uuid()" + ("" if column["made_as"] == "uuid" else f"::{column['made_as']}")


def _refers(reference: Mapping[str, Any], beginning: str = "") -> str:
    name = f"CONSTRAINT {quoted(reference['constraint'])} " if "constraint" in reference else ""
    return f"{name}{beginning}REFERENCES {named(reference['table'])} ({listed(reference['key'])})"


def _columns(table: Table, facts: Facts) -> Iterator[Difference]:
    name = named(table["table"])
    declared = {column["name"] for column in table["columns"]}
    for column in table["columns"]:
        there = facts["columns"].get(column["name"])
        of = f"{name}.{quoted(column['name'])}"
        if there is None:
            kind = f"ALTER TABLE {name} ADD COLUMN {quoted(column['name'])} {column['made_as']};"
            yield Difference(f"{name} has no column {quoted(column['name'])}.", f"Add it, or name yours so: {kind}")
            continue
        wanted, column_name = column["made_as"], quoted(column["name"])
        cure = f"ALTER TABLE {name} ALTER COLUMN {column_name} TYPE {wanted} USING {column_name}::{wanted};"
        yield from _type(column, there, of, cure)
        if column.get("made") and facts["kind"] in "rp" and not there["filled"]:
            default = _default(column).strip()
            add = f"ADD {default}" if default.startswith("GENERATED") else f"SET {default}"
            yield Difference(
                f"{of} has no default and is no identity, but the declaration says that the database makes it.",
                f"Take made_key out of the declaration, or run: ALTER TABLE {name} ALTER COLUMN "
                f"{quoted(column['name'])} {add};",
            )
        always = "GENERATED ALWAYS AS IDENTITY" if there["computed"] == "identity" else "a generated column"
        if there["computed"] and column.get("stamped"):
            yield Difference(
                f"{of} is {always} and takes no value, but every change sets it to the time.",
                "Leave updated_at out of the declaration, and keep the column in read_only.",
            )
        elif there["computed"] and column["written"]:
            yield Difference(
                f"{of} is {always} and takes no value, but the declaration lets clients send a value.",
                "Name it in read_only of the declaration.",
            )
    for column_name, there in facts["columns"].items():
        if column_name not in declared and there["not_null"] and not there["filled"]:
            yield Difference(
                f"{name}.{quoted(column_name)} must have a value and is not declared, so no row can be created.",
                f"Declare it, or give it a default: ALTER TABLE {name} ALTER COLUMN {quoted(column_name)} "
                "SET DEFAULT ...;",
                stops=False,
            )


def _type(column: Mapping[str, Any], there: Facts, of: str, cure: str) -> Iterator[Difference]:
    kind, plain = column["kind"], there["plain"] if there["system"] else ""
    stops, why, carriers = True, "", column["carriers"]
    is_array, element = column.get("array", False), column.get("element", kind)
    fields = {field["name"]: field for field in column.get("fields", ())}
    if is_array != there["array"]:
        why = "is no array" if is_array else _NO_TEXTS["A"]
    elif carriers is None:
        stops, why = is_array or there["category"] != "N", _as_text(there["category"], plain)
        why = why or (_cuts(column, plain) if column["written"] else "")
    elif element == "Decimal" and plain == "numeric":
        why = _rounds(column, there)
    elif (kind == "int" or element == "Whole") and plain == "numeric":
        why = _whole(column, there)
    elif kind == "datetime" and plain == "timestamp":
        if column.get("zoned") and column["written"]:
            why = "keeps no offset: the time that a client sends with one would change"
    elif not set(carriers) & set(there["names"]):
        why = "cannot carry every value of it whole"
    elif fields and [*fields] != [*(there["fields"] or {})]:
        why = f"has other fields, or in another order: {', '.join(there['fields'] or {})}"
    elif fields:
        for name, fact in there["fields"].items():
            field = {**fields[name], "written": column["written"]}
            alter = f"ALTER TYPE {there['type'].removesuffix('[]')} ALTER ATTRIBUTE {quoted(name)}"
            yield from _type(field, fact, f"{of}.{quoted(name)}", f"{alter} TYPE {field['made_as']};")
    if not why and column["written"] and (why := _changes(column, plain, there["modifier"])):
        stops = False
    if why:
        yield Difference(
            f"{of} is of type {there['type']} and is declared as {kind}: it {why}.",
            f"Declare it as what it is, or: {cure}",
            stops,
        )


def type_differences(column: Mapping[str, Any], there: Facts, of: str) -> list[Difference]:
    """How a declared column differs in its type from the column of the database, which is called `of`."""
    return list(_type(column, there, of, ""))


def _rounds(column: Mapping[str, Any], there: Facts) -> str:
    places, wanted = _scale(there["modifier"]), column.get("decimal_places")
    if places is None or not column["written"] or (wanted is not None and wanted <= places):
        return ""
    takes = "any number of them" if wanted is None else str(wanted)
    return (
        f"keeps {places} decimal places, and the declaration takes {takes}, so PostgreSQL would round without an error "
        f'(Meta(extra={{"decimal_places": {max(places, 0)}}}) refuses more)'
    )


def _whole(column: Mapping[str, Any], there: Facts) -> str:
    places = _scale(there["modifier"])
    if places is None or places > 0:
        return "may hold fractions, which a whole number has not"
    if places < 0 and column["written"]:
        return f"holds only numbers that end with {-places} zeros, so PostgreSQL would round without an error"
    return ""


def _cuts(column: Mapping[str, Any], plain: str) -> str:
    """What a text loses in these types without an error."""
    if plain == "char":
        return "keeps one byte of a text, without an error"
    if plain == "name" and 4 * column.get("max_length", _NAME_BYTES) > _NAME_BYTES:
        return (
            f"keeps {_NAME_BYTES} bytes of a text, without an error (Meta(max_length={_NAME_BYTES // 4}) refuses more)"
        )
    return ""


def _changes(column: Mapping[str, Any], plain: str, modifier: int) -> str:
    """How a column changes some values a little; empty for a column that keeps them."""
    if precision := _precision(plain, modifier):
        return f"rounds a time that has more than {precision}, without an error"
    if plain == "bpchar" and (length := modifier - 4) > column.get("min_length", 0):
        return f"fills a shorter text up with spaces to {length} characters, and answers them"
    return ""


def _precision(plain: str, modifier: int) -> str:
    """What a column of times keeps, if it keeps less than its type can; otherwise empty."""
    fields = ""
    if plain == "interval" and modifier >= 0:  # the low half is the precision, the high half its fields
        fields = "" if modifier >> 16 & 0x7FFF == 0x7FFF else "its fields"
        modifier = -1 if modifier & 0xFFFF == 0xFFFF else modifier & 0xFFFF
    elif plain not in {"timestamptz", "timestamp", "time", "timetz"}:
        return ""
    return fields or (f"{modifier} decimals of a second" if 0 <= modifier < 6 else "")


def _as_text(category: str, plain: str) -> str:
    """How a column that is declared as a text changes it; empty for a column that keeps it."""
    if plain == "bytea":
        return "holds bytes: a text that goes in comes out as hexadecimal digits"
    if plain in {"json", "jsonb"}:
        return "comes out as the JSON that it holds, and takes a text as JSON"
    if plain == "oid" or plain.startswith("reg"):  # PostgreSQL sorts them among the numbers, and writes them as texts
        return ""
    return _NO_TEXTS.get(category, "")


def _key(source: connection, table: Table, facts: Facts) -> Iterator[Difference]:
    name, columns = named(table["table"]), table["key"]
    if not columns or any(column not in facts["columns"] for column in columns):
        return
    key, said = listed(columns), " and ".join(quoted(column) for column in columns)
    lost = "A change of one row would change every row with the same key, and pages would leave out rows."
    unique = f"Once every row has a value of its own, run: ALTER TABLE {name} ADD UNIQUE ({key});"
    if facts["kind"] in "rp":
        if facts["has_children"]:
            yield Difference(
                f"{name} has child tables, and its key does not cover their rows. {lost}",
                "Make it a partitioned table, or declare another table.",
            )
        elif not _is_unique(facts, columns):
            if facts["kind"] == "p":
                by = f"{said} alone" if len(columns) == 1 else f"columns of {key} alone"
                unique = f"Partition it by {by} and run: ALTER TABLE {name} ADD UNIQUE ({key});"
            which = "that column alone" if len(columns) == 1 else "exactly these columns"
            yield Difference(
                f"{name} is not held unique by its key {said}: no valid, immediate, unique index covers {which}, "
                f"and all rows. {lost}",
                unique,
            )
        part = "" if len(columns) == 1 else "part of "
        for column in columns:
            if not facts["columns"][column]["not_null"]:
                yield Difference(
                    f"{name}.{quoted(column)} is {part}the key and can be null: "
                    "pages would leave out rows without a key.",
                    f"Run: ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET NOT NULL;",
                )
    elif facts["kind"] == "v" and facts["updatable"]:
        # For ON CONFLICT, PostgreSQL looks through such a view at the keys of its table.
        if not _conflicts(source, name, key):
            yield Difference(f"{name} is a view of a table that does not hold {said} unique. {lost}", unique)
    elif not _is_unique(facts, columns):
        yield Difference(
            f"{name} is {_KINDS[facts['kind']]}, and PostgreSQL cannot tell whether {said} is unique in it.",
            "Make sure that it is. Otherwise a page can leave out rows with the same key.",
            stops=False,
        )


def _unique(table: Table, facts: Facts) -> Iterator[Difference]:
    name = named(table["table"])
    for columns in table["unique"]:
        there = all(column in facts["columns"] for column in columns)
        if there and facts["kind"] in "rp" and not _is_unique(facts, columns):
            yield Difference(
                f"{name} is not held unique by {listed(columns)}, by which a reference finds one row: the API would "
                "show one row where there are several.",
                f"Declare no reference by it, or run: ALTER TABLE {name} ADD UNIQUE ({listed(columns)});",
            )


def _is_unique(facts: Facts, columns: Sequence[str]) -> bool:
    return any({*found} == {*columns} for found in facts["unique"] or [])


_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def _conflicts(source: connection, name: str, key: str) -> bool:
    try:
        insert = f"INSERT INTO {name} ({key}) SELECT {key} FROM {name} ON CONFLICT ({key}) DO NOTHING"  # noqa: S608
        _run(source, f"EXPLAIN {insert}")
    except (errors.InvalidColumnReference, errors.ObjectNotInPrerequisiteState):
        return False
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported):
        return True  # a role that may not write changes no row, and through a rule PostgreSQL has no upserts
    return True


def _references(
    source: connection, table: Table, facts: Facts, by_name: Mapping[tuple[Any, ...], Facts | None]
) -> Iterator[Difference]:
    for reference in table["references"]:
        other = by_name.get(tuple(reference["table"]))
        for column_name, key_name in zip(reference["columns"], reference["key"], strict=True):
            column = facts["columns"].get(column_name)
            key = None if other is None else other["columns"].get(key_name)
            if column is None or key is None:
                continue
            try:
                _run(source, f"SELECT NULL::{column['type']} = NULL::{key['type']}")
            except (errors.UndefinedFunction, errors.AmbiguousFunction):
                name, of = named(table["table"]), quoted(column_name)
                yield Difference(
                    f"{name}.{of} is of type {column['type']} and refers to {named(reference['table'])}."
                    f"{quoted(key_name)}, which is of type {key['type']}: PostgreSQL cannot compare them.",
                    f"Run: ALTER TABLE {name} ALTER COLUMN {of} TYPE {key['type']} USING {of}::{key['type']};",
                )


def _rights(table: Table, facts: Facts, role: str) -> Iterator[Difference]:
    # What the group gets holds for each of its members, here and in a stage.
    name, role, to = named(table["table"]), quoted(role), quoted(facts["grantee"] or role)
    if not facts["schema_usable"]:
        schema = quoted(table["table"][0] or "public")
        yield Difference(
            f"The role {role} may not use the schema {schema}.", f"Run: GRANT USAGE ON SCHEMA {schema} TO {to};"
        )
    declared = {column["name"] for column in table["columns"]}
    if any(not there["readable"] for column, there in facts["columns"].items() if column in declared):
        yield Difference(
            f"The role {role} may not read all declared columns of {name}.", f"Run: GRANT SELECT ON {name} TO {to};"
        )
    if lacks := facts["lacks"]:
        rights = ", ".join(lacks)
        yield Difference(
            f"The role {role} lacks {rights} on {name}: requests that need it are refused with status 403.",
            f"If they should work, run: GRANT {rights} ON {name} TO {to};",
            stops=False,
        )
    for sequence in facts["sequences"] or []:
        yield Difference(
            f"The role {role} may not use the sequence {sequence} of {name}: no row can be created without that value.",
            f"Run: GRANT USAGE ON SEQUENCE {sequence} TO {to};",
            stops=False,
        )


def _run(source: connection, sql: str) -> None:
    with source.cursor() as cursor:
        cursor.execute(sql)


def _scale(modifier: int) -> int | None:
    # The scale in numeric's typmod: 11 bits with a sign, since PostgreSQL 15. None for a column that keeps any scale.
    return None if modifier < 4 else (((modifier - 4) & 0x7FF) ^ 1024) - 1024
