"""The stage `local`, as Chalice's own local server takes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from infra.stage.config import read


class _Factory(CLIFactory):
    """Chalice's, which takes the file as the one reader of infra has checked it."""

    def load_project_config(self) -> dict[str, Any]:
        return read(Path(self.project_dir))


def load(project: Path) -> Config:
    """The stage with its app, which is imported when it is asked for. Raises `ConfigError`."""
    return _Factory(str(project), environ=os.environ).create_config_obj(chalice_stage_name="local")
