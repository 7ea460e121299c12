"""The bare handler with autocommit: one round trip a request, the statement being the transaction."""

from bench.peers.bare import create_handler

handler = create_handler(autocommit=True)
