"""Responses: rows, pages and problems."""
