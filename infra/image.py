"""The executor's image: tagged by its content, built and pushed when ECR has not got that tag."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.errors import ImageError

DOCKERFILE = "query_executor/Dockerfile"
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def content_tag(project: Path, architecture: str) -> str:
    """A hash of the Dockerfile, of every file that it may copy, and of the architecture.

    The base image is not in it: whoever wants a newer one names it in the Dockerfile.
    """
    digest = hashlib.sha256(architecture.encode())
    for path in [DOCKERFILE, *context_files(project)]:
        content = (project / path).read_bytes()
        digest.update(f"\0{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def context_files(project: Path) -> list[str]:
    """The files that the image is built from, by .dockerignore; folders that are ignored whole are not walked."""
    rules = ignore_rules(project)
    return sorted(_files(project, project, rules))


def is_ignored(path: Path, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    """As Docker reads .dockerignore: the last line that matches the path, or a folder above it, decides."""
    ignored = False
    for pattern, ignores in rules:
        if any(pattern.fullmatch(one.as_posix()) for one in (path, *path.parents)):
            ignored = ignores
    return ignored


def ignore_rules(project: Path) -> list[tuple[re.Pattern[str], bool]]:
    rules = []
    for line in (project / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            rules.append((re.compile(pattern), not line.startswith("!")))
    return rules


def _files(project: Path, folder: Path, rules: list[tuple[re.Pattern[str], bool]]) -> Iterator[str]:
    for path in folder.iterdir():
        within = path.relative_to(project)
        if not is_ignored(within, rules):
            if path.is_dir():
                yield from _files(project, path, rules)
            else:
                yield within.as_posix()


def exists(ecr: Any, repository: str, tag: str) -> bool:
    """Whether the repository is there and has the tag."""
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return False
    return bool(found["imageDetails"])


def tags(ecr: Any, repository: str) -> list[str]:
    """The tags of the repository, the newest first."""
    try:
        pages = list(ecr.get_paginator("describe_images").paginate(repositoryName=repository))
    except ecr.exceptions.RepositoryNotFoundException:
        return []
    images = [one for page in pages for one in page["imageDetails"]]
    images.sort(key=lambda one: one["imagePushedAt"], reverse=True)
    return [tag for one in images for tag in one.get("imageTags", [])]


def require_docker() -> None:
    """Raise `ImageError` unless docker is there, its engine answers, and it has its builder."""
    if shutil.which("docker") is None:
        raise ImageError(
            "The executor's image has to be built, and there is no docker. Install it "
            "(https://docs.docker.com/get-docker), or let the workflow in .github/workflows deploy."
        )
    asked = _asked("version", "--format", "{{.Server.Version}}")
    if asked.returncode != 0:
        raise ImageError(
            f"docker is there, but its engine does not answer: {asked.stderr.strip()}\nStart it, then run this again."
        )
    # The builder before it knows neither --provenance nor COPY --chmod.
    if _asked("buildx", "version").returncode != 0:
        raise ImageError(
            "docker is there, but without buildx, which the executor's image is built with. Install it "
            "(https://docs.docker.com/build/install-buildx; Docker Desktop has it), then run this again."
        )


def push(ecr: Any, project: Path, uri: str, architecture: str) -> None:
    """Build the image for `architecture` and push it as `uri`, which has the tag. Raises `ImageError`."""
    token = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    registry = uri.partition("/")[0]
    # By stdin: what is in a command's arguments, every user of the machine can read.
    _docker(project, "login", "--username", user, "--password-stdin", registry, stdin=password)
    _docker(
        project, "build", "--platform", _PLATFORMS[architecture],
        "--provenance=false",  # Lambda takes an image, not the list of an image and its attestation that BuildKit makes
        "--file", DOCKERFILE, "--tag", uri, ".",
    )  # fmt: skip
    _docker(project, "push", uri)


def _asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments],  # noqa: S607 - the user's own docker
        capture_output=True,
        text=True,
        check=False,
    )


def _docker(project: Path, *arguments: str, stdin: str | None = None) -> None:
    done = subprocess.run(
        ["docker", *arguments],  # noqa: S607
        input=stdin,
        stdout=subprocess.DEVNULL if stdin else None,
        text=True,
        cwd=project,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        check=False,
    )
    if done.returncode != 0:
        raise ImageError(
            f"docker {arguments[0]} failed (exit status {done.returncode}); it has said why above. "
            "Nothing but the network and the database was changed. Correct it, then run this again."
        )
