"""The keys that sign an invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crud_api.executor import profile
from crud_api.executor.signature import Keys


def find(environ: Mapping[str, str]) -> Callable[[], Keys]:
    """What returns the keys at the moment. Raises `ExecutorFailedError` if there are none.

    Lambda's environment has keys for as long as the process lives. Keys that expire come from botocore.
    """
    access_key, secret_key = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key or environ.get("AWS_CREDENTIAL_EXPIRATION"):
        return profile.keys()
    keys = Keys(access_key, secret_key, environ.get("AWS_SECURITY_TOKEN") or environ.get("AWS_SESSION_TOKEN") or None)
    return lambda: keys
