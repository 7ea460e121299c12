"""The project as Chalice packages it, with compiled caches: without, each cold start parses all of its sources.

A copy, for Chalice packages what caches it finds in vendor/, and those of a working tree may be of other sources and
other Pythons. Each cache here has the hash of its source, by which Python sees that it is the right one (PEP 552).
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

# What Chalice adds to a package by itself: of its own only these, and what requirements.txt names.
_ADDED = {"chalice": ("__init__.py", "app.py"), "msgspec": ("*.py",)}


@contextmanager
def compiled(project: Path, config: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """A folder for Chalice to package and deploy instead of the project; what it packaged, the project remembers.

    A `config` stands in the place of the project's .chalice/config.json.
    """
    folder = project / "build" / "api"
    shutil.rmtree(folder, ignore_errors=True)  # what a run that was killed has left
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
        if path.name == "deployed":  # Chalice would delete what it finds there and the config does not have
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
    shown = str(Path("/var/task", package, source.name))  # in Lambda; a path of here would make each build another one
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), cache, shown, doraise=True, invalidation_mode=by_hash)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None  # noqa: S101 - the environment has what is shipped
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent
