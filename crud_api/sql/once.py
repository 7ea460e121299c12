"""Stores rows once: the transaction that stores them also records the response for the Idempotency-Key.

The first statement takes a lock that ends with the transaction. The second statement sees everything that other
requests have committed until then. If it finds a record, it returns the record. If it finds none and has the lock, it
stores the rows. After an error, or if a row is wrong, there is no record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic

from msgspec import Struct

from crud_api.request.idempotency import Attempt
from crud_api.sql.many_rows import WHOLE, Created, InsertPlan, created
from crud_api.sql.query import Query, T
from query_executor.contract import FromResult, Param, Statement

HELD = "held"  # the column that says whether the lock is held
CONDITION = "EXISTS (SELECT FROM first)"  # true if the rows must be stored now

_TABLE = '"demo"."idempotency_keys"'
_KEPT = "interval '24 hours'"
_REMOVED_AT_ONCE = 20


class Record(Struct, frozen=True):
    """The response to the first request with this key."""

    fingerprint: str
    status: int
    body: str | None
    etag: str | None
    key: str | None


class Once(Struct, Generic[T], frozen=True):
    """What was stored, or the record of the first request.

    `held` is false if another request with this key is still running. Then nothing was stored.
    """

    held: bool
    stored: T
    record: Record | None


class Keeping(Struct, Generic[T], frozen=True):
    """How the row of the common table expression `answer` is recorded, and what it means.

    `status`, `body`, `etag` and `key` are SQL of its columns. It is recorded if `is_kept` is true. `columns` are what
    `read` makes a T of. Without `whole`, the transaction is undone.
    """

    status: str
    body: str
    etag: str
    key: str
    is_kept: str
    columns: str
    whole: str
    read: Callable[..., T]


def once(
    ctes: str, params: Mapping[str, Param], attempt: Attempt, keeping: Keeping[T], commit_if: str | None = None
) -> Query[Once[T]]:
    """Store the rows, all or none, unless a request with this key stored them before."""

    def read(held: bool, *columns: Any) -> Once[T]:
        *stored, fingerprint, status, body, etag, key = columns
        record = None if fingerprint is None else Record(fingerprint, status, body, etag, key)
        return Once(held, keeping.read(*stored), record)

    return Query([_lock(attempt), _once(ctes, params, attempt, keeping)], read, commit_if)


def create_once(plan: InsertPlan, attempt: Attempt, created_: int, merged: int) -> Query[Once[Created]]:
    """Store the rows of the plan once.

    The record has the status `created_` if a row was inserted, and `merged` if all rows existed.
    """
    params: dict[str, Param] = {**plan.params, "created": created_, "merged": merged}
    return once(plan.ctes, params, attempt, _KEEPING)


_KEEPING = Keeping(
    status="CASE WHEN inserted THEN :created ELSE :merged END",
    body="body",
    etag="etag",
    key="key",
    is_kept="body IS NOT NULL",
    columns=f"""answer.body, answer.etag, answer.key, answer.inserted,
                   CASE WHEN {CONDITION} THEN answer.wrong END""",
    whole=WHOLE,
    read=created,
)


def _lock(attempt: Attempt) -> Statement:
    # This function never waits for the lock.
    number = int.from_bytes(bytes.fromhex(attempt.id[:16]), signed=True)
    return Statement(f"SELECT pg_try_advisory_xact_lock(:lock) AS {HELD}", {"lock": number})


def _once(ctes: str, params: Mapping[str, Param], attempt: Attempt, keeping: Keeping[T]) -> Statement:
    return Statement(
        f"""WITH recorded AS MATERIALIZED (
              SELECT fingerprint, status, body, etag, row_key FROM {_TABLE} WHERE id = :id AND expires_at > now()
            ),
            first AS MATERIALIZED (SELECT WHERE :held AND NOT EXISTS (SELECT FROM recorded)),
            {ctes},
            kept AS (
              INSERT INTO {_TABLE} (id, fingerprint, status, body, etag, row_key, expires_at)
              SELECT :id, :fingerprint, {keeping.status}, {keeping.body}, {keeping.etag}, {keeping.key},
                     now() + {_KEPT}
              FROM answer WHERE {keeping.is_kept}
              ON CONFLICT (id) DO UPDATE SET  -- the old record has expired
                fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
                etag = excluded.etag, row_key = excluded.row_key, expires_at = excluded.expires_at
            ),
            -- Materialized, it runs once. In an IN it may run again for each row, and finds others each time.
            old AS MATERIALIZED (
              SELECT id FROM {_TABLE}
              WHERE expires_at < now() AND id <> :id AND {CONDITION}
              ORDER BY expires_at LIMIT {_REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED
            ),
            removed AS (DELETE FROM {_TABLE} WHERE id IN (SELECT id FROM old))
            SELECT {keeping.columns}, recorded.fingerprint, recorded.status, recorded.body,
                   recorded.etag, recorded.row_key
            FROM answer LEFT JOIN recorded ON true WHERE {keeping.whole}""",
        {**params, "id": attempt.id, "fingerprint": attempt.fingerprint, HELD: FromResult(0, HELD)},
        expect_rows=1,
    )
