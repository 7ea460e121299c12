"""Destroy deletes everything that the deploy made. It deletes the database only with its flag."""

from __future__ import annotations

import io

import pytest

from tests.infrastructure.account_state import state
from tests.infrastructure.clone import Clone
from tests.infrastructure.cloud import protect
from tests.infrastructure.templates import Stack

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")


def test_nothing_is_deleted_until_the_name_is_typed(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(deployed.cloud)
    for typed in ("prod\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        run = deployed.run("destroy")
        assert "This deletes stage dev in eu-central-1 of account 123456789012, except its database." in run.out
        assert "Nothing was deleted" in run.error
    assert state(deployed.cloud) == before


def test_a_protected_database_is_refused_before_anything_is_deleted(deployed: Clone) -> None:
    before = state(deployed.cloud)
    protect = deployed.cloud.client("rds").modify_db_instance  # moto does not read the protection from the stack
    protect(DBInstanceIdentifier="crud-api-dev", DeletionProtection=True)
    run = deployed.run("destroy", "--yes", "--delete-database")
    assert run.status == 1
    assert 'Set database.stack.DeletionProtection to "false"' in run.error
    assert state(deployed.cloud) == before


def test_all_but_the_database_and_its_network_goes_and_a_deploy_finds_those_again(
    deployed: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = state(deployed.cloud)
    monkeypatch.setattr("sys.stdin", io.StringIO("dev\n"))
    run = deployed.run("destroy")
    assert run, run.error
    assert "Lambda keeps the network interfaces of the executor for up to 40 minutes" in run.out
    left = state(deployed.cloud)
    assert left["databases"] == ["crud-api-dev"]
    assert left["stacks"] == ["crud-api-dev-database", "crud-api-dev-network"]
    assert left["log groups"].keys() == {"/aws/rds/instance/crud-api-dev/postgresql"}
    gone = ("functions", "roles", "apis", "keys", "usage plans", "dashboards", "topics")
    assert not any(left[one] for one in gone), left
    (network,) = deployed.cloud.client("cloudformation").describe_stacks(StackName="crud-api-dev-network")["Stacks"]
    told = {one["ParameterKey"]: one["ParameterValue"] for one in network["Parameters"]}
    assert (told["Repository"], told["SecretsEndpoint"]) == ("false", "false")
    # A function that was still running when its log group was deleted makes the group again.
    deployed.cloud.client("logs").create_log_group(logGroupName="/aws/lambda/crud-api-dev")
    assert deployed.run("destroy", "--yes")
    assert state(deployed.cloud) == left

    run = deployed.run("deploy")
    assert run, run.error
    assert "stack crud-api-dev-database: nothing changed" in run.out
    assert state(deployed.cloud) == full


def test_a_protected_database_that_never_was_complete_is_deleted_with_the_rest(deployed: Clone) -> None:
    protect(deployed.cloud, "crud-api-dev", "crud-api-dev-database")
    deployed.cloud.busy["crud-api-dev-database"] = ["ROLLBACK_FAILED"] * 2
    run = deployed.run("destroy", "--yes", "--delete-database")
    assert run, run.error
    assert "turned off the protection of crud-api-dev, which was never complete" in run.out
    assert (state(deployed.cloud)["databases"], state(deployed.cloud)["stacks"]) == ([], [])


def test_what_is_left_of_the_network_has_no_images_and_no_bill() -> None:
    """This is tested in the template, because moto ignores conditions when it updates a stack."""
    left = Stack("network", Repository="false", SecretsEndpoint="false")
    assert left.of_type("AWS::ECR::Repository") == {}
    assert left.of_type("AWS::EC2::VPCEndpoint") == {}
    assert left.outputs.keys() >= {"VpcId", "SubnetIds", "DatabaseSecurityGroupId"}
