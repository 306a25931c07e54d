"""Puts jobs into the queue. A checked order or a simulation becomes a pending job."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from faceswap.backends import Backend
from faceswap.consent import Consent
from faceswap.costs import Costs
from faceswap.errors import BackendUnavailable
from faceswap.folders import Folders
from faceswap.jobs import Job, JobType, Simulation, Status
from faceswap.orders import OrderChecks, SwapOrder
from faceswap.settings import Settings
from faceswap.store import JobStore
from faceswap.terms import Terms
from faceswap.unlabelled import note_unlabelled

log = logging.getLogger(__name__)


class Submission:
    """Makes jobs. `on_queued` is called after each one."""

    def __init__(
        self,
        store: JobStore,
        folders: Folders,
        settings: Settings,
        backends: Mapping[str, Backend],
        orders: OrderChecks,
        costs: Costs,
        now: Callable[[], datetime],
        on_queued: Callable[[], None],
    ) -> None:
        self._store = store
        self._folders = folders
        self._settings = settings
        self._backends = backends
        self._orders = orders
        self._costs = costs
        self._now = now
        self._on_queued = on_queued

    def submit(self, order: SwapOrder, title: str | None = None) -> Job:
        """Check an order and queue it. Raises: see `Service.submit`."""
        name = self._settings.backend_name
        if name not in self._backends:
            raise BackendUnavailable()
        checked = self._orders.check(
            order, lambda: self._store.require_room(order.owner, order.sender, **self._limits)
        )
        sources, target = checked.different_sources, checked.target
        self._backends[name].check(sum(upload.size_bytes for upload in sources), target.size_bytes)
        terms = Terms.of(self._settings, target.duration_s)
        if self._backends[name].survives_restart:
            self._costs.require_budget(checked.type, target)
            terms = self._costs.limited(terms)
        job = self._new_job(order.owner, title or target.name).evolve(
            type=checked.type,
            backend=name,
            source_file=next(iter(checked.sources.values())).id,
            target_file=target.id,
            face_mappings={face: upload.id for face, upload in checked.sources.items() if face},
            options=checked.options,
            notes=checked.notes,
            terms=terms,
        )
        hashes = tuple(upload.sha256 for upload in sources)
        return self._queue(job, Consent(order.owner, hashes, target.sha256, job.created_at), order.sender)

    def simulate(self, plan: Simulation, owner: str, title: str) -> Job:
        """Queue a simulated job.

        Raises: BackendUnavailable: this server does not simulate; TooManyJobs.
        """
        if "simulated" not in self._backends:
            raise BackendUnavailable()
        return self._queue(self._new_job(owner, title).evolve(options=plan), None)

    def _new_job(self, owner: str, title: str) -> Job:
        """Make a simulated job without files. `submit` fills in the rest of a real job."""
        now = self._now()
        return Job(
            id=secrets.token_urlsafe(16),
            owner=owner,
            type=JobType.SINGLE_IMAGE,
            status=Status.PENDING,
            backend="simulated",
            title=title,
            source_file="",
            target_file="",
            created_at=now,
            updated_at=now,
        )

    @property
    def _limits(self) -> dict[str, int]:
        return {"max_active": self._settings.max_active, "max_queue": self._settings.max_queue}

    def _queue(self, job: Job, consent: Consent | None, sender: str = "") -> Job:
        job = self._store.add(job, consent, **self._limits, needs=job.uploads, sender=sender)
        if not job.options.visible_label:
            try:
                note_unlabelled(self._folders, job)
            except OSError:  # the job is queued, and its first event says the same
                log.exception("job %s: the log of unlabelled results could not be written", job.id)
        log.debug("job %s: submitted as %s on %s", job.id, job.type, job.backend)
        self._on_queued()
        return job
