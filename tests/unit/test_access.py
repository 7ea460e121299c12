"""Who may call a stage: what the environment means, and that no route is unprotected."""

from __future__ import annotations

import pytest
from chalice.app import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
from chalice.cli.factory import CLIFactory

from crud_api.access import KINDS, protect
from crud_api.application import create_app
from crud_api.errors import AccessError
from crud_api.executor.seam import Execute
from crud_api.resource.functions import Function, Functions
from crud_api.settings import Settings

POOL = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_abc"
FUNCTION = {"QUERY_EXECUTOR_FUNCTION": "crud-api-dev-query-executor:live"}


def app() -> Chalice:
    """The API with preflights."""

    def execute(request: object) -> None:
        raise AssertionError(request)

    served: Execute = execute  # type: ignore[assignment]
    return create_app(served, cors_origins=("https://app.example.com",))


def protection(made: Chalice) -> dict[str, set[tuple[bool, type | None]]]:
    """(whether a key is required, type of the authorizer) for open routes (health, preflights) and for all others."""
    found: dict[str, set[tuple[bool, type | None]]] = {"protected": set(), "open": set()}
    for path, methods in made.routes.items():
        for method, route in methods.items():
            authorizer = None if route.authorizer is None else type(route.authorizer)
            is_open = path == "/health" or method == "OPTIONS"
            found["open" if is_open else "protected"].add((bool(route.api_key_required), authorizer))
    return found


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("none", (False, None)),
        ("api_key", (True, None)),
        ("iam", (False, IAMAuthorizer)),
        ("cognito", (False, CognitoUserPoolAuthorizer)),
    ],
)
def test_every_route_is_protected_but_the_health_check_and_preflights(
    kind: str, wanted: tuple[bool, type | None]
) -> None:
    made = protect(app(), kind, POOL)
    assert len(made.routes) >= 5
    assert protection(made) == {"protected": {wanted}, "open": {(False, None)}}


def test_a_stage_in_aws_asks_for_a_key_unless_it_says_otherwise_and_a_laptop_does_not() -> None:
    assert Settings.from_environment(FUNCTION).access == "api_key"
    assert Settings.from_environment({**FUNCTION, "ACCESS": ""}).access == "api_key"
    assert Settings.from_environment({}).access == "none"


def test_the_projects_stage_local_is_open_and_its_stages_in_aws_are_not() -> None:
    kinds = {}
    for stage in ("local", "dev", "prod"):
        config = CLIFactory(".").create_config_obj(chalice_stage_name=stage)
        kinds[stage] = Settings.from_environment(config.environment_variables).access
    assert kinds == {"local": "none", "dev": "api_key", "prod": "api_key"}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_can_be_asked_for(kind: str) -> None:
    for environ in ({}, FUNCTION):
        settings = Settings.from_environment({**environ, "ACCESS": kind, "COGNITO_USER_POOL_ARN": POOL})
        assert (settings.access, settings.cognito_user_pool_arn) == (kind, POOL)


@pytest.mark.parametrize("kind", ["apikey", "API_KEY", "open", "None", " api_key"])
def test_a_misspelt_protection_does_not_start(kind: str) -> None:
    with pytest.raises(AccessError, match="it can be none, api_key, iam, cognito"):
        Settings.from_environment({**FUNCTION, "ACCESS": kind})


@pytest.mark.parametrize("pool", [None, "", "eu-central-1_abc", "arn:aws:lambda:eu-central-1:123456789012:function:f"])
def test_cognito_without_a_user_pool_does_not_start(pool: str | None) -> None:
    environ = {**FUNCTION, "ACCESS": "cognito"} | ({} if pool is None else {"COGNITO_USER_POOL_ARN": pool})
    with pytest.raises(AccessError, match="COGNITO_USER_POOL_ARN must be a user pool's ARN"):
        Settings.from_environment(environ)


def test_without_preflights_options_is_protected_too() -> None:
    def execute(request: object) -> None:
        raise AssertionError(request)

    served: Execute = execute  # type: ignore[assignment]
    functions = Functions(Function(name="add_up", function="demo.add_up", gives="value"))
    made = protect(create_app(served, functions=functions), "api_key", POOL)
    described = [path for path, methods in made.routes.items() if "OPTIONS" in methods]
    assert described == ["/rest/v1/{table}", "/rest/v1/rpc/{function}"]
    assert all(made.routes[path]["OPTIONS"].api_key_required for path in described)
