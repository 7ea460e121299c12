"""What monitors ask: does the process run, and can the database answer requests."""

from __future__ import annotations

from collections.abc import Sequence

from chalice.app import Blueprint, Response

from crud_api.errors import ApiError, NotReadyError
from crud_api.executor.seam import Execute
from crud_api.request.http import request_id
from crud_api.resource import Resource
from crud_api.response.problems import RETRY_SOON
from crud_api.response.responses import json_text
from crud_api.sql import readiness
from query_executor.contract import Failure, Request

OK = '{"status":"ok"}'


def monitor_routes(execute: Execute, resources: Sequence[Resource], stage: str | None = None) -> Blueprint:
    """`/health` for what restarts processes, `/ready` for what sends them requests. It looks at all tables.

    `stage` is the one in AWS; without it, this is a laptop.
    """
    unfit = _UNFIT.format(f"`make migrate STAGE={stage}`" if stage else "The start of `make run`")
    routes = Blueprint(__name__)

    @routes.route("/health", methods=["GET"], name="get_health", content_types=[])
    def get_health() -> Response:
        return json_text(OK)

    @routes.route("/ready", methods=["GET"], name="get_ready", content_types=[])
    def get_ready() -> Response:
        id_ = request_id(routes.current_request)
        statement = readiness.ready(resources)
        request = Request([statement], read_only=True, max_rows=1, columns=False, request_id=id_)
        try:
            answer = execute(request)
        except ApiError as error:
            raise _not_ready(error.cause or error.slug) from error
        if isinstance(answer, Failure):
            # A table or a column is missing, the right to read it, or a way to compare it with what it refers to.
            differs = (answer.sqlstate or "").startswith("42")
            cause = f"{answer.code} {answer.sqlstate or ''}".strip()
            raise _not_ready(cause, unfit if differs else _SILENT, answer.message)
        if not answer.results[0].rows:
            raise _not_ready("a key is not unique", unfit)
        return json_text(OK)

    return routes


_SILENT = "The database does not answer."
_UNFIT = "The tables differ from what the API declares. {} says how."


def _not_ready(cause: str, detail: str = _SILENT, said: str | None = None) -> NotReadyError:
    return NotReadyError(detail, headers=RETRY_SOON, cause=cause, said=said)
