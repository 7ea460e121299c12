"""The bare handler as psycopg2 has it by itself: a request is BEGIN, the statement and COMMIT, each a round trip."""

from bench.peers.bare import create_handler

handler = create_handler()
