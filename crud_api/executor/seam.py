"""The seam between the API and the query executor: the callable `execute`. `run` calls it and reads its answer.

Lambda (`lambda_`) and this process (`InProcessExecutor`) have the same contract and the same limits. Tests pass their
own callable.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec
from chalice.app import Request
from msgspec import Struct

from crud_api.errors import ApiError, InternalError, NotPermittedError
from crud_api.executor.kept import KeptAnswers
from crud_api.executor.outcomes import no_answer
from crud_api.request.caller import ApiRequest, Caller
from crud_api.resource import Resource
from crud_api.resource.functions import Functions
from crud_api.resource.relations import Relations
from crud_api.resource.tables import Tables
from crud_api.response import suspects
from crud_api.response.problems import READS
from crud_api.response.suspects import LOOK_MS, Suspects
from crud_api.sql.query import Query
from query_executor import contract
from query_executor.contract import MAX_REPLY_BYTES, Failure, InvalidAnswerError, Reply, call

Execute = Callable[[contract.Request], Reply | Failure]
T = TypeVar("T")
U = TypeVar("U")


class Rest(Struct, frozen=True):
    """What /rest/v1 serves, and what executes its queries. `allows` are the words of REST_ALLOWS (`Settings`)."""

    tables: Tables
    functions: Functions
    execute: KeptAnswers
    allows: Collection[str] = ()


class Served(Struct, frozen=True):
    """A resource, the relations of every resource by name, and what executes its queries."""

    resource: Resource
    relations: Mapping[str, Relations]
    execute: KeptAnswers


def run(
    served: Served,
    request: ApiRequest,
    query: Query[T],
    *,
    absent: Callable[[Resource], ApiError] | None = None,
    given: Collection[str] = (),
    about: Suspects | None = None,
    many: bool = False,
) -> T:
    """The query's answer. Raises `ApiError`: of the failure, or `absent` where a statement answers no row.

    `given` are the names that a problem may be about, and `about` finds out which. `many`: the query is about several
    rows.
    """
    answer = ask(served.execute, query, request, read_only=request.method in READS)
    if isinstance(answer, Failure):

        def look(second: Query[U]) -> U | Failure | None:
            return ask(served.execute, second, request, read_only=True, deadline_ms=LOOK_MS)

        raise suspects.error_of(answer, served.resource, request.method, given, look, about, many=many)
    if answer is None:
        raise absent(served.resource) if absent else InternalError("The cause is in the log.", cause="no row")
    return answer


def ask(
    kept: KeptAnswers,
    query: Query[T],
    request: ApiRequest,
    *,
    read_only: bool,
    deadline_ms: int | None = None,
    caller: Caller | None = None,
) -> T | Failure | None:
    """The query's answer, None where a statement answers no row, or the failure.

    It runs for the caller of the request, unless it is for another one. A read whose answers may be some seconds old
    may get an answer that is kept. Raises `ApiError`.
    """
    caller = caller or request.caller
    if caller.is_refused:
        raise NotPermittedError("No database role is meant for this caller.", cause="no role fits the caller")
    asked = contract.Request(
        [*query.statements, *query.ending] if query.ending else query.statements,
        read_only=read_only,
        commit_if=query.commit_if,
        deadline_ms=deadline_ms,
        max_rows=1,
        columns=False,
        request_id=request_id(request),
        role=caller.role,
        settings=request.settings,
    )
    if not read_only:
        answer = kept.change(asked)
    elif query.max_age_s:
        answer = kept.read(asked, request, query.max_age_s)
    else:
        answer = kept.execute(asked)
    if isinstance(answer, Failure):
        return answer
    columns: list[contract.Value] = []
    for _, result in zip(query.statements, answer.results, strict=False):  # without those of the ending
        if not result.rows:
            return None
        columns += result.rows[0]
    return query.read(*columns)


def request_id(request: Request) -> str:
    """API Gateway's id of the request, which it also answers as x-amzn-requestid; locally the context's."""
    context = request.lambda_context
    return str(request.context.get("requestId") or getattr(context, "aws_request_id", None) or uuid.uuid4())


class InProcessExecutor:
    """Runs the executor's handler in this process, as Lambda does: through JSON, one invocation at a time."""

    def __init__(self, handle: Callable[[Any, Any], object]) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def __call__(self, request: contract.Request) -> Reply | Failure:
        """Raises `ExecutorFailedError` when the answer is larger than Lambda lets through."""
        try:
            return call(request, self._invoke, msgspec.json.encode, msgspec.json.decode)
        except InvalidAnswerError as error:
            raise no_answer(error.payload) from None

    def _invoke(self, payload: bytes) -> bytes:
        event = msgspec.json.decode(payload)
        with self._lock:
            answer = msgspec.json.encode(self._handle(event, None))
        if len(answer) > MAX_REPLY_BYTES:
            raise no_answer(answer)
        return answer
