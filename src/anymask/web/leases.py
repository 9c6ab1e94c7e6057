"""Who is working on which image: leases that lapse, for people to see, not to lock anyone out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 60.0
"""How long a lease lasts when it is not renewed."""


@dataclass(frozen=True)
class Lease:
    """Somebody works on an image.

    Attributes
    ----------
    user : str
        As requests name them; not shown to others.
    name : str
        As people call them; "" if they did not say.
    until : float
        When it lapses, on the clock of `Leases`.
    """

    user: str
    name: str
    until: float


class Leases:
    """The leases of all images.

    Revisions keep people from overwriting each other; a lease only tells them before they begin.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._guard = threading.Lock()

    def take(self, image: str, user: str, name: str) -> tuple[Lease, bool]:
        """Take or renew the lease of an image, unless somebody else has it.

        A user has one lease: that of the image before ends.

        Returns
        -------
        lease : Lease
            The one of the image now, whoever has it.
        changed : bool
            Whether it passed to another user or has another name.
        """
        now = self._clock()
        with self._guard:
            known = self._known(image, now)
            if known is not None and known.user != user:
                return known, False
            lease = Lease(user, name, now + SECONDS)
            # What has lapsed and what this user had before goes, so that they cannot pile up.
            self._leases = {
                each: held
                for each, held in self._leases.items()
                if held.until > now and held.user != user
            }
            self._leases[image] = lease
            return lease, known is None or known.name != name

    def end(self, image: str, user: str) -> bool:
        """End the lease of an image if the user has it; return whether they had."""
        with self._guard:
            known = self._known(image, self._clock())
            if known is None or known.user != user:
                return False
            del self._leases[image]
            return True

    def of(self, image: str) -> Lease | None:
        """Return the lease of an image; None if nobody has it."""
        with self._guard:
            return self._known(image, self._clock())

    def _known(self, image: str, now: float) -> Lease | None:
        lease = self._leases.get(image)
        return None if lease is None or lease.until <= now else lease
