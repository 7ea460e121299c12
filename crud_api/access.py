"""Who may call a stage, declared on every route, so that Chalice's own definition of the REST API carries it.

Set on the deployed API instead, it would be gone with each `chalice deploy`, which imports the definition anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import Authorizer, Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer

API_KEY, IAM, COGNITO, NONE = "api_key", "iam", "cognito", "none"
KINDS = (NONE, API_KEY, IAM, COGNITO)
# Answered without a key, for load balancers and uptime checks; they say nothing that is anybody's.
OPEN_PATHS = frozenset({"/health"})


class AccessError(ValueError):
    """ACCESS, or what it needs, is not set to anything the API could enforce."""


def read_access(environ: Mapping[str, str], *, deployed: bool) -> tuple[str, str | None]:
    """(kind, ARN of the Cognito user pool). A deployed stage that says nothing asks for an API key.

    Raises `AccessError`: a stage that misspells its protection must not start without one.
    """
    kind = environ.get("ACCESS") or (API_KEY if deployed else NONE)
    pool = environ.get("COGNITO_USER_POOL_ARN") or None
    if kind not in KINDS:
        raise AccessError(f"ACCESS is {kind!r}; it can be {', '.join(KINDS)}")
    if kind == COGNITO and not (pool and pool.startswith("arn:") and ":userpool/" in pool):
        raise AccessError(f"ACCESS is {COGNITO!r}, so COGNITO_USER_POOL_ARN must be a user pool's ARN; it is {pool!r}")
    return kind, pool


def protect(app: Chalice, kind: str, cognito_user_pool_arn: str | None = None) -> Chalice:
    """The app, every route of it protected but those of OPEN_PATHS: a new route has no way to forget it.

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
