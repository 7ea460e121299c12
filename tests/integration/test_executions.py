"""A statement that the database refuses is executed once, whether it is prepared or not.

A sequence counts the executions: each takes a number before anything can fail, and a rollback does not give it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import execute as run_sql
from tests.executor import Executor, failure, value

_SCHEMA = """
    CREATE ROLE counter LOGIN;
    CREATE SEQUENCE runs;
    CREATE DOMAIN even AS int CHECK (value % 2 = 0);
    CREATE DOMAIN present AS text NOT NULL;
    CREATE TABLE counted (
      run int DEFAULT nextval('runs'), id int PRIMARY KEY, small smallint, code varchar(3), need text NOT NULL,
      parent int REFERENCES counted, n int CHECK (n > 0), uid uuid, even even, present present, raises text);
    INSERT INTO counted (id, need, present) VALUES (0, '', '');
    CREATE FUNCTION may_raise() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF new.raises <> '' THEN
        RAISE NOTICE 'raises'; RAISE EXCEPTION 'refused' USING ERRCODE = new.raises;
      END IF;
      RETURN new;
    END $$;
    CREATE TRIGGER may_raise BEFORE INSERT OR UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION may_raise();
    ALTER TABLE counted ENABLE ROW LEVEL SECURITY;
    CREATE POLICY low ON counted USING (true) WITH CHECK (id < 1000);
    GRANT ALL ON counted, runs TO counter;
"""
_FITS = {
    "small": "1", "code": "abc", "need": "x", "parent": "0", "n": "1", "present": "x", "raises": "", "even": "2",
    "uid": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip
_LISTED, _PLACES = ", ".join(_FITS), ", ".join(f":{name}" for name in _FITS)
_INSERT = f"INSERT INTO counted (id, {_LISTED}) VALUES (:id, {_PLACES}) RETURNING id"
_WITH = f"WITH stored AS ({_INSERT}) SELECT id FROM stored"
# A value, the SQLSTATE of its failure, and the number of executions.
_REFUSED: list[tuple[str, dict[str, Any], str, int]] = [
    ("no number", {"small": "x"}, "22P02", 0),
    ("too large a text", {"small": "70000"}, "22003", 0),
    ("too large a number", {"small": {"type": "int8", "value": 70000}}, "22003", 1),
    ("too long", {"code": "long"}, "22001", 1),
    ("no uuid", {"uid": "x"}, "22P02", 0),
    ("null", {"need": None}, "23502", 1),
    ("null of a domain", {"present": None}, "23502", 1),
    ("check of a domain", {"even": "1"}, "23514", 1),
    ("unknown parent", {"parent": "9"}, "23503", 1),
    ("taken", {"id": "0"}, "23505", 1),
    ("check", {"n": "-1"}, "23514", 1),
    ("row security", {"id": "1000"}, "42501", 1),
    *[
        (f"raises {sqlstate}", {"raises": sqlstate}, sqlstate, 1)
        for sqlstate in ("P0001", "P0002", "PT402", "22000", "22023", "22P02", "23502", "23503", "23505", "23514",
                         "42501", "42P01", "42704", "42P18", "0A000", "26000", "54000", "XX000", "21000", "AB123")
    ],
]  # fmt: skip


@pytest.fixture(scope="module")
def owner_url(postgres_url: str) -> Iterator[str]:
    run_sql(postgres_url, "CREATE DATABASE executions")
    url = urlsplit(postgres_url)._replace(path="/executions").geturl()
    run_sql(url, _SCHEMA)
    yield url
    run_sql(postgres_url, "DROP DATABASE executions WITH (FORCE)")
    run_sql(postgres_url, "DROP ROLE counter")


@pytest.fixture
def url(owner_url: str) -> str:
    run_sql(owner_url, "DELETE FROM counted WHERE id > 0")
    return urlsplit(owner_url)._replace(netloc="counter@").geturl()


@pytest.fixture
def executor(url: str) -> Iterator[Executor]:
    one = Executor(url)
    yield one
    one.close()


def executions(url: str) -> int:
    return int(run_sql(url, "SELECT last_value FROM runs")[0][0])


@pytest.mark.parametrize("statement", [_INSERT, _WITH], ids=["insert", "with"])
@pytest.mark.parametrize("times", [0, 1, 7])  # not prepared, being prepared, prepared with one plan
@pytest.mark.parametrize(
    ("change", "sqlstate", "count"), [one[1:] for one in _REFUSED], ids=[one[0] for one in _REFUSED]
)
def test_a_refused_value_or_right_costs_one_execution(
    executor: Executor, url: str, statement: str, times: int, change: dict[str, Any], sqlstate: str, count: int
) -> None:
    typed = {name: {"type": "int8", "value": 1} if isinstance(one, dict) else one for name, one in change.items()}
    fits = _FITS | {name: one for name, one in typed.items() if isinstance(one, dict)}
    for key in range(1, times + 1):
        assert value(executor(statement, fits | {"id": str(key)}, max_rows=1)) == key
    before = executions(url)
    assert failure(executor(statement, fits | {"id": "99"} | change, max_rows=1), "sqlstate") == sqlstate
    assert executions(url) - before == count
    assert value(executor(statement, fits | {"id": "99"}, max_rows=1)) == 99


@pytest.mark.parametrize("times", [0, 1, 7])
def test_a_right_that_has_gone_costs_no_execution(executor: Executor, url: str, owner_url: str, times: int) -> None:
    for key in range(1, times + 1):
        assert value(executor(_INSERT, _FITS | {"id": str(key)}, max_rows=1)) == key
    run_sql(owner_url, "REVOKE INSERT ON counted FROM counter")
    before = executions(url)
    for _ in range(3):
        assert failure(executor(_INSERT, _FITS | {"id": "99"}, max_rows=1), "sqlstate") == "42501"
    assert executions(url) == before
    run_sql(owner_url, "GRANT INSERT ON counted TO counter")
    assert value(executor(_INSERT, _FITS | {"id": "99"}, max_rows=1)) == 99


def test_the_same_refusal_again_and_again_is_executed_once_each_time(executor: Executor, url: str) -> None:
    for change, count in (
        ({"code": "long"}, 1),
        ({"raises": "42P01"}, 1),
        ({"small": "x"}, 0),
        ({"n": "-1"}, 1),
        ({"need": None}, 1),
        ({"present": None}, 1),
    ):
        for _ in range(8):
            before = executions(url)
            assert "failure" in executor(_INSERT, _FITS | {"id": "99"} | change, max_rows=1)
            assert executions(url) - before == count, change


def test_a_type_that_is_made_anew_is_prepared_anew_and_executed_once(executor: Executor, owner_url: str) -> None:
    sql = "SELECT :x::made, run FROM counted WHERE id = 0"
    run_sql(owner_url, "DROP TYPE IF EXISTS made; CREATE TYPE made AS ENUM ('a', 'b')")
    for _ in range(3):
        assert executor(sql, {"x": "b"}, max_rows=1)["results"][0]["rows"][0][0] == "b"
    for made in ("ENUM ('b', 'c')", "(a int, b text)", "RANGE (subtype = int4)", "ENUM ('b')"):
        run_sql(owner_url, f"DROP TYPE made; CREATE TYPE made AS {made}")
        for text in ("b", "(1,b)", "[1,3)"):
            fits = {"ENUM": "b", "(a i": "(1,b)", "RANG": "[1,3)"}[made[:4]] == text
            for _ in range(2):
                answer = executor(sql, {"x": text}, max_rows=1)
                assert ("results" in answer) is fits, (made, text, answer)
        kept = executor("SELECT calls.n FROM (SELECT generic_plans + custom_plans AS n, name FROM "
                        "pg_prepared_statements) AS calls WHERE calls.name NOT LIKE '%_guard'")  # fmt: skip
        assert len(kept["results"][0]["rows"]) == 1, kept  # it was prepared again


def test_a_table_that_was_away_for_a_while_is_prepared_again(executor: Executor, owner_url: str) -> None:
    sql = "SELECT id FROM away WHERE id = :id"
    names = "SELECT count(*)::int4 FROM pg_prepared_statements WHERE name NOT LIKE '%_guard'"
    for _ in range(3):
        run_sql(owner_url, "CREATE TABLE away (id int); INSERT INTO away VALUES (1); GRANT ALL ON away TO counter")
        for _ in range(3):
            assert value(executor(sql, {"id": "1"}, max_rows=1)) == 1
        assert value(executor(names)) == 1
        run_sql(owner_url, "DROP TABLE away")
        for _ in range(3):
            assert failure(executor(sql, {"id": "1"}, max_rows=1), "sqlstate") == "42P01"
