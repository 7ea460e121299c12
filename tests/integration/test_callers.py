"""A request may say for whom it runs: with settings and as a role. Both end with its transaction."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import execute as run_sql
from tests.executor import Answer, Executor, failure, value

_SCHEMA = """
    CREATE TABLE notes (id int PRIMARY KEY, owner text NOT NULL, text text);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes USING (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
    INSERT INTO notes SELECT n, (ARRAY['bob', 'ada'])[n % 2 + 1], 'note ' || n FROM generate_series(1, 20) AS n;
    GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {reader}, {writer};
    CREATE FUNCTION fail() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
"""
_WHO = "SELECT current_setting('request.jwt.claims', true) AS claims, current_user::text AS role"


@pytest.fixture
def roles(database_url: str) -> Iterator[tuple[str, str]]:
    """Two roles of this test alone: roles belong to the whole server."""
    names = [f"caller_{uuid.uuid4().hex}" for _ in range(2)]
    for name in names:
        run_sql(database_url, f"CREATE ROLE {name}")
    run_sql(database_url, _SCHEMA.format(reader=names[0], writer=names[1]))
    yield names[0], names[1]
    for name in names:
        run_sql(database_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def executor(database_url: str, roles: tuple[str, str]) -> Iterator[Executor]:
    one = Executor(database_url)
    yield one
    one.close()


def claims(sub: str) -> dict[str, str]:
    return {"request.jwt.claims": json.dumps({"sub": sub})}


def rows(answer: Answer) -> Any:
    assert "results" in answer, answer
    return answer["results"][-1]["rows"]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "it's", "100 % of %(sql)s :name $1", "back\\slash", '"quoted"', "é 漢 🐘", "a; DROP TABLE notes; --\n"],
)
@pytest.mark.parametrize("params", [None, {"one": "x"}])
def test_a_setting_is_read_as_it_was_sent(executor: Executor, text: str, params: dict[str, str] | None) -> None:
    sql = "SELECT current_setting('request.jwt.claims') AS it" + (" WHERE :one = 'x'" if params else "")
    for _ in range(3):
        for more in ({}, {"max_rows": 1}, {"read_only": True, "max_rows": 1}):
            answer = executor(sql, params, settings={"request.jwt.claims": text}, **more)
            assert value(answer) == text


def test_settings_and_role_hold_for_all_statements_of_the_request_alone(
    executor: Executor, roles: tuple[str, str]
) -> None:
    reader, _ = roles
    before = rows(executor(_WHO))[0][1]
    answer = executor(
        statements=[{"sql": _WHO}, {"sql": "SELECT :n::int8 AS n", "params": {"n": "1"}}, {"sql": _WHO}],
        settings=claims("ada"), role=reader,
    )  # fmt: skip
    who = [claims("ada")["request.jwt.claims"], reader]
    assert [result["rows"] for result in answer["results"]] == [[who], [[1]], [who]]
    assert rows(executor(_WHO)) == [["", before]]


def test_a_batch_runs_for_its_caller(executor: Executor, roles: tuple[str, str]) -> None:
    sets = [{"id": 100 + n, "owner": "ada" if n < 249 else "bob"} for n in range(250)]
    sql = "INSERT INTO notes VALUES (:id, :owner)"
    refused = executor(statements=[{"sql": sql, "batch": sets}], settings=claims("ada"), role=roles[1])
    assert failure(refused, "sqlstate") == "42501"  # the last row is another's, in the third message
    assert value(executor("SELECT count(*)::int4 FROM notes")) == 20
    sets.pop()
    executor(statements=[{"sql": sql, "batch": sets}], settings=claims("ada"), role=roles[1])
    assert value(executor("SELECT count(*)::int4 FROM notes WHERE owner = 'ada'")) == 259


@pytest.mark.parametrize(
    "ends",
    [
        lambda call: call("SELECT fail()", max_rows=1),
        lambda call: call("SELECT 1/0 AS n", max_rows=1),
        lambda call: call("SELECT nothing FROM nowhere", max_rows=1),
        lambda call: call("SELECT pg_sleep(60)::text AS n", deadline_ms=50, max_rows=1),
        lambda call: call("SELECT pg_terminate_backend(pg_backend_pid())", max_rows=1),
        lambda call: call(statements=[{"sql": "SELECT 1 AS n"}, {"sql": "SELECT 1/0 AS n"}]),
        lambda call: call("SELECT 1 AS n", expect_rows=2),
    ],
)  # fmt: skip
def test_a_request_that_fails_leaves_neither_setting_nor_role(
    executor: Executor, roles: tuple[str, str], ends: Callable[[Callable[..., Answer]], Answer]
) -> None:
    before = rows(executor(_WHO))[0][1]

    def call(*arguments: Any, **more: Any) -> Answer:
        return executor(*arguments, settings=claims("ada"), role=roles[0], **more)

    for _ in range(3):
        assert "failure" in ends(call)
        (left,) = rows(executor(_WHO, max_rows=1))
        assert left[0] in {"", None}
        assert left[1] == before


def test_fifty_callers_who_share_a_connection_see_only_their_own_rows(
    executor: Executor, roles: tuple[str, str]
) -> None:
    sql = "SELECT id, owner FROM notes WHERE id > :after ORDER BY id"
    subs = ["ada", "bob"] * 24 + [f"eve {n}" for n in range(48)]
    shuffled = random.Random(14)  # noqa: S311
    for _ in range(300):
        sub, role, most = shuffled.choice(subs), shuffled.choice(roles), shuffled.choice([None, 1, 50])
        answer = executor(sql, {"after": "4"}, settings=claims(sub), role=role, max_rows=most)
        found = rows(answer)
        assert {owner for _, owner in found} <= {sub}
        assert len(found) == min(most or 50, {"ada": 8, "bob": 8}.get(sub, 0))


def test_a_right_is_checked_for_the_role_of_each_request(
    executor: Executor, roles: tuple[str, str], database_url: str
) -> None:
    reader, writer = roles
    run_sql(database_url, f"REVOKE SELECT ON notes FROM {reader}")
    # The right to use a schema counts only when a statement is prepared.
    run_sql(database_url, f"CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO {writer}")
    run_sql(database_url, "CREATE TABLE closed.t AS SELECT 1 AS n, 'ada' AS name")
    run_sql(database_url, f"GRANT SELECT ON closed.t TO {reader}, {writer}")
    for sql in ("SELECT id FROM notes WHERE owner = :x", "SELECT n FROM closed.t WHERE name = :x"):
        for role in [writer] * 4 + [reader] * 4 + [writer, reader] * 4:
            answer = executor(sql, {"x": "ada"}, settings=claims("ada"), role=role, max_rows=20)
            if role == writer:
                assert rows(answer), sql
            else:
                assert failure(answer, "code", "sqlstate") == ("statement_failed", "42501"), sql


def test_a_role_that_is_not_there_or_not_allowed_fails(executor: Executor, roles: tuple[str, str]) -> None:
    assert failure(executor("SELECT 1 AS n", role='no "such" role'), "sqlstate") == "22023"
    inside = executor(statements=[{"sql": f'SET LOCAL ROLE "{roles[0]}"'}, {"sql": "SELECT 1 AS n"}], role=roles[1])
    assert "failure" not in inside  # the session's user may; the role in force does not matter


@pytest.mark.parametrize(
    "name",
    ["role", "search_path", "request", "request.", "Request.jwt", "request.jwt-claims", "request..a", "request.1",
     "my.x", "request.a b", 'request.a"', "request.é", "request." + "a" * 60, "request.a\n"],
)  # fmt: skip
def test_a_setting_of_another_name_is_refused(executor: Executor, name: str) -> None:
    code, message = failure(executor("SELECT 1 AS n", settings={name: "x"}), "code", "message")
    assert code == "invalid_request"
    assert f"settings.{name}" in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"settings": {"request.a": 1}}, "settings.request.a must be a string"),
        ({"settings": {"request.a": "a\x00b"}}, "settings.request.a has a NUL character"),
        ({"settings": ["request.a"]}, "settings must be an object"),
        ({"role": ""}, "role must be the name of a database role"),
        ({"role": 1}, "role must be the name of a database role"),
        ({"role": "none"}, "role is not a name that a database role can have"),
        ({"role": "a" * 64}, "role is not a name that a database role can have"),
        ({"role": "a\x00"}, "role has a NUL character"),
    ],
)
def test_what_is_no_setting_and_no_role_is_refused(executor: Executor, more: dict[str, Any], said: str) -> None:
    code, message = failure(executor("SELECT 1 AS n", **more), "code", "message")
    assert code == "invalid_request"
    assert said in message
