"""Who may call a stage, and which database role a caller gets.

The protection is declared on every route, so Chalice's own definition of the REST API has it. Each `chalice deploy`
imports that definition again, so a setting on the deployed API would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice.app import Authorizer, Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
from msgspec import Struct

from crud_api.errors import AccessError
from query_executor.contract import is_role

API_KEY, IAM, COGNITO, NONE = "api_key", "iam", "cognito", "none"
KINDS = (NONE, API_KEY, IAM, COGNITO)
# Answered without a key, for load balancers and uptime checks: they expose no data.
OPEN_PATHS = frozenset({"/health"})
# A laptop verifies no token (infra/local/gateway.py), so there it needs no pool.
_LOCAL_POOL = "arn:aws:cognito-idp:local:000000000000:userpool/local"

# The claim that names the roles of a caller, by the kind of access (crud_api/request/caller.py).
_CLAIM = {API_KEY: "sub", IAM: "principal", COGNITO: "cognito:groups"}
# What the users of a pool may write themselves, unless its client forbids it (Cognito, "Working with user attributes").
_WRITTEN_BY_USERS = frozenset(
    "address birthdate email family_name gender given_name locale middle_name name nickname phone_number picture "
    "preferred_username profile updated_at website zoneinfo".split()
)


class Roles(Struct, frozen=True):
    """The database roles of callers: the first of `by_value` whose value the caller's `claim` has, else `default`."""

    claim: str = ""
    by_value: tuple[tuple[str, str], ...] = ()
    default: str | None = None

    def role_of(self, claims: Mapping[str, Any]) -> str | None:
        """The role of a caller with these claims, or None."""
        held = claims.get(self.claim)
        values = held if isinstance(held, list) else [held]
        return next((role for value, role in self.by_value if value in values), self.default)

    @property
    def names(self) -> list[str]:
        """Every role that a caller may get, once."""
        named = [role for _, role in self.by_value]
        return list(dict.fromkeys([*named, self.default] if self.default else named))


NO_ROLES = Roles()  # all statements run as the executor's user


def read_access(environ: Mapping[str, str], *, deployed: bool) -> tuple[str, str | None]:
    """(kind, ARN of the Cognito user pool). A deployed stage without ACCESS asks for an API key.

    Raises `AccessError`: a stage that misspells its protection must not start without one.
    """
    kind = environ.get("ACCESS") or (API_KEY if deployed else NONE)
    pool = environ.get("COGNITO_USER_POOL_ARN") or (_LOCAL_POOL if kind == COGNITO and not deployed else None)
    if kind not in KINDS:
        raise AccessError(f"ACCESS is {kind!r}; it can be {', '.join(KINDS)}")
    if kind == COGNITO and not (pool and pool.startswith("arn:") and ":userpool/" in pool):
        raise AccessError(
            f"ACCESS is {COGNITO!r}, so COGNITO_USER_POOL_ARN must be a user pool's ARN; it is {pool!r}. "
            "A deploy by make fills in the pool that it makes; Chalice alone does not know it."
        )
    return kind, pool


def read_roles(environ: Mapping[str, str], access: str) -> Roles:
    """The roles from DB_ROLES, DB_ROLE_CLAIM and DB_DEFAULT_ROLE. Raises `AccessError`.

    DB_ROLES is a list with commas: `admins=crud_admin, staff` gives the role crud_admin to callers whose claim has
    `admins`, and staff to callers whose claim has `staff`. The first that fits counts.
    """
    listed = [part.strip() for part in environ.get("DB_ROLES", "").split(",") if part.strip()]
    claim, default = environ.get("DB_ROLE_CLAIM") or None, environ.get("DB_DEFAULT_ROLE") or None
    if not listed and default is None:
        if claim is not None:
            raise AccessError(f"DB_ROLE_CLAIM is {claim!r}, and DB_ROLES is empty: no caller gets a role by a claim")
        return NO_ROLES
    pairs = [
        (value.strip() or role.strip(), role.strip()) for value, _, role in (one.rpartition("=") for one in listed)
    ]
    for value, role in [*pairs, *([("", default)] if default else [])]:
        if not is_role(role):
            raise AccessError(f"DB_ROLES or DB_DEFAULT_ROLE names {role!r}, which is not the name of a database role")
        if [known for known, _ in pairs].count(value) > 1:
            raise AccessError(f"DB_ROLES gives {value!r} two roles")
    claim = claim or _CLAIM.get(access, "")
    if access == COGNITO and (claim in _WRITTEN_BY_USERS or claim.startswith("custom:")):
        raise AccessError(
            f"DB_ROLE_CLAIM is {claim!r}, which users of the pool can write themselves. Use cognito:groups, or a claim "
            "that a trigger of the pool adds"
        )
    return Roles(claim, tuple(pairs), default)


def protect(app: Chalice, kind: str, cognito_user_pool_arn: str | None = None) -> Chalice:
    """Protect every route of the app except the routes of OPEN_PATHS. A new route is protected, too.

    A browser's preflight (OPTIONS) carries no credentials, so it cannot be asked for any (the Fetch standard). Only an
    app that answers preflights has OPTIONS for /health.
    """
    authorizer = _authorizer(kind, cognito_user_pool_arn)
    preflights = "OPTIONS" in app.routes.get("/health", {})
    for path, methods in app.routes.items():
        if path not in OPEN_PATHS:
            for method, route in methods.items():
                if method != "OPTIONS" or not preflights:
                    route.api_key_required = kind == API_KEY
                    route.authorizer = authorizer
    return app


def _authorizer(kind: str, cognito_user_pool_arn: str | None) -> Authorizer | None:
    if kind == IAM:
        return IAMAuthorizer()
    if kind == COGNITO:
        return CognitoUserPoolAuthorizer("cognito", provider_arns=[str(cognito_user_pool_arn)])
    return None
