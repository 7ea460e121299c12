"""The role of the application. These tests have their own server, because roles belong to a whole server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg2
import pytest

from crud_api.executor.seam import InProcessExecutor
from infra.local import embedded_postgres
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.conftest import execute
from tests.functional.client import Api
from tests.integration.test_migrations import url_of, wait_until, waits_for_a_lock

ROLES = "crud_api, query_executor, rds_iam, app, owner"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with TemporaryDirectory(prefix="crud-api-") as folder:
        Path(folder).chmod(0o755)
        with embedded_postgres.running(Path(folder) / "postgres") as url:
            yield url


@pytest.fixture
def new_database(server: str) -> Iterator[Callable[[], str]]:
    """Make databases on a server without the roles. The databases and the roles are dropped after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{uuid4().hex}")
        execute(server, f"CREATE DATABASE {made[-1]}")
        return url_of(server, dbname=made[-1])

    yield make
    for name in made:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    execute(server, f"DROP ROLE IF EXISTS {ROLES}")


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def application(database: str) -> str:
    """The URL of a login user who is a member of crud_api, on a migrated database."""
    apply_migrations(database)
    return app_of(database)


def app_of(database: str) -> str:
    execute(database, "CREATE ROLE app LOGIN IN ROLE crud_api")
    return url_of(database, user="app")


def memberships(database: str) -> set[tuple[str, str]]:
    joined = "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
    return {
        (member, group)
        for member, group in execute(database, joined)
        if not {member, group} & {"pg_monitor", "postgres", "owner"}
    }


def is_refused(cursor: psycopg2.extensions.cursor, sql: str) -> bool:
    try:
        cursor.execute(sql)
    except psycopg2.errors.InsufficientPrivilege:
        return True
    return False


def test_the_application_can_do_all_that_the_api_offers(application: str) -> None:
    api = Api(InProcessExecutor(create_local_handler(application)))
    assert api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"}).status == 201
    assert api("POST", "/orders", {"order_id": "O1", "customer_id": "C1", "total_amount": 1.5}).status == 201
    order = {"order_id": "O2", "customer_id": "C1", "total_amount": 1}
    answers = [api("POST", "/orders", order, idempotency_key="k") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert api("POST", "/orders", [order], prefer="resolution=merge-duplicates").status == 200
    assert api("DELETE", "/orders/O2").status == 204
    assert api("PUT", "/customers/C1", {"city": "Paris"}).status == 200
    assert api("PATCH", "/orders/O1", {"status": "shipped"}).status == 200
    assert api("GET", "/customers/C1").json["city"] == "Paris"
    assert [order["status"] for order in api("GET", "/orders?customer_id=C1").json["items"]] == ["shipped"]
    assert api("DELETE", "/orders/O1").status == 204
    assert api("DELETE", "/customers/C1").status == 204


def test_the_application_can_do_nothing_else(application: str) -> None:
    refused = [
        "TRUNCATE demo.orders",
        "DROP TABLE demo.orders",
        "ALTER TABLE demo.orders ADD more int",
        "CREATE INDEX ON demo.orders (status)",
        "CREATE TRIGGER t BEFORE UPDATE ON demo.orders EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE TABLE demo.other (n int)",
        "CREATE FUNCTION demo.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE public.other (n int)",
        "CREATE SCHEMA other",
        "CREATE ROLE other",
        "ALTER ROLE crud_api SUPERUSER",
        "GRANT pg_read_server_files TO app",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "COPY demo.orders TO '/tmp/orders'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
        "SELECT * FROM demo._yoyo_migration",
        "INSERT INTO demo._yoyo_migration DEFAULT VALUES",
        "DELETE FROM demo._yoyo_log",
    ]
    with closing(psycopg2.connect(application)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        assert [sql for sql in refused if not is_refused(cursor, sql)] == []


def test_the_record_of_the_migrations_is_not_for_the_application(application: str) -> None:
    rights = """
        SELECT relname, p FROM pg_class, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
        WHERE relnamespace = 'demo'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, p) ORDER BY 1, 2
    """
    four = ["DELETE", "INSERT", "SELECT", "UPDATE"]
    assert execute(application, rights) == [
        (table, one) for table in ("customers", "idempotency_keys", "orders") for one in four
    ]


def test_a_table_that_a_later_migration_makes_is_the_applications_too(database: str, application: str) -> None:
    execute(database, "CREATE TABLE demo.later (id serial PRIMARY KEY, name text)")
    assert execute(application, "INSERT INTO demo.later (name) VALUES ('x') RETURNING id") == [(1,)]
    assert execute(application, "UPDATE demo.later SET name = 'y' RETURNING name") == [("y",)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(application, "SELECT setval('demo.later_id_seq', 7)")


def test_the_answers_to_keys_are_the_applications_whoever_makes_their_table(database: str) -> None:
    apply_migrations(database)
    execute(database, "ALTER DEFAULT PRIVILEGES IN SCHEMA demo REVOKE ALL ON TABLES FROM crud_api")
    execute(database, "DROP TABLE demo.idempotency_keys")
    execute(database, "DELETE FROM demo._yoyo_migration WHERE migration_id = '0007-create-idempotency-keys'")
    assert apply_migrations(database) == [
        "0007-create-idempotency-keys: Created the table demo.idempotency_keys, for the answers to requests with an "
        "Idempotency-Key."
    ]
    assert execute(app_of(database), "DELETE FROM demo.idempotency_keys RETURNING 1") == []


def test_a_table_of_the_users_own_with_a_serial_key_takes_the_applications_rows(database: str) -> None:
    execute(database, "CREATE SCHEMA demo; CREATE TABLE demo.notes (id serial, body text)")
    apply_migrations(database)
    assert execute(app_of(database), "INSERT INTO demo.notes (body) VALUES ('x') RETURNING id") == [(1,)]


def test_a_second_database_of_the_server_takes_the_role_that_is_there(new_database: Callable[[], str]) -> None:
    first, second = new_database(), new_database()
    apply_migrations(first)
    execute(first, "ALTER ROLE crud_api CONNECTION LIMIT 7")
    done = apply_migrations(second)
    assert not [line for line in done if "WARNING" in line]
    assert apply_migrations(first) == apply_migrations(second) == []
    assert execute(second, "SELECT rolconnlimit, rolcanlogin FROM pg_roles WHERE rolname = 'crud_api'") == [(7, False)]
    application = app_of(second)
    assert execute(application, "SELECT count(*) FROM demo.orders") == [(0,)]
    assert execute(url_of(first, user="app"), "SELECT count(*) FROM demo.orders") == [(0,)]


def test_an_owner_who_may_make_no_roles_takes_the_one_that_is_there(new_database: Callable[[], str]) -> None:
    first, second = new_database(), new_database()
    apply_migrations(first)
    execute(second, "CREATE ROLE owner LOGIN")
    execute(second, "CREATE SCHEMA demo AUTHORIZATION owner")
    done = apply_migrations(url_of(second, user="owner"))
    assert not [line for line in done if "WARNING" in line]
    assert execute(app_of(second), "SELECT count(*) FROM demo.orders") == [(0,)]


def test_a_role_that_another_run_makes_at_the_same_time_is_taken(new_database: Callable[[], str]) -> None:
    first, second = new_database(), new_database()
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(first)) as other, other.cursor() as cursor:
        cursor.execute("CREATE ROLE crud_api NOLOGIN")
        migrating = pool.submit(apply_migrations, second)
        wait_until(lambda: waits_for_a_lock(second))
        other.commit()
        done = migrating.result()
    assert not [line for line in done if "WARNING" in line]
    assert execute(app_of(second), "SELECT count(*) FROM demo.orders") == [(0,)]


def test_an_owner_who_may_make_no_roles_goes_on_and_is_told_what_to_have_run(database: str) -> None:
    execute(database, "CREATE ROLE owner LOGIN")
    execute(database, "CREATE SCHEMA demo AUTHORIZATION owner")
    done = apply_migrations(url_of(database, user="owner"))

    warnings = [line for line in done if "WARNING" in line]
    assert [line.split(":")[0] for line in warnings] == ["0006-create-roles", "0007-create-idempotency-keys"]
    assert warnings[0].startswith("0006-create-roles: WARNING: owner lacks the right to make all of the role crud_api")
    assert execute(database, "SELECT to_regrole('crud_api')") == [(None,)]

    # The advice of the warnings is enough, also for tables that the owner makes later.
    for warning in warnings:
        execute(database, warning.split(" run: ")[1])
    execute(url_of(database, user="owner"), "CREATE TABLE demo.later (n int)")
    application = app_of(database)
    for table in ("customers", "orders", "idempotency_keys", "later"):
        assert execute(application, f"DELETE FROM demo.{table} RETURNING 1") == []


def test_an_owner_with_createrole_needs_nobody_else(database: str) -> None:
    execute(database, "CREATE ROLE owner LOGIN CREATEROLE")
    execute(database, "CREATE SCHEMA demo AUTHORIZATION owner")
    owner = url_of(database, user="owner")
    assert not [line for line in apply_migrations(owner) if "WARNING" in line]
    execute(owner, "CREATE ROLE app LOGIN IN ROLE crud_api")
    assert execute(url_of(database, user="app"), "SELECT count(*) FROM demo.orders") == [(0,)]


def test_on_rds_the_executors_user_is_made_and_signs_in_by_iam(database: str) -> None:
    execute(database, "CREATE ROLE rds_iam")
    done = apply_migrations(database)
    assert any("connect as query_executor" in line for line in done)
    assert execute(database, "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'query_executor'") == [
        (True, False)
    ]
    # Members of rds_iam cannot use a password, not even through a group. So crud_api is not a member.
    assert memberships(database) == {("query_executor", "crud_api"), ("query_executor", "rds_iam")}
    assert execute(url_of(database, user="query_executor"), "SELECT count(*) FROM demo.orders") == [(0,)]


def test_on_rds_a_query_executor_with_a_password_keeps_signing_in_with_it(database: str) -> None:
    execute(database, "CREATE ROLE rds_iam; CREATE ROLE query_executor LOGIN PASSWORD 'x'")
    apply_migrations(database)
    assert memberships(database) == {("query_executor", "crud_api")}


def test_a_public_schema_that_is_open_to_all_is_pointed_out_and_left_open(database: str) -> None:
    execute(database, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    (warning,) = [line for line in apply_migrations(database) if "WARNING" in line]
    assert "Every role can create objects in the schema public" in warning
    application = app_of(database)
    execute(application, "CREATE TABLE public.other (n int)")

    execute(database, warning.split(" run: ")[1])
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(application, "CREATE TABLE public.another (n int)")
