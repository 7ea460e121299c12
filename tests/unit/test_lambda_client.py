"""The API's small Lambda client leaves out nothing that an invocation needs."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any
from unittest.mock import Mock

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.session import Session

from crud_api.executor.lambda_client import create_client

OPTIONS: dict[str, Any] = {
    "region_name": "eu-central-1", "endpoint_url": "http://127.0.0.1:1",
    "aws_access_key_id": "none", "aws_secret_access_key": "none",
}  # fmt: skip


def handlers_of_an_invocation(client: Any) -> dict[str, list[str]]:
    """The names of the handlers of each event during one invocation."""
    events: dict[str, list[str]] = {}
    emitter = client.meta.events._emitter
    emit = emitter._emit

    def recording(event: str, *arguments: Any, **named: Any) -> Any:
        met = emitter._handlers.prefix_search(event)
        events[event] = [getattr(one, "__qualname__", type(one).__name__) for one in met]
        return emit(event, *arguments, **named)

    def answer(**_: object) -> AWSResponse:
        raw = Mock(**{"stream.return_value": iter([b"{}"])})
        return AWSResponse("http://127.0.0.1:1", 200, HTTPHeaders.from_dict({}), raw)

    client.meta.events.register("before-send", answer)
    emitter._emit = recording
    client.invoke(FunctionName="function", Payload=b"{}")
    return events


def test_an_invocation_meets_the_handlers_that_it_meets_in_boto3() -> None:
    config = Config(retries={"total_max_attempts": 1})
    whole = handlers_of_an_invocation(Session().create_client("lambda", config=config, **OPTIONS))
    assert "after-call.lambda.Invoke" in whole
    assert handlers_of_an_invocation(create_client(config, **OPTIONS)) == whole


def test_the_collector_is_on_after_an_import_that_paused_it() -> None:
    check = "import gc, crud_api.executor.lambda_client; print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
    off = subprocess.run(
        [sys.executable, "-c", f"import gc; gc.disable(); {check}"], capture_output=True, text=True, check=True
    )
    assert off.stdout.split() == ["False", "True"]
    assert gc.isenabled()
