"""The members that .chalice/config.json has beside Chalice's own, as values; msgspec refuses what they do not have."""

from __future__ import annotations

from typing import Any

import msgspec

from infra.stage import budget

Values = dict[str, str | int | float | bool]  # parameters of a template, as JSON writes them


class Members(msgspec.Struct):
    """The kind of what stands where, before anybody looks into it: Chalice would stumble over another one."""

    environment_variables: dict[str, str] = {}
    lambda_functions: dict[str, dict[str, Any]] = {}
    network: dict[str, Any] = {}
    database: dict[str, Any] = {}
    gateway: dict[str, Any] = {}
    alarms: dict[str, Any] = {}
    tags: dict[str, str] = {}
    permissions_boundary: str | None = None


class ConfigFile(Members):
    """The whole of .chalice/config.json."""

    stages: dict[str, Members] = {}


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`stack`: parameters of database.yaml, or None to make none. `own`: of executor.yaml, before its outputs."""

    max_connections: int | None = None
    connection_reserve: int = budget.RESERVE
    stack: Values | None = None
    own: Values = {}


class Alarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told, and how slow is slow."""

    email: str = ""
    slow_ms: int = 2000


class ExecutorEnvironment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """How long a request may take and whether it may write; the rest of the executor's environment is the deploy's."""

    statement_ms: str
    lock_ms: str
    executor_mode: str = "read_write"


class Executor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """lambda_functions.query_executor. `reserved_concurrency` is checked by infra/stage/budget.py."""

    lambda_memory_size: int
    lambda_timeout: int
    log_retention_in_days: int
    environment_variables: ExecutorEnvironment
    reserved_concurrency: int
    provisioned_concurrency: int = 0
    lambda_architecture: str = "x86_64"
    xray: bool = False
