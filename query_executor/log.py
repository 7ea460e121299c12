"""What an invocation leaves in the logs: one structured line that is also its metrics, and never a value."""

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

    The line is in CloudWatch's Embedded Metric Format; the Lambda runtime makes JSON of it when the function's log
    format is JSON, and adds its own request id. `request_id` is that of the API call, `statements` are fingerprints
    of their texts, in which values are only named, and `bytes` are those of the values answered.
    """
    results = answer.results if isinstance(answer, Reply) else ()
    LOG.info(
        "invocation",
        extra={
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [_METRICS]},
            "function": function_name,
            "request_id": request.request_id if request else None,
            "statements": [fingerprint(one.sql) for one in request.statements] if request else [],
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
    """Eight hexadecimal digits that stay the same for the same text."""
    return f"{zlib.crc32(sql.encode()):08x}"
