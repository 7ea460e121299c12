"""What the workflows must contain. The linters of `make check` test that they are well-formed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.api.api_function import executors_python
from infra.dev.packages import SHIPPED

WORKFLOWS = sorted(Path(".github", "workflows").glob("*.yml"))
NAMES = [one.stem for one in WORKFLOWS]
DEPLOYS = {"dev": "github.ref == 'refs/heads/main'", "prod": "startsWith(github.ref, 'refs/tags/v')"}

workflows = pytest.mark.parametrize("name", NAMES)
deploys = pytest.mark.parametrize("stage", DEPLOYS)


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load(Path(".github", "workflows", f"{name}.yml").read_text()))


def triggers(name: str) -> dict[str, Any]:
    return dict(workflow(name)[True])  # YAML 1.1 reads `on` as a boolean


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_python_that_is_promised_is_checked() -> None:
    versions = workflow("check")["jobs"]["check"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    oldest = tomllib.loads(Path("pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={versions[0]}"


def test_a_check_is_what_the_script_for_a_clone_runs() -> None:
    script = [line for line in Path(".ci", "run").read_text().splitlines() if line.startswith("make ")]
    assert runs(workflow("check")["jobs"]["check"]) == script == ["make check", "make test"]


def test_every_push_and_pull_request_is_checked_once() -> None:
    # The deploy workflow checks a push to main and a tag, and then deploys. The check workflow checks all other pushes.
    assert triggers("check") == {"push": {"branches-ignore": ["main"]}, "pull_request": None, "workflow_call": None}
    assert triggers("deploy") == {"push": {"branches": ["main"], "tags": ["v*"]}}
    assert workflow("deploy")["jobs"]["check"]["uses"] == "./.github/workflows/check.yml"


@deploys
def test_the_python_that_deploys_is_that_of_the_executors_image(stage: str) -> None:
    (version,) = [
        step["with"]["python-version"]
        for step in workflow("deploy")["jobs"][stage]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    assert version == executors_python(Path())
    assert f"make deploy PYTHON=python{version}" in Path("docs/operate.md").read_text()


@workflows
def test_every_action_is_pinned_to_a_commit_and_says_its_version(name: str) -> None:
    lines = [line for line in Path(".github", "workflows", f"{name}.yml").read_text().splitlines() if "uses:" in line]
    foreign = [line for line in lines if "uses: ./" not in line]
    assert foreign
    assert [one for one in foreign if not re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", one)] == []


@workflows
def test_a_job_has_only_the_permissions_it_names(name: str) -> None:
    content = workflow(name)
    assert content["permissions"] == {}
    for key, job in content["jobs"].items():
        vouched = {"id-token": "write"} if key in DEPLOYS else {}
        assert job["permissions"] == {"contents": "read"} | vouched


@workflows
def test_no_workflow_knows_a_secret_or_runs_code_of_a_fork_with_rights(name: str) -> None:
    assert "secrets." not in Path(".github", "workflows", f"{name}.yml").read_text()
    assert not triggers(name).keys() & {"pull_request_target", "workflow_run", "issue_comment"}


@deploys
def test_a_stage_is_deployed_after_the_check_from_where_it_may(stage: str) -> None:
    job = workflow("deploy")["jobs"][stage]
    assert job["needs"] == "check"
    assert job["if"] == f"{DEPLOYS[stage]} && vars.AWS_ROLE_{stage.upper()} != ''"
    # A run in an environment does not name its branch. The role of dev trusts the branch.
    assert job.get("environment") == ("prod" if stage == "prod" else None)
    assert runs(job) == [f"make deploy STAGE={stage}"]


@deploys
def test_two_deploys_of_a_stage_never_overlap(stage: str) -> None:
    concurrency = workflow("deploy")["jobs"][stage]["concurrency"]
    assert concurrency == {"group": f"deploy-{stage}", "cancel-in-progress": False}


@deploys
def test_the_credentials_are_those_of_the_stages_role_and_last_as_long_as_the_job(stage: str) -> None:
    job = workflow("deploy")["jobs"][stage]
    (step,) = [one for one in job["steps"] if one.get("uses", "").startswith("aws-actions/")]
    assert step["with"]["role-to-assume"] == f"${{{{ vars.AWS_ROLE_{stage.upper()} }}}}"
    assert job["timeout-minutes"] * 60 <= 3600


def test_a_newer_push_ends_a_check_but_not_one_that_a_deploy_waits_for() -> None:
    concurrency = workflow("check")["concurrency"]
    assert workflow("check")["name"] == "Check"
    assert concurrency["cancel-in-progress"] == "${{ github.workflow == 'Check' }}"
    # A called workflow has the name of its caller, so a deploy has its own group.
    assert concurrency["group"] == "check-${{ github.workflow }}-${{ github.ref }}"


def test_updates_are_proposed_for_every_file_that_pins_something() -> None:
    updates = yaml.safe_load(Path(".github", "dependabot.yml").read_text())["updates"]
    folders = {one["package-ecosystem"]: one.get("directories", one.get("directory")) for one in updates}
    assert folders == {
        "uv": "/", "npm": "/", "docker": "/query_executor", "github-actions": "/",
    }  # fmt: skip
    for one in updates:
        assert one["schedule"] == {"interval": "weekly"}
        assert one["cooldown"]["default-days"] >= 7
        assert list(one["groups"].values()) == [{"patterns": ["*"]}]


def test_updates_move_the_lock_and_leave_the_files_that_are_written_from_it() -> None:
    updates = yaml.safe_load(Path(".github", "dependabot.yml").read_text())["updates"]
    (python,) = [one for one in updates if one["package-ecosystem"] == "uv"]
    assert python["exclude-paths"] == list(SHIPPED)


def test_the_lock_of_the_npm_checkers_names_no_registry() -> None:
    assert '"resolved"' not in Path("package-lock.json").read_text()
