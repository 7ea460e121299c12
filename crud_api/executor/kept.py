"""The executor, and those of its answers that this instance keeps: of tables that declare a `max_age_s`.

An answer is kept by the caller and by all that the database gets of the request: statements, params, role and settings.
So a kept answer is the answer to the same request of the same caller. Its response is made anew each time, as the other
headers of the request want it. Each request that may change something drops all answers: its triggers and cascades may
change any table.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import msgspec
from chalice.app import Response

from crud_api.request.caller import ApiRequest
from crud_api.request.freshness import Answered, wish_of
from crud_api.response.responses import with_age
from crud_api.settings import MAX_KEPT_BYTES
from query_executor import contract
from query_executor.contract import Failure, Reply, encode_request

_ENTRY_BYTES = 1000  # what an answer takes beside its values and its key


class KeptAnswers:
    """What `execute` answers, and what it has answered before.

    `now` is the time in seconds. It goes on while Lambda freezes the process.
    """

    def __init__(
        self,
        execute: Callable[[contract.Request], Reply | Failure],
        now: Callable[[], float] = time.time,
        max_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self.execute = execute
        self._now = now
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: dict[tuple[str, bytes], tuple[Answered, int]] = {}  # with its bytes; the last one was used last
        self._changes = 0
        self._lock = threading.Lock()  # the local server has several threads

    def change(self, request: contract.Request) -> Reply | Failure:
        """Execute a request that may change something."""
        try:
            return self.execute(request)
        finally:  # also after a failure: it may not be known whether something was changed
            self._drop_all()

    def read(self, request: contract.Request, asked: ApiRequest, max_age_s: int) -> Reply | Failure:
        """A kept answer that is young enough for the client, or what the executor answers."""
        wish = wish_of(asked.headers.get("cache-control"), max_age_s)
        key = _key(request, asked)
        began_at, changes = self._now(), self._changes
        found = self._found(key)
        if found is not None and 0 <= began_at - found.began_at < wish.younger_than_s:
            asked.answered = msgspec.structs.replace(found, is_kept=True)
            return found.reply
        answer = self.execute(request)
        if isinstance(answer, Reply):
            may_keep = wish.may_keep and asked.method == "GET"
            asked.answered = Answered(key, answer, max_age_s, began_at, changes, may_keep)
        return answer

    def with_age(self, response: Response, answered: Answered) -> Response:
        """The response to such a read with its age. The answer is kept if it was no error and is new."""
        if response.status_code not in {200, 304}:
            return response
        if answered.is_kept:
            return with_age(response, answered.max_age_s, self._now() - answered.began_at)
        if answered.may_keep:
            self._keep(answered)
        return with_age(response, answered.max_age_s)

    def _found(self, key: tuple[str, bytes]) -> Answered | None:
        with self._lock:
            if (entry := self._kept.pop(key, None)) is None:
                return None
            self._kept[key] = entry
            return entry[0]

    def _keep(self, answered: Answered) -> None:
        size = _ENTRY_BYTES + len(answered.key[1]) + sum(_size(result.rows) for result in answered.reply.results)
        with self._lock:
            # An answer may lack a change that ended while it was read.
            if size > self._max_bytes or answered.changes != self._changes:
                return
            if answered.key in self._kept:
                self._drop(answered.key)
            while self._bytes + size > self._max_bytes:
                self._drop(next(iter(self._kept)))
            self._kept[answered.key] = answered, size
            self._bytes += size

    def _drop(self, key: tuple[str, bytes]) -> None:
        self._bytes -= self._kept.pop(key)[1]

    def _drop_all(self) -> None:
        with self._lock:
            self._changes += 1
            self._kept.clear()
            self._bytes = 0


def _key(request: contract.Request, asked: ApiRequest) -> tuple[str, bytes]:
    same = contract.Request(request.statements, role=request.role, settings=request.settings)
    return asked.caller.id, encode_request(same, msgspec.json.encode)


def _size(value: object) -> int:
    return sys.getsizeof(value) + (sum(map(_size, value)) if isinstance(value, list | tuple) else 0)
