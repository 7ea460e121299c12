"""The HTTP API: resources declared once, routed by Chalice, executed by the query executor."""
