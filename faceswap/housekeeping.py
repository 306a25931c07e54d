"""Housekeeping: twice a minute what dead runs left is deleted; each hour unused uploads and old jobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from faceswap.erasure import Eraser
from faceswap.folders import Folders
from faceswap.leftovers import Leftovers
from faceswap.settings import Settings
from faceswap.store import JobStore
from faceswap.uploads import Intake

log = logging.getLogger(__name__)

ORPHAN_AGE_S = 24 * 3600.0
"""How long an upload that no job uses is kept."""
PERIOD_S = 3600.0
LEFTOVERS_PERIOD_S = 30.0


class Housekeeping:
    """A thread that runs from `start` to `close`; the first round is at once."""

    def __init__(
        self, store: JobStore, folders: Folders, intake: Intake, eraser: Eraser, settings: Settings
    ) -> None:
        self._store = store
        self._leftovers = Leftovers(store, folders)
        self._intake = intake
        self._eraser = eraser
        self._retention_days = settings.retention_days
        self._closing = threading.Event()
        self.rounds = 0
        """How many hourly rounds are over."""

    def start(self) -> None:
        threading.Thread(target=self._run, name="faceswap-housekeeping", daemon=True).start()

    def close(self) -> None:
        """Begin no further round. A round under way goes on in its daemon thread."""
        self._closing.set()

    def _run(self) -> None:
        next_round_s = time.monotonic()
        while not self._closing.is_set():
            self._try(self._leftovers.remove)
            if time.monotonic() >= next_round_s:
                next_round_s = time.monotonic() + PERIOD_S
                self._try(self._keep_house)
                self.rounds += 1
            self._closing.wait(LEFTOVERS_PERIOD_S)
        self._store.close()

    def _keep_house(self) -> None:
        removed = self._intake.remove_unused(ORPHAN_AGE_S)
        days = self._retention_days
        expired = 0 if days is None else self._eraser.delete_older_than(days)
        log.debug("housekeeping: %d unused uploads and %d expired jobs removed", removed, expired)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:  # a full disk or a busy store must not end the thread
            log.exception("housekeeping goes on after an error")
