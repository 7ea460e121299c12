"""The connection budget: never more executors than the database has connections for."""

from __future__ import annotations

import pytest
from chalice.cli.factory import CLIFactory
from chalice.config import Config

from infra.errors import BudgetError
from infra.stage.budget import check, check_stage


def config(executor: dict[str, object], **disk: object) -> Config:
    stage = {"lambda_functions": {"query_executor": executor}}
    return Config("dev", config_from_disk={"app_name": "a", "stages": {"dev": stage}, **disk})


def test_all_that_is_left_may_be_used() -> None:
    check(78, 100, 20)


def test_one_more_is_refused_with_both_ways_out() -> None:
    with pytest.raises(BudgetError, match=r"lower reserved_concurrency to 78 or raise max_connections by 1\.$"):
        check(79, 100, 20)


def test_a_database_too_small_for_any_executor_has_one_way_out() -> None:
    with pytest.raises(BudgetError, match=r"reserve: raise max_connections by 3\.$"):
        check(1, 20, 20)


def test_without_reserved_concurrency_nothing_bounds_the_connections() -> None:
    with pytest.raises(BudgetError, match=r"stage dev: the executor has no reserved_concurrency.*config\.json"):
        check_stage(config({}, database={"max_connections": 100}), "dev")


def test_a_database_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(BudgetError, match=r"stage dev: the database's max_connections is not known"):
        check_stage(config({"reserved_concurrency": 5}), "dev")


@pytest.mark.parametrize("number", [0, -1, "10", True, 2.5])
def test_a_number_that_is_none_is_refused(number: object) -> None:
    with pytest.raises(BudgetError, match="reserved_concurrency must be a whole number"):
        check_stage(config({"reserved_concurrency": number}, database={"max_connections": 100}), "dev")


def test_a_stages_database_goes_before_that_of_all_stages() -> None:
    settings = config({"reserved_concurrency": 50}, database={"max_connections": 20, "connection_reserve": 3})
    settings.config_from_disk["stages"]["dev"]["database"] = {"max_connections": 55}
    check_stage(settings, "dev")
    settings.config_from_disk["stages"]["dev"]["database"] = {"max_connections": 54}
    with pytest.raises(BudgetError, match="stage dev"):
        check_stage(settings, "dev")


def test_the_executor_of_all_stages_counts_when_the_stage_says_nothing() -> None:
    everywhere = Config(
        "dev",
        config_from_disk={
            "lambda_functions": {"query_executor": {"reserved_concurrency": 500}},
            "database": {"max_connections": 100},
        },
    )
    with pytest.raises(BudgetError, match="500 executors"):
        check_stage(everywhere, "dev")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_stages_of_this_repository_keep_it(stage: str) -> None:
    check_stage(CLIFactory(".").create_config_obj(chalice_stage_name=stage), stage)
