"""A stage as .chalice/config.json describes it, and what each of its stacks is told."""

from infra.stage.stage import APP_NAME, Parameters, Stage

__all__ = ["APP_NAME", "Parameters", "Stage"]
