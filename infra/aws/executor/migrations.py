"""The migrations of a stage, run by their function inside the VPC."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, ValidationError, convert

from infra.aws.account import Account
from infra.declarations import declared, declared_functions
from infra.errors import MigrationsError
from infra.stage import Stage

# Seconds. The function has 900, Lambda's maximum. The message of its own time-out says more.
READ_S = 930
CONCURRENCY = 1  # as infra/templates/executor.yaml reserves it
MIGRATED_TAG = "crud-api-migrated"  # on their function: when they ended well


def function_name(prefix: str) -> str:
    return f"{prefix}-migrations"


class Comparison(Struct, frozen=True):
    """The stage's database beside this clone, as query_executor/migrate/checks.py compares them."""

    pending: list[str]
    stops: list[str]
    warnings: list[str]


def run(account: Account, stage: Stage) -> list[str]:
    """Run the migrations. Return a sentence for each thing that they did. Raises `MigrationsError`."""
    payload = _answer(account, stage)
    done = payload.get("done") if isinstance(payload, dict) else None
    if not isinstance(done, list):
        raise MigrationsError(f"{function_name(stage.prefix)} sent an unexpected answer: {payload!r}")
    return [str(line) for line in done]


def compare(account: Account, stage: Stage) -> Comparison:
    """Compare the database with this clone. Nothing is changed. Raises `MigrationsError`."""
    folder = stage.project / "query_executor" / "migrations"
    names = sorted(path.stem for path in folder.iterdir() if path.suffix in {".sql", ".py"})
    payload = _answer(account, stage, only="compare", migrations=names)
    try:
        return convert(payload, Comparison)
    except ValidationError as error:
        raise MigrationsError(f"{function_name(stage.prefix)} sent an unexpected answer: {payload!r}") from error


def _answer(account: Account, stage: Stage, **more: Any) -> Any:
    """What their function answers. Raises `MigrationsError`.

    There is one attempt: after a late answer botocore would start a second run, which waits for the first.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    client = account.client(
        "lambda", connect_timeout=10, read_timeout=READ_S, retries={"total_max_attempts": 1}, tcp_keepalive=True
    )
    name, logs = function_name(stage.prefix), stage.make("logs", FUNCTION="migrations")
    try:
        # The rights of the role crud_api are compared. A user that is no member of it is not known here.
        of_clone = {"declared": declared(), "functions": declared_functions()}
        event = json.dumps({**of_clone, "role": "crud_api", "roles": [*stage.roles], **more}).encode()
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
    return payload


def run_and_mark(account: Account, stage: Stage) -> list[str]:
    """Run the migrations, at each deploy. They ask the database first which are still to apply: about a second.

    A record of our own would be wrong after a restored backup or a change of the database. The tag with the time of the
    last good run is for `status` only.
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
        # After two weeks without a call Lambda removes a function's network interfaces. It refuses the next call, and
        # begins to make them again.
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return client.invoke(FunctionName=name, Payload=event)


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
