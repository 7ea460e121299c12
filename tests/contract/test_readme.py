"""README.md from CREATE TABLE to curl: a reader who follows it has the answers that it shows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.followed import ADDRESS, Page
from tests.integration.test_run import make_run, output_to_the_end, running
from tests.servers import free_port

PAGE = Page("README.md")


@pytest.fixture
def state() -> Iterator[Path]:
    with TemporaryDirectory(prefix="crud-api-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_its_table_is_made_and_answers_as_the_page_shows(tmp_path: Path, state: Path) -> None:
    clone, port = PAGE.follow(tmp_path), free_port()
    walk = [(command, said) for command, said in PAGE.console("curl") if "/products" in command]
    assert len(walk) == 2
    with running(make_run(port), state, clone) as process:
        for command, said in walk:
            sent = command.replace(ADDRESS, f"http://127.0.0.1:{port}")
            answer = subprocess.run(["bash", "-c", sent], capture_output=True, text=True, check=True).stdout
            assert json.loads(answer) == json.loads(said), command
            assert answer.count("1.50") == said.count("1.50") == 1
        os.kill(process.pid, signal.SIGTERM)
        output_to_the_end(process)


def test_its_files_are_clean(tmp_path: Path) -> None:
    clone = PAGE.follow(tmp_path)
    files = [name for name in [*PAGE.created, "crud_api/tables/__init__.py"] if name.endswith(".py")]
    assert len(files) == 2
    for words in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run(
            [Path(sys.executable).with_name(words[0]), *words[1:], *files],
            cwd=clone, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
