"""`make mutants` on a project with two files: which mutations count as found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants.__main__ import main
from tests.mutants.mutations import Mutation


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # plugins take longer than the tests
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "limits.py").write_text("LIMIT = 20\n")
    (tmp_path / "kept").symlink_to("folder")  # as vendor/crud_api is: a package is built through it
    (tmp_path / "test_limits.py").write_text(
        "from os import path\nfrom limits import LIMIT\n\n"
        "def test_limit(): assert LIMIT == 20\n\ndef test_link(): assert path.islink('kept')\n"
    )
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    return tmp_path


def of_the_limit(becomes: str, tests: str = "test_limits.py") -> Mutation:
    return Mutation(becomes, "limits.py", "LIMIT = 20", becomes, tests)


def test_only_a_test_that_fails_has_found_a_mutation(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = of_the_limit("LIMIT = 200")
    assert main(["--jobs=1"], [found], project) == 0
    same, untried = of_the_limit("LIMIT = 21 - 1"), of_the_limit("LIMIT = 0", "test_limits.py -k no_such_test")
    assert main([], [found, same, untried], project) == 1
    said = capsys.readouterr().out
    assert "1 of 1 killed" in said
    assert "1 of 3 killed" in said
    assert f"s  {same.harm}\n" in said.split("SURVIVED")[1]
    assert f"s  {untried.harm}\n" in said.split("NOT TRIED")[1]
