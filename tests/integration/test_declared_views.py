"""What a view shows and takes, and what functions make of a row: what is declared and not so is refused."""

from __future__ import annotations

import pytest
from msgspec import defstruct
from msgspec.structs import replace

from crud_api.resource import Computed, Resource
from infra.declarations import declared
from query_executor.errors import UnfitError
from query_executor.migrate.checks import check_declared, compare
from query_executor.migrate.handler import answer
from tests.conftest import execute as run_sql

SQL = """
    CREATE SCHEMA zoo;
    CREATE TABLE zoo.keepers (id int PRIMARY KEY, name text);
    CREATE TABLE zoo.animals (id int PRIMARY KEY, species text, keeper_id int REFERENCES zoo.keepers);
    CREATE TABLE zoo."My.cages" (id int PRIMARY KEY);
    CREATE VIEW zoo.birds AS SELECT id, keeper_id AS kept_by, species FROM zoo.animals;
    CREATE VIEW zoo.rare AS SELECT id, kept_by, upper(species) AS species FROM zoo.birds;
    CREATE VIEW zoo.known AS SELECT DISTINCT keeper_id AS id FROM zoo.animals;
    CREATE VIEW zoo.cages AS SELECT id FROM zoo."My.cages";
    CREATE FUNCTION zoo.shout(zoo.animals) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1.species)';
    CREATE FUNCTION zoo.friends(zoo.animals) RETURNS SETOF zoo.animals LANGUAGE sql STABLE
      AS 'SELECT * FROM zoo.animals WHERE species = $1.species';
    CREATE FUNCTION zoo.keeper(zoo.animals) RETURNS SETOF zoo.keepers ROWS 1 LANGUAGE sql STABLE
      AS 'SELECT * FROM zoo.keepers WHERE id = $1.keeper_id';
    CREATE FUNCTION zoo.one(zoo.animals) RETURNS zoo.keepers LANGUAGE sql STABLE
      AS 'SELECT keepers FROM zoo.keepers WHERE id = $1.keeper_id';
    CREATE FUNCTION zoo.words(zoo.animals) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS 'SELECT $1.species';
    CREATE FUNCTION zoo.any_row(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
    CREATE FUNCTION zoo.longer(zoo.animals, by int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT by';
    CREATE FUNCTION zoo.more(zoo.animals, by int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT by';
    CREATE FUNCTION zoo.other(zoo.keepers) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION zoo.birdsong(zoo.birds) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.species';
"""
ANIMAL = defstruct("Animal", [("id", int), ("species", str | None, None), ("keeper_id", int | None, None)])
BIRD = defstruct("Bird", [("id", int), ("kept_by", int | None, None), ("species", str | None, None)])
ONE = defstruct("One", [("id", int | None, None)])

KEEPERS = Resource(
    name="keepers", table="zoo.keepers", model=defstruct("Keeper", [("id", int), ("name", str | None, None)]), key="id"
)
ANIMALS = Resource(name="animals", table="zoo.animals", model=ANIMAL, key="id")
BIRDS = Resource(
    name="birds", table="zoo.birds", model=BIRD, key="id",
    shows={"id": "zoo.animals.id", "kept_by": "zoo.animals.keeper_id"},
)  # fmt: skip
KNOWN = Resource(name="known", table="zoo.known", model=ONE, key=(), changes=())


@pytest.fixture
def url(database_url: str) -> str:
    run_sql(database_url, SQL)
    return database_url


def found(url: str, *resources: Resource, role: str | None = None) -> tuple[list[str], list[str]]:
    """What stops, and the warnings."""
    answer = compare(url, declared([KEEPERS, *resources]), role, ())
    return answer.stops, answer.warnings


def computing(**computed: Computed) -> Resource:
    return replace(ANIMALS, computed=computed)


def test_what_is_declared_of_views_and_functions_and_true_is_taken(url: str) -> None:
    rare = replace(BIRDS, name="rare", table="zoo.rare")
    cages = Resource(name="cages", table="zoo.cages", model=ONE, key=(), shows={"id": ("zoo", "My.cages", "id")})
    animals = computing(
        shout=Computed(function="zoo.shout"),
        friends=Computed(function=("zoo", "friends"), resource="animals", many=True),
        keeper=Computed(function="zoo.keeper", resource="keepers"),
        one=Computed(function="zoo.one", resource="keepers"),
        anything=Computed(function="zoo.any_row"),
        longer=Computed(function="zoo.longer"),
        elsewhere=Computed(function="zoo.friends", resource="nowhere", many=True),
    )
    singing = replace(BIRDS, computed={"birdsong": Computed(function="zoo.birdsong")})
    assert found(url, animals, singing, rare, KNOWN, cages) == ([], [])


def test_a_function_of_another_table_takes_rows_of_the_tables_that_inherit(url: str) -> None:
    run_sql(url, "CREATE TABLE zoo.cats (lives int, PRIMARY KEY (id)) INHERITS (zoo.animals)")
    cats = Resource(
        name="cats", table="zoo.cats", model=ANIMAL, key="id", computed={"shout": Computed(function="zoo.shout")}
    )
    assert found(url, cats) == ([], [])


@pytest.mark.parametrize(
    ("shows", "sentence"),
    [
        ("zoo.keepers.id", "It shows zoo.animals.keeper_id."),
        ("zoo.animals.id", "It shows zoo.animals.keeper_id."),
        ("zoo.birds.kept_by", "It shows zoo.animals.keeper_id."),
        ("zoo.animals.keeper", "zoo.animals has no column keeper."),
        ("zoo.pets.keeper_id", "There is no table zoo.pets."),
    ],
)
def test_a_view_that_shows_another_column_is_refused(url: str, shows: str, sentence: str) -> None:
    for name in ("birds", "rare"):
        view = replace(BIRDS, name=name, table=f"zoo.{name}", shows={"kept_by": shows})
        ((refused,), warnings) = found(url, view)
        assert refused == (
            f"The declaration says that zoo.{name}.kept_by shows {shows}. {sentence} Correct the declaration: "
            "`make adopt ARGS=--write` does."
        )
        assert warnings == []


@pytest.mark.parametrize(
    ("view", "what"),
    [
        (replace(BIRDS, name="rare", table="zoo.rare", shows={"species": "zoo.animals.species"}), "value of its own"),
        (replace(ANIMALS, shows={"species": "zoo.animals.species"}), "column of a table, and not of a view"),
    ],
)
def test_what_postgresql_does_not_know_of_a_view_is_a_warning(url: str, view: Resource, what: str) -> None:
    stops, (warning,) = found(url, view)
    assert stops == []
    assert (
        f"{view.place[1]}.species shows zoo.animals.species. PostgreSQL does not know that: it is a {what}" in warning
    )


@pytest.mark.parametrize(
    ("trigger", "changes", "refused", "takes"),
    [
        ("", ("insert", "update", "delete"), "INSERT, UPDATE or DELETE", "()"),
        ("", ("insert",), "INSERT", "()"),
        ("UPDATE", ("insert", "update"), "INSERT", '("update",)'),
        ("UPDATE OR DELETE", ("insert", "update", "delete"), "INSERT", '("update", "delete")'),
    ],
)
def test_a_change_that_a_view_does_not_take_is_a_warning(
    url: str, trigger: str, changes: tuple[str, ...], refused: str, takes: str
) -> None:
    if trigger:
        run_sql(
            url,
            "CREATE FUNCTION zoo.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            f"CREATE TRIGGER t INSTEAD OF {trigger} ON zoo.known FOR EACH ROW EXECUTE FUNCTION zoo.note()",
        )
    stops, warnings = found(url, replace(KNOWN, changes=changes))
    assert stops == []
    assert [warning for warning in warnings if "cannot be written" in warning] == [
        f"WARNING: zoo.known cannot be written by {refused}, and its declaration allows it. "
        f"Declare what it takes: changes={takes}. `make adopt ARGS=--write` does."
    ]


@pytest.mark.parametrize(
    ("computed", "sentence"),
    [
        (Computed(function="zoo.hum"), "x is computed, and there is no function zoo.hum(zoo.animals). Make it by"),
        (Computed(function="shout"), "x is computed, and there is no function shout(zoo.animals). Make it by"),
        (
            Computed(function="zoo.other"),
            "x is computed, and there is no function zoo.other(zoo.animals). There is zoo.other(zoo.keepers). Make it",
        ),
        (Computed(function="zoo.more"), "There is zoo.more(zoo.animals,integer)."),
        (Computed(function="zoo.words"), "x is declared as a value, and zoo.words(zoo.animals) returns several."),
        (Computed(function="zoo.friends"), "x is declared as a value, and zoo.friends(zoo.animals) returns several."),
        (
            Computed(function="zoo.friends", resource="keepers", many=True),
            "x is declared as rows of zoo.keepers, and zoo.friends(zoo.animals) returns zoo.animals.",
        ),
        (
            Computed(function="zoo.words", resource="keepers", many=True),
            "x is declared as rows of zoo.keepers, and zoo.words(zoo.animals) returns text.",
        ),
        (
            Computed(function="zoo.friends", resource="animals"),
            "x is declared as one row, and zoo.friends(zoo.animals) returns a set of rows. Declare it as many=True, or "
            "say that it returns at most one: ALTER FUNCTION zoo.friends(zoo.animals) ROWS 1;",
        ),
        (
            Computed(function="zoo.one", resource="keepers", many=True),
            "x is declared as many rows, and zoo.one(zoo.animals) returns one.",
        ),
    ],
)
def test_a_function_of_a_row_that_is_not_as_declared_is_refused(url: str, computed: Computed, sentence: str) -> None:
    (refused,), warnings = found(url, computing(x=computed))
    assert sentence in refused
    assert refused.startswith("zoo.animals.x is ")
    assert warnings == []
    if "ALTER FUNCTION" in refused:
        run_sql(url, refused.partition("one: ")[2])
        assert found(url, computing(x=computed)) == ([], [])


def test_a_function_of_a_row_that_the_role_may_not_call_is_a_warning(url: str) -> None:
    run_sql(
        url, "DROP ROLE IF EXISTS zoo_reader; CREATE ROLE zoo_reader; REVOKE EXECUTE ON FUNCTION zoo.shout FROM PUBLIC"
    )
    run_sql(url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA zoo TO zoo_reader")
    try:
        run_sql(url, "GRANT USAGE ON SCHEMA zoo TO zoo_reader")
        animals = computing(shout=Computed(function="zoo.shout"))
        stops, (warning,) = found(url, animals, role="zoo_reader")
        assert stops == []
        assert "The role zoo_reader may not call zoo.shout(zoo.animals)" in warning
        run_sql(url, warning.partition("run: ")[2])
        assert found(url, animals, role="zoo_reader") == ([], [])
    finally:
        run_sql(url, "DROP OWNED BY zoo_reader; DROP ROLE zoo_reader")


def test_a_function_of_a_row_that_is_above_row_security_is_a_warning(url: str) -> None:
    run_sql(url, "ALTER FUNCTION zoo.keeper SECURITY DEFINER")
    animals = computing(keeper=Computed(function="zoo.keeper", resource="keepers"))
    assert found(url, animals) == ([], [])
    run_sql(url, "ALTER TABLE zoo.keepers ENABLE ROW LEVEL SECURITY")
    stops, warnings = found(url, animals)
    assert stops == []
    (warning,) = [one for one in warnings if "superuser" not in one]
    assert "zoo.animals.keeper shows rows without their row security: zoo.keeper(zoo.animals) is SECURITY" in warning
    run_sql(url, warning.partition("Run: ")[2].partition("; or ")[0])
    assert [one for one in found(url, animals)[1] if "superuser" not in one] == []


def test_a_table_that_is_missing_is_said_once(url: str) -> None:
    run_sql(url, "DROP VIEW zoo.birds CASCADE")
    (refused,), _ = found(url, replace(BIRDS, computed={"birdsong": Computed(function="zoo.birdsong")}))
    assert refused.startswith("There is no table zoo.birds.")


def test_migrate_deploy_and_run_refuse_it(url: str) -> None:
    wanted = declared([computing(hum=Computed(function="zoo.hum"))])
    with pytest.raises(UnfitError, match=r"there is no function zoo\.hum\(zoo\.animals\)"):
        check_declared(url, wanted)
    with pytest.raises(UnfitError, match=r"there is no function zoo\.hum\(zoo\.animals\)"):
        answer(url, {"declared": wanted})
    (stop,) = answer(url, {"only": "compare", "declared": wanted})["stops"]
    assert "there is no function zoo.hum(zoo.animals)" in stop
