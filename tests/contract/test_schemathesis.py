"""The served API behaves like its description: Schemathesis sends valid and invalid requests and follows links.

`pytest -m soak` sends five times as many requests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.served import served

PROJECT = Path(__file__).parents[2]
# What does not count as an error, and why.
CONFIG = Path(__file__).with_name("schemathesis.toml")
PHASES = ["examples", "coverage", "fuzzing", "stateful"]


@pytest.mark.timeout(1200)  # seconds, for a busy machine
@pytest.mark.parametrize(
    ("examples", "least"), [(8, 2_000), pytest.param(1100, 10_000, marks=pytest.mark.soak, id="soak")]
)
def test_the_api_is_as_it_is_described(database_url: str, tmp_path: Path, examples: int, least: int) -> None:
    report = tmp_path / "report.json"
    with served(database_url, tmp_path / "server.log") as url:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("st"), "--config-file", CONFIG, "run", f"{url}/openapi.json",
                "--checks=all", "--mode=all", f"--max-examples={examples}", f"--phases={','.join(PHASES)}",
                "--workers=1", "--seed=1", "--generation-database=none", "--continue-on-failure", "--no-color",
                "--suppress-health-check=too_slow", f"--report-json-path={report}",
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert {name: phase["status"] for name, phase in found["phases"].items()} == dict.fromkeys(PHASES, "success")
    assert found["operations"]["tested"] == found["operations"]["total"] > 0
    assert (found["failures"], found["errors"]) == ([], [])
    assert found["test_cases"]["generated"] >= least
