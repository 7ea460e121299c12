"""Who may call a stage. It is declared on every route, so Chalice's own definition of the REST API has it.

Each `chalice deploy` imports that definition again, so a setting on the deployed API would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import Authorizer, Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer

from crud_api.errors import AccessError

API_KEY, IAM, COGNITO, NONE = "api_key", "iam", "cognito", "none"
KINDS = (NONE, API_KEY, IAM, COGNITO)
# Answered without a key, for load balancers and uptime checks: they expose no data.
OPEN_PATHS = frozenset({"/health"})
# A laptop verifies no token (infra/local/gateway.py), so there it needs no pool.
_LOCAL_POOL = "arn:aws:cognito-idp:local:000000000000:userpool/local"


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


def protect(app: Chalice, kind: str, cognito_user_pool_arn: str | None = None) -> Chalice:
    """Protect every route of the app except the routes of OPEN_PATHS. A new route is protected, too.

    A browser's preflight (OPTIONS) carries no credentials, so it cannot be asked for any (the Fetch standard).
    """
    authorizer = _authorizer(kind, cognito_user_pool_arn)
    for path, methods in app.routes.items():
        if path not in OPEN_PATHS:
            for method, route in methods.items():
                if method != "OPTIONS":
                    route.api_key_required = kind == API_KEY
                    route.authorizer = authorizer
    return app


def _authorizer(kind: str, cognito_user_pool_arn: str | None) -> Authorizer | None:
    if kind == IAM:
        return IAMAuthorizer()
    if kind == COGNITO:
        return CognitoUserPoolAuthorizer("cognito", provider_arns=[str(cognito_user_pool_arn)])
    return None
