"""A stage as .chalice/config.json describes it, and what each of its stacks is told."""

from infra.stage.stage import APP_NAME, POOL_TO_BE_MADE, Parameters, Stage

__all__ = ["APP_NAME", "POOL_TO_BE_MADE", "Parameters", "Stage"]
