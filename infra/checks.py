"""What a deploy looks at before it makes anything: every refusal says what to do."""

from __future__ import annotations

from infra import api_function, image, migrations
from infra.account import Account
from infra.errors import AccountError, ConfigError, ImageError, RefusedError
from infra.stage import Stage

UNRESERVED = 100


def refuse_public(stage: Stage, *, allow_public: bool) -> None:
    if stage.access == "none" and not allow_public:
        raise RefusedError(
            f"Stage {stage.name} has ACCESS none: anybody on the internet could read and change every row. "
            'Set "ACCESS": "api_key" (or iam, cognito) in its environment_variables in .chalice/config.json; '
            "if that is meant, add --allow-public."
        )


def require_way_to_secrets(stage: Stage) -> None:
    """The functions are in private subnets: without an address in there, reading a secret takes until the time-out."""
    network, own = stage.network, stage.database_own
    if network.get("SecretsEndpoint") == "true" or network.get("SecretsEndpointGroupId"):
        return
    by_secret = [
        ("the executor", bool(own.get("SecretArn"))),
        (
            "the migrations",
            bool(own["OwnerSecretArn"]) if "OwnerSecretArn" in own else stage.database_stack is not None,
        ),
    ]
    if who := " and ".join(name for name, reads in by_secret if reads):
        raise ConfigError(
            f"stage {stage.name}: {who} would read a password from Secrets Manager, which nothing lets them reach. "
            'Set network.SecretsEndpoint to "true" (about 15 dollars a month; docs/cost.md), or, where your VPC has '
            "an address of Secrets Manager already, network.SecretsEndpointGroupId to that endpoint's security group. "
            'Once the tables\' owner may sign in with a token (GRANT rds_iam), set database.own.OwnerSecretArn to "" '
            "and turn that off."
        )


def require_concurrency(account: Account, stage: Stage) -> None:
    """Before the first deploy, which would fail of it once the database was made, a quarter of an hour on."""
    if api_function.find(account, f"{stage.prefix}-query-executor") is not None:
        return
    limit = account.client("lambda").get_account_settings()["AccountLimit"]
    # Lambda keeps 100 for all other functions, or all that a new account has.
    free = limit["UnreservedConcurrentExecutions"] - min(UNRESERVED, limit["ConcurrentExecutions"])
    wanted = stage.executor.reserved_concurrency + migrations.CONCURRENCY
    if wanted > free:
        raise AccountError(
            f"Stage {stage.name} reserves {wanted} concurrent executions, and this account has {max(free, 0)} to "
            f"reserve in {account.region} (of {limit['ConcurrentExecutions']}, {UNRESERVED} stay unreserved).\n"
            "Ask for more at Service Quotas, Lambda, Concurrent executions (1000 is usual), or lower "
            "reserved_concurrency; then run this again."
        )


def image_tag(account: Account, stage: Stage, wanted: str | None) -> tuple[str, bool]:
    """The tag to deploy, and whether it has to be built. Raises `ImageError` where that cannot be done."""
    repository = f"{stage.prefix}-query-executor"
    ecr = account.client("ecr")
    tag = wanted or image.content_tag(stage.project, stage.executor.lambda_architecture)
    if image.exists(ecr, repository, tag):
        return tag, False
    if wanted:
        there = ", ".join(image.tags(ecr, repository)) or "none"
        raise ImageError(f"ECR has no image {wanted} of stage {stage.name}. It has, the newest first: {there}")
    return tag, True
