"""Tells what a job in the cloud will cost, and refuses it when it would cost too much.

The cloud bills the seconds in which a worker runs. `runpod_usd_per_s` turns them into money. RunPod also
bills the start and the idle time of a worker, which are not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from faceswap.errors import DayTooExpensive, JobTooExpensive
from faceswap.jobs import JobType
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.terms import Terms

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """`usd` is None when the administrator has not told a price."""

    billed_s: float
    usd: float | None


class Costs:
    def __init__(self, store: JobStore, settings: Settings, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since 1970."""
        self._store = store
        self._settings = settings
        self._clock = clock

    def estimate(self, type: JobType, target: Upload) -> Cost | None:
        """Return what a job will probably cost in the cloud. None while no such job is known."""
        billed_s = self._store.usually_billed(type, target.duration_s)
        return None if billed_s is None else self.of(billed_s)

    def of(self, billed_s: float) -> Cost:
        price = self._settings.runpod_usd_per_s
        return Cost(billed_s, None if price is None else billed_s * price)

    def in_all(self) -> Cost:
        """Return what all owners' jobs have cost, deleted ones too."""
        return self.of(self._store.billed())

    def require_budget(self, type: JobType, target: Upload, besides_usd: float = 0.0) -> float:
        """Return what the job will probably cost in US dollars; 0 while that is not known. `besides_usd` is
        what other jobs will probably cost that are queued with it.

        Raises:
            JobTooExpensive: the job will probably cost more than one job may.
            DayTooExpensive: the jobs of the last 24 hours have cost as much as they may, or will have with
                these others.
        """
        settings = self._settings
        expected = self.estimate(type, target)
        limit_usd = settings.runpod_max_usd_per_task
        if limit_usd is not None and expected and expected.usd and expected.usd > limit_usd:
            raise JobTooExpensive(usd=round(expected.usd, 2), limit_usd=limit_usd)
        limit_usd = settings.runpod_max_usd_per_day
        spent = self.of(self._store.billed(self._clock() - DAY_S)).usd
        if limit_usd is not None and spent is not None and spent + besides_usd >= limit_usd:
            raise DayTooExpensive(limit_usd=limit_usd)
        return expected.usd or 0.0 if expected else 0.0

    def limited(self, terms: Terms) -> Terms:
        """Return the terms of a remote job, whose run is ended before it costs more than a job may."""
        price, limit_usd = self._settings.runpod_usd_per_s, self._settings.runpod_max_usd_per_task
        if price is None or limit_usd is None:
            return terms
        return replace(terms, engine_timeout_s=min(terms.engine_timeout_s, limit_usd / price))
