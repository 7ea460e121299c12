"""The checks before a deploy makes anything. Every refusal says what to do."""

from __future__ import annotations

from dataclasses import dataclass

from infra.aws import functions, own_network, roles
from infra.aws.account import Account
from infra.aws.api import api_function
from infra.aws.executor import base_image, executor_release, image, migrations
from infra.aws.stacks import Stacks
from infra.errors import AccountError, ConfigError, ImageError, RefusedError
from infra.gateway import paths
from infra.stage import Parameters, Stage

UNRESERVED = 100


@dataclass(frozen=True)
class Image:
    """The executor's image: its tag, whether it has to be built and on which base, and a warning about that."""

    tag: str
    must_build: bool = False
    base: str | None = None
    warning: str | None = None


@dataclass
class Checked:
    """What the checks found out."""

    image: Image
    boundary: str
    reserve: bool
    chosen: Parameters
    says: list[str]


def check(
    account: Account, stage: Stage, stacks: Stacks, *, allow_public: bool = False, image_tag: str | None = None
) -> Checked:
    """Refuse a deploy that could not succeed. Return what was found out on the way."""
    refuse_clone(stage, allow_public=allow_public)
    require_way_to_secrets(stage)
    require_certificates(stage)
    reserve, unreserved = reserves(account, stage)
    chosen, of_network = own_network.told(account, stage, stacks)
    found = find_image(account, stage, image_tag)
    if found.must_build:
        image.require_docker()
    python = api_function.other_python(functions.find(account, stage.prefix), stage)
    says = [python, unreserved, *of_network, found.warning]
    return Checked(found, roles.boundary(account, stage), reserve, chosen, [sentence for sentence in says if sentence])


def refuse_clone(stage: Stage, *, allow_public: bool) -> None:
    """Refuse what needs no answer of AWS: a stage for everybody, and an API with too many paths."""
    refuse_public(stage, allow_public=allow_public)
    paths.refuse_too_many(stage)


def refuse_public(stage: Stage, *, allow_public: bool) -> None:
    if stage.access == "none" and not allow_public:
        raise RefusedError(
            f"Stage {stage.name} has ACCESS none: anybody on the internet could read and change every row. "
            'Set "ACCESS": "api_key" (or iam, cognito) in its environment_variables in .chalice/config.json; '
            "If you want that, add --allow-public."
        )


def require_way_to_secrets(stage: Stage) -> None:
    """Refuse a secret that the functions cannot read from their private subnets: they would wait until the time-out."""
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
            f"stage {stage.name}: {who} would read a password from Secrets Manager, but cannot reach it. "
            f'Set network.SecretsEndpoint to "true" ({own_network.cost(stage)}), or, where your VPC has '
            "an address of Secrets Manager already, network.SecretsEndpointGroupId to that endpoint's security group. "
            'Once the tables\' owner may sign in with a token (GRANT rds_iam), set database.own.OwnerSecretArn to "" '
            "and turn that off."
        )


def reserves(account: Account, stage: Stage) -> tuple[bool, str | None]:
    """Whether the executor's concurrency is reserved, and a sentence when it is not.

    An account may have none to reserve. When its limit of functions is below the database's connections, that limit
    bounds the connections. Raises `AccountError` where nothing bounds them.
    """
    function = functions.find(account, executor_release.function_name(stage))
    if function and function.get("Concurrency"):  # which is not part of what is left
        return True, None
    limit = account.client("lambda").get_account_settings()["AccountLimit"]
    # Lambda keeps 100 for all other functions, or everything that a new account has.
    free = limit["UnreservedConcurrentExecutions"] - min(UNRESERVED, limit["ConcurrentExecutions"])
    wanted = stage.executor.reserved_concurrency + migrations.CONCURRENCY
    if wanted <= free:
        return True, None
    most = limit["ConcurrentExecutions"]
    connections = (stage.database.max_connections or 0) - stage.database.connection_reserve
    if most + migrations.CONCURRENCY + 1 <= connections:
        return False, (
            f"This account runs {most} functions at once in {account.region} and has {max(free, 0)} to reserve, so the "
            f"executor's {stage.executor.reserved_concurrency} are not reserved: the account's limit bounds its "
            "connections. A later deploy reserves them once Service Quotas (Lambda, Concurrent executions) give more."
        )
    raise AccountError(
        f"Stage {stage.name} reserves {wanted} concurrent executions, and this account has {max(free, 0)} to "
        f"reserve in {account.region} (of {limit['ConcurrentExecutions']}, {UNRESERVED} stay unreserved).\n"
        "Ask for more at Service Quotas, Lambda, Concurrent executions (1000 is usual), or lower "
        "reserved_concurrency; then run this again."
    )


def find_image(account: Account, stage: Stage, wanted: str | None) -> Image:
    """The image to deploy. Raises `ImageError` where the wanted image does not exist."""
    repository = f"{stage.prefix}-query-executor"
    ecr = account.client("ecr")
    if wanted:
        if image.exists(ecr, repository, wanted):
            return Image(wanted)
        there = ", ".join(image.tags(ecr, repository)) or "none"
        raise ImageError(f"ECR has no image {wanted} of stage {stage.name}. It has these, the newest first: {there}")
    content = image.content_tag(stage.project, stage.executor.lambda_architecture)
    base = base_image.digest(stage.project)
    if base is None:
        has = image.newest(ecr, repository, content)
        goes_on = "the image that ECR has stays" if has else "it is built on what docker has"
        said = f"No answer about a newer {base_image.reference(stage.project)}: {goes_on}."
        return Image(has or content, must_build=has is None, warning=said)
    tag = image.tag(content, base)
    return Image(tag, must_build=not image.exists(ecr, repository, tag), base=base)


def require_certificates(stage: Stage) -> None:
    """Refuse a certificate of your own that the image does not have."""
    for member in ("CaBundle", "OwnerCaBundle"):
        inside = stage.database_own.get(member, "").partition("/var/task/")[2]
        if inside and inside not in image.context_files(stage.project):
            raise ConfigError(
                f"stage {stage.name}: database.own.{member} is /var/task/{inside}, and the image will not have it. Put "
                f"the certificate into query_executor/certificates/, its name ending in .crt; or name a file that the "
                "base image has (/etc/pki/tls/certs/ca-bundle.crt: the public authorities)."
            )
