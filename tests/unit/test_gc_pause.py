"""The pause of the garbage collector during imports leaves it as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("before", "after"), [("gc.enable()", "True"), ("gc.disable()", "False")])
def test_the_collector_is_as_it_was_after_an_import_that_paused_it(before: str, after: str) -> None:
    check = (
        f"import gc; {before}\nfrom crud_api.runtime.gc_pause import gc_pause\nwith gc_pause(): import json\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [after, "True"]
