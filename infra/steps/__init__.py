"""The steps of a deploy, in their order. `deploy`, `plan` and `status` go through them, `destroy` goes back.

A new step is a class (step.py says of what) and its line here.
"""

from __future__ import annotations

from infra.steps.api import Api
from infra.steps.check import Check
from infra.steps.database import Database
from infra.steps.executor import Executor
from infra.steps.image import Image
from infra.steps.migrations import Migrations
from infra.steps.network import Network
from infra.steps.observability import Observability
from infra.steps.settings import Settings
from infra.steps.smoke_test import SmokeTest
from infra.steps.step import Options, Run, Step

__all__ = ["STEPS", "Options", "Run", "Step", "steps"]

STEPS: tuple[type[Step], ...] = (
    Check,
    Network,
    Database,
    Image,
    Executor,
    Migrations,
    Observability,  # before the API: or Lambda would make the API's log group, which is in the way of this stack's
    Api,
    Settings,
    SmokeTest,
)


def steps(run: Run) -> list[Step]:
    return [step(run) for step in STEPS]
