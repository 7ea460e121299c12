"""The stage `local`, for Chalice's local server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from infra.stage.config import read


class _Factory(CLIFactory):
    """Chalice's factory, with the file that infra/stage/config.py has read and checked."""

    def load_project_config(self) -> dict[str, Any]:
        return read(Path(self.project_dir))


def load(project: Path) -> Config:
    """The stage. Its app is imported at the first use. Raises `ConfigError`."""
    return _Factory(str(project), environ=os.environ).create_config_obj(chalice_stage_name="local")
