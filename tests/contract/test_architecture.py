"""docs/architecture.md: what it says about a request and about the folders is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.trace import BLOCK, PAGE, Visit, trace, written
from query_executor.migrate import apply_migrations
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
MOST_FILES = 14
MOST_MODULES = 16  # at the top of crud_api, packages included
MOST_PACKAGES = 6  # at the top of infra, besides the package for developers of the project


@pytest.fixture
def visits(database_url: str) -> list[Visit]:
    apply_migrations(database_url)
    execute(
        database_url,
        """WITH added AS (INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Ada'))
           INSERT INTO demo.orders (order_id, customer_id, status, total_amount)
           SELECT 'O' || lpad(n::text, 7, '0'), 'C1', 'pending', 1 FROM generate_series(7900, 7930) AS n""",
    )
    return trace(database_url)


def test_the_page_shows_the_way_of_a_request(visits: list[Visit]) -> None:
    shown = BLOCK.search(PAGE.read_text())
    assert shown is not None
    assert shown[2] == written(visits), "write it anew: .venv/bin/python -m bench.trace"


def test_a_request_crosses_few_files_and_never_goes_back_to_one_it_has_left(visits: list[Visit]) -> None:
    files = [visit.file for visit in visits]
    assert len(files) <= MOST_FILES
    assert len(set(files)) == len(files)
    assert (files[0], files[-1]) == ("crud_api/views/read.py", "crud_api/response/responses.py")
    assert f"crosses {len(files)} files" in PAGE.read_text()


def test_the_api_has_few_modules_at_its_top() -> None:
    top = [path for path in (ROOT / "crud_api").iterdir() if not path.name.startswith("__")]
    assert len(top) <= MOST_MODULES, sorted(path.name for path in top)


def test_infra_has_few_packages_at_its_top() -> None:
    top = [path.name for path in (ROOT / "infra").iterdir() if (path / "__init__.py").exists()]
    assert len({*top} - {"dev"}) <= MOST_PACKAGES, sorted(top)
