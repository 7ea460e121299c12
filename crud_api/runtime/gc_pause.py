"""Imports without the garbage collector, which looks through all of them again and again: a tenth of a cold start."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_pause() -> Iterator[None]:
    """Pauses the collector. Everything alive on exit is frozen: modules are never garbage.

    For the start of a process; each use keeps whatever else is alive then.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
