"""Makes the next numbered file in query_executor/migrations."""

from __future__ import annotations

import re
from pathlib import Path

from infra import hints
from infra.errors import RefusedError
from query_executor.migrate.identifiers import named

FOLDER = Path("query_executor") / "migrations"
_FIRST = 1001  # lower numbers are this project's, which releases more of them
_LONGEST = 60
_NAME = re.compile(r"(?:(?P<number>[0-9]{4})-)?(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)")
_TEXT = """\
-- Write SQL here: CREATE TABLE demo.products (...); for example. It runs once in each database, as one transaction.
-- docs/operate.md#write-a-migration has the rules for tables that are in use.
"""
_ROW_SECURITY = """\
-- Each user sees and changes their own rows of {table}. docs/row-security.md explains each statement.
-- If the rows refer to other rows, WITH CHECK must also look whether the caller sees these: foreign keys do not look.
CREATE OR REPLACE FUNCTION demo.caller() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub';

ALTER TABLE {table} ADD COLUMN user_id text;
ALTER TABLE {table} ALTER COLUMN user_id SET DEFAULT demo.caller();
CREATE INDEX ON {table} (user_id);
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON {table}
    USING (user_id = (SELECT demo.caller())) WITH CHECK (user_id = (SELECT demo.caller()));
"""
TEMPLATES = {"row-security": _ROW_SECURITY}


def text(template: str, table: str) -> str:
    """The SQL of a template for a table like demo.orders. Without a template it is a comment.

    Raises `RefusedError` for a template or a table that is not named well.
    """
    example = hints.make("migration", NAME="secure-orders", TEMPLATE="row-security", TABLE="demo.orders")
    if not template and not table:
        return _TEXT
    if template not in TEMPLATES:
        raise RefusedError(f"TEMPLATE can be {', '.join(TEMPLATES)}. For example: {example}")
    schema, _, name = table.partition(".")
    if not schema or not name:
        raise RefusedError(f"TABLE names the table of the template, with its schema. For example: {example}")
    return TEMPLATES[template].format(table=named((schema, name)))


def make(project: Path, name: str, sql: str = _TEXT) -> Path:
    """Make the file and return its path in the project. Raises `RefusedError` for a name or number that is no good."""
    found = _NAME.fullmatch(name)
    if found is None or len(name) > _LONGEST:
        better = re.sub(r"[^a-z0-9]+", "-", name.removesuffix(".sql").lower())[:_LONGEST].strip("-") or "add-products"
        raise RefusedError(
            f"{name!r} is no name of a migration: it has small letters, digits and single hyphens, and at most "
            f"{_LONGEST} characters. For example: {hints.make('migration', NAME=better)}"
        )
    taken = _numbers(project / FOLDER)
    number = int(found["number"] or max([*taken, _FIRST - 1]) + 1)
    if number in taken:
        raise RefusedError(
            f"{FOLDER / taken[number]} has the number {number} already. Leave the number out, and the next one is "
            f"taken: {hints.make('migration', NAME=found['slug'])}"
        )
    if not _FIRST <= number <= 9999:
        raise RefusedError(
            f"A migration of yours has a number of {_FIRST} to 9999, not {number:04}: lower numbers are this project's."
        )
    path = FOLDER / f"{number:04}-{found['slug']}.sql"
    with (project / path).open("x") as file:
        file.write(sql)
    return path


def _numbers(folder: Path) -> dict[int, str]:
    """The migration of each number. Raises `RefusedError` where two have the same: nothing says which runs first."""
    found: dict[int, str] = {}
    for path in sorted(folder.glob("[0-9]*.sql")):
        number = int(path.name.partition("-")[0])
        if number in found:
            raise RefusedError(
                f"{FOLDER / found[number]} and {FOLDER / path.name} have the same number. Give the newer file the next "
                "number, unless a database has run it."
            )
        found[number] = path.name
    return found
