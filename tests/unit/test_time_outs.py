"""Each time-out ends before the time-out around it, so that the innermost reports the delay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chalice.cli.factory import CLIFactory

from crud_api.settings import EXECUTOR_CONNECT_S, EXECUTOR_READ_S
from query_executor.settings import CONNECT_MS, REPLY_MARGIN_MS, STATEMENT_MS, Settings

API_GATEWAY_S = 29  # a REST API's integration time-out


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_time_outs_are_in_order(stage: str) -> None:
    config = CLIFactory(".").create_config_obj(chalice_stage_name=stage)
    executor = config.scope(stage, "query_executor")
    statement_ms = Settings.from_environment({"DB_HOST": "h"} | executor.environment_variables).statement_ms
    in_executor_s = (CONNECT_MS + statement_ms + REPLY_MARGIN_MS) / 1000
    waits = [in_executor_s, executor.lambda_timeout, EXECUTOR_READ_S, config.lambda_timeout, API_GATEWAY_S]
    assert waits == sorted(set(waits))
    assert config.lambda_timeout > EXECUTOR_CONNECT_S + EXECUTOR_READ_S
    assert statement_ms == STATEMENT_MS


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_deployed_stage_names_its_executor_and_may_invoke_only_that(stage: str) -> None:
    config = CLIFactory(".").create_config_obj(chalice_stage_name=stage)
    function = config.environment_variables["QUERY_EXECUTOR_FUNCTION"]
    policy = json.loads(Path(".chalice", config.iam_policy_file).read_text())
    invoke = [one for one in policy["Statement"] if "lambda:InvokeFunction" in one["Action"]]
    assert [one["Resource"] for one in invoke] == [f"arn:aws:lambda:*:*:function:{function}"]
    assert not config.autogen_policy


def test_the_local_stage_runs_the_executor_in_its_own_process() -> None:
    config = CLIFactory(".").create_config_obj(chalice_stage_name="local")
    assert "QUERY_EXECUTOR_FUNCTION" not in config.environment_variables
