"""What each member of .chalice/config.json may be. config.py checks the file by these classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

# Each description ends the sentence "<path> must be ...".
AtLeastOne = Annotated[int, Meta(ge=1, description="a whole number of at least 1")]
AtLeastZero = Annotated[int, Meta(ge=0, description="a whole number of at least 0")]
Rate = Annotated[float, Meta(gt=0, description="a number above 0")]
WafLimit = Annotated[int, Meta(ge=10, le=2_000_000_000, description="a whole number of 10 to 2000000000")]  # WAF's own
Off = Annotated[bool, Meta(description="false", extra={"only": False})]
# Parameters of a template.
Values = dict[str, Annotated[str | int | float | bool, Meta(description="a text, a number, true or false")]]

_NO_CACHE = (
    "API Gateway would give one caller the answer of another. Its cache knows a response by the parameters that the "
    "API's definition declares as keys, and Chalice's declares none: every query, page and If-None-Match of a path "
    "would get the same answer. Keys that are declared later are gone from each deploy of Chalice's until the settings "
    "are applied again. ETags and If-None-Match save the same bytes."
)
RESERVE = 20  # connections for RDS itself (about 7), monitoring and people


class Throttle(Struct, frozen=True):
    """The limits of the whole stage, and of each key: requests in a second, and how many more may come at once."""

    rate: Rate = 50.0
    burst: AtLeastOne = 100


class Quota(Struct, frozen=True):
    """How many requests a key has in a period, in UTC."""

    limit: AtLeastOne = 100_000
    period: Literal["DAY", "WEEK", "MONTH"] = "DAY"


class Waf(Struct, frozen=True):
    """How many requests an address may send in five minutes."""

    requests_per_5_minutes: WafLimit


class GatewaySettings(Struct, frozen=True):
    """The settings of API Gateway beside the routes. `quota` is for stages with API keys.

    `max_resources` is AWS's quota of resources (paths) an API. It is 300 unless AWS raised it.
    """

    throttle: Throttle = Throttle()
    quota: Quota | None = Quota()
    access_logs: bool = True
    metrics: bool = True
    tracing: bool = True
    waf: Waf | Off | None = None
    max_resources: AtLeastOne = 300
    cache: Annotated[None, Meta(extra={"why": _NO_CACHE})] = None

    @property
    def waf_limit(self) -> int | None:
        """Requests of an address in five minutes; None without a firewall."""
        return self.waf.requests_per_5_minutes if isinstance(self.waf, Waf) else None


class Database(Struct, frozen=True):
    """`stack`: parameters of database.yaml, or None for no stack. `own`: parameters of a database that exists."""

    max_connections: AtLeastOne | None = None
    connection_reserve: AtLeastZero = RESERVE
    stack: Values | None = None
    own: Values = {}


class Alarms(Struct, frozen=True):
    """The address that gets mails, and the duration from which a request is slow."""

    email: str = ""
    slow_ms: AtLeastOne = 2000


class ExecutorEnvironment(Struct, frozen=True, rename="upper"):
    """How long a statement may take and whether it may write. The deploy sets the rest of the environment."""

    statement_ms: str
    lock_ms: str
    executor_mode: str = "read_write"


class Executor(Struct, frozen=True):
    """lambda_functions.query_executor. budget.py compares `reserved_concurrency` with the database."""

    lambda_memory_size: AtLeastOne
    lambda_timeout: AtLeastOne
    log_retention_in_days: AtLeastOne
    environment_variables: ExecutorEnvironment
    reserved_concurrency: AtLeastOne
    provisioned_concurrency: AtLeastZero = 0
    lambda_architecture: Literal["x86_64", "arm64"] = "x86_64"
    xray: bool = False


class Functions(Struct):
    """The function that is ours, and the API's, which is Chalice's."""

    query_executor: Executor
    api_handler: dict[str, Any]


class Members(Struct):
    """What the file may have at its top level, and in each stage. No member is required."""

    # Ours, which Chalice ignores.
    network: Values
    database: Database
    gateway: GatewaySettings
    alarms: Alarms
    permissions_boundary: str | None
    # Chalice's own, by chalice/config.py (1.34). Chalice ignores a misspelt member without a word.
    api_gateway_custom_domain: dict[str, Any]
    api_gateway_endpoint_type: Literal["EDGE", "REGIONAL", "PRIVATE"]
    api_gateway_endpoint_vpce: str | list[str]
    api_gateway_policy_file: str
    api_gateway_stage: str
    app_name: str
    autogen_policy: bool
    automatic_layer: bool
    environment_variables: dict[str, str]
    iam_policy_file: str
    iam_role_arn: str
    lambda_architecture: Literal["x86_64", "arm64"]
    lambda_functions: Functions
    lambda_memory_size: AtLeastOne
    lambda_timeout: AtLeastOne
    layers: list[str]
    log_retention_in_days: AtLeastOne
    manage_iam_role: bool
    minimum_compression_size: AtLeastZero
    reserved_concurrency: AtLeastOne
    security_group_ids: list[str]
    subnet_ids: list[str]
    tags: dict[str, str]
    websocket_api_custom_domain: dict[str, Any]
    xray: bool


class ConfigFile(Members):
    """The whole of .chalice/config.json."""

    version: Literal["2.0"]
    stages: dict[str, Members]
