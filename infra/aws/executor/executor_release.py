"""A new version of the executor. It has to connect before the alias `live`, which the API invokes, moves to it."""

from __future__ import annotations

import json
from typing import Any

from infra.aws.account import Account
from infra.errors import ExecutorError
from infra.stage import Stage
from query_executor import contract
from query_executor.contract import Failure, Request, Statement

ALIAS = "live"
READ_S = 40  # longer than the function's own time-out, at most 28 s, whose message says more

# What the role crud_api may do with the tables and the executor's user may not. Nothing where that role is missing.
_LACKS = """
SELECT quote_ident(current_user), string_agg(DISTINCT format('%s on %s', privilege, oid::regclass), ', ')
FROM pg_class, unnest(:privileges::text[]) AS privilege
WHERE to_regrole('crud_api') IS NOT NULL
  AND relkind IN ('r', 'p', 'v')
  AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND has_table_privilege(to_regrole('crud_api'), oid, privilege)
  AND NOT (has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(oid, privilege))
GROUP BY 1
"""


def function_name(stage: Stage) -> str:
    return f"{stage.prefix}-query-executor"


def live_version(account: Account, stage: Stage) -> str | None:
    """The version that serves requests; None where there is no alias."""
    client = account.client("lambda")
    try:
        return str(client.get_alias(FunctionName=function_name(stage), Name=ALIAS)["FunctionVersion"])
    except client.exceptions.ResourceNotFoundException:
        return None


def move(account: Account, stage: Stage, version: str) -> None:
    """Move the alias outside of the stack: back to what the stack says, after a move by hand."""
    account.client("lambda").update_alias(FunctionName=function_name(stage), Name=ALIAS, FunctionVersion=version)


def connect(account: Account, stage: Stage, version: str) -> None:
    """Have a version connect to the database, and do nothing else. Raises `ExecutorError` with the reason."""
    _rows(_invoke(account, stage, version, Request([Statement("SELECT 1")], read_only=True)))


def require_rights(account: Account, stage: Stage, version: str) -> None:
    """Raise `ExecutorError` with the GRANT, unless the version's user may do what requests do."""
    reads = stage.executor.environment_variables.executor_mode == "read_only"
    privileges: contract.Value = ["SELECT"] if reads else ["SELECT", "INSERT", "UPDATE", "DELETE"]
    request = Request([Statement(_LACKS, {"privileges": privileges})], read_only=True)
    for user, lacks in _rows(_invoke(account, stage, version, request)):
        raise ExecutorError(
            f"The executor signs in to the database as {user}, who lacks rights that requests need ({lacks}). As the "
            f"owner of the tables run\n  GRANT crud_api TO {user};\nthen run this again."
        )


def ask(account: Account, stage: Stage, request: Request) -> contract.Reply | Failure:
    """The answer of the executor that serves requests. Raises `ExecutorError` where it cannot be asked."""
    return _invoke(account, stage, ALIAS, request)


def _rows(answer: contract.Reply | Failure) -> list[list[Any]]:
    if isinstance(answer, Failure):
        raise ExecutorError(
            f"The executor cannot use the database ({answer.sqlstate or answer.code}): {answer.message}"
        )
    return [list(row) for row in answer.results[0].rows]


def _invoke(account: Account, stage: Stage, version: str, request: Request) -> contract.Reply | Failure:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    client = account.client("lambda", read_timeout=READ_S)
    told = {"FunctionName": function_name(stage), "Qualifier": version}
    try:
        client.get_waiter("function_active_v2").wait(**told)
        answered = client.invoke(**told, Payload=contract.encode_request(request))
        payload = answered["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        raise ExecutorError(f"Version {version} of the executor could not be invoked: {error}") from error
    if "FunctionError" in answered:
        raise ExecutorError(f"Version {version} of the executor does not run: {_error(payload)}")
    try:
        return contract.decode_answer(payload)
    except ValueError as error:
        raise ExecutorError(f"Version {version} of the executor sent an unexpected answer: {payload!r}") from error


def _error(payload: bytes) -> str:
    try:
        told = json.loads(payload)
        return f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return payload.decode(errors="replace")
