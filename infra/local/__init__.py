"""The product on this machine: a local server, and an embedded PostgreSQL."""
