"""The executor's settings, read from its environment when the first connection is made."""

from __future__ import annotations

from collections.abc import Mapping

from query_executor.errors import SettingsError

# Milliseconds. This order keeps every answer inside API Gateway's 29 s; tests/unit/test_time_outs.py checks it:
# connect + statement < the executor's function < the API's read < the API's function < 29 s.
STATEMENT_MS = 20_000
# The part of the function's time that is left for its own work, after the database's part.
REPLY_MARGIN_MS = 1_500
# The client gives up on a server that does not answer at all. It does so this much later than the server's time-out.
STALL_MS = 500
CONNECT_MS = 3_000
LOCK_MS = 5_000
IDLE_IN_TRANSACTION_MS = 5_000
CONNECTION_CHECK_MS = 500
# A connection that was idle for longer has to answer a ping before it is used.
PING_AFTER_MS = 10_000
PING_MS = 1_000

# The image has the certificates here that sign RDS's own certificates.
RDS_CA_BUNDLE = "/opt/rds/global-bundle.pem"


class Settings:
    """Where the database is, who connects, and what requests may do.

    DATABASE_URL                        a URL with everything in it, for a laptop
    DB_HOST, DB_PORT, DB_NAME, DB_USER  or its parts, and one of
      DB_PASSWORD                         the password itself
      DB_SECRET_ARN                       a secret of Secrets Manager, RDS's own JSON: username and password
      DB_IAM_AUTH=true                    no password: a token that IAM grants and this function signs
    EXECUTOR_MODE                       read_write (default), or read_only for all requests
    STATEMENT_MS, LOCK_MS               the longest time of a request, and of its wait for a lock, in milliseconds
    """

    __slots__ = (
        "connect", "iam_auth", "in_aws", "lock_ms", "name", "ping_after_ms", "read_only", "region", "secret_arn",
        "statement_ms",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one for each setting
        self,
        connect: Mapping[str, str],
        *,
        secret_arn: str | None = None,
        iam_auth: bool = False,
        region: str | None = None,
        in_aws: bool = False,
        read_only: bool = False,
        statement_ms: int = STATEMENT_MS,
        lock_ms: int = LOCK_MS,
        ping_after_ms: int = PING_AFTER_MS,
        name: str = "query_executor",
    ) -> None:
        self.connect = connect  # libpq's connection parameters
        self.secret_arn = secret_arn
        self.iam_auth = iam_auth
        self.region = region
        self.in_aws = in_aws  # where a server needs a verified certificate
        self.read_only = read_only
        self.statement_ms = statement_ms
        self.lock_ms = lock_ms
        self.ping_after_ms = ping_after_ms
        self.name = name  # application_name in pg_stat_activity

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Raises `SettingsError`."""
        if url := environ.get("DATABASE_URL"):
            connect = {"dsn": url}
        elif environ.get("DB_HOST"):
            parts = {"host": "DB_HOST", "port": "DB_PORT", "dbname": "DB_NAME", "user": "DB_USER"}
            parts |= {"password": "DB_PASSWORD", "sslmode": "DB_SSLMODE", "sslrootcert": "DB_SSLROOTCERT"}
            connect = {name: environ[variable] for name, variable in parts.items() if environ.get(variable)}
        else:
            raise SettingsError("neither DATABASE_URL nor DB_HOST is set: the executor has no database")
        iam_auth = _choice(environ, "DB_IAM_AUTH", "false", "true")
        if iam_auth and ("user" not in connect or "," in connect["host"]):
            raise SettingsError("DB_IAM_AUTH needs one DB_HOST and DB_USER, for which the token is made")
        if sum([iam_auth, *(bool(environ.get(name)) for name in ("DB_SECRET_ARN", "DB_PASSWORD"))]) > 1:
            raise SettingsError("only one of DB_PASSWORD, DB_SECRET_ARN and DB_IAM_AUTH can be set")
        return cls(
            connect,
            secret_arn=environ.get("DB_SECRET_ARN") or None,
            iam_auth=iam_auth,
            in_aws="AWS_LAMBDA_FUNCTION_NAME" in environ,
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
            read_only=_choice(environ, "EXECUTOR_MODE", "read_write", "read_only"),
            statement_ms=_milliseconds(environ, "STATEMENT_MS", STATEMENT_MS),
            lock_ms=_milliseconds(environ, "LOCK_MS", LOCK_MS),
            name=environ.get("AWS_LAMBDA_FUNCTION_NAME") or "query_executor",
        )


def _choice(environ: Mapping[str, str], name: str, no: str, yes: str) -> bool:
    value = environ.get(name) or no
    if value not in {no, yes}:
        raise SettingsError(f"{name} must be {no} or {yes}, not {value}")
    return value == yes


def _milliseconds(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 900_000):
        raise SettingsError(f"{name} must be a whole number of milliseconds from 1 to 900000, not {value}")
    return int(value)
