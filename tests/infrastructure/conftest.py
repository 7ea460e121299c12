"""A clone before an empty account, for the tests that deploy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infrastructure.clone import Clone, cloned


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deploy")


@pytest.fixture
def clone(workplace: Path, database_url: str) -> Iterator[Clone]:
    with cloned(workplace, database_url) as one:
        yield one
