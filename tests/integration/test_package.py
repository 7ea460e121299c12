"""The package that Chalice makes for a deploy is complete, has nothing else, and answers in the real runtime."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import boto3
import pytest

from crud_api.openapi.swagger_ui import VERSION
from infra.aws.api.compiled import compiled
from tests.functional.conftest import CLIENT_OPTIONS, environment_of
from tests.lambda_runtime import SITE_PACKAGES, LambdaFunction, lambda_function, link_distributions

ROOT = Path(__file__).parents[2]
SHIPPED = {"app.py", "crud_api", "query_executor", "chalice", "msgspec", "msgspec-0.22.0.dist-info"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    clone = shutil.copytree(
        ROOT,
        folder / "clone",
        symlinks=True,
        ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", "deployments"),
    )
    with compiled(clone) as project:
        subprocess.run(
            [Path(sys.executable).with_name("chalice"), "package", "--stage", "dev", folder / "out"],
            cwd=project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "AWS_DEFAULT_REGION": "eu-central-1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            check=True,
            capture_output=True,
        )
    assert not list(clone.rglob("*.pyc"))
    # The page of /docs is the largest part. Lambda loads a smaller package faster.
    assert (folder / "out" / "deployment.zip").stat().st_size < 2_000_000
    with zipfile.ZipFile(folder / "out" / "deployment.zip") as archive:
        archive.extractall(folder / "unzipped")
    return folder / "unzipped"


def test_it_holds_the_app_its_two_packages_and_their_one_library(package: Path) -> None:
    assert {path.name for path in package.iterdir()} == SHIPPED
    assert sources(package / "query_executor" / "contract") == sources(ROOT / "query_executor" / "contract")
    assert {path.name for path in (package / "query_executor").iterdir()} == {"__init__.py", "__pycache__", "contract"}
    assert sources(package / "crud_api") == sources(ROOT / "crud_api")


def sources(folder: Path) -> set[Path]:
    files = {path for path in folder.rglob("*") if path.is_file()}
    return {path.relative_to(folder) for path in files if "__pycache__" not in path.parts}


def test_the_runtime_need_not_parse_any_source_of_it_but_the_entry_point(package: Path) -> None:
    sources = set(package.rglob("*.py")) - {package / "app.py"}
    assert {path.parent.name for path in sources} >= {"crud_api", "query_executor", "chalice", "msgspec"}
    caches = {importlib.util.cache_from_source(str(source), optimization=""): source for source in sources}
    assert {str(path) for path in package.rglob("*.pyc")} == set(caches)
    for cache, source in caches.items():
        header = Path(cache).read_bytes()[:16]  # PEP 552; Lambda runs the Python version that packages
        assert header[:4] == importlib.util.MAGIC_NUMBER
        assert header[4:8] == b"\x03\0\0\0", "not of the source's hash, but of its time, which a zip has not"
        assert header[8:] == importlib.util.source_hash(source.read_bytes()), source


def event(method: str, path: str, body: object = None, **parameters: str) -> dict[str, Any]:
    """An event of a REST API, as API Gateway sends it."""
    resource = "/customers/{customer_id}" if parameters else path
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/api{path}",
            "stage": "api",
            "requestId": "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def invoke(endpoint_url: str, event: object) -> Any:
    client = boto3.client("lambda", endpoint_url=endpoint_url, **CLIENT_OPTIONS)
    answer = json.loads(client.invoke(FunctionName="function", Payload=json.dumps(event))["Payload"].read())
    client.close()
    return answer


def test_alone_with_the_runtime_it_answers_a_route(package: Path) -> None:
    environment = {"QUERY_EXECUTOR_FUNCTION": "executor"}
    with lambda_function("app.app", environment=environment, python_path=[package]) as function:
        answer = invoke(function.endpoint_url, event("POST", "/customers", {"customer_id": "C1"}))
    assert answer["statusCode"] == 422, answer
    problem = json.loads(answer["body"])
    assert problem["errors"] == [{"detail": "customer_name is missing", "pointer": "#/customer_name"}]
    assert problem["instance"] == "urn:uuid:6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"


def test_it_serves_its_description_and_the_largest_file_of_the_page(package: Path) -> None:
    with lambda_function("app.app", environment={"QUERY_EXECUTOR_FUNCTION": "x"}, python_path=[package]) as function:
        described = invoke(function.endpoint_url, event("GET", "/openapi.json"))
        asset = f"swagger-ui-bundle-{VERSION}.js"
        script = event("GET", f"/docs/{asset}", asset=asset)
        script["resource"] = script["requestContext"]["resourcePath"] = "/docs/{asset}"
        answered = invoke(function.endpoint_url, script)
    assert described["statusCode"] == 200
    assert json.loads(described["body"])["openapi"].startswith("3.1")
    assert answered["statusCode"] == 200, answered
    assert len(answered["body"]) > 1_000_000


def test_alone_with_the_runtime_it_reaches_the_database_through_the_executor(package: Path, api_database: str) -> None:
    with executing(api_database) as executor:
        environment = {"QUERY_EXECUTOR_FUNCTION": "function", **environment_of(executor.endpoint_url)}
        with lambda_function("app.app", environment=environment, python_path=[package]) as api:
            row = {"customer_id": "a/b", "customer_name": "Ada"}
            created = invoke(api.endpoint_url, event("POST", "/customers", row))
            assert (created["statusCode"], created["headers"]["Location"]) == (201, "/api/customers/a%2Fb"), created
            found = invoke(api.endpoint_url, event("GET", "/customers/a%2Fb", customer_id="a/b"))
            assert (found["statusCode"], found["body"]) == (200, created["body"])
            gone = invoke(api.endpoint_url, event("DELETE", "/customers/a%2Fb", customer_id="a/b"))
            assert gone["statusCode"] == 204


def test_a_request_loads_nothing_of_the_runtimes_boto3(package: Path, api_database: str, tmp_path: Path) -> None:
    (tmp_path / "boto3").mkdir()
    runtimes = link_distributions(
        tmp_path / "boto3", "boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"
    )
    (tmp_path / "probe.py").write_text(
        "import sys\nfrom app import app\n"
        "def handle(event, context):\n"
        "    loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "    return sorted(loaded) if event == 'loaded' else app(event, context)\n"
    )
    with executing(api_database) as executor:
        environment = {"QUERY_EXECUTOR_FUNCTION": "function", **environment_of(executor.endpoint_url)}
        path = [package, tmp_path, runtimes]
        with lambda_function("probe.handle", environment=environment, python_path=path) as api:
            for _ in range(2):
                assert invoke(api.endpoint_url, event("GET", "/customers"))["statusCode"] == 200
            loaded = set(invoke(api.endpoint_url, "loaded"))
    assert {"crud_api", "msgspec"} <= loaded
    assert not {"boto3", "botocore", "urllib3"} & loaded


def executing(url: str) -> AbstractContextManager[LambdaFunction]:
    """The executor, in the real runtime."""
    return lambda_function(
        "query_executor.handler.handle", environment={"DATABASE_URL": url}, python_path=[ROOT, SITE_PACKAGES]
    )
