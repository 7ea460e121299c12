"""pyproject.toml, uv.lock and the requirements that ship say the same, and the lock names PyPI."""

from __future__ import annotations

import re

from infra.dev.packages import exported, pin, problems


def test_the_lock_is_that_of_pyproject_and_what_ships_is_that_of_the_lock() -> None:
    assert list(problems()) == []


def test_every_group_can_be_exported_with_a_hash_for_each_package() -> None:
    for group in ("local", "dev", "bench", "clients", "checkov", "lambda-front-end"):
        pins = [line for line in exported(group).replace("\\\n", " ").splitlines() if line.strip()]
        assert pins
        assert not [line for line in pins if "==" not in line or "--hash=sha256:" not in line], group


def test_the_front_end_of_lambda_comes_without_what_the_sam_cli_needs() -> None:
    assert re.findall(r"^\S+==", exported("lambda-front-end"), re.MULTILINE) == ["aws-sam-cli=="]


def test_pip_gets_uv_by_the_locks_version_and_hashes() -> None:
    assert re.fullmatch(r"uv==[\d.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", pin())
