"""Rows belong to callers: with row security, no door of the API leads to the row of another caller."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crud_api.executor.seam import InProcessExecutor
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.functional.callers import PostgrestDialect, RestDialect, World, secured


@pytest.fixture
def users_url(database_url: str) -> Iterator[str]:
    apply_migrations(database_url)
    with secured(database_url) as url:
        yield url


@pytest.mark.timeout(1200)  # seconds, for a busy machine
@pytest.mark.parametrize(("seed", "steps"), [(1, 600), pytest.param(2, 10_000, marks=pytest.mark.soak, id="soak")])
@pytest.mark.parametrize(
    ("dialect", "statuses"),
    [(RestDialect, (200, 201, 204, 304, 403, 404, 409, 412)), (PostgrestDialect, (200, 201, 204, 403, 406, 409, 412))],
)
def test_three_callers_see_and_change_their_own_rows_alone(
    database_url: str,
    users_url: str,
    dialect: type[RestDialect | PostgrestDialect],
    statuses: tuple[int, ...],
    seed: int,
    steps: int,
) -> None:
    world = World(database_url, dialect(InProcessExecutor(create_local_handler(users_url))), seed)
    for _ in range(steps):
        world.step()
    assert world.stored() == world.rows
    for status in statuses:
        assert world.statuses.get(status), f"no answer had the status {status}"
