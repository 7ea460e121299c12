"""A value means the same in every request and back, whatever the type of its column."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from crud_api.routes import Execute
from tests.conftest import execute as run_sql
from tests.functional.any_table import api_over

# The type of a column, and texts of its values: as they are sent, and as PostgreSQL answers them.
TEXTS: list[tuple[str, str, Any]] = [
    ("text", "5", "5"),
    ("varchar(5)", "a  ", "a  "),
    ("char(3)", "a", "a  "),
    ("int", "5", 5),
    ("smallint", "-5", -5),
    ("numeric(5, 2)", "1.5", 1.5),
    ("boolean", "yes", True),
    ("float8", "0.1", 0.1),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "2026-01-31", "2026-01-31"),
    ("timestamp", "2026-01-31 09:30", "2026-01-31T09:30:00"),
    ("timestamptz", "2026-01-31 09:30+02", "2026-01-31T07:30:00+00:00"),
    ("time", "09:30", "09:30:00"),
    ("interval", "90 minutes", "PT1H30M"),
    ("bytea", "\\x68c3a9", "\\x68c3a9"),
    ("bit(3)", "101", "101"),
    ("inet", "10.0.0.1", "10.0.0.1"),
    ("int4range", "[1,3)", "[1,3)"),
    ("int[]", "{1,2}", [1, 2]),
    ("text[]", '{a,"b,c"}', ["a", "b,c"]),
    ("jsonb[]", '{"{\\"a\\": 1}"}', [{"a": 1}]),
    ("point", "(1,2)", "(1,2)"),
    ("json", '{"a":1}', {"a": 1}),
    ("json", '"text"', "text"),
    ("jsonb", '{"a":1}', {"a": 1}),
    ("jsonb", '"text"', "text"),
    ("jsonb", "12.50", 12.5),
    ("jsonb", '[1, "a", {"b": "\\"c\\""}]', [1, "a", {"b": '"c"'}]),
    ("demo.words", '{"a":1}', {"a": 1}),
    ("demo.mood", "sad", "sad"),
    ("demo.pair", "(1,a)", {"n": 1, "t": "a"}),
]


@pytest.fixture(scope="module")
def types(api_database: str) -> str:
    run_sql(api_database, "DROP TYPE IF EXISTS demo.mood, demo.pair CASCADE")
    run_sql(api_database, "DROP DOMAIN IF EXISTS demo.word, demo.words CASCADE")
    run_sql(api_database, "CREATE TYPE demo.mood AS ENUM ('sad', 'ok')")
    run_sql(api_database, "CREATE TYPE demo.pair AS (n int, t text)")
    run_sql(api_database, "CREATE DOMAIN demo.word AS jsonb CHECK (VALUE IS NOT NULL OR true)")
    run_sql(api_database, "CREATE DOMAIN demo.words AS demo.word")
    return api_database


@pytest.mark.parametrize(("column", "text", "answered"), TEXTS)
def test_a_text_means_the_same_in_one_row_many_upserts_and_changes(
    execute: Execute, types: str, column: str, text: str, answered: Any
) -> None:
    fields = {"id": int, "v": str, "w": str}
    api = api_over(execute, types, "anything", f"id int PRIMARY KEY, v {column}, w text", fields)
    merge = {"prefer": "resolution=merge-duplicates"}
    answers = [
        api("POST", "/anything", {"id": 1, "v": text, "w": "one"}),
        api("POST", "/anything", {"id": 2, "v": text}),
        api("POST", "/anything", [{"id": 3, "v": text, "w": "many"}, {"id": 4, "v": text}]),
        api("POST", "/anything", {"id": 1, "v": text, "w": "merged"}, **merge),
        api("POST", "/anything", [{"id": 5, "v": text}], **merge),
        api("POST", "/anything", {"id": 6, "v": text}, idempotency_key=str(uuid4())),
        api("PATCH", "/anything/1", {"v": text}),
        api("PUT", "/anything/2", {"v": text}),
    ]
    assert {answer.status for answer in answers} <= {200, 201}, [answer.body for answer in answers]
    assert [item["v"] for item in api("GET", "/anything").json["items"]] == [answered] * 6
    stored = run_sql(types, "SELECT DISTINCT v::text FROM demo.anything")
    assert len(stored) == 1, stored
