"""The definition that Chalice imports into API Gateway protects every route as the stage's settings say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
POOL = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_abc"
OPEN = {("/health", "get"), ("/health", "head")}
SCHEMES: dict[str, Any] = {
    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "sigv4": {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "cognito": {
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [POOL]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project. Its configuration has an additional stage for each kind of access."""
    folder = tmp_path_factory.mktemp("access") / "clone"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "deployments")
    shutil.copytree(ROOT, folder, symlinks=True, ignore=ignored)
    path = folder / ".chalice" / "config.json"
    config = json.loads(path.read_text())
    dev = config["stages"]["dev"]
    for kind in ("none", "api_key", "iam", "cognito", "misspelt"):
        variables = {**dev["environment_variables"], "ACCESS": kind, "COGNITO_USER_POOL_ARN": POOL}
        config["stages"][f"x{kind}"] = {**dev, "environment_variables": variables}
    path.write_text(json.dumps(config))
    return folder


def package(clone: Path, stage: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("chalice"), "package", "--stage", stage, f"build-{stage}"],
        cwd=clone,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(clone),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("stage", "scheme"),
    [
        ("dev", "api_key"),
        ("prod", "api_key"),
        ("xnone", None),
        ("xapi_key", "api_key"),
        ("xiam", "sigv4"),
        ("xcognito", "cognito"),
    ],
)
def test_every_route_of_a_stage_is_protected(clone: Path, stage: str, scheme: str | None) -> None:
    packaged = package(clone, stage)
    assert packaged.returncode == 0, packaged.stderr
    template = json.loads((clone / f"build-{stage}" / "sam.json").read_text())
    definition = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    assert definition.get("securityDefinitions") == (None if scheme is None else {scheme: SCHEMES[scheme]})
    routes = {
        (path, method): operation.get("security")
        for path, methods in definition["paths"].items()
        for method, operation in methods.items()
        if method != "options"  # a preflight of a browser has no credentials and is not one of our routes
    }
    assert len(routes) >= 12
    for route, security in routes.items():
        wanted: list[dict[str, list[str]]] | None = None if scheme is None or route in OPEN else [{scheme: []}]
        assert security == wanted, route


def test_a_misspelt_protection_is_not_packaged(clone: Path) -> None:
    packaged = package(clone, "xmisspelt")
    assert packaged.returncode != 0
    assert "ACCESS is 'misspelt'; it can be none, api_key, iam, cognito" in packaged.stderr
