"""The member "gateway" of .chalice/config.json: its defaults and its allowed values."""

from __future__ import annotations

import copy
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from infra import PROJECT
from infra.errors import ConfigError
from infra.stage import Stage, config
from infra.stage.members import GatewaySettings, Quota, Throttle, Waf
from tests.unit.test_stage import CONFIG


def settings(gateway: dict[str, Any]) -> GatewaySettings:
    """The settings of a stage with only these members."""
    file = copy.deepcopy(CONFIG)
    file["stages"]["dev"]["gateway"] = gateway
    return Stage.from_file("dev", config.check(file), PROJECT).gateway


def test_what_is_left_out_has_its_default() -> None:
    assert settings({}) == GatewaySettings()
    assert settings({"throttle": {"rate": 5}}).throttle == Throttle(5.0, 100)


def test_the_documented_example_is_the_default_without_what_is_billed_and_with_a_firewall() -> None:
    text = Path("docs/access.md").read_text()
    example = textwrap.dedent(text[text.index('    "stages": {') : text.index("A stage that says nothing")])
    gateway = json.loads(f"{{{example}}}")["stages"]["dev"]["gateway"]
    assert settings(gateway) == structs.replace(GatewaySettings(), metrics=False, tracing=False, waf=Waf(2000))


def test_everything_can_be_said() -> None:
    said = settings(
        {
            "throttle": {"rate": 0.5, "burst": 2},
            "quota": {"limit": 3, "period": "MONTH"},
            "access_logs": False,
            "metrics": False,
            "tracing": False,
            "cache": None,
            "waf": {"requests_per_5_minutes": 2000},
        }
    )
    assert said == GatewaySettings(
        Throttle(0.5, 2), Quota(3, "MONTH"), access_logs=False, metrics=False, tracing=False, waf=Waf(2000)
    )
    assert said.waf_limit == 2000


def test_a_quota_can_be_left_away() -> None:
    assert settings({"quota": None}).quota is None


@pytest.mark.parametrize("value", [False, None])
def test_a_firewall_can_be_left_away(value: object) -> None:
    assert settings({"waf": value}).waf_limit is None


@pytest.mark.parametrize(
    ("gateway", "says"),
    [
        ({"trottle": {}}, "stages.dev.gateway.trottle is not known. Did you mean throttle?"),
        ({"throttle": {"rates": 5}}, "stages.dev.gateway.throttle.rates is not known. Did you mean rate?"),
        ({"throttle": 5}, "stages.dev.gateway.throttle must be an object with rate, burst, not 5."),
        ({"throttle": {"rate": 0}}, "stages.dev.gateway.throttle.rate must be a number above 0, not 0."),
        ({"throttle": {"rate": "50"}}, 'stages.dev.gateway.throttle.rate must be a number above 0, not "50".'),
        ({"throttle": {"rate": True}}, "stages.dev.gateway.throttle.rate must be a number above 0, not true."),
        ({"throttle": {"burst": 1.5}}, "throttle.burst must be a whole number of at least 1, not 1.5."),
        ({"throttle": {"burst": None}}, "throttle.burst must be a whole number of at least 1, not null."),
        ({"quota": {"limit": 0}}, "stages.dev.gateway.quota.limit must be a whole number of at least 1, not 0."),
        ({"quota": {"period": "HOUR"}}, 'quota.period must be DAY or WEEK or MONTH, not "HOUR".'),
        ({"access_logs": "yes"}, 'stages.dev.gateway.access_logs must be true or false, not "yes".'),
        ({"metrics": 1}, "stages.dev.gateway.metrics must be true or false, not 1."),
        ({"tracing": None}, "stages.dev.gateway.tracing must be true or false, not null."),
        ({"waf": True}, "gateway.waf must be an object with requests_per_5_minutes or false or null, not true."),
        ({"waf": {}}, "gateway.waf lacks requests_per_5_minutes"),
        (
            {"waf": {"requests_per_5_minutes": 9}},
            "waf.requests_per_5_minutes must be a whole number of 10 to 2000000000, not 9.",
        ),
        ({"cache": {"ttl_s": 60}}, 'gateway.cache must be null, not {"ttl_s": 60}. API Gateway would give one caller'),
    ],
)
def test_a_wrong_member_is_named_by_its_path_with_what_it_must_be(gateway: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(gateway)
    assert says in str(refused.value)
