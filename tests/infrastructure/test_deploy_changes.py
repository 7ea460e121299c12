"""What a deploy of a changed clone changes in AWS, what it leaves, and what stops it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import execute
from tests.infrastructure.account_state import State, state
from tests.infrastructure.clone import Clone, kill_after
from tests.infrastructure.cloud import failed

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

API, EXECUTOR = "crud-api-dev", "crud-api-dev-query-executor"


def image_of(clone: Clone) -> str:
    return str(state(clone.cloud)["functions"][EXECUTOR]["image"]).rpartition(":")[2]


def code_of_api(clone: Clone) -> str:
    return str(clone.cloud.client("lambda").get_function(FunctionName=API)["Configuration"]["CodeSha256"])


def api_ids(clone: Clone) -> list[str]:
    return [one["id"] for one in clone.cloud.client("apigateway").get_rest_apis()["items"]]


def rest(found: State, *without: str) -> State:
    return {key: value for key, value in found.items() if key not in without}


def test_changed_code_of_the_executor_is_a_new_image_and_an_old_one_goes_back(deployed: Clone) -> None:
    before, old = state(deployed.cloud), image_of(deployed)
    clone = deployed.again("executor")
    clone.append("query_executor/handler.py", "\n# changed\n")
    deployed.cloud.calls.clear()
    run = clone.run("deploy")
    assert run, run.error
    new = image_of(clone)
    assert new != old
    assert state(clone.cloud)["images"][EXECUTOR] == sorted([old, new])
    assert rest(state(clone.cloud), "images", "functions") == rest(before, "images", "functions")
    assert not [call for call in clone.cloud.calls if call.action.startswith("PUT /restapis")]  # the API is as it was

    pushed = len(clone.docker_calls())
    run = clone.run("deploy", "--image-tag", old)
    assert run, run.error
    assert image_of(clone) == old
    assert len(clone.docker_calls()) == pushed


def test_changed_code_of_the_api_goes_into_the_same_api_also_from_a_fresh_clone(deployed: Clone) -> None:
    before, ids, docker = state(deployed.cloud), api_ids(deployed), deployed.docker_calls()
    code = code_of_api(deployed)
    clone = deployed.again("fresh")
    clone.append("crud_api/routes.py", "\n# changed\n")
    run = clone.run("plan")
    assert "`chalice deploy` would update the function" in run.out
    assert state(clone.cloud) == before
    run = clone.run("deploy")
    assert run, run.error
    assert code_of_api(clone) != code
    assert api_ids(clone) == ids
    assert state(clone.cloud) == before  # the settings that Chalice's import wipes are there again
    assert clone.docker_calls() == docker


def test_a_changed_setting_of_the_executor_changes_the_function_alone(deployed: Clone) -> None:
    before, docker = state(deployed.cloud), deployed.docker_calls()
    clone = deployed.again("setting")
    config = clone.config
    config["lambda_functions"]["query_executor"]["lambda_memory_size"] = 768
    (clone.folder / ".chalice" / "config.json").write_text(json.dumps(config))
    run = clone.run("plan")
    assert "Stack crud-api-dev-network: nothing would change" in run.out
    assert "Stack crud-api-dev-executor: nothing would change" not in run.out
    assert state(clone.cloud) == before
    run = clone.run("deploy")
    assert run, run.error
    assert state(clone.cloud)["functions"][EXECUTOR]["MemorySize"] == 768
    assert rest(state(clone.cloud), "functions") == rest(before, "functions")
    assert clone.docker_calls() == docker


def test_a_failed_push_stops_before_the_executor(deployed: Clone) -> None:
    before = state(deployed.cloud)
    clone = deployed.again("push")
    clone.append("query_executor/handler.py", "\n# cannot be pushed\n")
    clone.docker(fails="push")
    try:
        run = clone.run("deploy")
    finally:
        clone.docker()
    assert run.status == 1
    assert "docker push failed" in run.error
    assert state(clone.cloud) == before


MIGRATIONS_FAIL: list[tuple[tuple[str, dict[str, str], Any], str]] = [
    (
        failed("MigrationError", "0007-more: The role crud_api_owner lacks a right"),
        "The migrations failed (MigrationError): 0007-more: The role crud_api_owner lacks a right",
    ),
    (
        failed("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 900.00 seconds"),
        'Secrets Manager when the owner has a password (network.SecretsEndpoint "true")',
    ),
    (("429 Too Many Requests", {"x-amzn-ErrorType": "TooManyRequestsException"}, {}), "Migrations are running already"),
    (("500 Internal Server Error", {"x-amzn-ErrorType": "ServiceException"}, {}), "running it again is safe"),
    (("200 OK", {}, "something"), "answered what no migrations answer: 'something'"),
]


@pytest.mark.parametrize(("answer", "says"), MIGRATIONS_FAIL)
def test_failed_migrations_stop_before_the_api_say_why_and_are_not_sent_again(
    deployed: Clone, answer: tuple[str, dict[str, str], Any], says: str
) -> None:
    clone = deployed.again(f"migrations-{answer[0][:3]}-{len(says)}")
    clone.append("crud_api/routes.py", "\n# changed with a migration\n")
    clone.cloud.migrations = lambda _url: answer
    clone.cloud.calls.clear()
    try:
        run = clone.run("deploy")
    finally:
        clone.cloud.migrations = None
    assert run.status == 1
    assert says in run.error
    made = [call.action for call in clone.cloud.calls]
    assert not [one for one in made if one.startswith(("PUT /restapis", "PUT /2015-03-31/functions"))]
    assert len([one for one in made if one.endswith("-migrations/invocations")]) == 1


def test_an_update_of_the_api_that_was_killed_and_is_taken_back_is_deployed_again(deployed: Clone) -> None:
    assert deployed.run("deploy")
    code = code_of_api(deployed)
    clone = deployed.again("killed")
    clone.append("crud_api/routes.py", "\n# killed on its way\n")
    kill_after(clone, "the API's code", lambda call: call.action.endswith("/crud-api-dev/code"), "deploy")
    assert code_of_api(deployed) != code
    assert deployed.run("deploy")
    assert code_of_api(deployed) == code


def test_a_smoke_test_that_fails_halfway_leaves_no_row(deployed: Clone) -> None:
    deployed.cloud.broken_method = "PUT"
    try:
        run = deployed.run("smoke")
    finally:
        deployed.cloud.broken_method = ""
    assert run.status == 1
    assert "Expected: PUT /orders/smoke-" in run.error
    assert "It answered: 500" in run.error
    assert execute(deployed.cloud.database_url, "SELECT * FROM demo.customers") == []


def test_an_api_that_lets_everybody_in_fails_the_smoke_test(deployed: Clone) -> None:
    deployed.cloud.is_open = True
    try:
        run = deployed.run("smoke")
    finally:
        deployed.cloud.is_open = False
    assert "Expected: without credentials" in run.error


def test_an_api_that_answers_something_else_fails_the_deploy(deployed: Clone) -> None:
    run = deployed.run("deploy", "--url", f"{deployed.cloud.url}/nothing-here")
    assert run.status == 1
    assert "The API does not answer as it should. Expected: GET /customers?limit=1" in run.error


def test_two_apis_of_the_name_are_not_chosen_from(deployed: Clone) -> None:
    client = deployed.cloud.client("apigateway")
    second = client.create_rest_api(name=API)["id"]
    try:
        run = deployed.run("deploy")
    finally:
        client.delete_rest_api(restApiId=second)
    assert run.status == 1
    assert f"There are 2 APIs named {API}" in run.error
    assert second in run.error


def test_a_tag_that_ecr_has_not_got_is_refused_with_those_it_has(deployed: Clone) -> None:
    run = deployed.run("deploy", "--image-tag", "0123")
    assert run.status == 1
    assert "ECR has no image 0123" in run.error
    assert image_of(deployed) in run.error


def test_a_new_image_without_docker_is_refused_before_anything_is_made(
    deployed: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(deployed.cloud)
    clone = deployed.again("no-docker")
    clone.append("query_executor/handler.py", "\n# cannot be built\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    run = clone.run("deploy")
    assert run.status == 1
    assert "there is no docker. Install it" in run.error
    assert state(clone.cloud) == before


def test_a_docker_that_does_not_run_is_said(deployed: Clone) -> None:
    clone = deployed.again("stopped-docker")
    clone.append("query_executor/handler.py", "\n# cannot be built either\n")
    clone.docker(fails="version")
    try:
        run = clone.run("plan")
    finally:
        clone.docker()
    assert "its engine does not answer: the engine says no\nStart it" in run.error


def test_a_stage_for_everybody_needs_a_flag(deployed: Clone) -> None:
    clone = deployed.again("public")
    clone.configure("environment_variables", ACCESS="none")
    clone.cloud.calls.clear()
    run = clone.run("deploy")
    assert run.status == 1
    assert "anybody on the internet could read and change every row" in run.error
    assert [call.action for call in clone.cloud.calls] == ["GetCallerIdentity"]
    assert clone.run("plan", "--allow-public")


def test_a_budget_that_is_broken_is_refused(deployed: Clone) -> None:
    clone = deployed.again("budget")
    clone.configure("lambda_functions", query_executor={"reserved_concurrency": 79})
    run = clone.run("deploy")
    assert run.status == 1
    assert "stage dev: 79 executors" in run.error


def test_without_credentials_it_says_how_to_sign_in(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    run = deployed.run("deploy")
    assert run.status == 1
    assert "Sign in (aws sso login" in run.error


def test_without_a_region_it_says_which_variable(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert "export AWS_DEFAULT_REGION=" in deployed.run("status").error
