"""The executor's image. A hash of its content is its tag. It is built and pushed when ECR does not have the tag."""

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

from infra.aws.executor import base_image
from infra.aws.executor.base_image import DOCKERFILE
from infra.errors import ImageError

_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def content_tag(project: Path, architecture: str) -> str:
    """A hash of the Dockerfile, of every file that it may copy, and of the architecture; `tag` adds the base."""
    digest = hashlib.sha256(architecture.encode())
    for path in [DOCKERFILE, *context_files(project)]:
        content = (project / path).read_bytes()
        digest.update(f"\0{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def tag(content: str, base: str | None) -> str:
    """The tag of this content on the base with this digest. So a newer base is a new image."""
    return content if base is None else f"{content}-{base.removeprefix('sha256:')[:12]}"


def newest(ecr: Any, repository: str, content: str) -> str | None:
    """The tag of the newest image of this content in ECR, on any base."""
    return next((tag for tag in tags(ecr, repository) if tag.partition("-")[0] == content), None)


def context_files(project: Path) -> list[str]:
    """The files that the image is built from, by .dockerignore. Folders from which it takes nothing are not walked."""
    rules = ignore_rules(project)
    lets_in = [line[1:] for line in _lines(project) if line.startswith("!")]
    return sorted(_files(project, project, rules, lets_in))


def is_ignored(path: Path, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    """Docker's rule for .dockerignore: the last line that matches the path, or a folder above it, decides."""
    ignored = False
    for pattern, ignores in rules:
        if any(pattern.fullmatch(place.as_posix()) for place in (path, *path.parents)):
            ignored = ignores
    return ignored


def ignore_rules(project: Path) -> list[tuple[re.Pattern[str], bool]]:
    rules = []
    for line in _lines(project):
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        rules.append((re.compile(pattern), not line.startswith("!")))
    return rules


def _lines(project: Path) -> list[str]:
    lines = (project / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _files(project: Path, folder: Path, rules: list[tuple[re.Pattern[str], bool]], lets_in: list[str]) -> Iterator[str]:
    for path in folder.iterdir():
        within = path.relative_to(project)
        if path.is_dir():
            inside = f"{within.as_posix()}/"
            if not is_ignored(within, rules) or any(path_in.startswith(inside) for path_in in lets_in):
                yield from _files(project, path, rules, lets_in)
        elif not is_ignored(within, rules):
            yield within.as_posix()


def exists(ecr: Any, repository: str, tag: str) -> bool:
    """Whether the repository exists and has the tag."""
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
    images = [image for page in pages for image in page["imageDetails"]]
    images.sort(key=lambda image: image["imagePushedAt"], reverse=True)
    return [tag for image in images for tag in image.get("imageTags", [])]


def require_docker() -> None:
    """Raise `ImageError` unless docker is installed, its engine answers, and buildx is installed."""
    if shutil.which("docker") is None:
        raise ImageError(
            "The executor's image must be built, but docker is not installed. Install it "
            "(https://docs.docker.com/get-docker), or let the workflow in .github/workflows deploy."
        )
    asked = _asked("version", "--format", "{{.Server.Version}}")
    if asked.returncode != 0:
        raise ImageError(f"The engine of docker does not answer: {asked.stderr.strip()}\nStart it and run this again.")
    # The older builder knows neither --provenance nor COPY --chmod.
    if _asked("buildx", "version").returncode != 0:
        raise ImageError(
            "docker is installed, but buildx is not, which builds the executor's image. Install it "
            "(https://docs.docker.com/build/install-buildx; Docker Desktop has it), then run this again."
        )


def push(ecr: Any, project: Path, uri: str, architecture: str, base: str | None) -> None:
    """Build the image for `architecture` on the base of that digest and push it as `uri`, which has the tag.

    Without a digest docker builds on what it finds under the base's tag. Raises `ImageError`.
    """
    token = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    registry = uri.partition("/")[0]
    # By stdin: every user of the machine can read a command's arguments.
    _docker(project, "login", "--username", user, "--password-stdin", registry, stdin=password)
    _docker(
        project, "build", "--platform", _PLATFORMS[architecture],
        "--provenance=false",  # Lambda takes an image. With an attestation BuildKit would push a list of images
        *(["--build-arg", f"PYTHON_IMAGE={base_image.pinned(project, base)}"] if base else ["--pull"]),
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
            f"docker {arguments[0]} failed (exit status {done.returncode}); its own message is above. "
            "Only the network and the database were changed. Correct it, then run this again."
        )
