"""The parts of the API's function that Chalice does not set: the format of its log, who may invoke it, its Python."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from infra.aws import eventually, functions
from infra.aws.account import Account
from infra.aws.executor.base_image import DOCKERFILE
from infra.hints import without_environment
from infra.stage import Stage

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def logs_json(function: Any) -> bool:
    return bool(function["Configuration"].get("LoggingConfig", {}).get("LogFormat") == "JSON")


def log_json(account: Account, name: str) -> bool:
    """Have Lambda write the function's log as JSON, into the group of its name. Return whether that was a change.

    Chalice (1.34) has no setting for it, and its updates leave it alone.
    """
    if logs_json(functions.find(account, name)):
        return False
    logging = {
        "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": f"/aws/lambda/{name}",
    }  # fmt: skip
    client = account.client("lambda")
    # Lambda refuses it while an update of Chalice's runs.
    eventually.call(
        client, "UpdateFunctionConfiguration", "ResourceConflictException", FunctionName=name, LoggingConfig=logging
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    return True


def is_invoked_by(account: Account, name: str, api_id: str) -> bool:
    """Whether API Gateway may invoke the function for this API. A person may have removed that right by hand."""
    client = account.client("lambda")
    try:
        statements = json.loads(client.get_policy(FunctionName=name)["Policy"])["Statement"]
    except client.exceptions.ResourceNotFoundException:
        return False
    return any(
        statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        and statement["Action"] == "lambda:InvokeFunction"
        and f":{api_id}/" in json.dumps(statement.get("Condition", {}))
        for statement in statements
    )


def other_python(function: Any, stage: Stage) -> str | None:
    """A sentence when this Python is not the Python of the API's function, or else of the executor's image.

    Chalice takes the function's runtime from the Python that runs it, and has no setting for it.
    """
    project = stage.project
    has = function["Configuration"].get("Runtime", "").removeprefix("python") if function else executors_python(project)
    if has == THIS_PYTHON:
        return None
    python = f"python{executors_python(project)}"
    subject = f"The API's function runs on Python {has}" if function else f"The executor runs on Python {has}"
    return (
        f"{subject}; from here the API would run on {THIS_PYTHON}, which Chalice takes from the .venv.\n"
        f"      If that is not meant: {without_environment(stage.make('deploy', PYTHON=python))}"
    )


def executors_python(project: Path) -> str:
    """The version that the executor's Dockerfile names."""
    found = re.search(r"lambda/python:(\d+\.\d+)", (project / DOCKERFILE).read_text())
    return found[1] if found else THIS_PYTHON
