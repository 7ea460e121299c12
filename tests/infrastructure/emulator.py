"""moto's server: the APIs of the services on loopback, in an account that can be emptied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.infrastructure import emulated as emulated  # noqa: PLC0414 - mends moto
from tests.infrastructure.templates import REGION


class Account:
    """The account of an emulator. A call returns the client of a service, which is slow to make and so made once."""

    def __init__(self, url: str) -> None:
        session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        once = Config(retries={"total_max_attempts": 1})
        self._url = url
        self._client = cache(lambda service: session.client(service, endpoint_url=url, config=once))

    def __call__(self, service: str) -> Any:
        return self._client(service)

    def empty(self) -> None:
        with urlopen(Request(f"{self._url}/moto-api/reset", method="POST")):  # noqa: S310 - the server below
            pass


@contextmanager
def running() -> Iterator[Account]:
    """Run the server. Yield its empty account."""
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    account = Account(f"http://{host}:{port}")
    account.empty()
    yield account
    moto.stop()
