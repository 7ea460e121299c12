"""The API over both executors, on one migrated database. Each test begins with empty tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crud_api.executor.lambda_ import LambdaExecutor
from crud_api.executor.seam import Execute, InProcessExecutor
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional.client import Api
from tests.lambda_runtime import SITE_PACKAGES, lambda_function

# boto3 signs with these credentials, and nobody checks them.
CLIENT_OPTIONS: dict[str, Any] = {
    "region_name": "eu-central-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}


@pytest.fixture(scope="session", params=["in_process", "lambda"])
def execute(request: pytest.FixtureRequest, api_database: str) -> Iterator[Execute]:
    if request.param == "in_process":
        yield InProcessExecutor(create_local_handler(api_database))
        return
    root = Path(__file__).parents[2]
    with lambda_function(
        "query_executor.handler.handle",
        environment={"DATABASE_URL": api_database},
        python_path=[root, SITE_PACKAGES],
    ) as function:
        yield LambdaExecutor("function", endpoint_url=function.endpoint_url, **CLIENT_OPTIONS)


@pytest.fixture
def api(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, "TRUNCATE demo.customers, demo.orders, demo.idempotency_keys CASCADE")
    return Api(execute)
