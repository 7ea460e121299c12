"""The migrations of a stage, run by their function inside the VPC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from infra.aws.account import Account
from infra.declarations import declared
from infra.errors import MigrationsError
from infra.stage import Stage

# Seconds. The function has 900, the most that Lambda gives; its own time-out is the better answer.
READ_S = 930
CONCURRENCY = 1  # as infra/templates/executor.yaml reserves it
MIGRATED_TAG = "crud-api-migrated"  # on their function: when they ended well


def function_name(prefix: str) -> str:
    return f"{prefix}-migrations"


def run(account: Account, stage: Stage) -> list[str]:
    """Run them; returns what they did, a sentence each, or nothing. Raises `MigrationsError`.

    One attempt: botocore would start another run when the answer of the first is late, which would wait for its lock.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    client = account.client(
        "lambda", connect_timeout=10, read_timeout=READ_S, retries={"total_max_attempts": 1}, tcp_keepalive=True
    )
    name, logs = function_name(stage.prefix), stage.make("logs", FUNCTION="migrations")
    try:
        # Who connects as another user than crud_api's members is not known here.
        event = json.dumps({"declared": declared(), "role": "crud_api"}).encode()
        answer = _invoke(client, name, event)
        payload = json.loads(answer["Payload"].read())
    except client.exceptions.ResourceNotFoundException as error:
        raise MigrationsError(
            f"There is no function {name} yet. {stage.make('deploy')} makes it and migrates."
        ) from error
    except client.exceptions.TooManyRequestsException as error:
        raise MigrationsError(
            "Migrations are running already, from another deploy or from an interrupted deploy. Wait until "
            f"`{logs}` says that they ended, then run this again. ({error})"
        ) from error
    except (BotoCoreError, ClientError, ValueError) as error:
        raise MigrationsError(
            f"{name} could not be invoked: {error}\nIf it had started, it continues. It is safe to run this again."
        ) from error
    if "FunctionError" in answer:
        raise MigrationsError(_reason(payload, logs))
    return _done(name, payload)


def run_and_mark(account: Account, stage: Stage) -> list[str]:
    """Run them, always: asking whether there are any is what they do first, in about a second.

    A record of our own that there are none would be wrong after a restored backup or a changed database. When they
    ended well is kept for `status` only.
    """
    done = run(account, stage)
    client = account.client("lambda")
    arn = client.get_function(FunctionName=function_name(stage.prefix))["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={MIGRATED_TAG: datetime.now(UTC).isoformat(timespec="seconds")})
    return done


def _invoke(client: Any, name: str, event: bytes) -> Any:
    refused = client.exceptions
    try:
        return client.invoke(FunctionName=name, Payload=event)
    except (refused.ResourceNotReadyException, refused.ENINotReadyException, refused.ResourceConflictException):
        # Two weeks without a call, and Lambda takes a function's network interfaces away. The next call is refused, and
        # begins to make them anew.
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return client.invoke(FunctionName=name, Payload=event)


def _done(name: str, payload: Any) -> list[str]:
    done = payload.get("done") if isinstance(payload, dict) else None
    if not isinstance(done, list):
        raise MigrationsError(f"{name} gave an answer that no migrations give: {payload!r}")
    return [str(line) for line in done]


def _reason(payload: Any, logs: str) -> str:
    error = payload if isinstance(payload, dict) else {}
    message = str(error.get("errorMessage", payload))
    kind = error.get("errorType", "")
    if kind == "UnfitError":
        return f"{message}\nCorrect the database or the declarations, then run this again."
    if "timed out" in message or "timeout" in message.lower():
        message += (
            "\nDoes the function reach the database (security groups), and Secrets Manager when the owner has a "
            'password (network.SecretsEndpoint "true")?'
        )
    return (
        f"The migrations failed ({kind or 'no type'}): {message}\nNothing of the failed migration was kept. "
        f"More: {logs}. Correct it, then run this again."
    )
