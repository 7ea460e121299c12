"""The users of a stage whose ACCESS is cognito: which pool has them, how they are invited, how they are deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from infra.aws.account import Account
from infra.aws.change import Change
from infra.aws.stacks import Stacks
from infra.errors import CommandError, RefusedError
from infra.stage import Stage


@dataclass(frozen=True)
class Pool:
    """A user pool. `client` is boto3's. `client_id` is empty for a pool of your own, which has clients of your own."""

    client: Any
    pool_id: str
    client_id: str
    stage: Stage


def pool_of(account: Account, stage: Stage, stacks: Stacks) -> Pool:
    """The pool that lets callers in: the config's, or else the deploy's. Raises `CommandError` where there is none."""
    if stage.access != "cognito":
        raise RefusedError(
            f"Stage {stage.name} has no users: its ACCESS is {stage.access}. Set it to cognito in "
            f".chalice/config.json, then run {stage.make('deploy')}"
        )
    if stage.user_pool_arn:
        _, _, _, region, _, name = stage.user_pool_arn.split(":", 5)
        return Pool(account.client("cognito-idp", region_name=region), name.removeprefix("userpool/"), "", stage)
    outputs = stacks.outputs(stage.stack("users"))
    if "UserPoolId" not in outputs:
        raise CommandError(
            f"Stage {stage.name} has no user pool in {account.region} of this account. {stage.make('deploy')} makes it."
        )
    return Pool(account.client("cognito-idp"), outputs["UserPoolId"], outputs["ClientId"], stage)


def invite(pool: Pool, email: str, groups: Collection[str] | None, *, resend: bool = False) -> Iterator[str]:
    """Invite a user and set the groups; None leaves them as they are. Yield a sentence for each thing that was done.

    A repetition invites nobody twice. Raises `CommandError` where Cognito does not take the address.
    """
    client, errors = pool.client, pool.client.exceptions
    if not email:
        raise CommandError(f"EMAIL names the user: {pool.stage.make('user', EMAIL='ada@example.com')}")
    user = {"UserPoolId": pool.pool_id, "Username": email}
    try:
        client.admin_create_user(
            **user,
            DesiredDeliveryMediums=["EMAIL"],
            **({"MessageAction": "RESEND"} if resend else {"UserAttributes": _attributes(email)}),
        )
        yield f"Invited {email}. Cognito sends a password for the first sign-in. It is valid for 7 days."
    except errors.UsernameExistsException:
        again = pool.stage.make("user", EMAIL=email, ARGS="--resend")
        yield f"{email} is a user already, and was not invited again. If the invitation is lost or has expired: {again}"
    except errors.UnsupportedUserStateException as error:
        raise CommandError(f"{email} has signed in already, so there is no invitation to send again.") from error
    except errors.UserNotFoundException as error:
        raise CommandError(
            f"{email} was not invited yet, so there is nothing to send again: {pool.stage.make('user', EMAIL=email)}"
        ) from error
    except errors.InvalidParameterException as error:
        raise CommandError(
            f"Cognito does not take {email}: {error}\nEMAIL must be an address: "
            f"{pool.stage.make('user', EMAIL='ada@example.com')}"
        ) from error
    if groups is not None:
        yield from _set_groups(pool, user, groups)


def _attributes(email: str) -> list[dict[str, str]]:
    """The address, and that it is verified: the invitation goes to it. Otherwise Cognito would reset no password."""
    return [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]


def _set_groups(pool: Pool, user: dict[str, str], groups: Collection[str]) -> Iterator[str]:
    client = pool.client
    pages = client.get_paginator("admin_list_groups_for_user").paginate(**user)
    has = {group["GroupName"] for page in pages for group in page["Groups"]}
    for group in sorted({*groups} - has):
        try:
            client.create_group(UserPoolId=pool.pool_id, GroupName=group)
            yield f"Made the group {group}."
        except client.exceptions.GroupExistsException:
            pass
        client.admin_add_user_to_group(**user, GroupName=group)
        yield f"Put the user into the group {group}."
    for group in sorted(has - {*groups}):
        client.admin_remove_user_from_group(**user, GroupName=group)
        yield f"Took the user out of the group {group}."
    yield f"Groups of {user['Username']}: {', '.join(sorted(groups))}. A token has them from the next sign-in on."


def removal(account: Account, pool_id: str | None) -> Iterator[Change]:
    """The change that deletes a pool with its users."""
    if pool_id is not None:
        yield Change(f"deleted the user pool {pool_id} with its users", lambda: _delete(account, pool_id))


def _delete(account: Account, pool_id: str) -> None:
    client = account.client("cognito-idp")
    try:
        pool = client.describe_user_pool(UserPoolId=pool_id)["UserPool"]
        # An update resets what it does not name. Without its tags the role of GitHub would not know the pool any more.
        client.update_user_pool(
            UserPoolId=pool_id, DeletionProtection="INACTIVE", UserPoolTags=pool.get("UserPoolTags", {})
        )
        client.delete_user_pool(UserPoolId=pool_id)
    except client.exceptions.ResourceNotFoundException:
        return  # an interrupted run has deleted it
