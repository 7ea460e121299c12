"""The fixture `database` in a user's own pytest: each test has a database, and nothing is left however pytest ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_how_to import recipe
from tests.executor import eventually
from tests.servers import data_folder

PROJECT = Path(__file__).parents[2]
# The page's, and again, on a database of its own.
_, SHOWN = recipe("Test with a database of its own")
TESTS = SHOWN + "\n\ntest_again = test_a_customer_is_stored_once\n"
WAITS = """
import sys

def test_it_waits(database):
    with open({ready!r}, "w") as file:
        file.write(database)
    sys.stdin.read()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The folder for temporary files: short, and open to the account that the server runs under."""
    with data_folder() as folder:
        yield Path(folder)


def pytest_of_a_user(tests: Path, temporary: Path, **environ: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # without Schemathesis and the like it starts three times as fast
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tests, tests],
        cwd=PROJECT, env={**kept, "TMPDIR": str(temporary), **environ}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def test_each_test_has_a_database_of_its_own_and_the_end_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    with pytest_of_a_user(tmp_path, temporary, DATABASE_URL="postgresql://nobody@nowhere.invalid/mine") as process:
        said, _ = process.communicate()
    assert (process.returncode, "2 passed" in said) == (0, True), said
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_neither_a_server_nor_a_file(tmp_path: Path, temporary: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["infra.local.pytest_database"]\n')
    (tmp_path / "test_mine.py").write_text(WAITS.format(ready=str(ready)))
    with pytest_of_a_user(tmp_path, temporary) as process:
        eventually(lambda: (ready.exists() and ready.read_text()) or process.poll() is not None)
        assert list(temporary.iterdir()) != []
        process.send_signal(number)
        process.communicate()
    eventually(lambda: not list(temporary.iterdir()))


def test_tests_that_ask_for_no_database_start_none(tmp_path: Path, temporary: Path) -> None:
    plugin = 'pytest_plugins = ["infra.local.pytest_database"]'
    assert plugin in SHOWN
    (tmp_path / "test_mine.py").write_text(f"{plugin}\n\ndef test_nothing():\n    pass\n")
    with pytest_of_a_user(tmp_path, temporary) as process:
        said, _ = process.communicate()
    assert "1 passed" in said
    assert list(temporary.iterdir()) == []
