"""A new version of the executor goes live after it has connected and the migrations ran. If it fails, it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import execute
from tests.infrastructure.clone import Clone, kill_after
from tests.infrastructure.cloud import failed

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

API, EXECUTOR, MIGRATIONS = "crud-api-dev", "crud-api-dev-query-executor", "crud-api-dev-migrations"


def live(clone: Clone) -> str:
    return str(clone.cloud.client("lambda").get_alias(FunctionName=EXECUTOR, Name="live")["FunctionVersion"])


def host_of(clone: Clone, version: str) -> str:
    told = clone.cloud.client("lambda").get_function(FunctionName=EXECUTOR, Qualifier=version)["Configuration"]
    return str(told["Environment"]["Variables"]["DB_HOST"])


def migrated(clone: Clone) -> bool:
    return any(call.action.endswith("-migrations/invocations") for call in clone.cloud.calls)


@contextmanager
def cloud_with(clone: Clone, **members: Any) -> Iterator[None]:
    before = {name: getattr(clone.cloud, name) for name in members}
    for name, value in members.items():
        setattr(clone.cloud, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(clone.cloud, name, value)


def changed(deployed: Clone, name: str) -> Clone:
    clone = deployed.again(name)
    clone.append("query_executor/handler.py", f"\n# {name}\n")
    clone.cloud.calls.clear()
    return clone


def test_a_wrong_host_is_never_live_and_nothing_is_migrated(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), deployed.again("wrong-host")
    clone.configure("database", own={"DatabaseHost": "wrong.example"})
    clone.cloud.calls.clear()
    with cloud_with(clone, hosts_down={"wrong.example"}):
        run = clone.run("deploy")
    assert run.status == 1
    assert "timeout expired: wrong.example" in run.error
    assert f"Version {before} of the executor serves requests, as before: the new version is not live." in run.error
    assert live(clone) == before
    assert host_of(clone, before) == "db.example"
    assert not migrated(clone)
    assert "held back" in clone.run("status").out
    run = deployed.run("deploy")  # with the correct host
    assert run, run.error
    assert host_of(deployed, live(deployed)) == "db.example"
    assert "held back" not in deployed.run("status").out


@pytest.mark.deploys
def test_an_image_that_does_not_run_is_never_live(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "broken-image")

    class Every(set[str]):
        def __contains__(self, _uri: object) -> bool:
            return True

    with cloud_with(clone, broken_images=Every()):
        run = clone.run("deploy")
    assert run.status == 1
    assert "does not run: Runtime.ExitError" in run.error
    assert live(clone) == before
    assert not migrated(clone)
    # The next run continues where this one ended.
    run = clone.run("deploy")
    assert run, run.error
    assert int(live(clone)) > int(before)
    assert deployed.run("deploy")


@pytest.mark.deploys
def test_failed_migrations_leave_the_version_before_live(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "failed-migration")
    with cloud_with(clone, migrations=lambda _url: failed("MigrationError", "0099-more: no")):
        run = clone.run("deploy")
    assert "0099-more: no" in run.error
    assert f"Version {before} of the executor serves requests, as before" in run.error
    assert live(clone) == before
    assert deployed.run("deploy")


def test_the_new_version_connects_then_migrates_then_serves(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "order")
    run = clone.run("deploy")
    assert run, run.error
    new = live(clone)
    assert int(new) > int(before)
    assert f"version {new} serves, after version {before}" in run.out
    asked = [call.action for call in clone.cloud.calls]
    invoked = [one.split("/")[3] for one in asked if one.endswith("/invocations")]
    assert invoked == [EXECUTOR, MIGRATIONS, EXECUTOR]  # the last call checks the executor's rights
    moved = [n for n, one in enumerate(asked) if one == "ExecuteChangeSet"]
    assert len(moved) == 2
    assert asked.index(f"POST /2015-03-31/functions/{MIGRATIONS}/invocations") < moved[1]
    assert deployed.run("deploy")


@pytest.mark.deploys
def test_a_deploy_killed_before_the_version_serves_is_finished_by_the_next(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "killed-release")
    kill_after(clone, "the migrations", lambda call: call.action.endswith("-migrations/invocations"), "deploy")
    assert live(clone) == before
    run = clone.run("deploy")
    assert run, run.error
    assert int(live(clone)) > int(before)
    assert deployed.run("deploy")


@pytest.mark.deploys
def test_a_user_without_the_rights_is_told_the_grant_before_it_serves(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "rights")
    url = deployed.cloud.database_url
    user = "shop app"
    execute(url, f'DROP ROLE IF EXISTS "{user}"')
    execute(url, f'CREATE ROLE "{user}" LOGIN')
    as_user = url.replace("://", f"://{user.replace(' ', '%20')}@", 1) if "@" not in url else _with_user(url, user)
    try:
        with cloud_with(clone, executors_url=as_user):
            run = clone.run("deploy")
            assert run.status == 1
            assert 'GRANT crud_api TO "shop app";' in run.error
            assert live(clone) == before
            execute(url, f'GRANT crud_api TO "{user}"')
            run = clone.run("deploy")
        assert run, run.error
    finally:
        execute(url, f'DROP ROLE "{user}"')
        assert deployed.run("deploy")


def _with_user(url: str, user: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user.replace(' ', '%20')}@{rest.partition('@')[2]}"


@pytest.mark.deploys
def test_a_release_whose_smoke_test_fails_goes_back_by_itself(deployed: Clone) -> None:
    assert deployed.run("deploy")
    client = deployed.cloud.client("lambda")
    before = live(deployed), client.get_function(FunctionName=API)["Configuration"]["CodeSha256"], deployment(deployed)
    clone = changed(deployed, "bad-release")
    clone.append("crud_api/routes.py", "\n# bad\n")
    with cloud_with(clone, broken_method="PUT"):
        run = clone.run("deploy")
    assert run.status == 1
    assert "Expected: PUT /orders/smoke-" in run.error
    assert f"went back: the API's code and routes and version {before[0]} of the executor from before" in run.error
    assert (
        live(clone),
        client.get_function(FunctionName=API)["Configuration"]["CodeSha256"],
        deployment(clone),
    ) == before
    assert "held back" in clone.run("status").out
    run = clone.run("deploy")  # the next deploy tries again
    assert run, run.error
    assert live(clone) != before[0]
    assert deployed.run("deploy")


def deployment(clone: Clone) -> str:
    client = clone.cloud.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    return str(client.get_stage(restApiId=api["id"], stageName="api")["deploymentId"])


@pytest.mark.deploys
def test_a_release_that_is_to_be_kept_stays_although_its_smoke_test_fails(deployed: Clone) -> None:
    assert deployed.run("deploy")
    before, clone = live(deployed), changed(deployed, "kept-release")
    with cloud_with(clone, broken_method="PUT"):
        run = clone.run("deploy", "--keep")
    assert "Everything is deployed and stays." in run.error
    assert live(clone) != before
    assert deployed.run("deploy")


@pytest.mark.deploys
def test_what_was_changed_by_hand_is_seen_by_plan_and_status_and_put_back(deployed: Clone) -> None:
    assert deployed.run("deploy")
    client = deployed.cloud.client("lambda")
    version = live(deployed)
    told = {name: client.get_function(FunctionName=name) for name in (API, EXECUTOR, MIGRATIONS)}
    client.update_function_configuration(FunctionName=API, MemorySize=1024)
    client.update_function_configuration(FunctionName=EXECUTOR, Timeout=9)
    client.update_function_configuration(
        FunctionName=MIGRATIONS, Environment={"Variables": {"DB_HOST": "elsewhere.example"}}
    )
    client.update_alias(FunctionName=EXECUTOR, Name="live", FunctionVersion="1")
    client.put_function_concurrency(FunctionName=EXECUTOR, ReservedConcurrentExecutions=2)
    client.delete_function_concurrency(FunctionName=MIGRATIONS)
    plan, status = deployed.run("plan").out, deployed.run("status").out
    assert "API: the function was changed by hand" in plan
    assert "changed by hand since its deploy" in status
    for said in (plan, status):
        assert f"Put {EXECUTOR} back" in said
        assert f"Reserve 10 concurrency for {EXECUTOR}: it was set to 2 by hand." in said
        assert f"Reserve 1 concurrency for {MIGRATIONS}: it was set to none by hand." in said
        assert f"Put {MIGRATIONS} back" in said
        assert version == "1" or f"Move the alias live to version {version}" in said
    run = deployed.run("deploy")
    assert run, run.error
    for name, one in told.items():
        has = client.get_function(FunctionName=name)["Configuration"]
        for member in ("MemorySize", "Timeout", "Environment"):
            assert plain(has[member]) == plain(one["Configuration"][member])
        assert client.get_function(FunctionName=name).get("Concurrency") == one.get("Concurrency")
    assert live(deployed) == version
    assert "by hand" not in deployed.run("plan").out + deployed.run("status").out


def plain(member: Any) -> Any:
    """Make numbers text, like Lambda. moto keeps the numbers of a template."""
    return json.dumps(member).replace('"', "")


def test_an_api_that_was_stopped_by_hand_is_seen(deployed: Clone) -> None:
    client = deployed.cloud.client("lambda")
    assert "by hand" not in deployed.run("status").out
    client.put_function_concurrency(FunctionName=API, ReservedConcurrentExecutions=1)
    try:
        assert "changed by hand since its deploy" in deployed.run("status").out
    finally:
        client.delete_function_concurrency(FunctionName=API)
    assert "by hand" not in deployed.run("status").out


@pytest.mark.deploys
def test_force_deploys_the_api_although_nothing_changed(deployed: Clone) -> None:
    assert deployed.run("deploy")
    assert "Chalice would update" in deployed.run("plan", "--force").out
    deployed.cloud.calls.clear()
    assert deployed.run("deploy", "--force")
    assert [call for call in deployed.cloud.calls if call.action.startswith("PUT /restapis")]


@pytest.mark.deploys
def test_traces_that_a_plain_chalice_deploy_turns_off_are_turned_on_again(deployed: Clone) -> None:
    clone = deployed.again("traces")
    clone.configure("gateway", tracing=True)
    assert clone.run("deploy")
    client = clone.cloud.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    stage = {"restApiId": api["id"], "stageName": "api"}
    off = [{"op": "replace", "path": "/tracingEnabled", "value": "false"}]  # CreateDeployment(tracingEnabled=False)
    client.update_stage(**stage, patchOperations=off)
    assert "tracingEnabled to true" in clone.run("plan").out
    assert "tracingEnabled to true (was false)" in clone.run("deploy").out
    assert client.get_stage(**stage)["tracingEnabled"] is True
    assert deployed.run("deploy")
