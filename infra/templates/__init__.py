"""The CloudFormation templates beside this file, and the parameters that each declares."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def text(name: str) -> str:
    return (_FOLDER / f"{name}.yaml").read_text()


@cache
def parameters(name: str) -> dict[str, str | None]:
    """The name of each parameter, with its default or None when it has no default."""
    import yaml  # noqa: PLC0415 - Chalice's own dependency; the local commands have no use for it

    class Loader(yaml.SafeLoader):
        """Ignores CloudFormation's short functions (!Ref): the declarations of parameters use none."""

    Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
    declared: dict[str, Any] = yaml.load(text(name), Loader)["Parameters"]  # noqa: S506 - a SafeLoader
    return {name: str(parameter["Default"]) if "Default" in parameter else None for name, parameter in declared.items()}
