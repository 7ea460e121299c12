"""Each command reads .chalice/config.json once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infra import PROJECT


@pytest.mark.parametrize("load", ["stage.Stage.load('dev')", "local.chalice_config.load(infra.PROJECT).chalice_app"])
def test_a_command_reads_the_file_once(load: str) -> None:
    program = (
        "import sys, infra.stage, infra.local.chalice_config\n"
        "sys.addaudithook(lambda event, args: event == 'open' and print(args[0]))\n"
        f"infra.{load}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert sum(path.endswith(".chalice/config.json") for path in done.stdout.splitlines()) == 1
