"""The member "gateway" of .chalice/config.json: its defaults, and what is refused by name."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.stage.gateway_settings import GatewaySettings, GatewaySettingsError, Quota, Throttle


def test_what_is_left_out_has_its_default() -> None:
    assert GatewaySettings.from_config({}) == GatewaySettings()
    assert GatewaySettings.from_config({"throttle": {"rate": 5}}).throttle == Throttle(5.0, 100)


def test_the_documented_example_is_the_default_without_what_is_billed_and_with_a_firewall() -> None:
    text = Path("docs/access.md").read_text()
    example = textwrap.dedent(text[text.index('    "stages": {') : text.index("A stage that says nothing")])
    gateway = json.loads(f"{{{example}}}")["stages"]["dev"]["gateway"]
    assert GatewaySettings.from_config(gateway) == replace(GatewaySettings(), metrics=False, tracing=False, waf=2000)


def test_everything_can_be_said() -> None:
    config = {
        "throttle": {"rate": 0.5, "burst": 2},
        "quota": {"limit": 3, "period": "MONTH"},
        "access_logs": False,
        "metrics": False,
        "tracing": False,
        "cache": None,
        "waf": {"requests_per_5_minutes": 2000},
    }
    assert GatewaySettings.from_config(config) == GatewaySettings(
        Throttle(0.5, 2), Quota(3, "MONTH"), access_logs=False, metrics=False, tracing=False, waf=2000
    )


@pytest.mark.parametrize(("member", "value"), [("quota", None), ("waf", False), ("waf", None)])
def test_a_part_can_be_left_away(member: str, value: object) -> None:
    assert getattr(GatewaySettings.from_config({member: value}), member) is None


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"trottle": {}}, "gateway has no trottle"),
        ({"throttle": {"rates": 5}}, "gateway.throttle has no rates"),
        ({"throttle": 5}, "gateway.throttle must be an object"),
        ({"throttle": {"rate": 0}}, "gateway.throttle.rate"),
        ({"throttle": {"rate": "50"}}, "gateway.throttle.rate"),
        ({"throttle": {"rate": True}}, "gateway.throttle.rate"),
        ({"throttle": {"rate": float("nan")}}, "gateway.throttle.rate"),
        ({"throttle": {"burst": 1.5}}, "gateway.throttle.burst"),
        ({"quota": {"limit": 0}}, "gateway.quota.limit"),
        ({"quota": {"period": "HOUR"}}, "gateway.quota.period must be DAY or WEEK or MONTH"),
        ({"access_logs": "yes"}, "gateway.access_logs must be true or false"),
        ({"metrics": 1}, "gateway.metrics"),
        ({"tracing": None}, "gateway.tracing"),
        ({"waf": True}, "gateway.waf must be an object"),
        ({"waf": {}}, "gateway.waf.requests_per_5_minutes"),
        ({"waf": {"requests_per_5_minutes": 9}}, "gateway.waf.requests_per_5_minutes"),
    ],
)
def test_what_cannot_be_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(GatewaySettingsError, match=named):
        GatewaySettings.from_config(config)


def test_a_cache_is_refused_because_it_would_mix_up_callers() -> None:
    with pytest.raises(GatewaySettingsError, match=r"gateway\.cache must be null: .* another's answer"):
        GatewaySettings.from_config({"cache": {"size_gb": "0.5", "ttl_s": 60}})
