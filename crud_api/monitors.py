"""What monitors ask: does the process run, and does the database answer."""

from __future__ import annotations

from chalice.app import Blueprint, Response

from crud_api.errors import ApiError, NotReadyError
from crud_api.problems import RETRY_SOON
from crud_api.requests import request_id
from crud_api.responses import json_text
from crud_api.routes import Execute
from query_executor.contract import Failure, Request, Statement

OK = '{"status":"ok"}'


def monitor_routes(execute: Execute) -> Blueprint:
    """`/health` for who restarts processes, `/ready` for who sends them requests."""
    routes = Blueprint(__name__)

    @routes.route("/health", methods=["GET"], name="get_health", content_types=[])
    def get_health() -> Response:
        return json_text(OK)

    @routes.route("/ready", methods=["GET"], name="get_ready", content_types=[])
    def get_ready() -> Response:
        id_ = request_id(routes.current_request)
        request = Request([Statement("SELECT 1")], read_only=True, max_rows=1, columns=False, request_id=id_)
        try:
            answer = execute(request)
        except ApiError as error:
            raise _not_ready(error.cause or error.slug) from error
        if isinstance(answer, Failure):
            raise _not_ready(f"{answer.code} {answer.sqlstate or ''}".strip(), answer.message)
        return json_text(OK)

    return routes


def _not_ready(cause: str, said: str | None = None) -> NotReadyError:
    return NotReadyError("The database does not answer.", headers=RETRY_SOON, cause=cause, said=said)
