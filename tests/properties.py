"""How many examples a property tries.

`make test` tries a few, because it has many properties and runs them on two versions of PostgreSQL. `make soak` runs
the properties again, with EXAMPLES times as many.
"""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """The number of examples of a property that has `few` in `make test`."""
    return few * int(os.environ.get("EXAMPLES", "1"))
