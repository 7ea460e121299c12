"""Row security that would silently not apply is found before requests are served."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from msgspec import defstruct
from msgspec.structs import replace

from crud_api.resource import Resource
from crud_api.tables import RESOURCES
from infra.declarations import declared
from infra.local.database import prepare
from query_executor import migrate
from query_executor.migrate import MigrationError, UnfitError, check_declared
from query_executor.migrate.checks import compare
from tests.conftest import execute
from tests.functional.client import api_on
from tests.integration.test_migrations import url_of

ROLES = "rls_app, rls_owner, rls_target"
SECURED = (
    "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Ada');"
    "CREATE POLICY nobodys ON demo.customers USING (false); ALTER TABLE demo.customers ENABLE ROW LEVEL SECURITY;"
)
SHOWN = Resource(
    name="shown", table="demo.shown", model=defstruct("Shown", [("customer_id", str)]), key="customer_id",
    read_only=frozenset({"customer_id"}), changes=(),
)  # fmt: skip


@pytest.fixture
def url(migrated_url: str) -> Iterator[str]:
    """A database with the roles of these tests. Requests come from rls_app, who may do what crud_api may."""
    execute(migrated_url, f"DROP ROLE IF EXISTS {ROLES}")
    execute(migrated_url, "CREATE ROLE rls_app LOGIN IN ROLE crud_api; CREATE ROLE rls_owner; CREATE ROLE rls_target")
    yield migrated_url
    execute(migrated_url, f"REASSIGN OWNED BY {ROLES} TO postgres; DROP OWNED BY {ROLES}; DROP ROLE {ROLES}")


def stops(url: str, *targets: str) -> list[str]:
    return compare(url, declared(), "rls_app", (), targets).stops


def warnings(url: str, *resources: Resource, targets: tuple[str, ...] = ()) -> list[str]:
    found = compare(url, declared([*RESOURCES, *resources]), "rls_app", (), targets)
    assert found.stops == []
    return [one for one in found.warnings if "cannot tell whether" not in one and "lacks INSERT" not in one]


def of_app(url: str) -> str:
    return url_of(url, user="rls_app")


def cure(sentence: str) -> str:
    return sentence.partition("un: ")[2].partition("; or ")[0]


@pytest.mark.parametrize(
    "setup",
    [
        "SELECT",
        "ALTER ROLE rls_app BYPASSRLS",
        "ALTER ROLE rls_app SUPERUSER",
        "GRANT rls_owner TO rls_app; ALTER TABLE demo.customers OWNER TO rls_owner",
        "ALTER ROLE rls_app NOINHERIT; GRANT rls_owner TO rls_app; ALTER TABLE demo.customers OWNER TO rls_owner",
        "ALTER TABLE demo.customers OWNER TO rls_app",
        "ALTER TABLE demo.customers OWNER TO rls_app; ALTER TABLE demo.customers FORCE ROW LEVEL SECURITY",
        "ALTER ROLE rls_app BYPASSRLS; ALTER TABLE demo.customers FORCE ROW LEVEL SECURITY",
        "ALTER ROLE rls_owner BYPASSRLS; GRANT rls_owner TO rls_app",
    ],
)
def test_the_check_agrees_with_postgresql_about_a_table(url: str, setup: str) -> None:
    execute(url, SECURED + setup)
    if "NOINHERIT" in setup:
        execute(url, "GRANT SELECT, INSERT, UPDATE, DELETE ON demo.customers, demo.orders TO rls_app")
        execute(url, "GRANT USAGE ON SCHEMA demo TO rls_app")
    seen = execute(of_app(url), "SELECT customer_id FROM demo.customers")
    assert bool(stops(url)) == bool(seen)
    ready = api_on(of_app(url))("GET", "/ready")
    assert ready.status == (503 if seen else 200)
    if seen:
        assert ready.json["detail"].startswith("The rights of the database user are not what the tables need.")


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("ALTER ROLE rls_app BYPASSRLS", "The role rls_app has BYPASSRLS, so the row security of demo.customers does"),
        (
            "ALTER TABLE demo.customers OWNER TO rls_app",
            "The role rls_app has the rights of the owner of demo.customer",
        ),
    ],
)
def test_the_cure_of_a_role_to_which_row_security_does_not_apply_works(url: str, setup: str, why: str) -> None:
    execute(url, SECURED + setup)
    (refused,) = stops(url)
    assert refused.startswith(why)
    assert "or let requests connect as another user (GRANT crud_api TO ...;)." in refused
    execute(url, cure(refused))
    assert stops(url) == []
    assert execute(of_app(url), "SELECT FROM demo.customers") == []


def test_a_superuser_is_refused_with_all_its_tables_at_once(url: str) -> None:
    execute(url, SECURED + "ALTER TABLE demo.orders ENABLE ROW LEVEL SECURITY; ALTER ROLE rls_app SUPERUSER")
    (refused,) = stops(url)
    assert refused.startswith(
        "The role rls_app is a superuser, so the row security of demo.customers, demo.orders does not apply"
    )
    assert refused.endswith("Let requests connect as another user (GRANT crud_api TO ...;).")


def test_a_database_without_row_security_is_served_to_a_superuser(url: str) -> None:
    assert check_declared(url, declared()) == []


def test_a_users_own_database_is_served_with_a_warning(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(url, SECURED)
    prepare(url)
    said = capsys.readouterr().err
    assert "WARNING: The role postgres is a superuser, so the row security of demo.customers does not apply" in said
    execute(url, "GRANT SELECT ON demo._yoyo_migration TO rls_app")
    assert check_declared(of_app(url), declared()) == []


def test_policies_without_row_security_are_a_warning(url: str) -> None:
    execute(url, "CREATE POLICY own ON demo.orders USING (false)")
    (warning,) = warnings(url)
    assert warning.startswith("WARNING: demo.orders has policies, and row security is not enabled")
    execute(url, cure(warning))
    assert warnings(url) == []


def test_row_security_of_partitions_alone_is_a_warning(url: str) -> None:
    execute(
        url,
        "CREATE TABLE demo.shown (customer_id text PRIMARY KEY) PARTITION BY LIST (customer_id);"
        "CREATE TABLE demo.part PARTITION OF demo.shown DEFAULT; ALTER TABLE demo.part ENABLE ROW LEVEL SECURITY",
    )
    (warning,) = warnings(url, SHOWN)
    assert warning.startswith("WARNING: Partitions of demo.shown have row security, which does not apply to requests")
    execute(url, cure(warning))
    assert warnings(url, SHOWN) == []


VIEW = "CREATE VIEW demo.shown AS SELECT customer_id FROM demo.customers"
INNER = "CREATE VIEW demo.inside {} AS SELECT customer_id FROM demo.customers;"
OUTER = "CREATE VIEW demo.shown {} AS SELECT customer_id FROM demo.inside"
STORED = "CREATE MATERIALIZED VIEW demo.shown AS SELECT customer_id FROM demo.customers"
INVOKER = "WITH (security_invoker = on)"


@pytest.mark.parametrize(
    ("views", "is_cured"),
    [
        (VIEW, True),
        (VIEW.replace(" AS", f" {INVOKER} AS"), True),
        (INNER.format(INVOKER) + OUTER.format(""), True),
        (INNER.format("") + OUTER.format(INVOKER), True),
        (INNER.format(INVOKER) + OUTER.format(INVOKER), True),
        (VIEW + "; ALTER VIEW demo.shown OWNER TO rls_owner", True),
        (VIEW + "; ALTER VIEW demo.shown OWNER TO rls_owner; ALTER ROLE rls_owner BYPASSRLS", True),
        (VIEW + " WHERE customer_id <> current_setting('request.jwt.claims', true)", True),
        (STORED, False),
        (INNER.format("") + OUTER.replace("VIEW", "MATERIALIZED VIEW").format(""), False),
        (
            INNER.format("").replace(";", " WHERE current_setting('request.jwt.claims', true) IS NULL;")
            + OUTER.replace("VIEW", "MATERIALIZED VIEW").format(""),
            False,
        ),
    ],
)
def test_the_check_agrees_with_postgresql_about_views(url: str, views: str, is_cured: bool) -> None:
    execute(url, SECURED + views)
    execute(url, "GRANT USAGE ON SCHEMA demo TO rls_owner; GRANT SELECT ON demo.customers TO rls_owner")
    execute(url, "GRANT SELECT ON ALL TABLES IN SCHEMA demo TO crud_api")
    found = warnings(url, SHOWN)
    by_view = "SELECT set_config('request.jwt.claims', 'C1', false); SELECT customer_id FROM demo.shown"
    assert bool(found) == bool(execute(of_app(url), by_view))
    for warning in found:
        assert warning.startswith("WARNING: demo.shown shows rows of demo.customers without its row security:")
        assert ("security_invoker" in warning) == is_cured
        if is_cured:
            execute(url, cure(warning))
    if is_cured:
        assert warnings(url, SHOWN) == []
        assert execute(of_app(url), "SELECT customer_id FROM demo.shown") == []


def test_a_view_that_says_what_it_shows_is_judged_like_any_other(url: str) -> None:
    shown = replace(SHOWN, shows={"customer_id": "demo.customers.customer_id"})
    execute(url, SECURED + VIEW)
    (warning,) = warnings(url, shown)
    assert warning.startswith("WARNING: demo.shown shows rows of demo.customers without its row security:")
    execute(url, cure(warning))
    assert warnings(url, shown) == []


def test_a_view_of_a_materialized_view_may_select_the_rows_of_a_caller(url: str) -> None:
    execute(url, SECURED + STORED.replace("shown", "stored"))
    select = "CREATE OR REPLACE VIEW demo.shown AS SELECT customer_id FROM demo.stored"
    execute(url, select)
    (warning,) = warnings(url, SHOWN)
    assert "a materialized view keeps the rows that its owner saw" in warning
    execute(url, f"{select} WHERE customer_id = current_setting('request.jwt.claims', true)")
    assert warnings(url, SHOWN) == []


def test_a_view_for_the_caller_reads_as_the_caller_who_may_be_above_all_policies(url: str) -> None:
    execute(url, SECURED + VIEW.replace(" AS", f" {INVOKER} AS") + "; ALTER ROLE rls_app BYPASSRLS")
    (refused,) = compare(url, [declared([SHOWN])[-1]], "rls_app", ()).stops
    assert refused.startswith("The role rls_app has BYPASSRLS, so the row security of demo.customers does not apply")


def test_a_target_that_is_not_there_is_made_by_what_is_printed(url: str) -> None:
    execute(url, "DROP ROLE rls_target")
    (missing,) = stops(url, "rls_target")
    assert missing.startswith("There is no role rls_target, to which DB_ROLES or DB_DEFAULT_ROLE switches requests.")
    execute(url, missing.partition("should have: ")[2])
    assert stops(url, "rls_target") == []
    assert warnings(url, targets=("rls_target",)) == []
    assert execute(of_app(url), "SET ROLE rls_target; SELECT customer_id FROM demo.customers") == []


def test_a_target_to_which_requests_cannot_be_switched_is_refused(url: str) -> None:
    (refused,) = stops(url, "rls_target")
    assert refused.startswith("The role rls_app may not switch to the role rls_target.")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(of_app(url), "SET ROLE rls_target")
    execute(url, cure(refused))
    assert stops(url, "rls_target") == []
    execute(of_app(url), "SET ROLE rls_target")


def test_a_membership_that_does_not_let_switch_is_refused(url: str) -> None:
    if execute(url, "SELECT current_setting('server_version_num')::int < 160000") == [(True,)]:
        pytest.skip("SET FALSE is of PostgreSQL 16")
    execute(url, "GRANT rls_target TO rls_app WITH SET FALSE")
    (refused,) = stops(url, "rls_target")
    execute(url, "GRANT rls_target TO rls_app WITH SET TRUE")
    assert refused.startswith("The role rls_app may not switch to the role rls_target.")
    assert stops(url, "rls_target") == []


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("ALTER ROLE rls_target SUPERUSER", "The role rls_target is a superuser, so row security does not apply"),
        ("ALTER ROLE rls_target BYPASSRLS", "The role rls_target has BYPASSRLS, so row security does not apply"),
        ("ALTER TABLE demo.customers OWNER TO rls_target", "The role rls_target has the rights of the owner of demo.c"),
    ],
)
def test_a_target_to_which_row_security_does_not_apply_is_refused(url: str, setup: str, why: str) -> None:
    execute(url, f"{SECURED} GRANT rls_target TO rls_app WITH ADMIN OPTION; ALTER ROLE rls_app NOINHERIT; {setup}")
    execute(url, "GRANT SELECT, INSERT, UPDATE, DELETE ON demo.customers, demo.orders TO rls_app")
    execute(url, "GRANT USAGE ON SCHEMA demo TO rls_app, rls_target")
    refused = [one for one in stops(url, "rls_target") if "role rls_target" in one]
    assert [one[: len(why)] for one in refused] == [why]
    execute(url, cure(refused[0]))
    assert stops(url, "rls_target") == []


@pytest.mark.parametrize(
    "grant", ["GRANT rls_target TO rls_app", "GRANT rls_target TO rls_owner; GRANT rls_owner TO rls_app"]
)
def test_a_target_whose_policies_would_apply_to_everybody_is_refused(url: str, grant: str) -> None:
    execute(url, f"{SECURED} CREATE POLICY all_rows ON demo.customers TO rls_target USING (true)")
    execute(url, "GRANT USAGE ON SCHEMA demo TO rls_target; GRANT SELECT ON demo.customers TO rls_target;" + grant)
    seen = "SELECT customer_id FROM demo.customers"
    assert execute(of_app(url), seen) == [("C1",)]  # of nobody, and not as rls_target
    (refused,) = stops(url, "rls_target")
    assert refused.startswith("The role rls_app has the rights of rls_target, so the policies for rls_target apply to")
    assert stops(url) == []
    execute(url, cure(refused))
    assert stops(url, "rls_target") == []
    assert execute(of_app(url), seen) == []
    assert execute(of_app(url), f"SET ROLE rls_target; {seen}") == [("C1",)]
    execute(url, "ALTER ROLE crud_api INHERIT; REVOKE rls_target FROM crud_api")  # roles belong to the whole server


def test_the_group_of_the_executors_user_may_have_policies_of_its_own(url: str) -> None:
    execute(url, f"{SECURED} CREATE POLICY own ON demo.customers TO crud_api USING (false)")
    assert stops(url, "crud_api") == []


def test_a_policy_that_only_restricts_may_apply_to_everybody(url: str) -> None:
    execute(url, f"{SECURED} CREATE POLICY few ON demo.customers AS RESTRICTIVE TO rls_target USING (false)")
    execute(url, "GRANT rls_target TO rls_app")
    assert stops(url, "rls_target") == []


def test_a_superuser_who_serves_is_not_told_of_inherited_policies(url: str) -> None:
    execute(url, f"{SECURED} CREATE POLICY all_rows ON demo.customers TO rls_target USING (true)")
    execute(url, "GRANT rls_target TO rls_app")
    assert compare(url, declared(), None, (), ["rls_target"]).stops == []


def test_a_target_stops_a_users_own_database_too(url: str) -> None:
    execute(url, SECURED + "ALTER TABLE demo.customers OWNER TO rls_target")
    (refused,) = compare(url, declared(), None, (), ["rls_target"]).stops
    assert refused.startswith("The role rls_target has the rights of the owner of demo.customers")


def test_a_target_that_can_read_nothing_is_a_warning(url: str) -> None:
    execute(url, "GRANT rls_target TO rls_app")
    (warning,) = warnings(url, targets=("rls_target",))
    assert warning.startswith("WARNING: The role rls_target can read none of the declared tables")
    grants = warning.partition("example: ")[2]
    execute(url, grants.partition("; ")[2])
    assert warnings(url, targets=("rls_target",)) == [warning]  # it may read a table, in a schema that it may not use
    execute(url, grants)
    assert warnings(url, targets=("rls_target",)) == []


def test_a_target_that_creates_rows_needs_the_table_of_idempotency_keys(url: str) -> None:
    execute(url, "GRANT rls_target TO rls_app; GRANT USAGE ON SCHEMA demo TO rls_target")
    execute(url, "GRANT SELECT, INSERT ON demo.orders TO rls_target")
    (warning,) = warnings(url, targets=("rls_target",))
    assert "The role rls_target lacks SELECT, INSERT, UPDATE, DELETE on demo.idempotency_keys" in warning
    execute(url, cure(warning))
    assert warnings(url, targets=("rls_target",)) == []


def test_the_function_in_aws_compares_the_roles_of_its_event(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    event = {"declared": declared(), "role": "rls_app", "roles": ["rls_target"]}
    with pytest.raises(MigrationError, match="may not switch to the role rls_target"):
        migrate.handle(event, None)
    (stop,) = migrate.handle({**event, "only": "compare"}, None)["stops"]
    assert "may not switch to the role rls_target" in stop
    execute(url, "GRANT rls_target TO rls_app")
    (done,) = migrate.handle(event, None)["done"]
    assert done.startswith("WARNING: The role rls_target can read none")


def test_a_deploy_stops_where_row_security_would_not_apply(url: str) -> None:
    execute(url, SECURED + "ALTER ROLE rls_app BYPASSRLS")
    with pytest.raises(UnfitError, match="has BYPASSRLS"):
        check_declared(url, declared(), "rls_app")


COUNTED = Resource(
    name="counted", table="demo.counted", model=defstruct("Counted", [("name", str), ("id", int | None, None)]),
    key="id",
)  # fmt: skip
MANY = "CREATE TABLE demo.many AS SELECT n AS id, 'N' AS name FROM generate_series(1, 3000) AS n; ANALYZE demo.many;"
# The planner expects that most rows meet the condition of the policy, and none does.
OF_NOBODY = "CREATE POLICY p ON demo.{0} USING (name || '' <> 'N'); ALTER TABLE demo.{0} ENABLE ROW LEVEL SECURITY;"


@pytest.mark.parametrize(
    ("setup", "count"),
    [
        ("ALTER TABLE demo.many RENAME TO counted", 3000),
        ("CREATE VIEW demo.counted AS TABLE demo.many", 3000),
        ("CREATE MATERIALIZED VIEW demo.counted AS TABLE demo.many; ANALYZE demo.counted", 3000),
        ("ALTER TABLE demo.many RENAME TO counted;" + OF_NOBODY.format("counted"), 0),
        (
            "CREATE TABLE demo.counted (id int, name text) PARTITION BY LIST (name);"
            "ALTER TABLE demo.counted ATTACH PARTITION demo.many DEFAULT;" + OF_NOBODY.format("counted"),
            0,
        ),
        (
            f"CREATE VIEW demo.counted {INVOKER} AS TABLE demo.many; {OF_NOBODY.format('many')}"
            "GRANT SELECT ON demo.many TO crud_api",
            0,
        ),
    ],
)
@pytest.mark.parametrize("query", ["limit=1", "limit=1&name=N"])
def test_an_estimate_counts_no_row_that_the_caller_may_not_see(url: str, setup: str, count: int, query: str) -> None:
    execute(url, MANY)
    execute(url, f"{setup}; GRANT SELECT ON demo.counted TO crud_api")
    api = api_on(of_app(url), [COUNTED])
    for _ in range(3):  # the later statements are prepared
        answer = api("GET", f"/counted?{query}", prefer="count=estimated")
        assert (answer.json["count"], len(answer.json["items"])) == (count, min(count, 1))
        assert answer.headers["preference-applied"] == "count=estimated"


@pytest.mark.parametrize(
    "table",
    [
        "ALTER TABLE demo.many RENAME TO counted",
        "CREATE TABLE demo.counted (id int, name text) PARTITION BY LIST (name);"
        "ALTER TABLE demo.counted ATTACH PARTITION demo.many DEFAULT",
    ],
)
def test_an_estimate_of_a_table_without_row_security_stays_one(url: str, table: str) -> None:
    execute(url, MANY + table)
    execute(url, "ALTER TABLE demo.orders ENABLE ROW LEVEL SECURITY; GRANT SELECT ON demo.counted TO crud_api")
    execute(url, "INSERT INTO demo.counted VALUES (3001, 'N')")
    counts = [api_on(of_app(url), [COUNTED])("GET", "/counted?limit=1", prefer=f"count={kind}").json["count"]
              for kind in ("estimated", "exact")]  # fmt: skip
    assert counts == [3000, 3001]


def test_an_estimate_is_exact_as_soon_as_row_security_applies(url: str) -> None:
    execute(url, MANY + "ALTER TABLE demo.many RENAME TO counted")
    execute(url, "GRANT SELECT ON demo.counted TO crud_api; INSERT INTO demo.counted VALUES (3001, 'N')")
    api = api_on(of_app(url), [COUNTED])
    estimates = [api("GET", "/counted?limit=1&id[gt]=1500", prefer="count=estimated").json["count"] for _ in range(3)]
    execute(
        url,
        "CREATE POLICY few ON demo.counted USING (length(name) + id > 3001);"
        "ALTER TABLE demo.counted ENABLE ROW LEVEL SECURITY",
    )
    for _ in range(3):
        assert api("GET", "/counted?limit=1&id[gt]=1500", prefer="count=estimated").json["count"] == 1
    assert estimates != [1, 1, 1]
