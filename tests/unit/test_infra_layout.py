"""The folder infra/ has few modules at its top. pyproject.toml has the rules for the direction of its imports."""

from __future__ import annotations

from infra import PROJECT


def test_the_top_of_infra_has_at_most_six_modules() -> None:
    assert len(list((PROJECT / "infra").glob("*.py"))) <= 6
