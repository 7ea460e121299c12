"""The tag of the executor's image is a hash of the content of the image, and of nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from infra import PROJECT
from infra.aws.executor import base_image
from infra.aws.executor.image import content_tag, context_files, tag


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "query_executor", tmp_path / "query_executor")
    shutil.copy(PROJECT / ".dockerignore", tmp_path)
    return tmp_path


def test_it_stays_when_only_times_and_what_is_ignored_change(project: Path) -> None:
    before = content_tag(project, "x86_64")
    for path in project.rglob("*"):
        os.utime(path, (0, 0))
    (project / "query_executor" / "__pycache__").mkdir(exist_ok=True)
    (project / "query_executor" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (project / "query_executor" / "uv.lock").write_text("something")
    (project / "README.md").write_text("something")
    assert content_tag(project, "x86_64") == before


def test_what_somebody_left_beside_the_code_is_neither_in_the_image_nor_in_its_tag(project: Path) -> None:
    before, files = content_tag(project, "x86_64"), context_files(project)
    for name in (
        ".env",
        "id_rsa.pem",
        ".mypy_cache/3.13/x.json",
        ".mypy_cache/y.py",
        "migrations/dump.sql.gz",
        "a/b.sql",
    ):
        path = project / "query_executor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    assert content_tag(project, "x86_64") == before
    assert context_files(project) == files
    (project / "query_executor" / "certificates").mkdir()
    (project / "query_executor" / "certificates" / "own.crt").write_text("mine")  # the folder for certificates
    assert context_files(project) == sorted([*files, "query_executor/certificates/own.crt"])


def test_a_newer_base_is_another_image_and_an_unknown_one_is_none() -> None:
    old, new = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    assert len({tag("0123", old), tag("0123", new), tag("0123", None)}) == 3


def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")


DIGEST = f"sha256:{'c' * 64}"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (f"""echo '{{"digest": "{DIGEST}"}}'""", DIGEST),
        ("echo no answer >&2; exit 1", None),
        ("echo not JSON", None),
        ("""echo '{"digest": "latest"}'""", None),
        ("""echo '{"mediaType": "x"}'""", None),
        ("echo '[]'", None),
    ],
)
def test_the_base_is_known_by_the_digest_of_its_registry_or_not_at_all(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: str | None
) -> None:
    docker(tmp_path, monkeypatch, script)
    assert base_image.digest(project) == found


def test_without_docker_the_base_is_not_known_unless_the_dockerfile_pins_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert base_image.digest(project) is None
    dockerfile = project / base_image.DOCKERFILE
    named = base_image.reference(project)
    dockerfile.write_text(dockerfile.read_text().replace(named, f"{named}@{DIGEST}"))
    assert base_image.digest(project) == DIGEST
    assert base_image.pinned(project, DIGEST) == f"{named.rpartition(':')[0]}@{DIGEST}"


def test_it_does_not_depend_on_the_order_of_files(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for path in sorted(project.rglob("*"), reverse=True):
        if path.is_file():
            copied = other / path.relative_to(project)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    assert content_tag(other, "x86_64") == content_tag(project, "x86_64")
    assert context_files(other) == sorted(context_files(other))  # in any order of the file system


@pytest.mark.parametrize("name", ["Dockerfile", "handler.py", "requirements.txt", "migrations/0001-create-tables.sql"])
def test_it_changes_with_each_file_of_the_image(project: Path, name: str) -> None:
    before = content_tag(project, "x86_64")
    path = project / "query_executor" / name
    path.write_text(path.read_text() + " ")
    assert content_tag(project, "x86_64") != before


def test_it_changes_with_the_name_of_a_file_and_the_architecture(project: Path) -> None:
    before = content_tag(project, "x86_64")
    assert content_tag(project, "arm64") != before
    (project / "query_executor" / "handler.py").rename(project / "query_executor" / "handling.py")
    assert content_tag(project, "x86_64") != before


def test_its_files_are_those_that_docker_sends() -> None:
    """docker-py, a client of Docker, gives the files. It sends the Dockerfile although it is ignored."""
    patterns = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    sent = {
        path
        for path in exclude_paths(str(PROJECT), patterns, "query_executor/Dockerfile")
        if (PROJECT / path).is_file()
    }
    assert set(context_files(PROJECT)) == sent - {"query_executor/Dockerfile", ".dockerignore"}
