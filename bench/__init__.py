"""Measures the API against a bare handler and the peers a user would pick instead; `make bench` writes the report."""
