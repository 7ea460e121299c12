"""Where Lambda's Invoke is called, by the variables that AWS's SDKs read. A test holds it to botocore's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from crud_api.executor import outcomes, profile

# What follows the region in the name of an endpoint, and of one that has IPv6 as well. GovCloud has the names of `aws`.
_SUFFIXES = {
    "cn-": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": ("sc2s.sgov.gov", "api.aws.scloud"),
    "us-isof-": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    "eu-isoe-": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
}
_AWS = ("amazonaws.com", "api.aws")
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # it becomes a part of the host's name


class Endpoint(Struct, frozen=True):
    """`path` stands before the path of each request. `region` is the one that requests are signed for."""

    scheme: str
    host: str
    port: int
    path: str
    region: str

    @property
    def netloc(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"http": 80, "https": 443}


def find(environ: Mapping[str, str]) -> Endpoint:
    """The endpoint of Lambda. Raises `ExecutorFailedError` if the settings name none."""
    if profile.is_in_use(environ):
        region, url = profile.endpoint()
        return _parsed(url, region)
    region = environ.get("AWS_DEFAULT_REGION") or ""
    if not region:
        raise outcomes.refused("NoRegionError")
    if not _REGION.fullmatch(region):
        raise outcomes.refused("InvalidRegionError")
    return _parsed(_configured(environ) or _of_region(environ, region), region)


def _configured(environ: Mapping[str, str]) -> str | None:
    if _is_on(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return None
    return environ.get("AWS_ENDPOINT_URL_LAMBDA") or environ.get("AWS_ENDPOINT_URL") or None


def _of_region(environ: Mapping[str, str], region: str) -> str:
    suffixes = next((found for prefix, found in _SUFFIXES.items() if region.startswith(prefix)), _AWS)
    service = "lambda-fips" if _is_on(environ, "AWS_USE_FIPS_ENDPOINT") else "lambda"
    return f"https://{service}.{region}.{suffixes[_is_on(environ, 'AWS_USE_DUALSTACK_ENDPOINT')]}"


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == "true"


def _parsed(url: str, region: str) -> Endpoint:
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname:
            port = parts.port or _PORTS[parts.scheme]
            return Endpoint(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), region)
    except ValueError:  # a port that is no number, a bracket that is not closed
        pass
    raise outcomes.refused("InvalidEndpoint")
