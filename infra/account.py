"""The AWS account and region that a command works in, by the credentials that every AWS program finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infra.errors import AccountError

ATTEMPTS = 10  # in about 45 seconds


@dataclass(frozen=True)
class Account:
    """`who` is the ARN of whoever works in it, `session` boto3's."""

    account_id: str
    region: str
    who: str
    session: Any
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this account and region; `options` are those of botocore's Config.

        One without options is made once: that takes longer than most calls.
        """
        from botocore.config import Config  # noqa: PLC0415 - `run` and --help need not wait for boto3

        # AWS throttles who looks often, and API Gateway takes UpdateUsagePlan once in 20 seconds: botocore's three
        # attempts are over in three.
        config = {"retries": {"mode": "standard", "total_max_attempts": ATTEMPTS}, **options}
        if options:
            return self.session.client(service, config=Config(**config))
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=Config(**config))
        return self._clients[service]


def connect() -> Account:
    """Ask AWS who this is. Raises `AccountError`."""
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError  # noqa: PLC0415

    try:
        session = boto3.session.Session()
        if session.region_name is None:
            raise AccountError("No AWS region is set. Say which: export AWS_DEFAULT_REGION=eu-central-1")
        who = session.client("sts").get_caller_identity()
    except EndpointConnectionError as error:
        raise AccountError(
            f"AWS is not reached in the region {session.region_name}: {error}\nIs there such a region, and a network "
            "here? Correct it (export AWS_DEFAULT_REGION=eu-central-1), then run this again."
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise AccountError(
            f"AWS cannot be used: {error}\nSign in (aws sso login, or aws configure), or set AWS_PROFILE, "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then run this again."
        ) from error
    return Account(who["Account"], session.region_name, who["Arn"], session)
