"""The embedded database is served by a role without special rights, and migrated by its superuser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec import defstruct

import infra.declarations
from crud_api.resource import Resource
from crud_api.tables import RESOURCES
from infra.declarations import declared
from infra.errors import DatabaseError
from infra.local import embedded_postgres, serving_role
from infra.local.database import prepare
from query_executor.migrate import apply as applying
from tests.conftest import execute
from tests.functional.client import api_on

MIGRATIONS = Path(__file__).parents[2] / "query_executor" / "migrations"
THINGS = Resource(
    name="things", table="shop.things", model=defstruct("Thing", [("name", str), ("thing_id", int | None, None)]),
    key="thing_id", made_key="default",
)  # fmt: skip
MADE = "CREATE SCHEMA shop; CREATE TABLE shop.things (thing_id serial PRIMARY KEY, name text NOT NULL);"


@pytest.fixture
def url() -> Iterator[str]:
    """The superuser's URL of a server of its own, because roles belong to a whole server."""
    with TemporaryDirectory(prefix="crud-api-") as folder:
        Path(folder).chmod(0o755)
        with embedded_postgres.running(Path(folder) / "postgres") as url:
            yield url


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the migrations, to which a test may add."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    monkeypatch.setattr(applying, "FOLDER", str(folder))
    return folder


def test_the_role_serves_and_is_bound_by_row_security(url: str) -> None:
    for _ in range(2):  # a start finds the role, too
        prepare(url, embedded=True)
    served = serving_role.url_of(url)
    rights = "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'query_executor'"
    assert execute(url, rights) == [(False, False, False)]
    api = api_on(served)
    assert api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"}, idempotency_key="k").status == 201
    execute(url, "ALTER TABLE demo.customers ENABLE ROW LEVEL SECURITY")
    prepare(url, embedded=True)
    assert api("GET", "/customers").json["items"] == []
    assert api_on(url)("GET", "/customers").json["items"] != []  # the superuser


def test_a_migration_may_grant_something_to_the_role(url: str, migrations: Path) -> None:
    (migrations / "1001-roles.sql").write_text("CREATE ROLE customer; GRANT customer TO query_executor;")
    prepare(url, embedded=True)
    execute(serving_role.url_of(url), "SET ROLE customer")


def test_a_table_in_another_schema_needs_the_grants_that_are_named(
    url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (migrations / "1001-things.sql").write_text(MADE)
    monkeypatch.setattr(infra.declarations, "declared", lambda: declared([*RESOURCES, THINGS]))
    with pytest.raises(DatabaseError) as refused:
        prepare(url, embedded=True)
    said = [line for line in f"{refused.value}\n{capsys.readouterr().err}".splitlines() if "query_executor" in line]
    cures = [line.partition("un: ")[2] for line in said]
    assert cures == [
        "GRANT USAGE ON SCHEMA shop TO crud_api;",
        "GRANT SELECT ON shop.things TO crud_api;",
        "GRANT INSERT, UPDATE, DELETE ON shop.things TO crud_api;",
        "GRANT USAGE ON SEQUENCE shop.things_thing_id_seq TO crud_api;",
    ]
    (migrations / "1002-rights.sql").write_text("".join(cures))  # as in a stage, where the group has another member
    prepare(url, embedded=True)
    api = api_on(serving_role.url_of(url), [*RESOURCES, THINGS])
    assert api("POST", "/things", {"name": "Pen"}).status == 201
    assert [thing["name"] for thing in api("GET", "/things").json["items"]] == ["Pen"]
