"""Changes that a person made to the executor and the migrations by hand. CloudFormation does not see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.aws import functions
from infra.aws.account import Account
from infra.aws.change import Change
from infra.aws.executor import executor_release, migrations
from infra.stage import Stage


def changes(
    account: Account, stage: Stage, told: Mapping[str, str], outputs: Mapping[str, str], live: str | None = None
) -> Iterator[Change]:
    """The changes that put both functions and the alias back.

    `told` are the stack's parameters, `outputs` its outputs, `live` is the version that has to serve. A version keeps
    its function as the stack made it, and cannot be changed. The reserved concurrency is no part of a version.
    """
    wanted = live or outputs.get("ExecutorVersion")
    is_live = executor_release.live_version(account, stage)
    if wanted and is_live and is_live != wanted:
        yield Change(
            f"Move the alias {executor_release.ALIAS} to version {wanted}: it was moved to {is_live} by hand.",
            partial(executor_release.move, account, stage, wanted),
        )
    reserves = told.get("Reserve", "true") == "true"
    for name, version, reserved in (
        (executor_release.function_name(stage), outputs.get("ExecutorVersion"), told.get("ReservedConcurrency")),
        (migrations.function_name(stage.prefix), outputs.get("MigrationsVersion"), str(migrations.CONCURRENCY)),
    ):
        has = functions.find(account, name)
        made = functions.find(account, name, version) if version else None
        is_now = str((has or {}).get("Concurrency", {}).get("ReservedConcurrentExecutions", ""))
        wanted = (reserved or "") if reserves else ""
        if has and made and is_now != wanted:
            yield Change(
                f"Reserve {wanted or 'no'} concurrency for {name}: it was set to {is_now or 'none'} by hand.",
                partial(_reserve, account, name, wanted),
            )
        if has and made and _without_reserve(has) != _without_reserve(made):
            yield Change(
                f"Put {name} back to what its stack made: it was changed by hand.", partial(_put, account, made)
            )


def _without_reserve(function: Any) -> str:
    return functions.fingerprint({**function, "Concurrency": None})


def _reserve(account: Account, name: str, wanted: str) -> None:
    client = account.client("lambda")
    if wanted:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(wanted))
    else:
        client.delete_function_concurrency(FunctionName=name)


def _variables(configuration: Any) -> Any:
    return configuration.get("Environment", {}).get("Variables", {})


def _put(account: Account, made: Any) -> None:
    client, configuration = account.client("lambda"), made["Configuration"]
    told = {"FunctionName": configuration["FunctionName"]}
    client.update_function_code(**told, ImageUri=made["Code"]["ImageUri"])
    client.get_waiter("function_updated_v2").wait(**told)
    client.update_function_configuration(
        **told,
        Role=configuration["Role"],
        MemorySize=configuration["MemorySize"],
        Timeout=configuration["Timeout"],
        Environment={"Variables": {name: str(value) for name, value in _variables(configuration).items()}},
    )
    client.get_waiter("function_updated_v2").wait(**told)
