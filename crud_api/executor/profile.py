"""What botocore finds where the environment does not say it: profiles, roles, SSO, the credentials of a container.

botocore is imported here and only then. In a Lambda function the environment says everything, unless it uses
SnapStart: then Lambda gives the credentials by way of a container's address.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from crud_api.executor import outcomes
from crud_api.executor.signature import Keys


def is_in_use(environ: Mapping[str, str]) -> bool:
    """Whether a profile may set a region, an endpoint or certificates: one is named, or the AWS CLI's files exist."""
    if environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE"):
        return True
    config = environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return any(os.path.isfile(os.path.expanduser(path)) for path in (config, credentials))  # noqa: PTH111, PTH113


def endpoint() -> tuple[str, str]:
    """The region, and the URL of Lambda's endpoint."""
    with _refusing():
        from botocore.session import Session  # noqa: PLC0415

        meta = Session().create_client("lambda").meta
        return meta.region_name, meta.endpoint_url


def ca_bundle() -> str | None:
    """The file of certificates that the profile names."""
    with _refusing():
        from botocore.session import Session  # noqa: PLC0415

        bundle: str | None = Session().get_config_variable("ca_bundle")
        return bundle


def keys() -> Callable[[], Keys]:
    """What returns the keys at the moment. botocore gets new ones before they expire; threads can share it."""
    with _refusing():
        from botocore.session import Session  # noqa: PLC0415

        credentials = Session().get_credentials()
    if credentials is None:
        raise outcomes.refused("NoCredentialsError")

    def current() -> Keys:
        with _refusing():
            found = credentials.get_frozen_credentials()
        return Keys(found.access_key or "", found.secret_key or "", found.token)

    return current


@contextmanager
def _refusing() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:  # of STS or SSO
        raise outcomes.refused(error.response["Error"]["Code"]) from error
    except (BotoCoreError, ValueError) as error:
        raise outcomes.refused(type(error).__name__) from error
