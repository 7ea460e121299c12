"""The API's settings, read from the environment when the app is composed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crud_api.access import NONE, read_access

MAX_BODY_BYTES = 1_000_000
# Seconds. The client waits longer than the executor's function may run, so that a time-out is always the
# executor's own answer, and less long than the API's function and API Gateway (29 s) wait for us.
EXECUTOR_CONNECT_S = 1
EXECUTOR_READ_S = 26


class Settings(Struct, frozen=True, kw_only=True):
    """`executor_function` is the name or ARN of the query executor; without one the app runs it in its own process.

    `access` is who may call the API (crud_api/access.py).
    """

    executor_function: str | None = None
    access: str = NONE
    cognito_user_pool_arn: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from QUERY_EXECUTOR_FUNCTION, ACCESS and COGNITO_USER_POOL_ARN.

        .chalice/config.json sets them for each stage. Raises `AccessError`.
        """
        function = environ.get("QUERY_EXECUTOR_FUNCTION") or None
        kind, pool = read_access(environ, deployed=function is not None)
        return cls(executor_function=function, access=kind, cognito_user_pool_arn=pool)
