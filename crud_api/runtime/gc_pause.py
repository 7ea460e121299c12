"""Imports without the garbage collector. It would scan all modules again and again: a tenth of a cold start."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_pause() -> Iterator[None]:
    """Pauses the collector. Everything alive on exit is frozen: modules are never garbage.

    Use it only at the start of a process: everything else that is alive then is never freed.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
