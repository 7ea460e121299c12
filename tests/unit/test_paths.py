"""API Gateway's quota of paths: what passes it is refused with the count, the reason and the cure."""

from __future__ import annotations

import pytest
from msgspec import defstruct

from crud_api.resource import Reference, Resource
from crud_api.tables import RESOURCES
from infra.errors import RefusedError
from infra.gateway.paths import paths_of, refuse_too_many
from tests.unit.test_stage import stage

FIXED = {
    "/", "/health", "/ready", "/openapi.json", "/docs", "/docs/{asset}", "/rest", "/rest/v1", "/rest/v1/{table}",
}  # fmt: skip


def things(count: int) -> list[Resource]:
    model = defstruct("Thing", [("id", int), ("parent", int | None, None)])
    return [Resource(name=f"things_{n}", table=f"demo.t{n}", model=model, key="id") for n in range(count)]


def test_each_segment_of_a_path_counts_once() -> None:
    (plain,) = things(1)
    assert paths_of([plain]) == FIXED | {"/things_0", "/things_0/{id}", "/things_0:batch"}
    refers = Resource(
        name="parts", table="demo.parts", model=plain.model, key="id",
        references={"parent": Reference(resource="things_0", name="thing", reverse="parts")},
    )  # fmt: skip
    assert paths_of([plain, refers]) - paths_of([plain]) == {
        "/parts", "/parts/{id}", "/parts:batch", "/things_0/{id}/parts",
    }  # fmt: skip


def test_a_set_that_just_fits_is_taken_and_one_path_more_is_refused() -> None:
    fits = things(97)  # three paths each
    assert len(paths_of(fits)) == 300
    refuse_too_many(stage("dev"), fits)
    with pytest.raises(RefusedError) as raised:
        refuse_too_many(stage("dev"), things(98))
    said = str(raised.value)
    assert "The API would have 303 paths, and stage dev has room for 300" in said
    assert "The 98 tables in RESOURCES have 294 of them" in said
    assert "Take tables out of RESOURCES in crud_api/tables/__init__.py and keep them in TABLES" in said
    assert "Resources per API" in said


def test_a_quota_that_aws_raised_is_a_member_of_the_stage() -> None:
    refuse_too_many(stage("dev", gateway={"max_resources": 303}), things(98))
    with pytest.raises(RefusedError, match="room for 302"):
        refuse_too_many(stage("dev", gateway={"max_resources": 302}), things(98))


def test_this_clone_fits() -> None:
    assert FIXED < paths_of() == paths_of(RESOURCES)
    refuse_too_many(stage("dev"))
