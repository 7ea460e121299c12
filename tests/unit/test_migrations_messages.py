"""The message for a failure of the migrations' function: its own words, and nothing that it cannot know."""

from __future__ import annotations

from infra.aws.executor.migrations import _reason
from tests.unit.test_stage import stage


def test_a_database_that_is_unfit_is_said_without_a_word_on_an_api_that_may_not_be_there() -> None:
    said = _reason({"errorType": "UnfitError", "errorMessage": "demo.orders is missing"}, stage().make("logs"))
    assert said == "demo.orders is missing\nCorrect the database or the declarations, then run this again."


def test_more_is_in_the_log_of_the_stage() -> None:
    said = _reason({"errorType": "MigrationError", "errorMessage": "no"}, stage("prod").make("logs", FUNCTION="x"))
    assert "More: make logs STAGE=prod FUNCTION=x. Correct it, then run this again." in said
