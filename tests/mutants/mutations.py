"""The mutations: one line of a file, what it becomes, and what a user would suffer from it.

Schemathesis is none of the tests that have to find them.
"""

from __future__ import annotations

from msgspec import Struct


class Mutation(Struct, frozen=True):
    """`line` stands exactly once in its file, indented as it likes. `tests` are pytest's arguments."""

    harm: str
    file: str
    line: str
    becomes: str
    tests: str


MUTATIONS = [
    Mutation(
        "NaN is stored as an amount",
        "crud_api/values.py",
        "if isinstance(made, Decimal | float) and not within(Decimal(made), field.extra):",
        "if isinstance(made, Decimal | float) and made == made and not within(Decimal(made), field.extra):",
        "tests/functional/test_hostile_bodies.py -k number",
    ),
    Mutation(
        "a text is taken for a number",
        "crud_api/values.py",
        "_NO_TEXTS = frozenset({Decimal, int, float, bool})",
        "_NO_TEXTS = frozenset({int, float, bool})",
        "tests/functional/test_hostile_bodies.py -k number",
    ),
    Mutation(
        "a null that should clear a field is ignored",
        "crud_api/validation.py",
        "values[name] = None",
        "pass",
        "tests/functional/test_rows.py tests/functional/test_creation.py",
    ),
    Mutation(
        "PUT says that it stored what it did not",
        "crud_api/statements/writing.py",
        'assignments = [f"{quoted(name)} = :set_{name}" for name in names]',
        'assignments = [f"{quoted(name)} = coalesce(stored.{quoted(name)}, :set_{name})" for name in names]',
        "tests/functional/test_rows.py",
    ),
    Mutation(
        "two that change the same version both succeed: the first change is lost",
        "crud_api/statements/writing.py",
        'FROM {table(resource)} WHERE {quoted(resource.key)} = :key FOR {strength}"""',
        'FROM {table(resource)} WHERE {quoted(resource.key)} = :key"""',
        "tests/integration/test_concurrent_changes.py",
    ),
    Mutation(
        "a taken key is answered by 201 and another row than the one that was sent",
        "crud_api/statements/writing.py",
        "INSERT INTO {table(resource)} {row} RETURNING {columns(resource)}",
        "INSERT INTO {table(resource)} {row} ON CONFLICT ({quoted(resource.key)}) "
        "DO UPDATE SET {quoted(resource.key)} = excluded.{quoted(resource.key)} RETURNING {columns(resource)}",
        "tests/functional/test_rows.py tests/functional/test_invocations.py",
    ),
    Mutation(
        "rows with equal sort values are on no page",
        "crud_api/sorting.py",
        "return [*keys, SortKey(resource.key, bool(keys) and keys[-1].descending)]",
        "return [*keys] or [SortKey(resource.key)]",
        "tests/functional/test_lists.py",
    ),
    Mutation(
        "a cursor of another list leads to rows that are not the next ones",
        "crud_api/cursors.py",
        "if self.seal != _seal(self.cursor, scope):",
        "if not self.seal:",
        "tests/unit/test_listing.py tests/functional/test_lists.py",
    ),
    Mutation(
        "of two filters with the same name one is ignored",
        "crud_api/parameters.py",
        "if len(values) != 1:",
        "if not values:",
        "tests/unit/test_listing.py tests/functional/test_hostile_queries.py",
    ),
    Mutation(
        "a filter with a spelling mistake lists everything",
        "crud_api/listing.py",
        "case _:",
        'case _ if name.partition("[")[0] in resource.fields:',
        "tests/unit/test_listing.py tests/functional/test_hostile_queries.py",
    ),
    Mutation(
        "a page of another origin can POST without a preflight, as text/plain",
        "crud_api/routes.py",
        '@routes.route("/", methods=["POST"], name=f"create_{resource.name}")',
        '@routes.route("/", methods=["POST"], name=f"create_{resource.name}", content_types=[])',
        "tests/functional/test_invocations.py tests/unit/test_cors.py",
    ),
    Mutation(
        "of an array with a mistake nobody knows in which row it is",
        "crud_api/new_rows.py",
        'at = f"#/{n}" if many else "#"',
        'at = "#"',
        "tests/functional/test_creation.py",
    ),
    Mutation(
        "a caller gets the answer of another one who chose the same Idempotency-Key",
        "crud_api/idempotency.py",
        'where = "\\n".join([_caller(request), collection_path(request).rstrip("/"), key])',
        'where = "\\n".join([collection_path(request).rstrip("/"), key])',
        "tests/functional/test_idempotency.py tests/integration/test_idempotency.py",
    ),
    Mutation(
        "another request with a used Idempotency-Key is said to be stored",
        "crud_api/create_view.py",
        "if record[0] != attempt.fingerprint:",
        "if not record[0]:",
        "tests/functional/test_idempotency.py",
    ),
    Mutation(
        "the answer to a repeated request has another status than the first",
        "crud_api/create_view.py",
        "status, body, etag, key = int(str(record[1])), *record[2:]",
        "body, etag, key = record[2:]",
        "tests/functional/test_idempotency.py",
    ),
    Mutation(
        "a request that is repeated while the first is under way is stored, too",
        "crud_api/statements/idempotency.py",
        "first AS MATERIALIZED (SELECT WHERE :held AND NOT EXISTS (SELECT FROM recorded)),",
        "first AS MATERIALIZED (SELECT WHERE (:held OR true) AND NOT EXISTS (SELECT FROM recorded)),",
        "tests/integration/test_idempotency.py",
    ),
    Mutation(
        "boto3 sends a write again that may be stored already",
        "crud_api/executor.py",
        'retries={"total_max_attempts": 1},  # boto3\'s default sends an invocation again after a read time-out',
        'retries={"total_max_attempts": 3},',
        "tests/integration/test_lambda_executor.py",
    ),
    Mutation(
        "a client is told to send again what may be stored already",
        "crud_api/executor.py",
        'raise _lost("crash")',
        'raise _unreachable("crash")',
        "tests/integration/test_lambda_executor.py tests/unit/test_problems.py",
    ),
    Mutation(
        "SQL with a second statement is run",
        "query_executor/sql.py",
        "if ended and not empty:",
        "if ended and empty:",
        "tests/unit/test_sql.py",
    ),
    Mutation(
        "a statement without end holds its locks when nobody waits for it any more",
        "query_executor/transaction.py",
        'limits = f"SET LOCAL statement_timeout = {left_ms}; "',
        'limits = ""',
        "tests/integration/test_deadlines.py",
    ),
    Mutation(
        "a request that only reads can write",
        "query_executor/transaction.py",
        'mode = "SET TRANSACTION READ ONLY; " if self._read_only else ""',
        'mode = ""',
        "tests/integration/test_requests.py tests/integration/test_query_executor.py",
    ),
    Mutation(
        "what was changed before a failed expectation is stored",
        "query_executor/transaction.py",
        'source.execute("ROLLBACK")',
        'source.execute("COMMIT")',
        "tests/integration/test_requests.py tests/integration/test_query_executor.py",
    ),
    Mutation(
        "whoever is between the function and the database reads the password",
        "query_executor/credentials.py",
        'if parts.setdefault("sslmode", "verify-full") in {"disable", "allow", "prefer"}:',
        'if parts.setdefault("sslmode", "require") in {"disable", "allow", "prefer"}:',
        "tests/integration/test_tls.py",
    ),
    Mutation(
        "what is in the rows is in the logs",
        "query_executor/log.py",
        '"statements": [fingerprint(one.sql) for one in request.statements] if request else [],',
        '"statements": [str(one.params) for one in request.statements] if request else [],',
        "tests/integration/test_logs.py",
    ),
    Mutation(
        "a request waits for another one that removes the same old records",
        "crud_api/statements/idempotency.py",
        "ORDER BY expires_at LIMIT {_REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED)",
        "ORDER BY expires_at LIMIT {_REMOVED_AT_ONCE} FOR UPDATE)",
        "tests/functional/test_idempotency.py -k expired",
    ),
    Mutation(
        "a request that is repeated with a slash at the end is stored twice",
        "crud_api/idempotency.py",
        'where = "\\n".join([_caller(request), collection_path(request).rstrip("/"), key])',
        'where = "\\n".join([_caller(request), collection_path(request), key])',
        "tests/functional/test_idempotency.py",
    ),
    Mutation(
        "an executor without network interfaces is said to be broken, not to come back",
        "crud_api/executor.py",
        '"TooManyRequestsException ServiceException EC2ThrottledException ENILimitReachedException "',
        '"TooManyRequestsException ServiceException EC2ThrottledException "',
        "tests/integration/test_lambda_executor.py",
    ),
    Mutation(
        "the rows of an array are answered in another order than they were sent in",
        "crud_api/statements/storing.py",
        'body = f"""string_agg({item}, \',\' ORDER BY "#place")"""',
        'body = f"""string_agg({item}, \',\')"""',
        "tests/functional/test_creation.py",
    ),
    Mutation(
        "a JSON text in an array is stored as a string, in a single row as what it says",
        "crud_api/statements/populating.py",
        "THEN (member.value #>> '{{}}')::json ELSE member.value END)",
        "THEN member.value ELSE member.value END)",
        "tests/functional/test_any_column.py -k means",
    ),
    Mutation(
        "a time of a column without time zone cannot be sent back",
        "crud_api/statements/identifiers.py",
        'return f"{column}::timestamptz AS {quoted(name)}" if resource.fields[name].base is datetime else column',
        "return column",
        "tests/functional/test_any_column.py -k back",
    ),
    Mutation(
        "a key of a time does not lead to its row",
        "crud_api/statements/identifiers.py",
        "if resource.fields[resource.key].base is datetime:",
        "if not resource.fields[resource.key].base:",
        "tests/functional/test_any_column.py -k leads",
    ),
    Mutation(
        "a star that is meant is any text",
        "crud_api/filters.py",
        'return {"*": "%", "\\\\*": "*", "\\\\": "\\\\\\\\"}.get(match[0], match[0])',
        'return {"*": "%", "\\\\*": "%", "\\\\": "\\\\\\\\"}.get(match[0], match[0])',
        "tests/functional/test_any_column.py -k like",
    ),
    Mutation(
        "what PostgreSQL says, with the values of other rows, is answered",
        "crud_api/failures.py",
        'return failure.routine == RAISE or sqlstate == "P0001" or _RAISED_STATUS.fullmatch(sqlstate) is not None',
        "return bool(sqlstate)",
        "tests/functional/test_refusals.py -k own_message",
    ),
    Mutation(
        "whole rows, as PostgreSQL's details have them, leave the executor",
        "query_executor/failures.py",
        "raised = error.diag.source_function == _RAISE  # PostgreSQL's own details quote whole rows: they stay here",
        "raised = True",
        "tests/contract/test_examples.py",
    ),
    Mutation(
        "a missing GRANT is blamed on the client",
        "crud_api/failures.py",
        'if sqlstate == "42501" and failure.routine == _POLICY:',
        'if sqlstate == "42501":',
        "tests/functional/test_refusals.py -k security",
    ),
    Mutation(
        "a list ends at a place that has gone, and the rows after it are on no page",
        "crud_api/statements/reading.py",
        "if there is not None:",
        "if there == '':",
        "tests/functional/test_long_values.py -k gone",
    ),
    Mutation(
        "a row that no answer can hold is changed, and the change said to have failed",
        "crud_api/statements/writing.py",
        '_BODY = f"""CASE WHEN octet_length(body) < {_LIMIT // 6} THEN body',
        '_BODY = f"""CASE WHEN octet_length(body) < {_LIMIT * 6} THEN body',
        "tests/functional/test_long_values.py -k holds",
    ),
    Mutation(
        "a number that no column holds is refused in a list of numbers",
        "crud_api/statements/params.py",
        "if isinstance(value, list) and value and type(value[0]) is int:  # all are, or none",
        "if isinstance(value, list) and not value:",
        "tests/functional/test_any_column.py -k range",
    ),
    Mutation(
        "a full disk is answered as if the request were wrong",
        "query_executor/failures.py",
        '_RETRYABLE = ("40001", "40P01", "55P03", "53", "57P", "08")',
        '_RETRYABLE = ("40001", "40P01", "55P03", "57P", "08")',
        "tests/integration/test_query_executor.py -k may_pass",
    ),
    Mutation(
        "rows that were changed are not counted in the metrics",
        "query_executor/log.py",
        '"rows": sum(result.row_count or 0 for result in results),',
        '"rows": sum(len(result.rows) for result in results),',
        "tests/integration/test_logs.py",
    ),
    Mutation(
        "a write is stored and then called failed, for the name of a type",
        "query_executor/results.py",
        "if in_transaction:",
        "if True:",
        "tests/integration/test_types.py -k look",
    ),
    Mutation(
        "an array of boxes falls to pieces",
        "query_executor/casters.py",
        'read = items if delimiter == "," else _reader(delimiter)',
        "read = items",
        "tests/integration/test_types.py -k array",
    ),
    Mutation(
        "an array that does not begin at 1 is text",
        "query_executor/casters.py",
        'return read(text[text.index("=") + 1 :] if text[0] == "[" else text, cursor)',
        "return read(text, cursor)",
        "tests/integration/test_types.py -k array",
    ),
    Mutation(
        "a database that cannot be written cannot be read either",
        "query_executor/failures.py",
        'return "session is read-only" in str(error)',
        "return False",
        "tests/integration/test_connections.py -k nothing_can_be_written",
    ),
    Mutation(
        "a token that is refused is tried until the deadline",
        "query_executor/credentials.py",
        "return 2 if self._settings.iam_auth else 1",
        "return math.inf if self._settings.iam_auth else 1",
        "tests/integration/test_credentials.py -k token",
    ),
    Mutation(
        "a look-up that hangs is made again by each request",
        "query_executor/waiting.py",
        "if name not in self._running or self._running[name].is_stale:",
        "if True:",
        "tests/integration/test_silent_dns.py -k outlives",
    ),
    Mutation(
        "what came out as -0.0 goes in as 0.0",
        "query_executor/values.py",
        """return AsIs("'-0'::float8")  # as a number of SQL it would be a numeric, which has no such zero""",
        "return param",
        "tests/integration/test_types.py -k float",
    ),
]
