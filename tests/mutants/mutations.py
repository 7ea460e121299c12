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
        "crud_api/validation.py",
        "if isinstance(made, Decimal | float) and not within(Decimal(made), field.extra):",
        "if isinstance(made, Decimal | float) and made == made and not within(Decimal(made), field.extra):",
        "tests/functional/test_hostile_bodies.py -k number",
    ),
    Mutation(
        "a text is taken for a number",
        "crud_api/validation.py",
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
        "some rows of an array are stored and the others are lost: a trigger suppressed them",
        "crud_api/statements/storing.py",
        'WHOLE = "answer.stored IN (0, :sent)"',
        'WHOLE = "answer.stored <= :sent"',
        "tests/functional/test_existing_tables.py -k suppresses",
    ),
    Mutation(
        "the rows of an array are answered in another order than they were sent in",
        "crud_api/statements/storing.py",
        'body = f"""string_agg({item}, \',\' ORDER BY "#place")"""',
        'body = f"""string_agg({item}, \',\')"""',
        "tests/functional/test_creation.py -k order_of_the_request",
    ),
    Mutation(
        "upserts of the same rows wait for each other until they are refused",
        "crud_api/statements/storing.py",
        'condition += " AND (SELECT count(*) FROM turn) >= 0"',
        "pass",
        "tests/integration/test_concurrent_writes.py",
    ),
    Mutation(
        "nobody can write an order while its key is made",
        "query_executor/online.py",
        'session.scan(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON demo.{table} ({column})")',
        'session.alter(f"CREATE UNIQUE INDEX {index} ON demo.{table} ({column})")',
        "tests/integration/test_online_migrations.py -k whole_table",
    ),
    Mutation(
        "a migration that was killed can never be applied",
        "query_executor/online.py",
        'session.scan(f"DROP INDEX CONCURRENTLY demo.{index}")',
        "pass",
        "tests/integration/test_online_migrations.py -k killed",
    ),
    Mutation(
        "a change of one row changes others, which have the same key outside of a partial index",
        "query_executor/declared.py",
        "AND i.indpred IS NULL),",
        "),",
        "tests/integration/test_declared.py -k hold_unique",
    ),
    Mutation(
        "the process is sent requests of which each fails",
        "crud_api/monitors.py",
        "if not answer.results[0].rows:",
        "if False:",
        "tests/unit/test_monitors.py",
    ),
    Mutation(
        "one page takes the database for minutes: a million rows are embedded",
        "crud_api/statements/reading.py",
        "bounded=(query.limit + 1) * MAX_EMBEDDED > MAX_EMBEDDED_IN_PAGE,",
        "bounded=False,",
        "tests/functional/test_embedding.py -k ten_thousand",
    ),
]
