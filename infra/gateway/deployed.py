"""The deployed API of a stage, and the credentials for its smoke test."""

from __future__ import annotations

from collections.abc import Callable

from infra import gateway, hints
from infra.aws.account import Account
from infra.aws.api import chalice_deploy
from infra.aws.stacks import Stacks
from infra.errors import CommandError, SmokeError
from infra.gateway import smoke
from infra.stage import Stage


def rest_api(account: Account, stage: Stage, stacks: Stacks) -> gateway.RestApi | None:
    api_id = chalice_deploy.rest_api_id(account, stage)
    if api_id is None:
        return None
    group = stacks.outputs(stage.stack("observability")).get("AccessLogGroupArn", "")
    return gateway.RestApi(api_id, stage.api_stage, stage.name, group, stage.cors_origins, stage.tags)


def required(account: Account, stage: Stage, stacks: Stacks) -> gateway.RestApi:
    """The API of a stage. Raises `CommandError` where there is none."""
    api = rest_api(account, stage, stacks)
    if api is None:
        raise CommandError(
            f"Stage {stage.name} has no API in {account.region} of this account. {stage.make('deploy')} makes it."
        )
    return api


def credentials(
    account: Account, stage: Stage, api: gateway.RestApi, token: str | None = None
) -> smoke.Credentials | None:
    """The credentials of a request; None where only a user of the Cognito pool gets in and no token is given."""
    match stage.access:
        case "api_key":
            key = gateway.api_key(account.client, api)
            if key is None:
                raise SmokeError(f"The stage has no API key. {stage.make('deploy')} makes a key.")
            return smoke.with_key(key)
        case "iam":
            return smoke.signed(account.session, account.region)
        case "cognito":
            return None if token is None else smoke.with_token(token)
        case _:
            return smoke.nobody


def smoke_test(
    account: Account, stage: Stage, url: str, let_in: smoke.Credentials, say: Callable[[str], None]
) -> smoke.Smoke:
    """The smoke test of a stage. It trusts the certificates that boto3 trusts."""
    return smoke.Smoke(url, let_in, say, is_open=stage.access == "none", ca_bundle=account.ca_bundle)


def smoke_hint(stage: Stage, url: str | None) -> str:
    """The command that runs the smoke test. `url` is the API's address, if it has a domain name of its own."""
    told = {"ARGS": f"--url {url}"} if url else {}
    if stage.access != "cognito":
        return stage.make("smoke", **told)
    return hints.with_token(stage.make("smoke", **told | {"TOKEN": "$TOKEN"}))
