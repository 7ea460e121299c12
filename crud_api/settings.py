"""The API's settings, read from the environment when the app is composed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from crud_api.access import NO_ROLES, NONE, Roles, read_access, read_roles

MAX_BODY_BYTES = 1_000_000
MAX_QUERY_BYTES = 8192
# Of all answers that an instance keeps (crud_api/executor/kept.py). The smallest function has 128 MB.
MAX_KEPT_BYTES = 16 * 1024 * 1024
# Seconds. The client waits longer than the executor's function may run, so a time-out is always the executor's own
# answer. It waits less than the API's function and API Gateway (29 s).
EXECUTOR_CONNECT_S = 1
EXECUTOR_READ_S = 26
# The words of REST_ALLOWS.
ALLOWS_UNFILTERED, ALLOWS_TX = "unfiltered", "tx"

_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class Settings(Struct, frozen=True, kw_only=True):
    """`executor_function` is the name or ARN of the query executor. Without it, the app runs the executor itself.

    `access` is who may call the API (crud_api/access.py). Pages of `cors_origins` may read the answers. Without an
    origin, no page of another origin may. `roles` are the database roles of the callers. `rest_allows` is what /rest/v1
    allows beyond its defaults: `unfiltered` is a PATCH or DELETE without a filter, `tx` is `Prefer: tx=rollback`.
    """

    executor_function: str | None = None
    access: str = NONE
    cognito_user_pool_arn: str | None = None
    cors_origins: tuple[str, ...] = ()
    roles: Roles = NO_ROLES
    rest_allows: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from QUERY_EXECUTOR_FUNCTION, ACCESS, COGNITO_USER_POOL_ARN, CORS_ORIGINS, REST_ALLOWS and of roles.

        .chalice/config.json sets them for each stage. Raises `AccessError` and `ValueError`.
        """
        function = environ.get("QUERY_EXECUTOR_FUNCTION") or None
        kind, pool = read_access(environ, deployed=function is not None)
        return cls(
            executor_function=function,
            access=kind,
            cognito_user_pool_arn=pool,
            cors_origins=parse_origins(environ.get("CORS_ORIGINS", "")),
            roles=read_roles(environ, kind),
            rest_allows=parse_allows(environ.get("REST_ALLOWS", "")),
        )


def parse_origins(text: str) -> tuple[str, ...]:
    """The origins of a comma-separated text. Raises `ValueError` if a browser never sends it as Origin, as `*`."""
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"CORS_ORIGINS names {origin!r}, which is not an origin like https://app.example.com")
    return origins


def parse_allows(text: str) -> frozenset[str]:
    """The words of a comma-separated text. Raises `ValueError` for an unknown word."""
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := words - {ALLOWS_UNFILTERED, ALLOWS_TX}:
        raise ValueError(
            f"REST_ALLOWS has {min(unknown)!r}. It may have {ALLOWS_UNFILTERED} and {ALLOWS_TX}, with a comma between."
        )
    return words
