"""A boto3 client that can invoke a Lambda function and nothing else, made in a third of the time.

Making the client is the larger part of the API's cold start. boto3 would import S3's transfers and read the endpoints
of all services in all regions. botocore, on which boto3 is built, makes the same client from the two files beside this
module, and finds everything else in its usual places. The client has only the handlers that an invocation uses, a tenth
of all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crud_api.runtime.gc_pause import gc_pause

with gc_pause():
    from botocore import exceptions as exceptions  # noqa: PLC0414 - for callers of the client
    from botocore.config import Config as Config  # noqa: PLC0414
    from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
    from botocore.loaders import Loader
    from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_SERVICES = ("lambda", "signin", "sso", "sso-oidc", "sts")  # credentials from a profile may need the others
_DATA = Path(__file__).with_name("lambda_data")  # infra/dev/lambda_data.py makes it


def create_client(config: Config, **options: Any) -> LambdaClient:
    """The client; the options are those of boto3.client."""
    session = Session(include_builtin_handlers=False)
    events = session.get_component("event_emitter")
    register = {(): events.register, (REGISTER_FIRST,): events.register_first, (REGISTER_LAST,): events.register_last}
    for event, handler, *place in BUILTIN_HANDLERS:
        if _concerns(event):
            register[tuple(place)](event, handler)
    session.register_component("data_loader", _Loader([str(_DATA)]))
    return cast("LambdaClient", session.create_client("lambda", config=config, **options))


class _Loader(Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the original's parameter
        # The original looks into four hundred folders.
        return list(_SERVICES)


def _concerns(event: str) -> bool:
    # An event is `kind` (for every service) or `kind.service.operation`. Most belong to other services and to `docs`.
    kind, service, *_ = [*event.split("."), "*"]
    return kind != "docs" and service in {"*", *_SERVICES}
