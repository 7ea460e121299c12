"""Logs one structured line for an invocation. The line is also its metrics, and never holds a row's value."""

from __future__ import annotations

import logging
import time
import zlib

from query_executor.contract import Failure, Reply, Request, Value

LOG = logging.getLogger("query_executor")
_METRICS = {
    "Namespace": "QueryExecutor",
    "Dimensions": [["function"]],
    "Metrics": [
        {"Name": "duration_ms", "Unit": "Milliseconds"},
        {"Name": "rows", "Unit": "Count"},
        {"Name": "bytes", "Unit": "Bytes"},
        {"Name": "failures", "Unit": "Count"},
    ],
}


def invocation(request: Request | None, answer: Reply | Failure, started: float, function_name: str) -> None:
    """Log an invocation that began at `started`, a time.perf_counter().

    The line is in CloudWatch's Embedded Metric Format. If the function's log format is JSON, the Lambda runtime turns
    the line into JSON and adds its own request id. `request_id` is the caller's. `statements` are fingerprints of the
    texts, which hold no values but names of params. `bytes` is the size of the values in the answer.
    """
    results = answer.results if isinstance(answer, Reply) else ()
    LOG.info(
        "invocation",
        extra={
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [_METRICS]},
            "function": function_name,
            "request_id": request.request_id if request else None,
            "statements": [fingerprint(statement.sql) for statement in request.statements] if request else [],
            "duration_ms": round((time.perf_counter() - started) * 1000, 3),
            "rows": sum(result.row_count or 0 for result in results),
            "bytes": sum(_bytes(value) for result in results for row in result.rows for value in row),
            "failures": int(isinstance(answer, Failure)),
            "failure": answer.code if isinstance(answer, Failure) else None,
            "sqlstate": answer.sqlstate if isinstance(answer, Failure) else None,
        },
    )


def _bytes(value: Value) -> int:
    text = value if isinstance(value, str) else str(value)
    return len(text) if text.isascii() else len(text.encode())


def fingerprint(sql: str) -> str:
    """Eight hexadecimal digits, which are the same for the same text."""
    return f"{zlib.crc32(sql.encode()):08x}"
