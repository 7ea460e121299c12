"""Turns the driver's errors into failures that mean something to a caller."""

from __future__ import annotations

import psycopg2

from query_executor import contract
from query_executor.contract import Failure

# After these SQLSTATEs and classes the same request may succeed (PostgreSQL documentation, appendix A):
# serialisation failure, deadlock, lock not available, insufficient resources, shutdown and start-up, connection.
_RETRYABLE = ("40001", "40P01", "55P03", "53", "57P", "08")
RETRIED_HERE = frozenset({"40001", "40P01"})
# The functions of PostgreSQL whose details quote no row: RAISE in PL/pgSQL, and the check of a setting.
_TELLING = frozenset({"exec_stmt_raise", "call_string_check_hook"})
QUERY_CANCELED, READ_ONLY_TRANSACTION = "57014", "25006"
# The server ended the transaction, rolled back, and the connection. psycopg2 then has the words but no SQLSTATE.
_TIMED_OUT = {"due to idle-in-transaction timeout": "25P03", "due to transaction timeout": "25P04"}

# libpq's connect errors carry no SQLSTATE, so their text is read. By default servers write it in English.
_REFUSED = (
    "password authentication failed", "PAM authentication failed", "no password supplied", "not permitted to log in",
)  # fmt: skip
_PERMANENT = (
    *_REFUSED, "does not exist", "pg_hba.conf", "permission denied", "certificate", "does not support SSL", "invalid ",
)  # fmt: skip
_CROWDED = ("too many", "remaining connection slots", "the database system is")
_RETRY_AFTER_MS = 1_000
_MAX_MESSAGE = 4_000  # characters; PostgreSQL may repeat a value of any size, and Lambda limits failures too


def is_refused_credential(error: psycopg2.Error) -> bool:
    """Whether a connect failed for its password (28P01) or its token (28000)."""
    return any(words in str(error) for words in _REFUSED)


def is_read_only_server(error: psycopg2.Error) -> bool:
    """Whether a connect failed because none of the servers takes writes."""
    return "session is read-only" in str(error)


def from_read_only_server(failure: Failure, *, standby: bool) -> Failure:
    """The failure for a write on a server that takes none, with the reason.

    On a standby it is retryable. The standby may be promoted. After a failover, the name of the primary can lead to a
    standby for a while.
    """
    reason = "the server is a standby" if standby else "default_transaction_read_only is on"
    return Failure(
        failure.code,
        f"{failure.message}: {reason}",
        statement=failure.statement,
        sqlstate=failure.sqlstate,
        retryable=standby,
        retry_after_ms=_RETRY_AFTER_MS if standby else None,
    )


def from_connect(error: psycopg2.Error) -> Failure:
    """The failure for a connection that was not made. Nothing was sent."""
    text = str(error).strip()
    if any(words in text for words in _CROWDED):
        return Failure(contract.UNAVAILABLE, text, retryable=True, retry_after_ms=_RETRY_AFTER_MS)
    return Failure(contract.UNAVAILABLE, text, retryable=not any(words in text for words in _PERMANENT))


def from_lost(message: str, statement: int | None, *, read_only: bool, sqlstate: str | None = None) -> Failure:
    """The failure for a connection that was lost after something was sent on it."""
    for words, timed_out in _TIMED_OUT.items():
        if words in message:
            return Failure(contract.DEADLINE_EXCEEDED, message, statement=statement, sqlstate=timed_out)
    code = contract.UNAVAILABLE if read_only else contract.OUTCOME_UNKNOWN
    return Failure(code, message, statement=statement, sqlstate=sqlstate, retryable=read_only)


def from_statement(error: psycopg2.Error, statement: int | None) -> Failure:
    """The failure for an error that PostgreSQL reported. The transaction was rolled back."""
    sqlstate = error.pgcode or ""
    message = error.diag.message_primary  # RAISE can leave it empty; the rest of str(error) is not for callers
    tells = error.diag.source_function in _TELLING  # PostgreSQL's other details quote whole rows: they stay here
    return Failure(
        contract.DEADLINE_EXCEEDED if sqlstate == QUERY_CANCELED else contract.STATEMENT_FAILED,
        (str(error).strip() if message is None else message)[:_MAX_MESSAGE],
        statement=statement,
        sqlstate=error.pgcode,
        constraint=error.diag.constraint_name,
        table=error.diag.table_name,
        column=error.diag.column_name,
        routine=error.diag.source_function,
        detail=_cut(error.diag.message_detail) if tells else None,
        hint=_cut(error.diag.message_hint),
        retryable=sqlstate.startswith(_RETRYABLE),
    )


def _cut(text: str | None) -> str | None:
    return text and text[:_MAX_MESSAGE]
