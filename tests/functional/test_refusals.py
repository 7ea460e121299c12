"""A refusal of the database becomes a 4xx that names the field, the column or the constraint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg2
import pytest

from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.resource import Reference
from crud_api.response.suspects import LOOK_MS
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.functional.any_table import api_over, declared
from tests.functional.client import Api, Response
from tests.servers import DEBIANS, own_server

pytestmark = pytest.mark.each_measured

MERGE = {"prefer": "resolution=merge-duplicates"}
COLUMNS = """
    id int PRIMARY KEY, short varchar(3), small smallint, money numeric(5, 2), code uuid, mood demo.feeling, day date,
    at timestamptz, flag boolean, doc jsonb, percent demo.percent, many int[], a int, b int, other int UNIQUE,
    CONSTRAINT a_before_b CHECK (a < b), CONSTRAINT positive CHECK (a > 0), net interval,
    CONSTRAINT apart EXCLUDE USING btree (b WITH =)
"""
FIELDS: dict[str, Any] = {
    "id": int, "short": str, "small": int, "money": str, "code": str, "mood": str, "day": str, "at": str, "flag": str,
    "doc": str, "percent": int, "many": str, "a": int, "b": int, "other": int, "net": str,
}  # fmt: skip
# For each column, a value that it refuses.
REFUSED: dict[str, Any] = {
    "short": "secret", "small": 70000, "money": "1000.00", "code": "secret", "mood": "secret", "day": "2026-02-30",
    "at": "secret", "flag": "secret", "doc": "{secret", "percent": 101, "many": "{secret}", "net": "secret",
}  # fmt: skip


@pytest.fixture
def strict(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, "DROP TYPE IF EXISTS demo.feeling CASCADE")
    run_sql(api_database, "DROP DOMAIN IF EXISTS demo.percent CASCADE")
    run_sql(api_database, "CREATE TYPE demo.feeling AS ENUM ('sad', 'ok')")
    run_sql(api_database, "CREATE DOMAIN demo.percent AS int CONSTRAINT at_most_100 CHECK (VALUE <= 100)")
    return api_over(execute, api_database, "strict", COLUMNS, FIELDS)


def refused(answer: Response, status: int, *pointers: str) -> str:
    """Check the problem, and return its detail. It repeats no value."""
    assert (answer.status, answer.pointers) == (status, list(pointers)), answer.body
    assert b"secret" not in answer.body
    return str(answer.json["detail"])


@pytest.mark.in_process
@pytest.mark.parametrize("field", REFUSED)
def test_a_value_that_its_column_cannot_hold_is_named_in_every_request(strict: Api, field: str) -> None:
    strict("POST", "/strict", {"id": 1})
    row = {"a": 1, "b": 2, "other": 3, field: REFUSED[field]}
    refused(strict("POST", "/strict", {"id": 2, **row}), 422, f"#/{field}")
    refused(strict("POST", "/strict", {"id": 2, field: REFUSED[field]}), 422, f"#/{field}")
    refused(strict("PATCH", "/strict/1", row), 422, f"#/{field}")
    refused(strict("PUT", "/strict/1", {field: REFUSED[field]}), 422, f"#/{field}")
    refused(strict("POST", "/strict", [{"id": 2}, {"id": 3, **row}]), 422, f"#/1/{field}")
    refused(strict("POST", "/strict", {"id": 1, **row}, **MERGE), 422, f"#/{field}")
    refused(strict("POST", "/strict", {"id": 2, **row}, idempotency_key="k"), 422, f"#/{field}")
    several = [{"id": n, "a": 1, field: REFUSED[field]} for n in range(2, 400)]
    assert f" {field} is " in refused(strict("POST", "/strict", several), 422)
    assert [item["id"] for item in strict("GET", "/strict").json["items"]] == [1]


def test_the_second_look_is_taken_of_failures_only(strict: Api) -> None:
    for body, invocations in (({"id": 1, "a": 1, "b": 2}, 1), ({"id": 2, "a": 1, "short": "long"}, 2)):
        strict.invocations = 0
        strict("POST", "/strict", body)
        assert strict.invocations == invocations


def test_the_second_look_only_reads(strict: Api, execute: Execute) -> None:
    requests: list[Request] = []

    def recorded(request: Request) -> Reply | Failure:
        requests.append(request)
        return execute(request)

    api = Api(recorded, [declared("strict", FIELDS)])
    refused(api("POST", "/strict", {"id": 2, "short": "long"}), 422, "#/short")
    assert [(one.read_only, one.deadline_ms) for one in requests] == [(False, None), (True, LOOK_MS)]
    assert strict("GET", "/strict").json["items"] == []


# Types that report a text that is none of their values as if the statement were wrong.
UNREADABLE = [
    ("tsvector", "secret\\"), ("tsquery", "secret &"), ("jsonpath", "secret"), ("hstore", "secret"),
    ("ltree", "secret//"), ("ltree", "secret." + "x" * 1001), ("regconfig", "secret"),
    ("regclass", "secret"), ("regclass", "secret.orders"), ("regclass", ""), ("regproc", "secret"),
    ("regtype", "secret"), ("regnamespace", "secret"), ("tsvector[]", '{"secret\\\\"}'),
]  # fmt: skip


def make_type(url: str, type_: str) -> None:
    """Make the extension of a type. Skip the test if the server has none."""
    if type_ in {"hstore", "ltree"}:
        try:
            run_sql(url, f"CREATE EXTENSION IF NOT EXISTS {type_} SCHEMA public")
        except psycopg2.errors.FeatureNotSupported:
            pytest.skip("this server does not have the type")


@pytest.mark.in_process
@pytest.mark.parametrize(("type_", "text"), UNREADABLE)
def test_a_text_that_is_no_value_of_any_type_is_named(
    execute: Execute, api_database: str, type_: str, text: str
) -> None:
    make_type(api_database, type_)
    columns, fields = f"id int PRIMARY KEY, v {type_}, w text", {"id": int, "v": str, "w": str}
    api = api_over(execute, api_database, "unreadable", columns, fields)
    api("POST", "/unreadable", {"id": 1})
    for answer in (
        api("POST", "/unreadable", {"id": 2, "v": text, "w": "x"}),
        api("POST", "/unreadable", {"id": 1, "v": text, "w": "x"}, **MERGE),
        api("POST", "/unreadable", {"id": 2, "v": text}, idempotency_key="unreadable"),
        api("PATCH", "/unreadable/1", {"v": text, "w": "x"}),
        api("PUT", "/unreadable/1", {"v": text}),
    ):
        refused(answer, 422, "#/v")
        assert answer.json["errors"][0]["detail"] == "v is not a value of its column's type"
    refused(api("POST", "/unreadable", [{"id": 2}, {"id": 3, "v": text}]), 422, "#/1/v")
    filters = [f"v={quote(text)}", f"v[ne]={quote(text)}", f"v[gt]={quote(text)}", f"v[in]=x,{quote(text)}"]
    for filter_ in filters:
        listed = api("GET", f"/unreadable?fields=id&id=1&{filter_}", prefer="count=exact")
        assert (listed.status, b"secret" in listed.body) == (400, False), listed.body
        assert [error["parameter"] for error in listed.json["errors"]] == [filter_.partition("=")[0]]
    run_sql(api_database, "ALTER TABLE demo.unreadable DROP COLUMN v")
    refused(api("POST", "/unreadable", {"id": 2, "v": text}), 500)
    refused(api("PATCH", "/unreadable/1", {"v": text}), 500)
    refused(api("GET", "/unreadable?fields=id&v=x"), 500)
    refused(api("GET", "/unreadable?fields=id&sort=v"), 500)
    run_sql(api_database, "DROP TABLE demo.unreadable")
    refused(api("GET", "/unreadable?v=x"), 500)
    refused(api("POST", "/unreadable", [{"id": 2, "v": text}]), 500)
    refused(api("POST", "/unreadable", {"id": 2, "v": text}), 500)
    refused(api("PATCH", "/unreadable/1", {"v": text}), 500)


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("type_", "text"),
    [("tsvector", "secret\\"), ("hstore", "secret"), ("ltree", "secret//"), ("regclass", "secret"),
     ("regnamespace", "secret"), ("date", "secret"), ("int", "9" * 20)],
)  # fmt: skip
def test_a_key_that_no_value_of_the_type_can_be_is_a_404(
    execute: Execute, api_database: str, type_: str, text: str
) -> None:
    make_type(api_database, type_)
    fields = {"id": str, "n": int}
    run_sql(api_database, "DROP TABLE IF EXISTS demo.odd, demo.owned")
    run_sql(api_database, f"CREATE TABLE demo.odd (id {type_} PRIMARY KEY, n int)")
    run_sql(api_database, f"CREATE TABLE demo.owned (id int PRIMARY KEY, odd {type_} REFERENCES demo.odd)")
    reference = Reference(resource="odd", name="of", reverse="owned")
    owned = declared("owned", {"id": int, "odd": str}, references={"odd": reference})
    api = Api(execute, [declared("odd", fields), owned])
    key = quote(text, safe="")
    for answer in (
        api("GET", f"/odd/{key}"),
        api("GET", f"/odd/{key}/owned"),
        api("PATCH", f"/odd/{key}", {"n": 1}),
        api("PUT", f"/odd/{key}", {"n": 1}),
        api("DELETE", f"/odd/{key}"),
    ):
        refused(answer, 404)
    run_sql(api_database, "ALTER TABLE demo.odd DROP COLUMN id CASCADE")
    for method in ("GET", "DELETE"):
        refused(api(method, f"/odd/{key}"), 500)
    run_sql(api_database, "DROP TABLE demo.odd, demo.owned")
    for method in ("GET", "DELETE"):
        refused(api(method, f"/odd/{key}"), 500)


@pytest.mark.parametrize("many", [False, True])
def test_a_check_is_named_with_its_fields(strict: Api, many: bool) -> None:
    def post(**row: Any) -> Response:
        return strict("POST", "/strict", [row] if many else row)

    both = refused(post(id=1, a=2, b=1, short="x"), 422, *(() if many else ("#/a", "#/b")))
    assert "a_before_b" in both or "a_before_b" in post(id=1, a=2, b=1).json["errors"][0]["detail"]
    refused(post(id=1, a=0, b=1), 422, *(() if many else ("#/a",)))
    assert post(id=1, a=1, b=2).status == 201
    assert "apart" in refused(post(id=2, a=0 + 1, b=2), 409)
    assert post(id=2, other=1).status == 201
    assert "strict_other_key" in refused(post(id=3, other=1), 409)


def test_generated_columns_and_identities_are_named(execute: Execute, api_database: str) -> None:
    columns = "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED"
    api = api_over(execute, api_database, "made", columns, {"id": int | None, "a": int, "twice": int})
    row = {"a": 1}
    stored = api("POST", "/made", {"id": 7, "a": 1})
    refused(stored, 422, "#/id")
    refused(api("POST", "/made", {"id": 7, "a": 1, "twice": 2}), 422, "#/id", "#/twice")
    run_sql(api_database, "INSERT INTO demo.made (a) VALUES (1)")
    refused(api("PATCH", "/made/1", {"a": 2, "twice": 5}), 422, "#/twice")
    assert "twice" in refused(api("POST", "/made", [{"id": 8, **row, "twice": 1}]), 422)
    assert api("PATCH", "/made/1", {"a": 2}).json["twice"] == 4


def test_a_view_that_cannot_be_written_to_says_so(execute: Execute, api_database: str) -> None:
    api_over(execute, api_database, "base", "id int PRIMARY KEY, a int", {"id": int, "a": int})
    run_sql(api_database, "INSERT INTO demo.base VALUES (1, 1)")
    run_sql(api_database, "CREATE VIEW demo.grouped AS SELECT max(id) AS id, a FROM demo.base GROUP BY a")
    run_sql(api_database, "CREATE VIEW demo.computed AS SELECT id, a + 1 AS a FROM demo.base")
    run_sql(
        api_database,
        "CREATE VIEW demo.positive AS SELECT id, a FROM demo.base WHERE a > 0 WITH CHECK OPTION",
    )
    run_sql(api_database, "CREATE MATERIALIZED VIEW demo.copied AS SELECT id, a FROM demo.base")
    names = ("grouped", "computed", "positive", "copied")
    api = Api(execute, [declared(name, {"id": int, "a": int}) for name in names])
    for answer in (
        api("POST", "/grouped", {"id": 2, "a": 2}),
        api("POST", "/grouped", [{"id": 2, "a": 2}]),
        api("PATCH", "/grouped/1", {"a": 2}),
        api("PATCH", "/grouped/1", {"a": 2}, if_match='"x"'),
        api("POST", "/copied", {"id": 2, "a": 2}),
        api("PUT", "/copied/1", {"a": 2}, if_match='"x"'),
        api("DELETE", "/copied/1"),
        api("DELETE", "/grouped/1"),
        api("POST", "/copied", {"id": 2, "a": 2}, **MERGE),
        api("POST", "/copied", [{"id": 2, "a": 2}], **MERGE),
        api("POST", "/grouped", {"id": 2, "a": 2}, **MERGE),
    ):
        assert answer.headers["allow"] == "GET, HEAD"
        assert answer.json["type"] == "urn:problem-type:crud-api:not-writable"
        refused(answer, 405)
    assert api("GET", "/grouped/1").json == {"id": 1, "a": 1}
    refused(api("POST", "/computed", {"id": 2, "a": 2}), 422, "#/a")
    refused(api("PATCH", "/computed/1", {"a": 2}), 422, "#/a")
    assert api("POST", "/computed", {"id": 2}).status == 201
    refused(api("POST", "/positive", {"id": 3, "a": 0}), 422)


@pytest.mark.parametrize("key", ["id int PRIMARY KEY DEFERRABLE", "id int UNIQUE, UNIQUE (id) DEFERRABLE", "id int"])
def test_an_upsert_of_what_the_database_cannot_merge_says_so(execute: Execute, api_database: str, key: str) -> None:
    api = api_over(execute, api_database, "merged", f"{key}, a int", {"id": int, "a": int})
    for body in ({"id": 1, "a": 2}, [{"id": 1, "a": 2}]):
        assert "an upsert of merged" in refused(api("POST", "/merged", body, **MERGE), 405)
    assert api("POST", "/merged", {"id": 1, "a": 2}).status == 201


@pytest.mark.every_postgres
def test_a_materialized_view_is_not_written_to(postgres_url: str, database_url: str) -> None:
    """PostgreSQL fixed this in some versions. They report it from another function."""
    apply_migrations(database_url)
    run_sql(database_url, "CREATE MATERIALIZED VIEW demo.copied AS SELECT 1 AS id, 2 AS a")
    api = Api(InProcessExecutor(create_local_handler(database_url)), [declared("copied", {"id": int, "a": int})])
    for method, path in (("POST", "/copied"), ("PATCH", "/copied/1"), ("DELETE", "/copied/1")):
        refused(api(method, path, {"id": 1, "a": 2} if method != "DELETE" else None), 405)


def test_a_table_with_rules_that_the_database_does_not_support_here_says_so(
    execute: Execute, api_database: str
) -> None:
    api = api_over(execute, api_database, "ruled", "id int PRIMARY KEY", {"id": int})
    run_sql(api_database, "CREATE RULE nothing AS ON INSERT TO demo.ruled DO INSTEAD NOTHING")
    refused(api("POST", "/ruled", {"id": 1}), 405)


RAISED = [
    ("", "P0001", 400), ("USING ERRCODE = 'PT402'", "PT402", 402), ("USING ERRCODE = 'PT451'", "PT451", 451),
    ("USING ERRCODE = 'PT200'", "PT200", 400), ("USING ERRCODE = 'AB123'", "AB123", 400),
    ("USING ERRCODE = 'check_violation'", "23514", 422), ("USING ERRCODE = 'unique_violation'", "23505", 409),
    ("USING ERRCODE = 'insufficient_privilege'", "42501", 403), ("USING ERRCODE = '22023'", "22023", 422),
    ("USING ERRCODE = '42P01'", "42P01", 400), ("USING ERRCODE = '25006'", "25006", 400),
    ("USING DETAIL = 'It has 3.', HINT = 'Ask for 2.'", "P0001", 400),
]  # fmt: skip


@pytest.mark.parametrize(("using", "sqlstate", "status"), RAISED)
def test_what_a_trigger_raises_is_shown_with_its_status(
    execute: Execute, api_database: str, using: str, sqlstate: str, status: int
) -> None:
    del sqlstate
    api = api_over(execute, api_database, "stock", "id int PRIMARY KEY, n int", {"id": int, "n": int})
    run_sql(api_database, "INSERT INTO demo.stock VALUES (1, 1)")
    run_sql(
        api_database,
        f"""CREATE OR REPLACE FUNCTION demo.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'Not so many: %', coalesce(new.n, 0) {using}; END $$""",
    )
    run_sql(
        api_database,
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON demo.stock FOR EACH ROW EXECUTE FUNCTION demo.refuse()",
    )
    for answer in (
        api("POST", "/stock", {"id": 2, "n": 3}),
        api("POST", "/stock", [{"id": 2, "n": 3}]),
        api("POST", "/stock", {"id": 1, "n": 3}, **MERGE),
        api("PATCH", "/stock/1", {"n": 3}),
        api("PUT", "/stock/1", {"n": 3}),
    ):
        detail = refused(answer, status)
        assert detail.startswith("Not so many: 3")
        assert ("It has 3." in detail) == ("DETAIL" in using) == ("Ask for 2." in detail)
        assert answer.json["type"] == "urn:problem-type:crud-api:raised"
    assert api("GET", "/stock").json["items"] == [{"id": 1, "n": 1}]


def test_a_raise_without_words_says_nothing_of_the_database(execute: Execute, api_database: str) -> None:
    api = api_over(execute, api_database, "stock", "id int PRIMARY KEY, n int", {"id": int, "n": int})
    run_sql(
        api_database,
        """CREATE OR REPLACE FUNCTION demo.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION ''; END $$""",
    )
    run_sql(
        api_database, "CREATE TRIGGER refuse BEFORE INSERT ON demo.stock FOR EACH ROW EXECUTE FUNCTION demo.refuse()"
    )
    assert refused(api("POST", "/stock", {"id": 2, "n": 3}), 400) == "The database gives no reason."


def test_a_raise_that_names_a_column_has_its_pointer(execute: Execute, api_database: str) -> None:
    api = api_over(execute, api_database, "stock", "id int PRIMARY KEY, n int", {"id": int, "n": int})
    run_sql(
        api_database,
        """CREATE OR REPLACE FUNCTION demo.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'Not so many' USING COLUMN = 'n', ERRCODE = 'PT409'; END $$""",
    )
    run_sql(
        api_database, "CREATE TRIGGER refuse BEFORE INSERT ON demo.stock FOR EACH ROW EXECUTE FUNCTION demo.refuse()"
    )
    assert refused(api("POST", "/stock", {"id": 2, "n": 3}), 409, "#/n") == "Not so many"


def test_postgresqls_own_message_is_not_shown_and_a_function_that_fails_is_a_500(
    execute: Execute, api_database: str
) -> None:
    api = api_over(execute, api_database, "stock", "id int PRIMARY KEY, n int", {"id": int, "n": int})
    run_sql(
        api_database,
        """CREATE OR REPLACE FUNCTION demo.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM secret FROM demo.nowhere; RETURN new; END $$""",
    )
    run_sql(
        api_database, "CREATE TRIGGER refuse BEFORE INSERT ON demo.stock FOR EACH ROW EXECUTE FUNCTION demo.refuse()"
    )
    refused(api("POST", "/stock", {"id": 2, "n": 3}), 500)


@pytest.fixture
def secured(api_database: str) -> Iterator[Api]:
    """The API with a role that row security applies to. The role has no right to delete."""
    for sql in (
        "DROP TABLE IF EXISTS demo.tenanted",
        "CREATE TABLE demo.tenanted (id int PRIMARY KEY, tenant int)",
        "INSERT INTO demo.tenanted VALUES (1, 1)",
        "ALTER TABLE demo.tenanted ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON demo.tenanted USING (tenant = 1)",
        "CREATE ROLE tenant LOGIN",
        "GRANT USAGE ON SCHEMA demo TO tenant",
        "GRANT SELECT, INSERT, UPDATE ON demo.tenanted TO tenant",
    ):
        run_sql(api_database, sql)
    url = urlsplit(api_database)._replace(netloc="tenant@").geturl()
    yield Api(InProcessExecutor(create_local_handler(url)), [declared("tenanted", {"id": int, "tenant": int})])
    run_sql(api_database, "DROP TABLE demo.tenanted")
    run_sql(api_database, "REVOKE ALL ON SCHEMA demo FROM tenant")
    run_sql(api_database, "DROP ROLE tenant")


def test_what_row_security_refuses_is_forbidden_and_what_is_not_granted_is_not_permitted(secured: Api) -> None:
    for answer in (
        secured("POST", "/tenanted", {"id": 2, "tenant": 2}),
        secured("POST", "/tenanted", [{"id": 2, "tenant": 2}]),
        secured("POST", "/tenanted", {"id": 1, "tenant": 2}, **MERGE),
        secured("PATCH", "/tenanted/1", {"tenant": 2}),
    ):
        assert "tenanted" in refused(answer, 403)
        assert answer.json["type"] == "urn:problem-type:crud-api:forbidden"
    answer = secured("DELETE", "/tenanted/1")
    assert "tenanted" in refused(answer, 403)
    assert answer.json["type"] == "urn:problem-type:crud-api:not-permitted"
    assert secured("GET", "/tenanted").json["items"] == [{"id": 1, "tenant": 1}]


def test_a_read_only_server_is_read_and_refuses_changes(api_database: str, execute: Execute) -> None:
    api_over(execute, api_database, "fixed", "id int PRIMARY KEY", {"id": int})
    run_sql(api_database, "INSERT INTO demo.fixed VALUES (1)")
    run_sql(
        api_database,
        "CREATE OR REPLACE FUNCTION demo.as_reader() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN SET TRANSACTION READ ONLY; INSERT INTO demo.customers VALUES ('x', 'x'); RETURN new; END$$",
    )
    run_sql(api_database, "CREATE TRIGGER read BEFORE INSERT ON demo.fixed EXECUTE FUNCTION demo.as_reader()")
    api = Api(execute, [declared("fixed", {"id": int})])
    answer = api("POST", "/fixed", {"id": 2})
    assert answer.headers["allow"] == "GET, HEAD"
    assert "read-only" in refused(answer, 405)
    assert "retry-after" not in answer.headers
    assert api("GET", "/fixed/1").status == 200


def test_foreign_keys_of_other_tables_are_conflicts_and_undeclared_ones_are_named(
    execute: Execute, api_database: str
) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.leaf, demo.node, demo.root CASCADE")
    run_sql(api_database, "CREATE TABLE demo.root (id int PRIMARY KEY)")
    run_sql(api_database, "INSERT INTO demo.root VALUES (1)")
    columns = "id int PRIMARY KEY, code int UNIQUE, root int REFERENCES demo.root, w int REFERENCES demo.root"
    fields = {"id": int, "code": int, "root": int, "w": int}
    api = api_over(execute, api_database, "node", columns, fields)
    run_sql(
        api_database,
        "CREATE TABLE demo.leaf (id int PRIMARY KEY, code int REFERENCES demo.node (code) ON DELETE RESTRICT)",
    )
    assert api("POST", "/node", {"id": 1, "code": 1, "root": 1}).status == 201
    run_sql(api_database, "INSERT INTO demo.leaf VALUES (1, 1)")
    refused(api("POST", "/node", {"id": 2, "root": 9, "code": 2}), 422, "#/root")
    refused(api("PATCH", "/node/1", {"w": 9}), 422, "#/w")
    assert "root" in refused(api("POST", "/node", [{"id": 2, "root": 9}]), 422)
    refused(api("PATCH", "/node/1", {"code": 5}), 409)
    refused(api("DELETE", "/node/1"), 409)


@pytest.mark.parametrize("prepared", ["", "hidden", "view", "free"])
def test_many_rows_may_refer_to_what_one_row_may_refer_to(execute: Execute, api_database: str, prepared: str) -> None:
    """A foreign key decides for one row and for many. Without a foreign key, nothing is checked."""
    run_sql(api_database, "DROP TABLE IF EXISTS demo.child, demo.parent CASCADE")
    run_sql(api_database, "CREATE TABLE demo.parent (id int PRIMARY KEY); INSERT INTO demo.parent VALUES (1), (2)")
    run_sql(api_database, "CREATE TABLE demo.child (id int PRIMARY KEY, parent_id int REFERENCES demo.parent)")
    run_sql(api_database, "CREATE VIEW demo.parents AS SELECT id FROM demo.parent WHERE id < 2")
    if prepared == "hidden":
        # The role of the test is the owner and sees all rows. For other roles, the check cannot rely on what it sees.
        run_sql(api_database, "ALTER TABLE demo.parent ENABLE ROW LEVEL SECURITY")
    if prepared == "free":
        run_sql(api_database, "ALTER TABLE demo.child DROP CONSTRAINT child_parent_id_fkey")
    name = "parents" if prepared == "view" else "parent"
    refers = {"parent_id": Reference(resource=name, name="above", reverse="below")}
    child = declared("child", {"id": int, "parent_id": int}, references=refers)
    api = Api(execute, [child, declared(name, {"id": int})])
    assert api("POST", "/child", {"id": 1, "parent_id": 2}).status == 201
    assert api("POST", "/child", [{"id": 2, "parent_id": 2}]).status == 201
    unknown = [api("POST", "/child", {"id": 3, "parent_id": 9}), api("POST", "/child", [{"id": 4, "parent_id": 9}])]
    assert [one.status for one in unknown] == ([201, 201] if prepared == "free" else [422, 422])
    if prepared != "free":
        assert unknown[1].pointers == (["#/0/parent_id"] if prepared == "" else [])


def test_a_value_too_large_for_an_index_is_named(execute: Execute, api_database: str) -> None:
    columns, fields = "id int PRIMARY KEY, t text, u text", {"id": int, "t": str, "u": str}
    api = api_over(execute, api_database, "indexed", columns, fields)
    run_sql(api_database, "ALTER TABLE demo.indexed ALTER t SET STORAGE EXTERNAL")
    run_sql(api_database, "CREATE INDEX indexed_t ON demo.indexed (t)")
    refused(api("POST", "/indexed", {"id": 1, "t": "x" * 5000, "u": "u"}), 422, "#/t")


@pytest.fixture
def typed(execute: Execute, api_database: str) -> Api:
    columns = """id int PRIMARY KEY, j json, jb jsonb, u uuid, n int, p point, d date,
                 b boolean, a int[], ja json[], bits bit(3), r int4range, t text"""
    fields = dict.fromkeys(("j", "jb", "u", "n", "p", "d", "b", "a", "ja", "bits", "r", "t"), str)
    api = api_over(execute, api_database, "typed", columns, {"id": int, **fields})
    run_sql(api_database, "INSERT INTO demo.typed (id, j, t) VALUES (1, '{}', 'x')")
    return api


OPERATORS = ["", "[ne]", "[gt]", "[gte]", "[lt]", "[lte]", "[in]", "[like]"]


@pytest.mark.in_process
@pytest.mark.parametrize("field", ["j", "jb", "u", "n", "p", "d", "b", "a", "ja", "bits", "r", "t"])
def test_every_operator_over_every_type_answers_or_names_its_parameter(typed: Api, field: str) -> None:
    for operator in OPERATORS:
        for value in ("1", "secret", "", "{1}", "3000000000"):
            for more in ("", "&t=x&sort=t&limit=1"):
                answer = typed("GET", f"/typed?{field}{operator}={quote(value)}{more}")
                assert answer.status in {200, 400}, (operator, value, answer.body)
                if answer.status == 400:
                    assert [error["parameter"] for error in answer.json["errors"]] == [f"{field}{operator}"]
                    assert b"secret" not in answer.body
    for sort in (field, f"-{field},id"):
        answer = typed("GET", f"/typed?sort={sort}")
        assert answer.status == (400 if field in {"j", "p", "ja"} else 200), answer.body
        if answer.status == 400:
            assert answer.json["errors"][0]["parameter"] == "sort"


def test_of_several_parameters_the_wrong_one_is_named(typed: Api) -> None:
    answer = typed("GET", "/typed?t=x&u=secret&n[gt]=1&sort=t")
    assert [error["parameter"] for error in answer.json["errors"]] == ["u"]
    assert typed("GET", "/typed?b=yes&n[in]=1,2").status == 200


def test_a_failure_that_no_parameter_causes_is_a_500(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "CREATE OR REPLACE VIEW demo.dividing AS SELECT 1 AS id, 1 / (random() * 0)::int AS n")
    api = Api(execute, [declared("dividing", {"id": int, "n": int})])
    for path in ("/dividing", "/dividing/1", "/dividing?id=1&sort=id"):
        assert api("GET", path).status == 500, path
    run_sql(api_database, "DROP VIEW demo.dividing")


@pytest.mark.in_process
def test_a_key_that_the_column_cannot_hold_is_that_of_no_row(execute: Execute, api_database: str) -> None:
    for name, columns in (("leaf", "id int PRIMARY KEY, top int"), ("top", "id int PRIMARY KEY, n int")):
        api_over(execute, api_database, name, columns, {"id": str})
    up = Reference(resource="top", name="above", reverse="leaves")
    leaf = declared("leaf", {"id": str, "top": str}, references={"top": up})
    api = Api(execute, [declared("top", {"id": str, "n": int}), leaf])
    assert api("POST", "/top", {"id": "1", "n": 1}).status == 201
    for key in ("abc", "1.5", "99999999999", "9" * 30, "%F0%9F%98%80"):
        assert api("GET", f"/top/{key}").status == 404
        assert api("GET", f"/top/{key}?expand=leaves&fields=id").status == 404
        assert api("GET", f"/top/{key}/leaves").status == 404
        assert api("GET", f"/top/{key}/leaves?id=1&sort=top").status == 404
        assert api("PATCH", f"/top/{key}", {"n": 1}).status == 404
        assert api("PUT", f"/top/{key}", {"n": 1}, if_match='"x"').status == 404
        assert api("PATCH", f"/top/{key}", {}).status == 404
        assert api("DELETE", f"/top/{key}").status == 404
    assert api("GET", "/top/1/leaves?id=abc").json["errors"][0]["parameter"] == "id"
    assert api("GET", "/top/1/leaves").json["items"] == []
    assert api("POST", "/leaf", [{"id": "1", "top": "1"}]).status == 201
    assert len(api("GET", "/top/1?expand=leaves").json["leaves"]) == 1


@pytest.mark.skipif(not DEBIANS, reason="needs a server with ICU that is older than 18")
def test_like_where_the_collation_knows_no_patterns_names_its_parameter() -> None:
    with own_server(hba="local all all trust\n", programs=DEBIANS[0].parent) as server:
        apply_migrations(server.url)
        run_sql(
            server.url,
            "CREATE COLLATION demo.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
        execute = InProcessExecutor(create_local_handler(server.url))
        columns = "id int PRIMARY KEY, t text COLLATE demo.loose"
        api = api_over(execute, server.url, "loose", columns, {"id": int, "t": str})
        api("POST", "/loose", {"id": 1, "t": "A"})
        assert api("GET", "/loose?t=a").json["items"] == [{"id": 1, "t": "A"}]
        for _ in range(3):
            answer = api("GET", "/loose?t[like]=a*&id=1")
            assert [one["parameter"] for one in answer.json["errors"]] == ["t[like]"]
