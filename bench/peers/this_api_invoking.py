"""The API's function as it is deployed: it invokes the executor."""

from app import app as handler

__all__ = ["handler"]
