"""A deploy or a destroy that is killed anywhere: the next run finishes it as if nothing had happened."""

from __future__ import annotations

import pytest

from tests.infrastructure.account_state import State, state
from tests.infrastructure.clone import Clone, Fits, kill_after

pytestmark = [
    pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning"),
    pytest.mark.timeout(300),  # each test starts processes
]


def stack_call(action: str, name: str) -> Fits:
    return lambda call: call.action == action and f"StackName=crud-api-dev-{name}" in call.body


def request(start: str) -> Fits:
    return lambda call: call.action.startswith(start)


# The run is killed after this call has had its effect. The order is that of the steps: each run gets to the next call.
DEPLOY: dict[str, Fits] = {
    "a change set that is not executed": stack_call("CreateChangeSet", "network"),
    "the network": stack_call("ExecuteChangeSet", "network"),
    "the default group": request("RevokeSecurityGroupEgress"),
    "the database": stack_call("ExecuteChangeSet", "database"),
    "the image": request("PutImage"),
    "the executor": stack_call("ExecuteChangeSet", "executor"),
    "the migrations": lambda call: call.action.endswith("crud-api-dev-migrations/invocations"),
    "the observability": stack_call("ExecuteChangeSet", "observability"),
    "the API's function": request("POST /2015-03-31/functions"),
    "the API, before Chalice wrote down its id": lambda call: call.action == "POST /restapis",
    "the API's deployment": lambda call: call.action.endswith("/deployments"),
    "the usage plan": lambda call: call.action == "POST /usageplans",
    "the key": lambda call: call.action == "POST /apikeys",
    "an answer of API Gateway's": lambda call: "/gatewayresponses/" in call.action and call.action.startswith("PUT"),
}
DESTROY: dict[str, Fits] = {
    "the API": request("DELETE /restapis/"),
    "the executor": stack_call("DeleteStack", "executor"),
    "the network": stack_call("DeleteStack", "network"),
}


@pytest.mark.deploys
def test_a_deploy_killed_after_each_step_in_turn_ends_as_one_that_was_not(clone: Clone, undisturbed: State) -> None:
    for step, fits in DEPLOY.items():
        kill_after(clone, step, fits, "deploy")
    run = clone.run("deploy")
    assert run, run.error
    assert state(clone.cloud) == undisturbed
    run = clone.run("deploy")
    assert run.out.count("nothing changed") == 6


@pytest.mark.deploys
def test_a_destroy_killed_after_each_step_in_turn_leaves_nothing(clone: Clone) -> None:
    empty = state(clone.cloud)
    clone.configure("database", stack={"DeletionProtection": False})
    run = clone.run("deploy")
    assert run, run.error
    for step, fits in DESTROY.items():
        kill_after(clone, step, fits, "destroy", "--yes", "--delete-database")
    run = clone.run("destroy", "--yes", "--delete-database")
    assert run, run.error
    assert state(clone.cloud) == empty
