"""The states in which an earlier run can leave a stack: a deploy waits, cleans up, or explains what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from infra.aws import our_database
from infra.aws.account import Account, connect
from infra.aws.stacks import Stacks
from infra.errors import StackError
from infra.hints import Hints, cli, make
from tests.infrastructure.clone import Clone, cloned
from tests.infrastructure.cloud import protect

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

STACK = "crud-api-dev-network"
HINTS = Hints(make, partial(cli, region="eu-central-1"))
NEW, OLD = "crud-api-dev", "crud-api-dev-before"


@dataclass
class Watched:
    """The stacks of an account, their messages, and the number of their pauses."""

    clone: Clone
    said: list[str] = field(default_factory=list)
    pauses: int = 0

    def deploy(self, **told: str) -> bool:
        return self.stacks.deploy(STACK, "network", {"Stage": "dev", **told})

    def busy(self, *statuses: str) -> None:
        self.clone.cloud.busy[STACK] = list(statuses)

    @property
    def stacks(self) -> Stacks:
        return Stacks(self.clone.cloud.client("cloudformation"), self.said.append, HINTS, pause=self._pause)

    def _pause(self) -> None:
        self.pauses += 1

    @property
    def connected(self) -> Account:
        return connect()

    @property
    def vpc(self) -> str:
        return self.stacks.outputs(STACK)["VpcId"]


@pytest.fixture(scope="module")
def account(workplace: Path, postgres_url: str) -> Iterator[Clone]:
    with cloned(workplace, postgres_url) as clone:
        yield clone


@pytest.fixture
def watched(account: Clone) -> Watched:
    """An account without the stack and without events."""
    account.cloud.busy.clear()
    account.cloud.events.clear()
    Watched(account).stacks.delete(STACK)
    account.cloud.calls.clear()
    return Watched(account)


def test_what_a_killed_run_began_is_waited_for(watched: Watched) -> None:
    watched.deploy()
    vpc = watched.vpc
    watched.busy("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    assert watched.deploy(DatabasePort="6000")
    assert watched.pauses == 2
    assert "waiting for an earlier run (UPDATE_IN_PROGRESS)" in watched.said
    assert watched.vpc == vpc
    assert watched.stacks.outputs(STACK)["DatabasePort"] == "6000"


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_first_creation_that_failed_is_made_anew(watched: Watched, status: str) -> None:
    watched.deploy()
    vpc = watched.vpc
    watched.busy(status)
    assert watched.deploy()
    assert watched.vpc != vpc
    assert f"deleting what an earlier run left ({status})" in watched.said


def test_a_stack_is_made_with_the_stages_tags_and_is_another_one_with_others(watched: Watched) -> None:
    client = watched.clone.cloud.client("cloudformation")

    def with_tags(**tags: str) -> Stacks:
        return Stacks(client, watched.said.append, HINTS, tags, pause=watched._pause)

    assert with_tags(team="shop", cost="7").deploy(STACK, "network", {"Stage": "dev"})
    (made,) = client.describe_stacks(StackName=STACK)["Stacks"]
    assert {one["Key"]: one["Value"] for one in made["Tags"]} == {"team": "shop", "cost": "7"}
    told = {"Stage": "dev"}
    assert with_tags(cost="7", team="shop")._is_same(STACK, "network", told)
    assert not any(with_tags(**one)._is_same(STACK, "network", told) for one in ({"team": "shop"}, {"team": "a"}, {}))


def test_a_stack_that_is_stuck_is_explained(watched: Watched) -> None:
    watched.deploy()
    watched.busy("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED")
    with pytest.raises(
        StackError,
        match="aws cloudformation continue-update-rollback --stack-name crud-api-dev-network --region eu-central-1\n",
    ):
        watched.deploy(SecretsEndpoint="true")


@pytest.fixture
def databases(watched: Watched) -> Iterator[Callable[[], list[str]]]:
    """Two protected databases. The stack has made the new one. A call returns which are still protected."""
    watched.deploy()
    rds = watched.clone.cloud.client("rds")
    for name in (NEW, OLD):
        rds.create_db_instance(
            DBInstanceIdentifier=name, DBInstanceClass="db.t4g.micro", Engine="postgres", DeletionProtection=True
        )
    protect(watched.clone.cloud, NEW, STACK)

    def protected() -> list[str]:
        found = rds.describe_db_instances()["DBInstances"]
        return [one["DBInstanceIdentifier"] for one in found if one["DeletionProtection"]]

    yield protected
    for name in (NEW, OLD):
        rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


STILLBORN: list[tuple[str, list[str]]] = [
    ("ROLLBACK_FAILED", []),
    ("ROLLBACK_COMPLETE", []),
    ("CREATE_FAILED", []),
    ("DELETE_FAILED", ["ROLLBACK_IN_PROGRESS"]),
]


@pytest.mark.parametrize(("status", "was"), STILLBORN)
def test_a_database_that_never_was_complete_loses_its_protection_and_no_other_one_does(
    watched: Watched, databases: Callable[[], list[str]], status: str, was: list[str]
) -> None:
    watched.busy(status)
    watched.clone.cloud.events = [(STACK, "AWS::CloudFormation::Stack", one, "") for one in was]
    assert our_database.unprotect_stillborn(watched.connected, STACK) == [NEW]
    assert databases() == [OLD]


@pytest.mark.parametrize(
    "status",
    ["CREATE_COMPLETE", "DELETE_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"],
)
def test_a_database_that_was_complete_stays_protected(
    watched: Watched, databases: Callable[[], list[str]], status: str
) -> None:
    watched.busy(status)
    watched.clone.cloud.events = [(STACK, "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_IN_PROGRESS", "")]
    assert our_database.unprotect_stillborn(watched.connected, STACK) == []
    assert databases() == [NEW, OLD]


def test_a_failure_is_told_by_its_first_cause_and_what_to_do(watched: Watched) -> None:
    watched.busy("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE")
    watched.clone.cloud.events = [
        ("SubnetA", "AWS::EC2::Subnet", "CREATE_FAILED", "Resource creation cancelled"),
        (
            "Executor",
            "AWS::Lambda::Function",
            "CREATE_FAILED",
            "decreases account's UnreservedConcurrentExecution below 10",
        ),
    ]
    with pytest.raises(StackError) as raised:
        watched.deploy()
    ended, reason, advice = str(raised.value).splitlines()
    assert ended == "crud-api-dev-network ended as ROLLBACK_COMPLETE."
    assert reason == ("Executor (AWS::Lambda::Function): decreases account's UnreservedConcurrentExecution below 10")
    assert "Ask for more at Service Quotas" in advice
    assert any(line.startswith("CREATE_FAILED") and "Executor" in line for line in watched.said)
    assert watched.pauses == 2


def test_what_cloudformation_waits_for_is_told(watched: Watched) -> None:
    waits = "CloudFormation is waiting for NetworkInterfaces associated with the Lambda Function to be cleaned up."
    watched.clone.cloud.events = [
        ("Executor", "AWS::Lambda::Function", "DELETE_IN_PROGRESS", waits),
        ("Live", "AWS::Lambda::Alias", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
    ]
    watched.deploy()
    assert f"DELETE_IN_PROGRESS   Executor: {waits}" in watched.said
    assert not [line for line in watched.said if "Live" in line]  # its earlier event was shown already


def test_a_status_from_before_is_not_taken_for_the_end(watched: Watched) -> None:
    watched.deploy()
    watched.clone.cloud.late_events = 2
    assert watched.deploy(DatabasePort="6001")
    assert watched.pauses == 2


def test_what_is_as_it_should_be_is_left(watched: Watched) -> None:
    watched.deploy()
    assert not watched.deploy()
    assert watched.stacks.plan(STACK, "network", {"Stage": "dev"}) == []


def test_deleting_waits_until_it_is_gone_and_a_second_time_says_so(watched: Watched) -> None:
    watched.deploy()
    watched.busy("CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    assert watched.stacks.delete(STACK)
    assert watched.pauses == 2
    assert watched.stacks.status(STACK) is None
    assert not watched.stacks.delete(STACK)


def test_what_the_deletion_of_a_stack_did_last_is_told_though_its_name_is_gone(watched: Watched) -> None:
    watched.deploy()
    watched.said.clear()
    assert watched.stacks.delete(STACK)
    assert watched.said[-1] == f"DELETE_COMPLETE      {STACK}"


def test_a_stack_that_is_deleted_while_it_is_made_is_told_to_its_end_and_by_its_name(watched: Watched) -> None:
    watched.busy("CREATE_IN_PROGRESS")
    watched.clone.cloud.events = [("Vpc", "AWS::EC2::VPC", "CREATE_FAILED", "the account has no more VPCs")]

    def delete() -> None:
        watched.clone.cloud.events = []
        watched.clone.cloud.client("cloudformation").delete_stack(StackName=STACK)

    stacks = Stacks(watched.clone.cloud.client("cloudformation"), watched.said.append, HINTS, pause=delete)
    with pytest.raises(StackError, match=f"^{STACK} ended as DELETE_COMPLETE.\nVpc .*: the account has no more VPCs\n"):
        stacks.deploy(STACK, "network", {"Stage": "dev"})
    assert watched.said[-1] == f"DELETE_COMPLETE      {STACK}"
