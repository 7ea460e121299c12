"""The AWS account and region that a command works in, found as every AWS program finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from infra import hints
from infra.errors import AccountError

ATTEMPTS = 10  # in about 45 seconds


@dataclass(frozen=True)
class Account:
    """`who` is the ARN of the user or role, `session` is boto3's."""

    account_id: str
    region: str
    who: str
    session: Any
    profile: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def ca_bundle(self) -> str | None:
        """The file of certificates that boto3 trusts: from AWS_CA_BUNDLE or the profile, else botocore's own."""
        from botocore.httpsession import get_cert_path  # noqa: PLC0415

        named = self.session._session.get_config_variable("ca_bundle")
        return get_cert_path(named or True)

    @property
    def partition(self) -> str:
        return self.who.split(":")[1]

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this account and region; `options` are those of botocore's Config.

        A client without options is made once, because making it takes longer than most calls.
        """
        from botocore.config import Config  # noqa: PLC0415 - `run` and --help need not wait for boto3

        # AWS throttles frequent calls, and API Gateway takes UpdateUsagePlan once in 20 seconds. botocore's three
        # attempts are over in 3 seconds.
        config = {"retries": {"mode": "standard", "total_max_attempts": ATTEMPTS}, **options}
        if options:
            return self.session.client(service, config=Config(**config))
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=Config(**config))
        return self._clients[service]

    def cli(self, *words: str, **options: str) -> str:
        """The command of the AWS CLI that does this in this account and region, for a message."""
        return hints.cli(*words, region=self.region, profile=self.profile, **options)


def connect(profile: str | None = None, region: str | None = None) -> Account:
    """Ask AWS which account and user this is, by the given or found profile and region. Raises `AccountError`."""
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError  # noqa: PLC0415

    try:
        session = boto3.session.Session(profile_name=profile, region_name=region)
        if session.region_name is None:
            raise AccountError(
                "No AWS region is set. Set it: REGION=eu-central-1 after the make command, "
                "or export AWS_DEFAULT_REGION=eu-central-1"
            )
        who = session.client("sts").get_caller_identity()
    except EndpointConnectionError as error:
        raise AccountError(
            f"AWS is not reached in the region {session.region_name}: {error}\nCheck the region's name and the "
            "network. Correct it (REGION=eu-central-1, or export AWS_DEFAULT_REGION=eu-central-1), then run this again."
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise AccountError(
            f"AWS cannot be used: {error}\nSign in ({hints.cli('sso', 'login', profile=profile)}, or "
            f"{hints.cli('configure', profile=profile)}), or name a profile (PROFILE=name behind the make command, or "
            "AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then run this again."
        ) from error
    return Account(who["Account"], session.region_name, who["Arn"], session, profile)
