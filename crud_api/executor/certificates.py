"""The certificates by which Lambda's endpoint is known."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from importlib.util import find_spec

from crud_api.executor import outcomes, profile


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that verifies the other side and its name. Raises `ExecutorFailedError`: the file cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    bundle = (
        environ.get("AWS_CA_BUNDLE")
        or (profile.ca_bundle() if profile.is_in_use(environ) else None)
        or environ.get("REQUESTS_CA_BUNDLE")
        or _installed()
    )
    try:
        if bundle is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(bundle)
    except OSError as error:  # also of OpenSSL: it is no certificate
        raise outcomes.refused(type(error).__name__, "the file of certificates cannot be read") from error
    return context


def _installed() -> str | None:
    """The file of certifi or botocore, if the system has none: Python from python.org on macOS."""
    if ssl.get_default_verify_paths().cafile is not None:
        return None
    for package in ("certifi", "botocore"):
        spec = find_spec(package)  # finds it without an import
        for folder in spec.submodule_search_locations or () if spec else ():
            path = os.path.join(folder, "cacert.pem")  # noqa: PTH118 - pathlib takes longer to import than this
            if os.path.isfile(path):  # noqa: PTH113
                return path
    return None
