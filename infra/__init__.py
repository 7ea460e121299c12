"""What runs and ships the product: the local environment, and the commands of `python -m infra`."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]  # this clone
