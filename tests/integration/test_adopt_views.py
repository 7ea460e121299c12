"""`make adopt` of views and functions: what a view shows and takes, and what functions make of a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from crud_api.resource import Computed
from tests.conftest import execute
from tests.functional.client import Response
from tests.integration.test_adopt import Adopted

ZOO = """
CREATE TABLE keepers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE animals (id int PRIMARY KEY, species text, keeper_id int REFERENCES keepers);
CREATE TABLE cages (house int, number int, PRIMARY KEY (house, number));
CREATE TABLE stays (animal_id int REFERENCES animals, house int, number int, PRIMARY KEY (animal_id, house, number),
  CONSTRAINT stay_cage FOREIGN KEY (house, number) REFERENCES cages);
CREATE VIEW birds AS SELECT id AS bird, keeper_id AS kept_by, species FROM animals WHERE species LIKE '% bird';
CREATE VIEW birds_again AS SELECT bird AS "the.bird", kept_by FROM birds;
CREATE MATERIALIZED VIEW keeper_names AS SELECT id AS keeper, name FROM keepers;
CREATE VIEW busy AS SELECT k.id, k.name, count(a.id) AS animals FROM keepers k
  LEFT JOIN animals a ON a.keeper_id = k.id GROUP BY k.id, k.name;
CREATE VIEW houses AS SELECT house AS h, number AS n, house + 1 AS next FROM cages;
CREATE FUNCTION shout(animals) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1.species)';
CREATE FUNCTION keeper_id(animals) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION cages_of(animals) RETURNS SETOF cages STABLE LANGUAGE sql
  AS 'SELECT cages.* FROM cages JOIN stays USING (house, number) WHERE animal_id = $1.id';
CREATE FUNCTION friend(animals) RETURNS SETOF animals ROWS 1 STABLE LANGUAGE sql
  AS 'SELECT * FROM animals WHERE species = $1.species AND id <> $1.id LIMIT 1';
CREATE FUNCTION numbers(animals) RETURNS SETOF int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION two(animals, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted INSTEAD OF INSERT ON busy FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO keepers VALUES (1, 'Ann');
INSERT INTO animals VALUES (1, 'song bird', 1), (2, 'cat', 1), (3, 'song bird', NULL);
INSERT INTO cages VALUES (1, 1), (1, 2);
INSERT INTO stays VALUES (1, 1, 2);
REFRESH MATERIALIZED VIEW keeper_names;
"""


@pytest.fixture
def zoo(database_url: str, tmp_path: Path) -> Adopted:
    execute(database_url, ZOO)
    return Adopted(database_url, tmp_path / "tables")


def test_a_view_says_which_columns_of_foreign_keys_it_shows(zoo: Adopted) -> None:
    zoo()
    shown = {name: dict(resource.shows) for name, resource in zoo.resources.items() if resource.shows}
    bird, kept = "public.animals.id", "public.animals.keeper_id"
    assert shown == {
        "birds": {"bird": bird, "kept_by": kept},
        "birds_again": {"the.bird": bird, "kept_by": kept},
        "keeper_names": {"keeper": "public.keepers.id"},
        "busy": {"id": "public.keepers.id"},
        "houses": {"h": "public.cages.house", "n": "public.cages.number"},
    }
    zoo.checks()


def test_a_table_with_a_dot_in_its_name_is_shown_as_a_tuple(zoo: Adopted) -> None:
    execute(
        zoo.url,
        """CREATE TABLE "my.owners" (id int PRIMARY KEY); CREATE TABLE pets (owner int REFERENCES "my.owners");
           CREATE VIEW owners AS SELECT id FROM "my.owners\"""",
    )
    zoo(tables=("owners",))
    assert zoo["owners"].shows == {"id": ("public", "my.owners", "id")}
    assert zoo["owners"].shown == {"id": ("public", "my.owners", "id")}


def test_a_view_says_which_changes_it_takes(zoo: Adopted) -> None:
    zoo()
    everything = ("insert", "update", "delete")
    assert {name: resource.changes for name, resource in zoo.resources.items() if resource.changes != everything} == {
        "busy": ("insert",),
        "keeper_names": (),
    }
    assert "changes" not in zoo.source("birds")


def test_functions_of_a_row_are_computed_values_and_rows(zoo: Adopted) -> None:
    zoo()
    assert zoo["animals"].computed == {
        "cages_of": Computed(function="public.cages_of", resource="cages", many=True),
        "friend": Computed(function="public.friend", resource="animals"),
        "shout": Computed(function="public.shout"),
    }
    said = "\n".join(zoo.said)
    assert "public.animals: the function public.keeper_id: a column has its name" in said
    assert "public.animals: the function public.numbers: it returns rows of no table that is adopted" in said
    zoo.checks()


def test_adopted_views_and_functions_are_embedded(zoo: Adopted) -> None:
    zoo()
    api = zoo.api()

    def rows(path: str) -> object:
        answer: Response = api("GET", f"/rest/v1/{path}")
        assert answer.status == 200, answer.body
        return answer.json

    assert rows("birds?select=bird,keeper_names(name)&order=bird") == [
        {"bird": 1, "keeper_names": {"name": "Ann"}}, {"bird": 3, "keeper_names": None},
    ]  # fmt: skip
    assert rows("keeper_names?select=birds_again(the_bird:the.bird)".replace("the.bird", '"the.bird"')) == [
        {"birds_again": [{"the_bird": 1}]}
    ]
    assert rows("birds?select=houses!stays(n)&bird=eq.1") == [{"houses": [{"n": 2}]}]
    assert rows("animals?select=shout,friend(id),cages_of(number)&id=eq.1") == [
        {"shout": "SONG BIRD", "friend": {"id": 3}, "cages_of": [{"number": 2}]}
    ]
    assert api("OPTIONS", "/rest/v1/busy").headers["allow"] == "OPTIONS,GET,HEAD,POST"


def test_what_the_database_changed_of_views_and_functions_is_shown(zoo: Adopted) -> None:
    zoo()
    execute(
        zoo.url,
        """DROP TRIGGER noted ON busy; DROP FUNCTION shout(animals);
           CREATE FUNCTION age(animals) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 7';
           CREATE FUNCTION age(cages) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 8';
           ALTER TABLE stays DROP CONSTRAINT stay_cage;
           CREATE OR REPLACE VIEW birds AS SELECT id AS bird, id AS kept_by, species FROM animals""",
    )
    zoo(write_changes=True)
    assert zoo["busy"].changes == ()
    assert list(zoo["animals"].computed) == ["cages_of", "friend", "age"]
    assert list(zoo["cages"].computed) == ["age"]
    assert (zoo["houses"].shows, zoo["birds"].shows["kept_by"]) == ({}, "public.animals.id")
    assert "shows" not in zoo.source("houses")
    zoo.checks()
    zoo()
    assert zoo.said[-1] == "Nothing to do: the declarations say what the database has."


def test_what_a_person_forbade_stays_forbidden(zoo: Adopted) -> None:
    zoo()
    zoo.edit("birds", ("    shows=", '    changes=("insert",),\n    shows='))
    assert not zoo().changed
