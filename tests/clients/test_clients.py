"""Clients that generators make of docs/openapi.json: our description causes no warning, and programs with them run.

`make clients` runs all of them, `make test` the two quickest.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crud_api.openapi import document
from crud_api.tables import RESOURCES
from tests.clients import generators
from tests.clients.generators import CLIENTS, DESCRIPTION, PROGRAMS, PYTHON, npm, run, warnings
from tests.functional.lines import lines, parts
from tests.served import served

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make clients has not installed the generators")
all_generators = pytest.mark.clients
GENERATED_ANNOTATION = """\
package javax.annotation;
public @interface Generated { String[] value(); String date() default ""; String comments() default ""; }
"""


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> Iterator[str]:
    with served(database_url, tmp_path / "server.log") as address:
        yield address


def strictly_typed(folder: Path, *names: str) -> None:
    """Check the program with the generated client. The generator's common files are only imported."""
    options = ["--strict", "--no-error-summary", "--follow-imports", "silent", "--cache-dir", str(CLIENTS / "mypy")]
    run(PYTHON, "-m", "mypy", *options, *names, cwd=folder)


def test_openapi_python_client(url: str, tmp_path: Path) -> None:
    command: list[str | Path] = [
        CLIENTS / "bin" / "openapi-python-client",
        "generate",
        "--path",
        DESCRIPTION,
        "--meta",
        "none",
    ]
    said = run(*command, "--output-path", tmp_path / "client", cwd=tmp_path)
    assert "arning" not in said, said
    shutil.copy(PROGRAMS / "openapi_python_client.py", tmp_path / "program.py")
    strictly_typed(tmp_path, "program.py", "client/models", "client/api")
    assert run(PYTHON, "program.py", url, cwd=tmp_path) == "done\n"


def test_a_client_writes_the_parts_of_a_key_as_the_api_reads_them(tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document([*RESOURCES, lines, parts], "none")))
    command: list[str | Path] = [CLIENTS / "bin" / "openapi-python-client", "generate", "--meta", "none"]
    said = run(*command, "--path", "openapi.json", "--output-path", "client", cwd=tmp_path)
    assert "arning" not in said, said
    (tmp_path / "program.py").write_text(
        "from client.api.lines import get_line\n"
        "from client.api.parts import list_line_parts\n"
        "from client.models.new_line import NewLine\n"
        'print(get_line._get_kwargs("a,b/c %2C", 2)["url"], list_line_parts._get_kwargs("é", 3)["url"])\n'
        'NewLine(order_id="a", line=2)\n'
    )
    strictly_typed(tmp_path, "program.py", "client/models", "client/api")
    printed = run(PYTHON, "program.py", cwd=tmp_path)
    assert printed == "/lines/a%2Cb%2Fc%20%252C,2 /lines/%C3%A9,3/parts\n"


def test_openapi_typescript_and_openapi_fetch(url: str, tmp_path: Path) -> None:
    said = run(*npm("openapi-typescript"), DESCRIPTION, "-o", "schema.ts", cwd=tmp_path)
    assert warnings(said) == []
    shutil.copy(PROGRAMS / "openapi_fetch.ts", tmp_path / "program.ts")
    generators.typescript(tmp_path, "program.ts")
    assert run(npm("")[0], "js/program.js", url, cwd=tmp_path) == "done\n"


@all_generators
def test_openapi_generator_python(url: str, tmp_path: Path) -> None:
    assert generators.openapi_generator("python", tmp_path / "python") == []
    shutil.copy(PROGRAMS / "openapi_generator_python.py", tmp_path / "python" / "program.py")
    # The generator never annotates its validators, so mypy is not strict here.
    strictly_typed(tmp_path / "python", "program.py")
    run(PYTHON, "-m", "mypy", "--cache-dir", CLIENTS / "mypy", "openapi_client", cwd=tmp_path / "python")
    assert run(PYTHON, "program.py", url, cwd=tmp_path / "python") == "done\n"


@all_generators
def test_openapi_generator_typescript_fetch(url: str, tmp_path: Path) -> None:
    assert generators.openapi_generator("typescript-fetch", tmp_path / "client") == []
    shutil.copy(PROGRAMS / "typescript_fetch.ts", tmp_path / "program.ts")
    generators.typescript(tmp_path, "program.ts", module="CommonJS")
    assert run(npm("")[0], "js/program.js", url, cwd=tmp_path) == "done\n"


@all_generators
@pytest.mark.skipif(
    generators.javac() is None, reason="there is no javac on PATH (Debian: apt-get install default-jdk)"
)
def test_openapi_generator_java(url: str, tmp_path: Path) -> None:
    options = {"openApiNullable": "false", "useSingleRequestParameter": "true", "hideGenerationTimestamp": "true"}
    assert generators.openapi_generator("java", tmp_path / "client", **options) == []
    annotation = tmp_path / "Generated.java"  # Java no longer has it, and the jar of the generator lacks it
    annotation.write_text(GENERATED_ANNOTATION)
    files = [annotation, PROGRAMS / "Program.java", *generators.sources(tmp_path / "client" / "src" / "main")]
    compiled = run(str(generators.javac()), "-d", "classes", "-cp", generators.jar(), *files, cwd=tmp_path)
    assert "warning:" not in compiled
    assert run("java", "-cp", f"classes:{generators.jar()}", "Program", url, cwd=tmp_path) == "done\n"


@all_generators
@pytest.mark.parametrize(
    ("command", "files"),
    [
        (["openapi-ts", "-i", DESCRIPTION, "-o", "hey"], ["hey/index.ts", "hey/sdk.gen.ts"]),
        (["orval", "--input", DESCRIPTION, "--output", "orval/api.ts", "--client", "fetch"], ["orval/api.ts"]),
        (["swagger-typescript-api", "generate", "-p", DESCRIPTION, "-o", "sta", "-n", "api.ts"], ["sta/api.ts"]),
    ],
    ids=["hey-api", "orval", "swagger-typescript-api"],
)
def test_other_generators_of_typescript(command: list[str | Path], files: list[str], tmp_path: Path) -> None:
    said = run(*npm(str(command[0])), *command[1:], cwd=tmp_path)
    assert warnings(said) == []
    generators.typescript(tmp_path, *files)
