"""What a deploy of a changed clone changes in AWS, what it does not change, and what stops it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from infra.errors import SmokeError
from infra.gateway import smoke
from tests.conftest import execute
from tests.gateway_events import event
from tests.infrastructure import emulated
from tests.infrastructure.account_state import State, state
from tests.infrastructure.clone import ROOT, Clone, kill_after
from tests.infrastructure.cloud import Hold, failed, protect
from tests.infrastructure.templates import REGION
from tests.integration.test_package import invoke
from tests.lambda_runtime import lambda_function

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

API, EXECUTOR = "crud-api-dev", "crud-api-dev-query-executor"
LINES = """
from msgspec import Struct

from crud_api.resource import Resource


class Line(Struct):
    part: str
    line: int
    note: str | None = None


lines = Resource(name="lines", table="demo.lines", model=Line, key=("part", "line"))
"""


def image_of(clone: Clone) -> str:
    return str(state(clone.cloud)["functions"][EXECUTOR]["image"]).rpartition(":")[2]


def code_of_api(clone: Clone) -> str:
    return str(clone.cloud.client("lambda").get_function(FunctionName=API)["Configuration"]["CodeSha256"])


def builds(calls: list[dict[str, Any]]) -> list[Any]:
    """The calls of docker, without the question for the current base image."""
    return [one["arguments"] for one in calls if one["arguments"][1] != "imagetools"]


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
    assert not [call for call in clone.cloud.calls if call.action.startswith("PUT /restapis")]  # the API did not change

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
    assert "API: Chalice would update the function" in run.out
    assert state(clone.cloud) == before
    run = clone.run("deploy")
    assert run, run.error
    assert code_of_api(clone) != code
    assert api_ids(clone) == ids
    assert state(clone.cloud) == before  # the settings that Chalice's import deletes are back
    assert builds(clone.docker_calls()) == builds(docker)


def test_a_table_with_a_key_of_two_columns_is_deployed_and_a_row_is_found_by_its_path(
    deployed: Clone, tmp_path: Path
) -> None:
    clone, cloud = deployed.again("lines"), deployed.cloud
    (clone.folder / "crud_api" / "tables" / "lines.py").write_text(LINES)
    tables = clone.folder / "crud_api" / "tables" / "__init__.py"
    own = "from crud_api.tables.lines import lines\n"
    tables.write_text(own + tables.read_text().replace("(customers, orders)", "(customers, orders, lines)"))
    run = clone.run("deploy")
    assert run, run.error
    resources = cloud.client("apigateway").get_resources(restApiId=api_ids(clone)[0], limit=500)["items"]
    (row,) = [one for one in resources if one["path"].startswith("/lines/")]
    assert set(row["resourceMethods"]) == {"GET", "HEAD", "PUT", "PATCH", "DELETE"}
    (name,) = re.findall(r"{(\w+)}", row["path"])

    unzipped = tmp_path / "package"
    with zipfile.ZipFile(BytesIO(emulated.code_of(REGION, API))) as archive:
        archive.extractall(unzipped)
    variables = state(cloud)["functions"][API]["Environment"]["Variables"]
    execute(cloud.database_url, "CREATE TABLE demo.lines (part text, line int, note text, PRIMARY KEY (part, line))")
    keys = [("a,b/%2C é", 2, "a%2Cb%2F%252C%20%C3%A9,2"), ("a", 2, "a,2")]
    try:
        execute(cloud.database_url, "INSERT INTO demo.lines VALUES ('a,b/%2C é', 2, 'first'), ('a', 2, 'second')")
        environment = {**variables, **cloud.environment, "AWS_ACCESS_KEY_ID": "the-api"}
        with lambda_function("app.app", environment=environment, python_path=[unzipped]) as function:
            found = [
                invoke(
                    function.endpoint_url,
                    event("GET", f"/lines/{path}", resource=row["path"], path_parameters={name: unquote(path)}),
                )
                for _, _, path in keys
            ]
    finally:
        execute(cloud.database_url, "DROP TABLE demo.lines")
        run = deployed.run("deploy")
    assert [one["statusCode"] for one in found] == [200, 200], found
    assert [json.loads(one["body"]) for one in found] == [
        {"part": part, "line": line, "note": note}
        for (part, line, _), note in zip(keys, ("first", "second"), strict=True)
    ]
    assert run, run.error


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
    assert builds(clone.docker_calls()) == builds(docker)


def test_a_firewall_goes_before_the_api_and_away_again(deployed: Clone) -> None:
    waf, clone = deployed.cloud.client("wafv2"), deployed.again("firewall")
    clone.configure("gateway", waf={"requests_per_5_minutes": 2000}, metrics=True, tracing=True)
    assert "Make the web ACL crud-api-dev" in clone.run("plan").out
    run = clone.run("deploy")
    assert run, run.error
    (made,) = waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    stage = f"arn:aws:apigateway:eu-central-1::/restapis/{api_ids(clone)[0]}/stages/api"
    assert waf.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["Id"] == made["Id"]
    clone.configure("gateway", waf={"requests_per_5_minutes": 3000})
    assert "Set the web ACL crud-api-dev to 3000" in clone.run("deploy").out
    run = deployed.run("deploy")
    assert run, run.error
    assert waf.list_web_acls(Scope="REGIONAL")["WebACLs"] == []
    assert "Settings: nothing would change" in deployed.run("plan").out


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
    (("500 Internal Server Error", {"x-amzn-ErrorType": "ServiceException"}, {}), "It is safe to run this again."),
    (("200 OK", {}, "something"), "sent an unexpected answer: 'something'"),
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
    assert not [one for one in made if one.startswith(("PUT /restapis", "PUT /2015-03-31/functions/crud-api-dev/"))]
    assert len([one for one in made if one.endswith("-migrations/invocations")]) == 1


@pytest.mark.parametrize(("answer", "says"), MIGRATIONS_FAIL[-1:] + MIGRATIONS_FAIL[:1])
def test_a_plan_goes_on_where_the_database_was_not_asked(
    deployed: Clone, answer: tuple[str, dict[str, str], Any], says: str
) -> None:
    deployed.cloud.migrations = lambda _url: answer
    try:
        run = deployed.run("plan")
    finally:
        deployed.cloud.migrations = None
    assert run, run.error
    assert "would run; the database was not asked:" in run.out
    assert says in run.out


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("502 Bad Gateway", "ResourceNotReadyException"),
        ("502 Bad Gateway", "ENINotReadyException"),
        ("409 Conflict", "ResourceConflictException"),
    ],
)
def test_a_function_of_migrations_that_has_slept_for_weeks_is_woken(deployed: Clone, status: str, kind: str) -> None:
    refused: tuple[str, dict[str, str], Any] = (status, {"x-amzn-ErrorType": kind}, {})
    answers = iter([refused, ("200 OK", {}, {"done": ["0007-more: applied"]})])
    deployed.cloud.migrations = lambda _url: next(answers)
    try:
        run = deployed.run("migrate")
    finally:
        deployed.cloud.migrations = None
    assert run, run.error
    assert run.out == "0007-more: applied\n"


def test_an_update_of_the_api_that_was_killed_and_is_taken_back_is_deployed_again(deployed: Clone) -> None:
    assert deployed.run("deploy")
    code = code_of_api(deployed)
    clone = deployed.again("killed")
    clone.append("crud_api/routes.py", "\n# killed on its way\n")
    kill_after(clone, "the API's code", lambda call: call.action.endswith("/crud-api-dev/code"), "deploy")
    assert code_of_api(deployed) != code
    assert deployed.run("deploy")
    assert code_of_api(deployed) == code


def test_what_was_taken_away_by_hand_is_given_back(deployed: Clone) -> None:
    """The right of API Gateway to invoke the function (without it, it answers 500), and the format of its log."""
    before, client = state(deployed.cloud), deployed.cloud.client("lambda")
    policy = json.loads(client.get_policy(FunctionName=API)["Policy"])
    for statement in policy["Statement"]:
        client.remove_permission(FunctionName=API, StatementId=statement["Sid"])
    assert "Chalice would update" in deployed.run("plan").out
    assert deployed.run("deploy")
    assert state(deployed.cloud) == before

    client.update_function_configuration(FunctionName=API, LoggingConfig={"LogFormat": "Text"})
    assert "API: the function's log would be JSON" in deployed.run("plan").out
    deployed.cloud.calls.clear()
    assert deployed.run("deploy")
    assert state(deployed.cloud) == before
    assert not [call for call in deployed.cloud.calls if call.action.startswith("PUT /restapis")]


def test_the_key_is_printed_rotated_and_retired(deployed: Clone) -> None:
    client = deployed.cloud.client("apigateway")

    def valid() -> set[str]:
        return {one["value"] for one in client.get_api_keys(includeValues=True)["items"]}

    old = deployed.run("key").out.strip()
    assert valid() == {old}
    new = deployed.run("key", "--rotate").out.strip()
    assert valid() == {old, new}
    run = deployed.run("key", "--retire")
    assert run.out.splitlines() == ["deleted 1; the newest key is valid:", new]
    assert valid() == {new}


def test_a_first_creation_of_the_database_that_failed_is_cleared_away_although_it_is_protected(
    deployed: Clone,
) -> None:
    before, name = state(deployed.cloud), f"{API}-database"
    protect(deployed.cloud, API, name)
    deployed.cloud.busy[name] = ["ROLLBACK_FAILED"] * 3  # as often as the deploy asks until the stack is gone
    run = deployed.run("deploy")
    assert run, run.error
    assert f"turned off the protection of {API}, which was never complete" in run.out
    assert "deleting what an earlier run left (ROLLBACK_FAILED)" in run.out
    assert state(deployed.cloud) == before


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


def test_what_is_not_known_everywhere_yet_is_waited_for_and_said(deployed: Clone) -> None:
    key = deployed.cloud.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]
    said: list[str] = []
    # The first responses of a new stage. A later request meets a host that does not know the key yet.
    let_in = ""
    deployed.cloud.not_yet = ["500 Error", "403 Forbidden", "503 Busy", *[let_in] * 5, "403 Forbidden"]
    pauses: list[None] = []
    smoke.Smoke(deployed.cloud.api_url, smoke.with_key(key), said.append, pause=lambda: pauses.append(None)).run()
    assert said[0] == "GET /customers?limit=1: 500 yet; trying again for up to 120 s"
    assert "POST /orders: 403 yet; trying again for up to 120 s" in said
    assert len(pauses) == 4
    assert deployed.cloud.not_yet == []
    assert execute(deployed.cloud.database_url, "SELECT * FROM demo.customers") == []


def test_a_change_that_failed_is_not_sent_again(deployed: Clone) -> None:
    key = deployed.cloud.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]
    deployed.cloud.not_yet = ["", "", "", "502 Bad Gateway"]
    pauses: list[None] = []
    with pytest.raises(SmokeError, match="POST /customers: 201"):
        smoke.Smoke(deployed.cloud.api_url, smoke.with_key(key), print, pause=lambda: pauses.append(None)).run()
    assert pauses == []


def test_an_api_that_lets_everybody_in_fails_the_smoke_test(deployed: Clone) -> None:
    deployed.cloud.is_open = True
    try:
        run = deployed.run("smoke")
    finally:
        deployed.cloud.is_open = False
    assert "Expected: without credentials" in run.error


def test_an_api_that_answers_something_else_fails_the_deploy(deployed: Clone) -> None:
    url = f"{deployed.cloud.url}/nothing-here"
    run = deployed.run("deploy", "--url", url)
    assert run.status == 1
    (key,) = deployed.cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    step = run.out.splitlines().index("[10/10] Smoke test")
    assert run.out.splitlines()[step + 1 :] == [f"URL   {url}", f"key   {key['value']}"]  # printed before it failed
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
    deletes = "aws apigateway delete-rest-api --rest-api-id {} --region eu-central-1  # made "
    assert all(deletes.format(one) in run.error for one in (second, *api_ids(deployed)))


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
    assert "docker is not installed. Install it" in run.error
    assert state(clone.cloud) == before


def test_a_newer_base_is_a_new_image_and_one_that_is_not_known_is_said(deployed: Clone) -> None:
    clone, tag = deployed.again("base"), image_of(deployed)
    assert tag.endswith(f"-{'a' * 12}")
    try:
        clone.docker(base=f"sha256:{'b' * 64}")
        newer = f"Image {tag.partition('-')[0]}-{'b' * 12}: would be built and pushed"
        assert newer in clone.run("plan").out
        clone.docker(fails="buildx")  # as if the registry did not answer
        run = clone.run("deploy")
        assert run, run.error
        unknown = "No answer about a newer public.ecr.aws/lambda/python:3.13"
        assert f"{unknown}: the image that ECR has stays." in run.out
        assert image_of(clone) == tag
    finally:
        clone.docker()


def test_a_docker_that_does_not_run_is_said(deployed: Clone) -> None:
    clone = deployed.again("stopped-docker")
    clone.append("query_executor/handler.py", "\n# cannot be built either\n")
    clone.docker(fails="version")
    try:
        run = clone.run("plan")
    finally:
        clone.docker()
    assert "The engine of docker does not answer: the engine says no\nStart it" in run.error


def test_a_docker_without_its_builder_is_said_before_anything_is_made(deployed: Clone) -> None:
    clone = deployed.again("old-docker")
    clone.append("query_executor/handler.py", "\n# cannot be built by the old builder\n")
    clone.docker(fails="buildx")
    try:
        run = clone.run("plan")
    finally:
        clone.docker()
    assert "buildx is not, which builds" in run.error


def test_a_stage_for_everybody_needs_a_flag(deployed: Clone) -> None:
    clone = deployed.again("public")
    clone.configure("environment_variables", ACCESS="none")
    clone.cloud.calls.clear()
    run = clone.run("deploy")
    assert run.status == 1
    assert "anybody on the internet could read and change every row" in run.error
    assert [call.action for call in clone.cloud.calls] == ["GetCallerIdentity"]
    assert clone.run("plan", "--allow-public")


@pytest.mark.parametrize("command", ["deploy", "plan"])
def test_more_paths_than_the_api_may_have_are_refused_before_anything_is_made(deployed: Clone, command: str) -> None:
    clone = deployed.again(f"paths-{command}")
    clone.configure("gateway", max_resources=12)
    clone.cloud.calls.clear()
    run = clone.run(command)
    assert run.status == 1
    assert "The API would have 16 paths, and stage dev has room for 12" in run.error
    assert [call.action for call in clone.cloud.calls] == ["GetCallerIdentity"]


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


def test_a_right_that_is_missing_is_said_with_where_the_rights_are_listed(deployed: Clone) -> None:
    deployed.cloud.denied = "cloudformation:DescribeStacks"
    try:
        run = deployed.run("deploy")
    finally:
        deployed.cloud.denied = ""
    assert run.status == 1
    assert "User: me is not authorized to perform: cloudformation:DescribeStacks on resource: arn:aws:" in run.error
    assert "You lack that right. infra/templates/github-oidc.yaml lists the rights that a deploy needs." in run.error


def test_a_file_that_is_gone_is_said(deployed: Clone) -> None:
    clone = deployed.again("incomplete")
    (clone.folder / "requirements.txt").unlink()
    run = clone.run("plan")
    assert run.status == 1
    assert run.error.startswith("error: [Errno 2] No such file or directory: ")


def test_a_region_that_is_not_reached_is_named(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert "AWS is not reached in the region eu-central-1: Could not connect" in deployed.run("status").error


def test_whoever_has_read_enough_ends_a_command_without_a_word(deployed: Clone) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "infra", "status", "--project", str(deployed.folder)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_command_that_is_interrupted_says_what_goes_on(deployed: Clone) -> None:
    hold = deployed.cloud.hold = Hold(lambda call: call.action == "DescribeStacks")
    process = deployed.start("deploy")
    try:
        assert hold.reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    finally:
        hold.go_on.set()
        deployed.cloud.hold = None
    assert process.returncode == 1
    assert error == "error: Interrupted. CloudFormation finishes what it has begun. Run this again to continue.\n"


def test_without_a_region_it_says_which_variable(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("HOME", "/nonexistent")
    assert "export AWS_DEFAULT_REGION=" in deployed.run("status").error


# This test is the last one, because it empties the account in which the stage above is deployed.
def test_an_account_whose_limit_bounds_nothing_and_is_too_low_is_refused_before_anything_is_made(clone: Clone) -> None:
    before = state(clone.cloud)
    clone.cloud.concurrency = 110
    for command in ("plan", "deploy"):
        run = clone.run(command)
        assert run.status == 1
        assert "Stage dev reserves 11 concurrent executions, and this account has 10 to reserve" in run.error
    assert state(clone.cloud) == before


def test_a_new_account_is_deployed_without_a_reservation_that_a_later_deploy_makes(clone: Clone) -> None:
    clone.cloud.concurrency = 10
    run = clone.run("deploy")
    assert run, run.error
    assert run.out.count("are not reserved: the account's limit bounds its connections") == 1
    assert {name: one["concurrency"] for name, one in state(clone.cloud)["functions"].items()} == dict.fromkeys(
        (API, EXECUTOR, "crud-api-dev-migrations")
    )
    clone.cloud.concurrency = 1000
    run = clone.run("deploy")
    assert run, run.error
    assert "not reserved" not in run.out
    # moto's update of a function ignores its concurrency, so the test checks what the request sends to CloudFormation.
    (stack,) = clone.cloud.client("cloudformation").describe_stacks(StackName="crud-api-dev-executor")["Stacks"]
    told = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    assert (told["Reserve"], told["ReservedConcurrency"]) == ("true", "10")


def test_an_account_with_just_enough_room_is_not_refused(clone: Clone) -> None:
    clone.cloud.concurrency = 111
    run = clone.run("plan")
    assert run, run.error
