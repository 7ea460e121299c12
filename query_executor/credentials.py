"""Who connects to the database: libpq's parameters for the user, the password and TLS."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from query_executor.errors import SecretUnavailableError, SettingsError, StalledError
from query_executor.settings import RDS_CA_BUNDLE, Settings
from query_executor.waiting import Waiting

TYPE_CHECKING = False  # that of `typing` would make the cold start import typing
if TYPE_CHECKING:
    from typing import Any

# Errors of Secrets Manager that end by themselves.
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Credentials:
    """The connection string.

    A secret is read when it is first needed, and again when the server refuses it.
    """

    def __init__(self, settings: Settings, waiting: Waiting | None = None) -> None:
        self._settings = settings
        self._waiting = waiting or Waiting()
        self._dsn: str | None = None
        self._session: Any = None  # boto3's, which is slow to make

    def dsn(self, deadline: float = math.inf) -> str:
        """A libpq connection string, by `deadline`, a time.monotonic().

        Raises `SettingsError` if the secret cannot be read, and `SecretUnavailableError` if it cannot be read now.
        """
        if self._dsn is None or self._settings.iam_auth:  # a token is valid for 15 minutes
            self._dsn = self._read(deadline)
        return self._dsn

    @property
    def most_tries(self) -> float:
        """How often to connect, at most, while the server refuses these credentials.

        In a rotation, the server has the new password before the secret has it. So the secret is read again while there
        is time. A new token can help once, if the first token had just expired.
        """
        if self._settings.secret_arn is not None:
            return math.inf
        return 2 if self._settings.iam_auth else 1

    def forget(self) -> None:
        """Forget the connection string. The next one has the secret as it is then, or a new token."""
        self._dsn = None

    def _read(self, deadline: float) -> str:
        settings = self._settings
        parts = libpq_parameters(settings.connect)
        if settings.secret_arn is not None:
            secret = self._secret_in_time(settings.secret_arn, deadline)
            parts |= {"user": secret["username"], "password": secret["password"]}
        elif settings.iam_auth:
            parts["password"] = self._token(parts)
        return str(make_dsn(**(_tls(parts) if settings.in_aws else parts)))

    def _secret_in_time(self, arn: str, deadline: float) -> dict[str, Any]:
        # boto3's time-outs begin only after the look-up of Secrets Manager's name.
        self._waiting.start(arn, lambda: self._secret(arn, deadline))
        try:
            secret: dict[str, Any] = self._waiting.value(arn, deadline)
        except StalledError as error:
            raise SecretUnavailableError(f"DB_SECRET_ARN cannot be read: {error}") from error
        return secret

    def _secret(self, arn: str, deadline: float) -> dict[str, Any]:
        from botocore import exceptions  # noqa: PLC0415 - only a secret needs it

        # Short time-outs: in a VPC without a way to Secrets Manager, each of the several addresses is tried.
        left_s = max(0.1, deadline - time.monotonic())
        try:
            client = self._client(
                "secretsmanager", connect_timeout=min(0.5, left_s / 4), read_timeout=min(2, left_s / 2)
            )
            secret = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
            if isinstance(secret["username"], str) and isinstance(secret["password"], str):
                return dict(secret)
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise SecretUnavailableError(f"DB_SECRET_ARN cannot be read: {error}") from error
        except exceptions.ClientError as error:
            is_broken = error.response["ResponseMetadata"].get("HTTPStatusCode", 0) >= 500
            ends_by_itself = is_broken or error.response["Error"]["Code"] in _THROTTLED
            kind = SecretUnavailableError if ends_by_itself else SettingsError
            raise kind(f"DB_SECRET_ARN cannot be read: {error}") from error
        except exceptions.BotoCoreError as error:
            raise SettingsError(f"DB_SECRET_ARN cannot be read: {error}") from error
        except (KeyError, TypeError, ValueError):  # their messages would repeat parts of the secret
            pass
        raise SettingsError("DB_SECRET_ARN must hold JSON with username and password")

    def _token(self, parts: dict[str, Any]) -> str:
        # It is signed here, with the function's own credentials. Only the database gets it: the VPC needs no way out.
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        host, port, user = parts["host"], int(parts.get("port", 5432)), parts["user"]
        try:
            return str(self._client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user))
        except BotoCoreError as error:
            raise SettingsError(f"DB_IAM_AUTH: no token can be made: {error}") from error

    def _client(self, service: str, **time_outs_s: float) -> Any:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        self._session = self._session or boto3.session.Session(region_name=self._settings.region)
        config = Config(retries={"total_max_attempts": 1}, **time_outs_s)  # type: ignore[arg-type]
        return self._session.client(service, config=config)


def libpq_parameters(connect: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of libpq, one by one; `connect` may have a whole URL as `dsn`.

    Raises `SettingsError` for a URL whose password was not percent-encoded. An @ or a / ends such a password too soon,
    and libpq's messages would print the rest of it as a host, a port or a database.
    """
    try:
        parts: dict[str, Any] = parse_dsn(make_dsn(**connect))
        # A host that begins with @ is an abstract socket.
        is_cut_off = "@" in parts.get("host", "")[1:] or ("dsn" in connect and "@" in parts.get("dbname", ""))
        if not is_cut_off and parts.get("port", "0").replace(",", "").isdigit():
            return parts
    except (psycopg2.ProgrammingError, ValueError):  # the message repeats what is wrong, which can be the password
        pass
    raise SettingsError(
        "DATABASE_URL or DB_PORT cannot be read: is the URL's password percent-encoded (@ as %40, / as %2F, : as %3A)?"
    )


def _tls(parts: dict[str, Any]) -> dict[str, Any]:
    """The parameters, with a verified certificate required of every server, unless all are on this machine."""
    hosts = [host for name in ("host", "hostaddr") for host in parts.get(name, "").split(",") if host]
    if hosts and all(host.startswith(("/", "@")) or host in _LOCAL for host in hosts):
        return parts
    if parts.setdefault("sslmode", "verify-full") in {"disable", "allow", "prefer"}:
        raise SettingsError(f"sslmode={parts['sslmode']} would let the password travel in the clear: use verify-full")
    parts.setdefault("sslrootcert", RDS_CA_BUNDLE)
    return parts
