"""The limit of two functions: this API, with a client that signs nothing and looks after nothing."""

import os
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec

from crud_api.application import create_app
from query_executor.contract import Failure, Reply, Request, call

_connection = HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL_LAMBDA"]).netloc)


def execute(request: Request) -> Reply | Failure:
    """One request over the kept connection."""
    return call(request, _invoke, msgspec.json.encode, msgspec.json.decode)


def _invoke(event: bytes) -> bytes:
    _connection.request("POST", "/2015-03-31/functions/function/invocations", event)
    return _connection.getresponse().read()


handler = create_app(execute)
