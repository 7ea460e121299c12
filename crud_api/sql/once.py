"""Stores rows once: the transaction that stores them also records the response for the Idempotency-Key.

The first statement takes a lock that ends with the transaction. The second statement sees everything that other
requests have committed until then. If it finds a record, it returns the record. If it finds none and has the lock, it
stores the rows. After an error, or if a row is wrong, there is no record.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from crud_api.request.idempotency import Attempt
from crud_api.sql.many_rows import WHOLE, Created, InsertPlan, created
from crud_api.sql.query import Query
from query_executor.contract import FromResult, Statement

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


class Once(Struct, frozen=True):
    """What was stored, or the record of the first request.

    `held` is false if another request with this key is still running. Then nothing was stored.
    """

    held: bool
    created: Created
    record: Record | None


def create_once(plan: InsertPlan, attempt: Attempt, created: int, merged: int) -> Query[Once]:
    """Store the rows, all or none, unless a request with this key stored them before.

    The record has the status `created` if a row was inserted, and `merged` if all rows existed.
    """
    return Query([_lock(attempt), _create_once(plan, attempt, created, merged)], _once)


def _once(held: bool, *columns: Any) -> Once:
    body, etag, key, inserted, wrong, *record = columns
    return Once(held, created(body, etag, key, inserted, wrong), None if record[0] is None else Record(*record))


def _lock(attempt: Attempt) -> Statement:
    # This function never waits for the lock.
    number = int.from_bytes(bytes.fromhex(attempt.id[:16]), signed=True)
    return Statement(f"SELECT pg_try_advisory_xact_lock(:lock) AS {HELD}", {"lock": number})


def _create_once(plan: InsertPlan, attempt: Attempt, created: int, merged: int) -> Statement:
    return Statement(
        f"""WITH recorded AS MATERIALIZED (
              SELECT fingerprint, status, body, etag, row_key FROM {_TABLE} WHERE id = :id AND expires_at > now()
            ),
            first AS MATERIALIZED (SELECT WHERE :held AND NOT EXISTS (SELECT FROM recorded)),
            {plan.ctes},
            kept AS (
              INSERT INTO {_TABLE} (id, fingerprint, status, body, etag, row_key, expires_at)
              SELECT :id, :fingerprint, CASE WHEN inserted THEN :created ELSE :merged END, body, etag, key,
                     now() + {_KEPT}
              FROM answer WHERE body IS NOT NULL
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
            SELECT answer.body, answer.etag, answer.key, answer.inserted,
                   CASE WHEN {CONDITION} THEN answer.wrong END, recorded.fingerprint, recorded.status, recorded.body,
                   recorded.etag, recorded.row_key
            FROM answer LEFT JOIN recorded ON true WHERE {WHOLE}""",
        {
            **plan.params, "id": attempt.id, "fingerprint": attempt.fingerprint, "created": created,
            "merged": merged, HELD: FromResult(0, HELD),
        },
        expect_rows=1,
    )  # fmt: skip
