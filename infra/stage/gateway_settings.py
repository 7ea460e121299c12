"""The member "gateway" of .chalice/config.json, read and checked: what a REST API is told beside its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PERIODS = ("DAY", "WEEK", "MONTH")
LEAST_WAF_LIMIT, MOST_WAF_LIMIT = 10, 2_000_000_000  # WAF's own

NO_CACHE = (
    "gateway.cache must be null: API Gateway would give one caller another's answer. Its cache knows a response by the "
    "parameters that the API's definition declares as keys, and Chalice's declares none: every query, page and "
    "If-None-Match of a path would be answered alike. Declared afterwards, they would be gone from each "
    "deploy of Chalice's until the settings are applied again. ETags and If-None-Match save the same bytes."
)


class GatewaySettingsError(Exception):
    """A member of "gateway" is unknown or has a value it cannot have. The message names it."""


@dataclass(frozen=True)
class Throttle:
    """Of the whole stage, and of each key: requests a second, and how many more may come at once."""

    rate: float = 50.0
    burst: int = 100


@dataclass(frozen=True)
class Quota:
    """Requests a key has in a period (DAY, WEEK or MONTH, in UTC)."""

    limit: int = 100_000
    period: str = "DAY"


@dataclass(frozen=True)
class GatewaySettings:
    """`quota` is of stages with API keys; `waf` is how many requests an address may send in five minutes."""

    throttle: Throttle = Throttle()
    quota: Quota | None = Quota()
    access_logs: bool = True
    metrics: bool = True
    tracing: bool = True
    waf: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> GatewaySettings:
        """The settings of {"throttle": {"rate", "burst"}, "quota": {"limit", "period"} or null, ...}.

        What is left out has its default. Raises `GatewaySettingsError`.
        """
        names = ("throttle", "quota", "access_logs", "metrics", "tracing", "waf", "cache")
        _known("gateway", config, names)
        if config.get("cache") is not None:
            raise GatewaySettingsError(NO_CACHE)
        return cls(
            throttle=_throttle(config.get("throttle", {})),
            quota=None if config.get("quota", {}) is None else _quota(config.get("quota", {})),
            access_logs=_bool(config, "access_logs"),
            metrics=_bool(config, "metrics"),
            tracing=_bool(config, "tracing"),
            waf=_waf(config.get("waf", False)),
        )


def _throttle(given: Any) -> Throttle:
    _known("gateway.throttle", given, ("rate", "burst"))
    rate = _checked("gateway.throttle.rate", given.get("rate", Throttle.rate), _is_rate, "a number above 0")
    burst = _checked("gateway.throttle.burst", given.get("burst", Throttle.burst), _is_count, "a whole number above 0")
    return Throttle(float(rate), burst)


def _quota(given: Any) -> Quota:
    _known("gateway.quota", given, ("limit", "period"))
    limit = _checked("gateway.quota.limit", given.get("limit", Quota.limit), _is_count, "a whole number above 0")
    period = given.get("period", Quota.period)
    return Quota(limit, _checked("gateway.quota.period", period, lambda one: one in PERIODS, " or ".join(PERIODS)))


def _waf(given: Any) -> int | None:
    if given is False or given is None:
        return None
    _known("gateway.waf", given, ("requests_per_5_minutes",))
    limit: int = _checked(
        "gateway.waf.requests_per_5_minutes",
        given.get("requests_per_5_minutes"),
        lambda one: _is_count(one) and LEAST_WAF_LIMIT <= one <= MOST_WAF_LIMIT,
        f"a whole number of {LEAST_WAF_LIMIT} to {MOST_WAF_LIMIT}",
    )
    return limit


def _known(name: str, given: Any, members: tuple[str, ...]) -> None:
    if not isinstance(given, Mapping):
        raise GatewaySettingsError(f"{name} must be an object with {', '.join(members)}, not {given!r}")
    if unknown := sorted(set(given) - set(members)):
        raise GatewaySettingsError(f"{name} has no {', '.join(unknown)}; it has {', '.join(members)}")


def _bool(config: Mapping[str, Any], name: str) -> bool:
    return bool(_checked(f"gateway.{name}", config.get(name, True), lambda one: isinstance(one, bool), "true or false"))


def _checked(name: str, value: Any, is_right: Callable[[Any], bool], right: str) -> Any:
    if not is_right(value):
        raise GatewaySettingsError(f"{name} must be {right}, not {value!r}")
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < float("inf")
