"""The connection budget: there are never more executors than connections of the database."""

from __future__ import annotations

import copy

import pytest

from infra import PROJECT
from infra.errors import BudgetError
from infra.stage import Stage
from infra.stage.budget import check
from tests.unit.test_stage import CONFIG, stage


def test_all_that_is_left_may_be_used() -> None:
    check(78, 100, 20)


def test_one_more_is_refused_with_both_ways_out() -> None:
    with pytest.raises(BudgetError, match=r"lower reserved_concurrency to 78 or raise max_connections by 1\.$"):
        check(79, 100, 20)


def test_a_database_too_small_for_any_executor_has_one_way_out() -> None:
    with pytest.raises(BudgetError, match=r"reserve: raise max_connections by 3\.$"):
        check(1, 20, 20)


def test_without_reserved_concurrency_nothing_bounds_the_connections() -> None:
    with pytest.raises(BudgetError, match=r"the executor has no reserved_concurrency.*config\.json"):
        check(None, 100)


def test_a_database_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(BudgetError, match=r"the database's max_connections is not known"):
        check(5, None)


def test_a_stages_database_goes_before_that_of_all_stages() -> None:
    fifty = {"query_executor": {"reserved_concurrency": 50}}
    stage(lambda_functions=fifty, database={"max_connections": 72})
    with pytest.raises(BudgetError, match="stage dev: 50 executors"):
        stage(lambda_functions=fifty, database={"max_connections": 71})


def test_the_executor_of_all_stages_counts_when_the_stage_says_nothing() -> None:
    file = copy.deepcopy(CONFIG)
    del file["stages"]["dev"]["lambda_functions"]
    file["lambda_functions"]["query_executor"]["reserved_concurrency"] = 500
    with pytest.raises(BudgetError, match="stage dev: 500 executors"):
        Stage.from_file("dev", file, PROJECT)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_stages_of_this_repository_keep_it(name: str) -> None:
    loaded = Stage.load(name)
    check(loaded.executor.reserved_concurrency, loaded.database.max_connections, loaded.database.connection_reserve)
