"""`python -m crud_api.openapi > docs/openapi.json` writes the description of what a stage serves by default."""

import json
import sys

from crud_api.functions import FUNCTIONS
from crud_api.openapi import document
from crud_api.tables import RESOURCES, TABLES


def description() -> str:
    """The text of docs/openapi.json."""
    return (
        json.dumps(document(RESOURCES, "api_key", TABLES.names(), FUNCTIONS.names()), indent=2, ensure_ascii=False)
        + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(description())
