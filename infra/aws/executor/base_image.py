"""The base of the executor's image: the digest that its tag names today."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

DOCKERFILE = "query_executor/Dockerfile"
ASK_S = 30


def reference(project: Path) -> str:
    """The image that the Dockerfile builds from: a repository with a tag, or with a digest that pins it."""
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (project / DOCKERFILE).read_text(), re.MULTILINE)
    return found[1] if found else ""


def digest(project: Path) -> str | None:
    """The digest of the base (sha256:...), which docker gets from its registry; None without an answer.

    No Docker engine has to run for that. The digest is of the list of all architectures.
    """
    named = reference(project)
    if "@" in named:
        return named.partition("@")[2]
    if not named or shutil.which("docker") is None:
        return None
    command = ["docker", "buildx", "imagetools", "inspect", named, "--format", "{{json .Manifest}}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_S)
        found = json.loads(asked.stdout)["digest"] if asked.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", found) else None


def pinned(project: Path, base: str) -> str:
    """The base image with its digest, as the Dockerfile's argument takes it."""
    repository = re.sub(r":[^/:]+$", "", reference(project).partition("@")[0])
    return f"{repository}@{base}"
