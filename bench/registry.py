"""Who is compared. The modules are below bench.peers, which itself imports nothing that a cold start would feel."""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """`name` is for tables and plots."""

    name: str
    module: str


BARE = Peer("bare psycopg2", "bare_psycopg2")
BARE_AUTOCOMMIT = Peer("bare psycopg2, autocommit", "bare_autocommit")
OURS = Peer("this API, both halves", "this_api")
# Through Lambda's front end only: what two functions cost at least.
LIMIT = Peer("the limit: this API, unsigned", "unsigned")
PEERS = (
    BARE,
    BARE_AUTOCOMMIT,
    OURS,
    Peer("Chalice + psycopg2", "chalice_psycopg2"),
    Peer("Powertools + psycopg 3", "powertools_psycopg"),
    Peer("Flask + apig-wsgi + psycopg2", "flask_psycopg2"),
    Peer("FastAPI + Mangum + SQLAlchemy", "fastapi_sqlalchemy"),
)
