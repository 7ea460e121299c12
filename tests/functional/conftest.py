"""The API over both executors, on one migrated database. Each test begins with empty tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import cursor

from crud_api.executor.lambda_ import LambdaExecutor
from crud_api.executor.seam import Execute, InProcessExecutor
from query_executor.handler import create_local_handler
from tests.functional.client import Api
from tests.lambda_runtime import SITE_PACKAGES, lambda_function

# boto3 signs with these credentials, and nobody checks them.
CLIENT_OPTIONS: dict[str, Any] = {
    "region_name": "eu-central-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}


def environment_of(endpoint_url: str) -> dict[str, str]:
    """The environment of an API that invokes its executor at this endpoint. No file of this machine adds to it."""
    return {
        "AWS_ENDPOINT_URL_LAMBDA": endpoint_url,
        "AWS_DEFAULT_REGION": CLIENT_OPTIONS["region_name"],
        "AWS_ACCESS_KEY_ID": CLIENT_OPTIONS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CLIENT_OPTIONS["aws_secret_access_key"],
        "AWS_CONFIG_FILE": "none",
        "AWS_SHARED_CREDENTIALS_FILE": "none",
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
        yield LambdaExecutor("function", environ=environment_of(function.endpoint_url))


@pytest.fixture(scope="session")
def _source(api_database: str) -> Iterator[cursor]:
    """A connection that every test uses: to open another takes five times as long as to empty the tables."""
    with closing(psycopg2.connect(api_database)) as connection, connection.cursor() as source:
        connection.autocommit = True
        yield source


@pytest.fixture
def api(execute: Execute, _source: cursor) -> Api:
    _source.execute("DELETE FROM demo.orders; DELETE FROM demo.customers; DELETE FROM demo.idempotency_keys")
    return Api(execute)
