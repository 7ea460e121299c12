"""/rest/v1: `Prefer: timezone=...` holds for one request, also where its statement is prepared."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource import Resource
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response
from tests.functional.test_rest_embedding import get


class Train(Struct):
    id: int
    leaves: datetime | None = None


trains = Resource(name="trains", table="demo.trains", model=Train, key="id")
LEAVES = {
    None: "2026-03-01T12:00:00+00:00",
    "America/Los_Angeles": "2026-03-01T04:00:00-08:00",
    "Asia/Tokyo": "2026-03-01T21:00:00+09:00",
    "-4": "2026-03-01T08:00:00-04:00",
    "+05:30": "2026-03-01T06:30:00-05:30",  # POSIX: what is west of Greenwich is positive
}


@pytest.fixture(scope="session")
def station(execute: Execute, api_database: str) -> Api:
    run_sql(
        api_database,
        """DROP TABLE IF EXISTS demo.trains; CREATE TABLE demo.trains (id int PRIMARY KEY, leaves timestamptz);
           INSERT INTO demo.trains VALUES (1, '2026-03-01 12:00+00'), (2, '2026-03-02 02:00+00')""",
    )
    return Api(execute, [trains])


def ask(api: Api, query: str, zone: str | None, *more: str) -> Response:
    preferences = ", ".join([*more, *([f"timezone={zone}"] if zone is not None else [])])
    return get(api, "trains", query, **({"prefer": preferences} if preferences else {}))


def test_times_have_the_offset_of_the_zone_that_a_request_names(station: Api) -> None:
    # The statement is prepared when it comes the second time, so each zone is asked for before and after the others.
    for _ in range(3):
        for zone, leaves in LEAVES.items():
            answer = ask(station, "select=leaves&id=eq.1", zone)
            assert (answer.status, answer.json) == (200, [{"leaves": leaves}])
            assert answer.headers.get("preference-applied") == (f"timezone={zone}" if zone else None)


def test_times_without_an_offset_are_times_of_the_zone(station: Api) -> None:
    for _ in range(3):
        for zone, ids in ((None, [2]), ("America/Los_Angeles", []), ("Asia/Tokyo", [1, 2]), (None, [2])):
            answer = ask(station, "select=id&leaves=gte.2026-03-01 18:30&order=id", zone)
            assert (answer.status, [row["id"] for row in answer.json]) == (200, ids), zone


@pytest.mark.parametrize("handling", ["", "handling=strict", "handling=lenient"])
def test_an_unknown_zone_is_an_error_and_the_next_request_has_its_own(station: Api, handling: str) -> None:
    for _ in range(3):
        before = station.invocations
        answer = ask(station, "select=leaves&id=eq.1", "Mars/Olympus", *([handling] if handling else []))
        assert (answer.status, answer.json) == (400, {
            "code": "22023", "message": 'invalid value for parameter "TimeZone": "Mars/Olympus"', "details": None,
            "hint": None,
        })  # fmt: skip
        assert station.invocations == before + 1
        assert ask(station, "select=leaves&id=eq.1", None).json == [{"leaves": LEAVES[None]}]


@pytest.mark.parametrize("zone", ["x'; DROP TABLE demo.trains; --", '"', "\\", "UTC'", "é", "a" * 3000, "05:30:15"])
def test_a_zone_is_a_value_and_no_sql(station: Api, zone: str) -> None:
    answer = ask(station, "select=id&id=eq.1", zone)
    assert (answer.status, answer.json["code"]) == (400, "22023"), answer.body
    assert ask(station, "select=id", None).status == 200


def test_a_zone_that_no_setting_can_hold_costs_no_invocation(station: Api) -> None:
    before = station.invocations
    assert ask(station, "select=id", "U\x00TC").json["code"] == "22023"
    assert station.invocations == before


def test_postgresql_says_why_it_refuses_and_what_to_do(station: Api) -> None:
    assert ask(station, "select=id", "05:30:15").json["details"] == "PostgreSQL does not support leap seconds."
    answer = ask(station, "select=id&id=cs.1", None)
    assert (answer.status, answer.json["code"]) == (404, "42883")
    assert answer.json["hint"] is not None
    assert answer.json["hint"].startswith("No operator matches the given name and argument types")
