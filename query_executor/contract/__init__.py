"""The wire contract between a caller and the query executor. docs/executor.md explains it.

The API's deployment package has this folder and nothing else of the executor. So it imports only the standard library,
and only modules that a cold start does not notice.

Request  {"statements": [{"sql": "... :name ...", "params": {"name": value}}, ...],
          "read_only": false, "deadline_ms": 20000, "max_rows": 1000, "columns": true, "request_id": "...",
          "role": "...", "settings": {"request.jwt.claims": "..."}}
         A request of one statement can also be {"sql": "...", "params": {...}}, with the same options.
Reply    {"results": [{"columns": [{"name": "a", "type": "int4"}], "rows": [[1]], "row_count": 1,
                       "truncated": false}, ...]}
Failure  {"failure": {"code": "statement_failed", "message": "...", "statement": 0, "sqlstate": "23505",
          "constraint": "customers_pkey", "table": "customers", "column": null, "routine": "_bt_check_unique",
          "detail": null, "hint": null, "retryable": false, "retry_after_ms": null}}
"""

from query_executor.contract.calling import call, decode_answer, encode_request
from query_executor.contract.messages import (
    DEADLINE_EXCEEDED,
    EXPECTATION_FAILED,
    INVALID_REQUEST,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    MAX_SQL_CHARACTERS,
    OUTCOME_UNKNOWN,
    RESULT_TOO_LARGE,
    STATEMENT_FAILED,
    UNAVAILABLE,
    Column,
    Failure,
    FromResult,
    InvalidAnswerError,
    InvalidRequestError,
    Param,
    Reply,
    Request,
    Result,
    Statement,
    Typed,
    Value,
    is_role,
)
from query_executor.contract.serving import encode_answer, parse_request, serve

__all__ = [
    "DEADLINE_EXCEEDED", "EXPECTATION_FAILED", "INVALID_REQUEST", "MAX_REPLY_BYTES", "MAX_REQUEST_BYTES",
    "MAX_SQL_CHARACTERS", "OUTCOME_UNKNOWN", "RESULT_TOO_LARGE", "STATEMENT_FAILED", "UNAVAILABLE", "Column", "Failure",
    "FromResult", "InvalidAnswerError", "InvalidRequestError", "Param", "Reply", "Request", "Result", "Statement",
    "Typed", "Value", "call", "decode_answer", "encode_answer", "encode_request", "is_role",
    "parse_request", "serve",
]  # fmt: skip
