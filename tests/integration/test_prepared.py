"""A repeated statement is prepared. Its answers do not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import execute as run_sql
from tests.executor import Executor, failure, value

_SCHEMA = """
    CREATE TABLE t (id int PRIMARY KEY, name text, amount numeric(12, 2), tags text[], at timestamptz);
    INSERT INTO t VALUES (1, 'o''neil 100%', 12.50, '{a,b}', '2026-01-31 12:00Z'), (2, NULL, 7, NULL, NULL);
    CREATE TABLE written (id int);
    CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DEALLOCATE ALL; RETURN NEW; END$$;
    CREATE TRIGGER forget BEFORE INSERT ON written FOR EACH ROW EXECUTE FUNCTION forget();
"""
_NO_GUARD = "WHERE name NOT LIKE '%_guard'"
_PREPARED = f"SELECT count(*)::int4 FROM pg_prepared_statements {_NO_GUARD}"


@pytest.fixture
def executor(database_url: str) -> Iterator[Executor]:
    run_sql(database_url, _SCHEMA)
    one = Executor(database_url)
    yield one
    one.close()


def prepared(executor: Executor) -> int:
    return int(value(executor(_PREPARED)))  # without max_rows, this query itself is never prepared


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT * FROM t WHERE id = :id", {"id": "1"}),
        ("SELECT * FROM t WHERE id = :id", {"id": 1}),
        ("SELECT id FROM t WHERE name = :name AND name LIKE :like", {"name": "o'neil 100%", "like": "%100%"}),
        ("SELECT id FROM t WHERE tags = :tags", {"tags": ["a", "b"]}),
        ("SELECT id FROM t WHERE at < :at", {"at": {"type": "timestamptz", "value": "2027-01-01"}}),
        ("SELECT id FROM t WHERE amount = :a OR name = :a OR id::text = :a ORDER BY id", {"a": "7"}),
        ("SELECT coalesce(:a, name), :a IS NULL, :b::int8 + 1, :c FROM t", {"a": None, "b": -1, "c": True}),
        ("SELECT :a, :a || name, upper(:a), :a::text FROM t ORDER BY id -- the end", {"a": "\\ ' $1 %s"}),
        ("SELECT 1 AS a, 2 AS a, id FROM t ORDER BY id DESC", {}),
        ("VALUES (1), (2)", {}),
        ("WITH x AS (SELECT id FROM t) SELECT id FROM x ORDER BY id", {}),
        ("UPDATE t SET name = :n, amount = :a WHERE id = 2 RETURNING name, amount", {"n": "x", "a": "1.5"}),
        ("UPDATE t SET name = :n WHERE id = 2", {"n": None}),
    ],
)
def test_the_answer_is_the_same_each_time(executor: Executor, sql: str, params: dict[str, Any]) -> None:
    first, *others = [executor(sql, params, max_rows=1) for _ in range(8)]  # the sixth can have a plan for all values
    assert "results" in first, first
    assert others == [first] * 7
    assert prepared(executor) == 1


def test_other_values_give_other_rows(executor: Executor) -> None:
    names = [value(executor("SELECT name FROM t WHERE id = :id", {"id": key}, max_rows=1)) for key in "1212"]
    assert names == ["o'neil 100%", None] * 2


def test_two_statements_that_become_the_same_text_do_not_meet(executor: Executor) -> None:
    for _ in range(4):
        assert value(executor("SELECT id + :a FROM t WHERE id = 1", {"a": 1}, max_rows=1)) == 2
        assert value(executor("SELECT id + 1 FROM t WHERE id = 1", max_rows=1)) == 2


def test_one_text_is_several_statements_by_its_numbers_and_types(executor: Executor) -> None:
    for _ in range(3):
        for param, expected in [(1, 2), (2, 3), ("3", 4), ({"type": "int2", "value": 4}, 5), (-1, 0)]:
            assert value(executor("SELECT id + :a FROM t WHERE id = 1", {"a": param}, max_rows=1)) == expected
    assert prepared(executor) == 5


def test_what_came_once_is_not_prepared(executor: Executor) -> None:
    executor("SELECT id FROM t", max_rows=1)
    assert prepared(executor) == 0


def test_what_is_very_long_is_not_prepared(executor: Executor) -> None:
    sql = f"SELECT id FROM t WHERE id IN ({', '.join(map(str, range(4000)))}) ORDER BY id"
    assert [value(executor(sql, max_rows=1)) for _ in range(3)] == [1, 1, 1]
    assert prepared(executor) == 0


@pytest.mark.parametrize("sql", ["SELECT 1) AS x, (SELECT 2", "SELECT id FROM t WHERE", "SELECT nothing FROM t"])
def test_what_is_wrong_is_refused_each_time(executor: Executor, sql: str) -> None:
    first, *others = [failure(executor(sql, max_rows=1), "sqlstate", "message") for _ in range(4)]
    assert first[0] in {"42601", "42703"}
    assert others == [first] * 3


def test_a_type_that_only_a_literal_has_is_still_found(executor: Executor) -> None:
    sql = "SELECT pg_typeof(:a)::text"  # a parameter would fail with 42P18
    assert [value(executor(sql, {"a": "x"}, max_rows=1)) for _ in range(4)] == ["unknown"] * 4


def test_a_row_more_than_the_limit_is_cut_off_and_told(executor: Executor) -> None:
    for _ in range(4):
        (result,) = executor("SELECT id FROM t ORDER BY id", max_rows=1)["results"]
        assert (result["rows"], result["truncated"]) == ([[1]], True)


def test_a_table_that_changes_between_two_requests_is_read_as_it_is(executor: Executor, database_url: str) -> None:
    for _ in range(3):
        executor("SELECT * FROM t WHERE id = 1", max_rows=1)
    run_sql(database_url, "ALTER TABLE t ADD COLUMN more int DEFAULT 5")
    for _ in range(3):
        assert executor("SELECT * FROM t WHERE id = 1", max_rows=1)["results"][0]["rows"][0][-1] == 5


def test_a_session_that_has_lost_what_was_prepared_answers_all_the_same(executor: Executor) -> None:
    for number in range(4):
        assert value(executor("SELECT id FROM t WHERE id = :id", {"id": "1"}, max_rows=1)) == 1
        written = executor("INSERT INTO written VALUES (:id) RETURNING id", {"id": str(number)}, max_rows=1)
        assert value(written) == number
    assert value(executor("SELECT count(*)::int4 FROM written")) == 4


def test_a_failure_in_a_prepared_write_writes_nothing(executor: Executor) -> None:
    sql = "INSERT INTO t (id, name) VALUES (:id, :name) RETURNING id"
    for key in ("3", "4", "5"):
        executor(sql, {"id": key, "name": "n"}, max_rows=1)
    assert failure(executor(sql, {"id": "3", "name": "n"}, max_rows=1), "sqlstate", "constraint") == ("23505", "t_pkey")
    assert failure(executor(sql, {"id": "much", "name": "n"}, max_rows=1), "sqlstate") == "22P02"
    assert value(executor("SELECT count(*)::int4 FROM t")) == 5


def test_read_only_holds_for_what_is_prepared(executor: Executor) -> None:
    sql = "UPDATE t SET name = 'x' RETURNING id"
    assert {failure(executor(sql, max_rows=1, read_only=True), "sqlstate") for _ in range(4)} == {"25006"}


def test_a_page_is_planned_for_its_values_each_time(executor: Executor, database_url: str) -> None:
    # For a common value, the index in the order of the page fills the page quickly. For a rare value, that index would
    # read every row.
    run_sql(
        database_url,
        """CREATE TABLE many (id int PRIMARY KEY, kind text);
           INSERT INTO many SELECT n, CASE WHEN n <= 5 THEN 'rare' ELSE 'common' END FROM generate_series(1, 20000) n;
           CREATE INDEX ON many (kind);
           ANALYZE many""",
    )
    sql = "SELECT id FROM many WHERE kind = :kind ORDER BY id DESC LIMIT 10"
    for kind in ["common"] * 8 + ["rare"] * 2:
        (result,) = executor(sql, {"kind": kind}, max_rows=20)["results"]
        assert result["rows"][0] == [20000 if kind == "common" else 5]
    plans = f"SELECT custom_plans::int4, generic_plans::int4 FROM pg_prepared_statements {_NO_GUARD}"
    assert executor(plans)["results"][0]["rows"] == [[9, 0]]
    assert value(executor("SHOW plan_cache_mode")) == "auto"


def test_a_row_by_its_key_is_planned_once(executor: Executor) -> None:
    for _ in range(8):
        executor("SELECT name FROM t WHERE id = :id", {"id": "1"}, max_rows=1)
    assert value(executor(f"SELECT generic_plans::int4 FROM pg_prepared_statements {_NO_GUARD}")) > 0


def test_the_server_keeps_only_the_newest(executor: Executor) -> None:
    for number in range(70):
        for _ in range(2):
            assert value(executor(f"SELECT id + {number} FROM t WHERE id = 1", max_rows=1)) == 1 + number
    assert prepared(executor) == 50


# --- What means something else as a parameter ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        ("SELECT :x::interval minute", {"x": "5"}, "PT5M"),
        ("SELECT CAST(:x AS interval day to minute)", {"x": "5"}, "PT5M"),
        ("SELECT coalesce(NULL::interval hour, :x::interval hour)", {"x": "5"}, "PT5H"),
        ("INSERT INTO spans VALUES (:x) RETURNING span", {"x": "5"}, "PT5M"),
        ("SELECT :x::interval", {"x": {"type": "interval", "value": "5"}}, "PT5S"),
    ],
)
def test_an_interval_is_read_by_its_fields_each_time(
    executor: Executor, database_url: str, sql: str, params: dict[str, Any], expected: str
) -> None:
    run_sql(database_url, "CREATE TABLE spans (span interval minute)")
    assert [value(executor(sql, params, max_rows=1)) for _ in range(8)] == [expected] * 8
    assert prepared(executor) == 0


@pytest.mark.parametrize(
    "now", ["'now'", ":now", ":now::timestamptz", "timestamptz 'now'", "$$now$$", "E'now'", "U&'now'"]
)
def test_now_is_the_time_of_each_request(executor: Executor, database_url: str, now: str) -> None:
    run_sql(database_url, "CREATE TABLE times (id int, at timestamptz)")
    params = {"id": "1"} | ({"now": "now"} if ":now" in now else {})
    sql = f"INSERT INTO times VALUES (:id, {now}) RETURNING at"
    assert len({value(executor(sql, params, max_rows=1)) for _ in range(8)}) == 8


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SELECT id FROM t ORDER BY :x", "42601"), ("SELECT id FROM t ORDER BY id, (:x) DESC", "42601"),
        ("SELECT id FROM t GROUP BY id, :x", "42601"), ("SELECT id FROM t GROUP BY ROLLUP (id, (:x))", "42601"),
        ("SELECT DISTINCT ON (:x) id FROM t", "42601"), ("SELECT id FROM (SELECT id FROM t ORDER BY :x) AS s", "42601"),
        ("(SELECT id FROM t ORDER BY :x LIMIT 1) UNION ALL SELECT 1", "42601"), ("SELECT $1::text, :x", "42P02"),
        ("SELECT :x, $2::text", "42P02"), ("SELECT id FROM t WHERE name = $1 AND name = :x", "42P02"),
    ],
)  # fmt: skip
def test_what_a_text_says_wrongly_is_refused_each_time(executor: Executor, sql: str, sqlstate: str) -> None:
    assert [failure(executor(sql, {"x": "1"}, max_rows=9), "sqlstate") for _ in range(8)] == [sqlstate] * 8


def test_a_value_that_no_row_needs_is_judged_the_same_each_time(executor: Executor, database_url: str) -> None:
    # PostgreSQL casts a literal when it plans. It casts a parameter of a plan for all values when a row needs it.
    run_sql(database_url, "CREATE TABLE short (id int PRIMARY KEY, code varchar(3), n int)")
    for sql, params in [
        ("UPDATE short SET code = :x WHERE id = :id RETURNING id", {"x": "too long", "id": "9"}),
        ("SELECT :x::text::int FROM short WHERE id = :id", {"x": "none", "id": "9"}),
        ("SELECT id FROM short WHERE id = :id AND code ~ :x", {"x": "(", "id": "9"}),
    ]:
        answers = [executor(sql, params, max_rows=1) for _ in range(9)]
        assert answers == [answers[0]] * 9, sql
        assert answers[0]["results"][0]["rows"] == []


_CHANGES = [
    ("date", "timestamptz", "2026-01-31T10:30:00Z", "2026-01-31 10:30:00+00"),
    ("date", "timestamp", "2026-01-31T10:30:00", "2026-01-31 10:30:00"),
    ("int", "bigint", "3000000000", 3000000000),
    ("int", "numeric", "1.5", "1.5"),
    ("numeric(5,2)", "numeric(9,4)", "123.4567", "123.4567"),
    ("varchar(3)", "varchar(10)", "longer", "longer"),
    ("uuid", "text", "no uuid", "no uuid"),
    ("mood", "text", "neither", "neither"),
    ("positive", "int", "-5", -5),
    ("timestamptz", "text", "2026-01-31T10:30:00Z", "2026-01-31T10:30:00Z"),
    ("json", "jsonb", '{"b":1, "a":2}', '{"a": 2, "b": 1}'),
    ("interval", "text", "5", "5"),
    ("text", "date", "2026-01-31", "2026-01-31"),
]
_ALTERS = [
    "ALTER TABLE changing ALTER v TYPE {new} USING NULL",
    "ALTER TABLE changing DROP v; ALTER TABLE changing ADD v {new}",
    "DROP TABLE changing; CREATE TABLE changing (id int PRIMARY KEY, v {new}); INSERT INTO changing (id) VALUES (1)",
]


@pytest.mark.parametrize("alter", _ALTERS, ids=["altered", "dropped and added", "made anew"])
@pytest.mark.parametrize(("old", "new", "text", "stored"), _CHANGES)
def test_a_column_of_another_type_gets_its_own_values(
    executor: Executor, database_url: str, old: str, new: str, text: str, stored: Any, alter: str
) -> None:
    run_sql(database_url, "CREATE TYPE mood AS ENUM ('sad'); CREATE DOMAIN positive AS int CHECK (value > 0)")
    run_sql(database_url, f"CREATE TABLE changing (id int PRIMARY KEY, v {old}); INSERT INTO changing (id) VALUES (1)")
    statements = [
        ("UPDATE changing SET v = :v WHERE id = :id", {"id": "1"}),
        ("INSERT INTO changing VALUES (:id, :v) ON CONFLICT (id) DO UPDATE SET v = excluded.v", {"id": "1"}),
        ("WITH s AS (UPDATE changing SET v = :v WHERE id = 1 RETURNING id) SELECT id FROM s", {}),
    ]
    for sql, params in statements * 4:
        executor(sql, params | {"v": None}, max_rows=1)
        executor(sql, params | {"v": "1"}, max_rows=1)
    run_sql(database_url, alter.format(new=new))
    for sql, params in statements * 2:
        run_sql(database_url, "UPDATE changing SET v = NULL")
        answer = executor(sql, params | {"v": text}, max_rows=1)
        assert "results" in answer, (sql, answer)
        assert executor("SELECT v FROM changing")["results"][0]["rows"] == [[stored]], sql


def test_the_labels_of_an_enum_are_those_of_now(executor: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE moods (mood mood)")
    sql = "INSERT INTO moods VALUES (:mood) RETURNING mood"
    told = [executor(sql, {"mood": "sad"}, max_rows=1) for _ in range(4)]
    assert told == [told[0]] * 4
    run_sql(database_url, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
    run_sql(database_url, "ALTER TYPE mood ADD VALUE 'ok'")
    for _ in range(2):
        assert value(executor(sql, {"mood": "ok"}, max_rows=1)) == "ok"
        assert failure(executor(sql, {"mood": "sad"}, max_rows=1), "sqlstate") == "22P02"
        assert failure(executor("SELECT 1 FROM moods WHERE mood = 'sad'", max_rows=1), "sqlstate") == "22P02"


def test_a_type_that_was_made_anew_is_found(executor: Executor, database_url: str) -> None:
    for labels in ("'a', 'b'", "'b', 'c'"):
        run_sql(database_url, f"DROP TYPE IF EXISTS made; CREATE TYPE made AS ENUM ({labels})")
        for _ in range(4):
            assert value(executor("SELECT :x::made", {"x": "b"}, max_rows=1)) == "b"
    assert failure(executor("SELECT :x::made", {"x": "a"}, max_rows=1), "sqlstate") == "22P02"


def test_a_table_behind_another_schema_is_the_one_that_is_read(executor: Executor, database_url: str) -> None:
    name = run_sql(database_url, "SELECT current_database()")[0][0]
    run_sql(database_url, "CREATE SCHEMA one; CREATE TABLE one.placed (v date)")
    run_sql(database_url, f"ALTER DATABASE {name} SET search_path = one")
    sql = "INSERT INTO placed VALUES (:v) RETURNING v"
    with_path = Executor(database_url)
    for _ in range(4):
        assert value(with_path(sql, {"v": "2026-01-31 10:30Z"}, max_rows=1)) == "2026-01-31"
    run_sql(database_url, "ALTER SCHEMA one RENAME TO two; CREATE SCHEMA one; CREATE TABLE one.placed (v timestamptz)")
    for _ in range(2):
        assert value(with_path(sql, {"v": "2026-01-31 10:30Z"}, max_rows=1)) == "2026-01-31 10:30:00+00"
    with_path.close()


def test_a_role_that_may_not_read_the_table_is_answered_all_the_same(executor: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE dropbox (v date); DROP ROLE IF EXISTS poster; CREATE ROLE poster LOGIN")
    run_sql(database_url, "GRANT INSERT ON dropbox TO poster")
    poster = Executor(database_url.replace("postgres@", "poster@"))
    for _ in range(4):
        assert poster("INSERT INTO dropbox VALUES (:v)", {"v": "2026-01-31"})["results"][0]["row_count"] == 1
    poster.close()
    assert value(executor("SELECT count(*)::int4 FROM dropbox")) == 4
    run_sql(database_url, "DROP TABLE dropbox; DROP ROLE poster")


def test_a_view_of_tables_that_are_closed_to_its_reader_is_prepared(database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE closed (id int, v text); CREATE VIEW seen AS SELECT * FROM closed")
    run_sql(database_url, "DROP ROLE IF EXISTS viewer; CREATE ROLE viewer LOGIN; GRANT SELECT ON seen TO viewer")
    viewer = Executor(database_url.replace("postgres@", "viewer@"))
    for _ in range(4):
        assert viewer("SELECT id FROM seen WHERE v = :v", {"v": "x"}, max_rows=1)["results"][0]["rows"] == []
    assert prepared(viewer) == 1
    viewer.close()
    run_sql(database_url, "DROP VIEW seen; DROP ROLE viewer")


def test_statements_that_cannot_be_prepared_do_not_fill_the_session(executor: Executor) -> None:
    for number in range(120):  # each fails when it is planned, after it was prepared
        sql = f"SELECT pg_typeof(:x)::text, {number} FROM t WHERE id = 1"
        assert [executor(sql, {"x": "a"}, max_rows=1)["results"][0]["rows"][0][0] for _ in range(3)] == ["unknown"] * 3
        assert (
            value(executor(f"SELECT :x::interval + interval :y * {number}", {"x": "5", "y": "0"}, max_rows=1)) == "PT5S"
        )
    assert prepared(executor) <= 100
