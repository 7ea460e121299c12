"""A clone of the project that a test may change and deploy, and a `docker` that records its calls."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.__main__ import main
from tests.infrastructure import cloud
from tests.infrastructure.cloud import Call, Cloud, Hold

Fits = Callable[[Call], bool]

ROOT = Path(__file__).parents[2]
_DOCKER = """#!{python} -SE
import json, os, sys, urllib.request

secret = sys.stdin.read() if sys.argv[1] == "login" else ""
with open({log!r}, "a") as log:
    print(json.dumps({{"arguments": sys.argv[1:], "stdin": secret}}), file=log)
if sys.argv[1] == {fails!r}:
    sys.exit("the engine says no")
if sys.argv[1:3] == ["buildx", "imagetools"]:
    print('{{"digest": "' + {base!r} + '"}}')
if sys.argv[1] == "push":  # what is pushed is in ECR from then on
    urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/docker/push", sys.argv[2].encode())
"""


@dataclass
class Run:
    status: int
    out: str
    error: str

    def __bool__(self) -> bool:
        return self.status == 0


@dataclass
class Clone:
    """A clone in `folder`. Other files of a test go into its parent folder."""

    folder: Path
    cloud: Cloud

    def run(self, command: str, *arguments: str) -> Run:
        """Run a command of `python -m infra` in this process."""
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            status = main([command, *self._arguments(command), *arguments])
        return Run(status, out.getvalue(), error.getvalue())

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """Run a command in another process. A test can kill it, with the processes that it started."""
        return subprocess.Popen(
            [sys.executable, "-m", "infra", command, *self._arguments(command), *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def _arguments(self, command: str) -> list[str]:
        url = ["--url", self.cloud.api_url] if command in ("deploy", "smoke") else []
        return ["--stage", "dev", "--project", str(self.folder), *url]

    @property
    def config(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / ".chalice" / "config.json").read_text()))

    def configure(self, section: str, **members: Any) -> None:
        """Set members of a section of the stage dev."""
        config = self.config
        config["stages"]["dev"][section] = {**config["stages"]["dev"].get(section, {}), **members}
        (self.folder / ".chalice" / "config.json").write_text(json.dumps(config))

    def append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(path.read_text() + text)

    def again(self, name: str) -> Clone:
        """Make another clone with the same files. Nothing was deployed from it."""
        other = self.folder.parent / name
        shutil.copytree(self.folder, other, symlinks=True, ignore=shutil.ignore_patterns("deployed"))
        return Clone(other, self.cloud)

    def docker_calls(self) -> list[dict[str, Any]]:
        log = self.folder.parent / "docker.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def docker(self, *, fails: str = "", base: str = f"sha256:{'a' * 64}") -> None:
        """Put the recording docker on the PATH. It fails at the command `fails`; `base` is the digest in registries."""
        program = self.folder.parent / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        log = str(self.folder.parent / "docker.log")
        program.write_text(_DOCKER.format(python=sys.executable, log=log, fails=fails, base=base))
        program.chmod(0o755)


def kill_after(clone: Clone, step: str, fits: Fits, command: str, *arguments: str) -> None:
    """Start a command, and kill it with its child processes when one of its calls fits and has had its effect."""
    hold = clone.cloud.hold = Hold(fits)
    process = clone.start(command, *arguments)
    try:
        assert hold.reached.wait(60), f"{step} was not reached; the run ended with {process.poll()}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        hold.go_on.set()
        clone.cloud.hold = None


@contextmanager
def cloned(folder: Path, database_url: str) -> Iterator[Clone]:
    """A clone with an empty account. `folder` keeps the packages of Chalice, which takes seconds to make them."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    (folder / "docker.log").unlink(missing_ok=True)
    for name in ("app.py", "requirements.txt", ".dockerignore"):
        shutil.copy(ROOT / name, project)
    for name in ("crud_api", "query_executor", "vendor", ".chalice"):
        ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
        shutil.copytree(ROOT / name, project / name, symlinks=True, ignore=ignored)
    (folder / "packages").mkdir(exist_ok=True)
    (project / ".chalice" / "deployments").symlink_to(folder / "packages")
    with pytest.MonkeyPatch.context() as patch, cloud.running(database_url) as account:
        for name, value in account.environment.items():
            patch.setenv(name, value)
        patch.delenv("CI", raising=False)
        patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        clone = Clone(project, account)
        clone.docker()
        yield clone
