"""`make` on a machine where nothing is installed yet."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", ["run", "test", "check", "bench"])
def test_each_installation_says_beforehand_what_it_fetches(target: str) -> None:
    said = make("--dry-run", "--always-make", target)
    assert said.returncode == 0, said.stderr
    announced, installations = False, 0
    for line in said.stdout.splitlines():
        announced |= bool(re.fullmatch(r'echo "Installing .* into .*: about \d+ MB to download, once\."', line))
        if re.search(r"pip install|npm ci", line):
            assert announced, line
            assert "npm ci" in line or "--require-hashes" in line, line
            announced, installations = False, installations + 1
    assert installations


def test_a_python_that_cannot_make_environments_is_refused_with_the_cure(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    said = make(f"PYTHON={python}", f"VENV={tmp_path / 'venv'}", "run")
    assert said.returncode != 0
    assert "sudo apt install python3-venv" in said.stderr
    assert not (tmp_path / "venv").exists()
