"""The checks for monitors: whether the process runs, and whether the database can answer requests."""

from __future__ import annotations

from collections.abc import Sequence

from chalice.app import Response

from crud_api.errors import ApiError, NotReadyError
from crud_api.executor.kept import KeptAnswers
from crud_api.executor.seam import ask
from crud_api.request.caller import NOBODY, ApiRequest
from crud_api.resource import Resource
from crud_api.response.problems import RETRY_SOON
from crud_api.response.responses import json_text
from crud_api.sql import readiness
from query_executor.contract import Failure

OK = '{"status":"ok"}'
_SILENT = "The database does not answer."
_UNSECURED = "The rights of the database user are not what the tables need. The log has the cause."
_UNFIT = "The tables differ from what the API declares. {} says how."


def get_health(_request: ApiRequest) -> Response:
    """The process runs. This is for a monitor that restarts processes."""
    return json_text(OK)


def get_ready(resources: Sequence[Resource], execute: KeptAnswers, stage: str | None, request: ApiRequest) -> Response:
    """The database can answer requests for all tables. This is for a load balancer.

    `stage` is the stage in AWS; without it, this is a laptop.
    """
    unfit = _UNFIT.format(f"`make migrate STAGE={stage}`" if stage else "The start of `make run`")
    try:
        answer = ask(execute, readiness.ready(resources), request, read_only=True, caller=NOBODY)
    except ApiError as error:
        raise _not_ready(error.cause or error.slug) from error
    if isinstance(answer, Failure):
        # A table or a column is missing, the right to read it, or a way to compare it with what it refers to.
        differs = (answer.sqlstate or "").startswith("42")
        cause = f"{answer.code} {answer.sqlstate or ''}".strip()
        raise _not_ready(cause, unfit if differs else _SILENT, answer.message)
    if answer is None or not answer.unique:
        raise _not_ready("a key is not unique", unfit)
    if answer.unsecured:
        raise _not_ready(f"row security does not apply to {answer.unsecured}", _UNSECURED)
    return json_text(OK)


def _not_ready(cause: str, detail: str = _SILENT, said: str | None = None) -> NotReadyError:
    return NotReadyError(detail, headers=RETRY_SOON, cause=cause, said=said)
