"""The steps of a deploy, in their order. `deploy`, `plan` and `status` go through them, `destroy` goes back.

docs/how-to.md says how to add a step.
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
from infra.steps.users import Users

__all__ = ["STEPS", "Options", "Run", "Step", "steps_of"]

STEPS: tuple[type[Step], ...] = (
    Check,
    Network,
    Database,
    Image,
    Executor,
    Migrations,
    Observability,  # before the API: otherwise Lambda makes the API's log group, and this stack cannot
    Users,  # before the API, which has the pool's ARN
    Api,
    Settings,
    SmokeTest,
)


def steps_of(run: Run) -> list[Step]:
    return [step(run) for step in STEPS]
