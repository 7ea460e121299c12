"""The project as Chalice packages it, with compiled caches. Without them each cold start parses all sources.

It is a copy: Chalice packages the caches that it finds in vendor/, and the caches of a working tree may belong to other
sources and other Pythons. Each cache here has the hash of its source, by which Python recognizes it (PEP 552).
"""

from __future__ import annotations

import importlib.util
import json
import py_compile
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What Chalice adds to a package by itself: these modules of its own, and what requirements.txt names.
_ADDED = {"chalice": ("__init__.py", "app.py"), "msgspec": ("*.py",)}


@contextmanager
def compiled(project: Path, config: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A folder for Chalice to package and deploy instead of the project. What Chalice keeps there is the project's.

    A `config` replaces the project's .chalice/config.json.
    """
    folder = project / "build" / "api"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    folder.mkdir(parents=True)
    try:
        for shared in ("app.py", "requirements.txt"):
            (folder / shared).symlink_to((project / shared).absolute())
        _config(project / ".chalice", folder / ".chalice", config)
        vendor = shutil.copytree(project / "vendor", folder / "vendor", ignore=shutil.ignore_patterns("__pycache__"))
        for source in list(vendor.rglob("*.py")):
            _compile(source, vendor, source.parent.relative_to(vendor))
        for package, patterns in _ADDED.items():
            for pattern in patterns:
                for source in _folder(package).glob(pattern):
                    _compile(source, vendor, Path(package))
        yield folder
    finally:
        shutil.rmtree(folder)


def _config(has: Path, folder: Path, config: Mapping[str, Any] | None) -> None:
    (has / "deployments").mkdir(exist_ok=True)
    folder.mkdir()
    for path in has.iterdir():
        if path.name == "deployed":  # Chalice would delete what this has and the config has not
            (folder / path.name).mkdir()
            for state in path.glob("*.json"):
                shutil.copy(state, folder / path.name)
        elif path.name == "config.json" and config is not None:
            (folder / path.name).write_text(json.dumps(config))
        else:
            (folder / path.name).symlink_to(path.absolute())


def _compile(source: Path, vendor: Path, package: Path) -> None:
    """Put the cache of a source where Python looks for it in this package."""
    cache = importlib.util.cache_from_source(str(vendor / package / source.name), optimization="")
    shown = str(Path("/var/task", package, source.name))  # with this machine's path, each build would differ
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), cache, shown, doraise=True, invalidation_mode=by_hash)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None  # noqa: S101 - the environment has what is shipped
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent
