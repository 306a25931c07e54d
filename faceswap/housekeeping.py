"""Deletes what dead runs left, unused files and expired jobs.

It looks for them twice a minute, every ten minutes and every hour, in this order.
"""

from __future__ import annotations

import logging
import time

from faceswap.erasure import Eraser
from faceswap.folders import Folders
from faceswap.incoming import sweep
from faceswap.leftovers import Leftovers
from faceswap.loops import Loop
from faceswap.settings import Settings
from faceswap.store import JobStore
from faceswap.uploads import Intake

log = logging.getLogger(__name__)

ORPHAN_AGE_S = 24 * 3600.0
SHARED_ORPHAN_AGE_S = 3600.0
"""How long an upload that no job uses is kept: with one user, and with several users."""
INCOMING_AGE_S = 3600.0
"""How long a file that Gradio received is kept. An event takes it in as soon as it has arrived, so an older
one belongs to a page that was closed before that."""
SWEEP_S = 600.0
PERIOD_S = 3600.0
LEFTOVERS_PERIOD_S = 30.0
STEADY_S = 24 * 3600.0
"""How long the clock must have run steadily before jobs expire. A clock that is set wrong is usually put
right sooner."""
EXPIRED_SHARE = 0.05
"""The largest fraction of all finished jobs that expires in one round. If the clock is wrong for longer than
`STEADY_S`, there is still time to notice it."""


class Housekeeping:
    """Runs a thread from `start` to `close`. The first round begins at once."""

    def __init__(
        self, store: JobStore, folders: Folders, intake: Intake, eraser: Eraser, settings: Settings
    ) -> None:
        self._store = store
        self._leftovers = Leftovers(store, folders)
        self._intake = intake
        self._eraser = eraser
        self._retention_days = settings.retention_days
        self._incoming = folders.incoming
        self._orphan_age_s = SHARED_ORPHAN_AGE_S if settings.multi_user else ORPHAN_AGE_S
        self._next_round_s = 0.0
        self._next_sweep_s = 0.0
        self.rounds = 0
        """How many hourly rounds have ended."""
        self.loop = Loop("housekeeping", self._step, LEFTOVERS_PERIOD_S, store.close)

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        """Begin no further round. A round that has begun continues in its daemon thread."""
        self.loop.end()

    def _step(self) -> None:
        self._leftovers.remove()
        self._store.keep_reserve()
        now_s = time.monotonic()
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + SWEEP_S
            self.sweep()
        if now_s >= self._next_round_s:
            try:
                self.keep_house()
            finally:
                self._next_round_s = now_s + PERIOD_S
                self.rounds += 1

    def sweep(self) -> None:
        """Delete the files that nobody uses."""
        removed = self._intake.remove_unused(self._orphan_age_s) + sweep(self._incoming, INCOMING_AGE_S)
        log.debug("housekeeping: %d unused files removed", removed)

    def keep_house(self) -> None:
        """Do one hourly round."""
        log.debug("housekeeping: %d expired jobs removed", self._expire())

    def _expire(self) -> int:
        """Delete expired jobs, if the clock can be trusted. Returns how many were deleted."""
        steady_s = self._store.note_time()
        if self._retention_days is None or steady_s < STEADY_S:
            return 0
        return self._eraser.delete_older_than(self._retention_days, EXPIRED_SHARE)
