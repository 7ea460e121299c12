"""Keys that the API makes: UUIDs of version 7 (RFC 9562, section 5.7), so the newest rows are the last in an index."""

from __future__ import annotations

import os
import time

_RANDOM_BITS = 74


class Uuid7:
    """Makes one UUID after another, each greater than the one before it in this process (RFC 9562, section 6.2)."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> str:
        """The next UUID, as PostgreSQL writes it."""
        now = time.time_ns() // 1_000_000
        if now > self._last >> _RANDOM_BITS:
            # The first random bit is 0, which leaves room to count on within the millisecond.
            self._last = now << _RANDOM_BITS | int.from_bytes(os.urandom(10)) >> 7
        else:
            self._last += 1 + int.from_bytes(os.urandom(5))
        stamp, made = self._last >> _RANDOM_BITS, self._last
        digits = f"{stamp << 80 | 7 << 76 | (made >> 62 & 0xFFF) << 64 | 2 << 62 | made & (1 << 62) - 1:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


uuid7 = Uuid7()
