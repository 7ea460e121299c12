"""The record of what was answered to an Idempotency-Key, in the transaction that stores the rows.

A lock tells who is first, and ends with the transaction, however it ends. The second statement sees what others have
committed until then: where there is a record it answers that one, and otherwise only who has the lock stores anything.
An error, and rows that are wrong, leave no record.
"""

from __future__ import annotations

from crud_api.request.idempotency import Attempt
from crud_api.sql.many_rows import WHOLE, InsertPlan
from query_executor.contract import FromResult, Statement

HELD = "held"  # the lock's column
CONDITION = "EXISTS (SELECT FROM first)"  # for what is to be stored once

_TABLE = '"demo"."idempotency_keys"'
_KEPT = "interval '24 hours'"
_REMOVED_AT_ONCE = 20


def lock(attempt: Attempt) -> Statement:
    """Answers (held): whether no other request with this key is under way. It never waits."""
    number = int.from_bytes(bytes.fromhex(attempt.id[:16]), signed=True)
    return Statement(f"SELECT pg_try_advisory_xact_lock(:lock) AS {HELD}", {"lock": number})


def create_once(storing: InsertPlan, attempt: Attempt, created: int, merged: int) -> Statement:
    """Comes after `lock`. Answers (body, etag, key, inserted, wrong) as `InsertPlan` has them, then the record.

    The record is (fingerprint, status, body, etag, key), nulls where there was none. `created` is the status to be
    recorded if a row was inserted, `merged` if none was.
    """
    return Statement(
        f"""WITH recorded AS MATERIALIZED (
              SELECT fingerprint, status, body, etag, row_key FROM {_TABLE} WHERE id = :id AND expires_at > now()
            ),
            first AS MATERIALIZED (SELECT WHERE :held AND NOT EXISTS (SELECT FROM recorded)),
            {storing.ctes},
            kept AS (
              INSERT INTO {_TABLE} (id, fingerprint, status, body, etag, row_key, expires_at)
              SELECT :id, :fingerprint, CASE WHEN inserted THEN :created ELSE :merged END, body, etag, key,
                     now() + {_KEPT}
              FROM answer WHERE body IS NOT NULL
              ON CONFLICT (id) DO UPDATE SET  -- the one that is there has expired
                fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
                etag = excluded.etag, row_key = excluded.row_key, expires_at = excluded.expires_at
            ),
            removed AS (
              DELETE FROM {_TABLE} WHERE id IN (
                SELECT id FROM {_TABLE}
                WHERE expires_at < now() AND id <> :id AND {CONDITION}
                ORDER BY expires_at LIMIT {_REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED)
            )
            SELECT answer.body, answer.etag, answer.key, answer.inserted,
                   CASE WHEN {CONDITION} THEN answer.wrong END, recorded.fingerprint, recorded.status, recorded.body,
                   recorded.etag, recorded.row_key
            FROM answer LEFT JOIN recorded ON true WHERE {WHOLE}""",
        {
            **storing.params, "id": attempt.id, "fingerprint": attempt.fingerprint, "created": created,
            "merged": merged, HELD: FromResult(0, HELD),
        },
        expect_rows=1,
    )  # fmt: skip
