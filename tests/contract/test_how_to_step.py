"""docs/how-to.md, "Add a deploy step": a reader who follows it gets a step that every command runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import PROJECT

RECIPE = (PROJECT / "docs" / "how-to.md").read_text().partition("## Add a deploy step")[2].partition("\n## ")[0]
((FILE, TEXT),) = re.findall(r"Create `([\w/.]+)`.*?^```python\n(.*?)^```$", RECIPE, re.DOTALL | re.MULTILINE)
((ADDED, BEFORE),) = re.findall(r"add `(\w+)` after\s+`(\w+)`", RECIPE)

# Only the new step runs. The tests in tests/infrastructure deploy the other steps.
PROGRAM = """
from moto import mock_aws

from infra.aws.account import connect
from infra.aws.stacks import Stacks
from infra.hints import Hints
from infra.stage import Stage
from infra.steps import STEPS, Run, loops

with mock_aws():
    account, stage = connect(region="eu-central-1"), Stage.load("dev")
    account.client("apigateway").create_rest_api(name=stage.prefix)
    run = Run(account, stage, Stacks(account.client("cloudformation"), print, Hints(stage.make, account.cli)), print)
    steps = [step(run) for step in STEPS]
    at = [step.name for step in steps].index("Address")
    print("$ make plan")
    loops.plan(run, steps[at:][:1])
    print("$ make deploy")
    loops.deploy(run, steps[at:][:1])
    print("$ make status")
    print(*loops.status(steps[at:][:1]))
    print("$ make plan")
    loops.plan(run, steps[at:][:1])
    print("$ make destroy")
    loops.destroy(run, steps[at:][:1])
    print("$ make status")
    print(*loops.status(steps[at:][:1]))
    print([step.name for step in steps])
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the commands need, of a clone in which a reader has followed the recipe."""
    folder = tmp_path_factory.mktemp("step")
    for name in ("infra", "crud_api", "query_executor", ".chalice"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "deployed"))
    assert not (folder / FILE).exists()
    (folder / FILE).write_text(TEXT)
    steps = folder / "infra" / "steps" / "__init__.py"
    module = FILE.removesuffix(".py").replace("/", ".")
    text = steps.read_text().replace("from infra.steps.api", f"from {module} import {ADDED}\nfrom infra.steps.api", 1)
    steps.write_text(text.replace(f"\n    {BEFORE},\n", f"\n    {BEFORE},\n    {ADDED},\n", 1))
    return folder


def run(clone: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def said_by(output: str) -> list[tuple[str, str]]:
    """Each command and its output."""
    parts = [part.partition("\n") for part in re.split(r"^\$ ", output, flags=re.MULTILINE)[1:]]
    return [(command, printed.strip()) for command, _, printed in parts]


def test_every_command_goes_through_the_new_step_and_says_what_the_page_shows(clone: Path) -> None:
    shown = dict(said_by("\n".join(re.findall(r"^```console\n(.*?)^```$", RECIPE, re.DOTALL | re.MULTILINE))))
    (plan, deploy, status, planned_again, destroy, gone) = said_by(run(clone, "-c", PROGRAM))
    assert plan == ("make plan", shown["make plan"])
    assert deploy[1].splitlines()[1:] == shown["make deploy"].splitlines()[1:]
    assert re.sub(r"//\w+", "//a1b2c3d4e5", status[1]) == shown["make status"]
    assert planned_again[1] == "Address: nothing would change"
    assert destroy[1].splitlines()[0] == shown["make destroy"]
    assert gone[1].startswith("address              not there")


def test_the_step_is_where_the_recipe_puts_it(clone: Path) -> None:
    names = run(clone, "-c", "from infra.steps import STEPS; print(*(step.name for step in STEPS))").split()
    assert names[-4:-1] == [BEFORE, ADDED, "Smoke"]


def test_its_file_is_clean(clone: Path) -> None:
    shutil.copyfile(PROJECT / "pyproject.toml", clone / "pyproject.toml")
    run(clone, "-m", "ruff", "check", FILE)
    run(clone, "-m", "ruff", "format", "--check", FILE)


def test_the_recipe_is_shorter_than_ten_lines() -> None:
    steps = RECIPE.partition("This step")[0].strip().splitlines()
    assert len(steps) < 10
