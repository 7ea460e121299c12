"""Who is compared. The modules are below bench.peers, which itself imports nothing that a cold start would feel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CONFIG = json.loads((Path(__file__).parents[1] / ".chalice" / "config.json").read_text())


class Peer(NamedTuple):
    """`name` is for tables and plots. `environment` is what its functions have in AWS."""

    name: str
    module: str
    environment: Mapping[str, str] = {}


BARE = Peer("bare psycopg2", "bare_psycopg2")
BARE_AUTOCOMMIT = Peer("bare psycopg2, autocommit", "bare_autocommit")
OURS = Peer("this API, both halves", "this_api", CONFIG["environment_variables"])
# Through Lambda's front end only: what two functions cost at least.
LIMIT = Peer("the limit: this API, unsigned", "unsigned", CONFIG["environment_variables"])
PEERS = (
    BARE,
    BARE_AUTOCOMMIT,
    OURS,
    Peer("Chalice + psycopg2", "chalice_psycopg2"),
    Peer("Powertools + psycopg 3", "powertools_psycopg"),
    Peer("Flask + apig-wsgi + psycopg2", "flask_psycopg2"),
    Peer("FastAPI + Mangum + SQLAlchemy", "fastapi_sqlalchemy"),
)
