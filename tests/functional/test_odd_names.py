"""Columns whose names Python cannot spell: `msgspec.field(name=...)` says the column's name."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET, Struct, UnsetType, field

from crud_api.executor.seam import Execute
from crud_api.resource import Resource
from tests.conftest import execute as run_sql
from tests.functional.client import Api


class Odd(Struct):
    """A row of a table with odd names."""

    id: int
    first_name: str = field(name="first name")
    class_: str | None = field(name="class", default=None)
    dotted: int | None = field(name="a.dotted", default=None)
    dollar: str | None = field(name="do$lar", default=None)
    umlaut: str | None = field(name="größe", default=None)
    made: int | UnsetType = field(name="Made By", default=UNSET)


ODD = Resource(name="odd", table="demo.odd", model=Odd, key="id")
ROW: dict[str, Any] = {"id": 1, "first name": "Ada", "class": "a", "a.dotted": 5, "do$lar": "$", "größe": "XL"}


@pytest.fixture
def api(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.odd")
    run_sql(
        api_database,
        """CREATE TABLE demo.odd (id int PRIMARY KEY, "first name" text NOT NULL, class text, "a.dotted" int,
           "do$lar" text, größe text, "Made By" int NOT NULL DEFAULT 7)""",
    )
    return Api(execute, [ODD])


def test_a_row_of_odd_names_is_stored_changed_and_listed(api: Api) -> None:
    stored = ROW | {"Made By": 7}
    created = api("POST", "/odd", ROW)
    assert (created.status, created.json) == (201, stored)
    assert api("POST", "/odd", [ROW | {"id": 2}]).json == [stored | {"id": 2}]
    assert api("PATCH", "/odd/1", {"first name": "Bo", "größe": None, "do$lar": "€"}).json == stored | {
        "first name": "Bo", "größe": None, "do$lar": "€"
    }  # fmt: skip
    upsert = api("POST", "/odd", {"id": 2, "first name": "Cy"}, prefer="resolution=merge-duplicates")
    assert upsert.json == stored | {"id": 2, "first name": "Cy"}
    listed = api("GET", "/odd?sort=-first%20name&fields=id,first%20name&a.dotted=5&first%20name[like]=C*").json["items"]
    assert listed == [{"id": 2, "first name": "Cy"}]
    first = api("GET", "/odd?sort=first%20name&limit=1").json
    assert [row["id"] for row in api("GET", first["next"]).json["items"]] == [2]


def test_a_field_that_is_never_null_may_be_left_out_where_the_column_has_a_default(api: Api) -> None:
    assert api("POST", "/odd", ROW | {"Made By": 9}).json["Made By"] == 9
    refused = api("POST", "/odd", ROW | {"id": 2, "Made By": None})
    assert (refused.status, refused.pointers) == (422, ["#/Made%20By"])
    assert api("PATCH", "/odd/1", {"Made By": None}).status == 422


def test_what_is_wrong_with_a_field_of_an_odd_name_is_said_of_that_name(api: Api) -> None:
    answer = api("POST", "/odd", {"id": "x", "class": 1})
    assert answer.status == 422
    assert set(answer.pointers) == {"#/id", "#/first%20name", "#/class"}
