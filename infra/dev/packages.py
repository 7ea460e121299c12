"""Python packages: uv.lock names every version, pip installs uv, and uv installs the rest.

python -m infra.dev.packages pin FILE              the requirement of uv itself, which pip reads
python -m infra.dev.packages export GROUP FILE     the requirements of a group of pyproject.toml
python -m infra.dev.packages pip ARGUMENTS         pip, with the package index that uv is configured with
python -m infra.dev.packages uv ARGUMENTS          uv, with the package index that pip is configured with
python -m infra.dev.packages lock [--upgrade]      writes uv.lock and the requirements that ship, from pyproject.toml
python -m infra.dev.packages check                 says where these disagree
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import PROJECT, hints

UV = str(Path(sys.executable).with_name("uv"))

# What others read, and may not know uv: Chalice packages the first, the Dockerfile installs the second.
SHIPPED = {"requirements.txt": "api", "query_executor/requirements.txt": "executor"}

PYPI = "https://pypi.org/simple"
PYPI_FILES = "https://files.pythonhosted.org/"

# uv reads no setting of pip's. These lead to the package index; the rest of pip's settings does not matter here.
PIP_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


def pin(project: Path = PROJECT) -> str:
    """The requirement of uv, with the hashes of its wheels: pip needs no compiler for it."""
    (uv,) = (package for package in _packages(project) if package["name"] == "uv")
    hashes = "".join(f" \\\n    --hash={wheel['hash']}" for wheel in uv["wheels"])
    return f"uv=={uv['version']}{hashes}\n"


def exported(group: str, project: Path = PROJECT) -> str:
    """The requirements of a group with their hashes, by uv.lock alone: nothing is asked of an index."""
    command = [UV, "export", "--frozen", "--quiet", "--only-group", group, "--no-annotate", "--no-header"]
    env = _without_indexes(_of_this_python(os.environ))
    return subprocess.run(command, cwd=project, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


def shipped(path: str, project: Path = PROJECT) -> str:
    """What one of the two files that ship has to hold."""
    head = (
        f"# `{hints.make('lock')}` writes this file: the group {SHIPPED[path]} of pyproject.toml as uv.lock has it.\n"
    )
    return head + exported(SHIPPED[path], project)


def lock(arguments: list[str], project: Path = PROJECT) -> None:
    """Write uv.lock, and then the files that ship. The index is PyPI, whatever this machine is configured with."""
    command = [UV, "lock", "--default-index", PYPI, *arguments]
    subprocess.run(command, cwd=project, env=_without_indexes(for_uv(os.environ)), check=True)
    for path in SHIPPED:
        write(project / path, shipped(path, project))


def problems(project: Path = PROJECT) -> Iterator[str]:
    """Where pyproject.toml, uv.lock and the files that ship disagree, and where the lock leaves PyPI."""
    command = [UV, "lock", "--default-index", PYPI, "--check", "--offline", "--quiet"]
    env = _without_indexes(_of_this_python(os.environ))
    if subprocess.run(command, cwd=project, env=env, capture_output=True, check=False).returncode != 0:
        yield f"uv.lock is not that of pyproject.toml. Run: {hints.make('lock')}"
        return
    for package in _packages(project):
        if not _comes_from_pypi(package):
            name = package["name"]
            yield f"uv.lock gets {name} from elsewhere than {PYPI}. Restore it from git, then run: {hints.make('lock')}"
    for path in SHIPPED:
        if (project / path).read_text() != shipped(path, project):
            yield f"{path} is not what uv.lock says. Run: {hints.make('lock')}"


def for_pip(given: Mapping[str, str]) -> dict[str, str]:
    """What pip is started with: the index of uv where pip has none of its own."""
    index = _default_index_of_uv(given)
    return {**given, **({"PIP_INDEX_URL": index} if index and "index-url" not in _pip_settings(given) else {})}


def for_uv(given: Mapping[str, str]) -> dict[str, str]:
    """What uv is started with: pip's settings where uv has none of its own, and this Python."""
    settings = {PIP_SETTINGS[name]: value for name, value in _pip_settings(given).items() if name in PIP_SETTINGS}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = ",".join(settings["UV_FIND_LINKS"].split())
    if _uv_has_an_index(given):
        settings = {name: value for name, value in settings.items() if name not in UV_INDEXES}
    return {**settings, **_of_this_python(given)}


def write(path: Path, text: str) -> None:
    """Leave a file alone that is so already: make goes by its time."""
    if not path.is_file() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _packages(project: Path) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads((project / "uv.lock").read_text())["package"]
    return packages


def _comes_from_pypi(package: dict[str, Any]) -> bool:
    if package["source"] == {"virtual": "."}:  # this project
        return True
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return package["source"] == {"registry": PYPI} and all(file["url"].startswith(PYPI_FILES) for file in files)


def _without_indexes(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in UV_INDEXES}


def _of_this_python(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in given.items() if name != "VIRTUAL_ENV"}  # of which uv would warn
    return {**kept, "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}


def _uv_has_an_index(given: Mapping[str, str]) -> bool:
    named = any(given.get(name) for name in UV_INDEXES)
    return named or any("index" in file.read_text() for file in _files_of_uv(given))


def _default_index_of_uv(given: Mapping[str, str]) -> str | None:
    urls = [given.get("UV_DEFAULT_INDEX"), given.get("UV_INDEX_URL")]
    for file in _files_of_uv(given):
        settings = tomllib.loads(file.read_text())
        urls += [index["url"] for index in settings.get("index", []) if index.get("default")]
        urls.append(settings.get("index-url"))
    url = next((url for url in urls if url), None)
    return url and re.sub(r"^[\w-]+=", "", url)  # uv takes a name before it


def _files_of_uv(given: Mapping[str, str]) -> list[Path]:
    folder = Path(given.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = [Path(given.get("UV_CONFIG_FILE") or folder / "uv" / "uv.toml"), Path("/etc/uv/uv.toml")]
    return [file for file in files if file.is_file()]


def _pip_settings(given: Mapping[str, str]) -> dict[str, str]:
    """By pip itself, which reads its files and its variables; a later section overrides an earlier one."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    asked = subprocess.run(command, env={**given}, stdout=subprocess.PIPE, text=True, check=True)
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in asked.stdout.splitlines():
            name, equals, value = line.partition("=")
            if name.startswith(section) and equals:
                settings[name.removeprefix(section)] = ast.literal_eval(value)
    return settings


def main(arguments: list[str]) -> int:
    match arguments:
        case ["pin", path]:
            write(Path(path), pin())
        case ["export", group, path]:
            write(Path(path), exported(group))
        case ["pip", *rest]:
            os.execve(sys.executable, [sys.executable, "-m", "pip", *rest], for_pip(os.environ))  # noqa: S606
        case ["uv", *rest]:
            os.execve(UV, [UV, *rest], for_uv(os.environ))  # noqa: S606
        case ["lock", *rest]:
            lock(rest)
        case ["check"]:
            found = list(problems())
            print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
            return bool(found)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failed:  # which has said why
        sys.exit(failed.returncode)
