"""How many requests a sender may have: many at once, fewer in the long run."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

# A page with all its tiles begins with some hundred requests.
_AT_ONCE, _PER_SECOND = 1000.0, 200.0
# Senders that are remembered; one that was forgotten begins anew.
_MOST_SENDERS = 10_000


class Pace:
    """Counts the requests of each sender; what was used comes back with time.

    Parameters
    ----------
    at_once, per_second : float
        Requests at once, and how many come back in a second.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        at_once: float = _AT_ONCE,
        per_second: float = _PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._per_second, self._clock = at_once, per_second, clock
        # What each has left, and when that was.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def wait_of(self, sender: str) -> int:
        """Count a request; return 0 if it may be answered, else the seconds to wait."""
        now = self._clock()
        with self._guard:
            left, then = self._left.pop(sender, (self._at_once, now))
            left = min(self._at_once, left + (now - then) * self._per_second)
            allowed = left >= 1
            self._left[sender] = (left - allowed, now)
            while len(self._left) > _MOST_SENDERS:
                self._left.popitem(last=False)
        return 0 if allowed else math.ceil((1 - left) / self._per_second)
