"""Puts jobs into the queue. A checked order or a simulation becomes a pending job."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from faceswap.backends import Backend
from faceswap.consent import Consent
from faceswap.costs import Costs
from faceswap.errors import BackendUnavailable, BadMedia, BatchRefused, NotHuman
from faceswap.folders import Folders
from faceswap.jobs import Job, JobType, Simulation, Status
from faceswap.orders import OrderChecks, SwapOrder
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.terms import Terms
from faceswap.unlabelled import note_unlabelled

log = logging.getLogger(__name__)

BEHIND_SINGLE_S = 1e11
"""Added to the turn of a batch's job, in seconds: so it waits behind every job that is in no batch."""
STRIDE_S = 60.0
"""Between the turns of two jobs of a batch."""


@dataclass(slots=True)
class _BatchChecks:
    """What the checks of a batch's earlier orders found."""

    passed: set[str] = field(default_factory=set[str])
    """Ids of the files that the content gate let through."""
    usd: float = 0.0
    """What these orders will probably cost in the cloud."""


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
        job, consent = self._checked(
            order, title, lambda: self._store.require_room(order.owner, order.sender, **self._limits)
        )
        return self._queue(job, consent, order.sender)

    def submit_batch(
        self, orders: Sequence[SwapOrder], batch: str, instead_of: Collection[str] = ()
    ) -> list[Job]:
        """Check orders of one owner and queue them as jobs of a batch, all or none.

        They wait behind all single jobs. The second waits as if it had come a minute later, and so on, so
        that the batches of several owners take turns. `instead_of` are jobs that leave the batch.

        Raises: as `submit`; BatchFull.
        """
        owner, sender, limit = orders[0].owner, orders[0].sender, self._settings.max_batch
        self._store.require_batch_room(owner, sender, len(orders), max_batch=limit)
        checks = _BatchChecks()
        jobs: list[tuple[Job, Consent]] = []
        for number, order in enumerate(orders):
            job, consent = self._checked_of_batch(order, checks)
            moment = job.created_at + timedelta(microseconds=number)
            turn = BEHIND_SINGLE_S + job.created_at.timestamp() + number * STRIDE_S
            jobs.append((job.evolve(batch=batch, created_at=moment, turn=turn), consent))
        queued = self._store.add_batch(jobs, max_batch=limit, sender=sender, instead_of=instead_of)
        for job in queued:
            self._note(job)
        self._on_queued()
        return queued

    def _checked_of_batch(self, order: SwapOrder, checks: _BatchChecks) -> tuple[Job, Consent]:
        try:
            return self._checked(order, None, checks=checks)
        except BadMedia as refusal:
            details = refusal.details
            in_source = details.get("role") == "source" or details.get("expected") == "image"
            guilty = order.source if in_source or isinstance(refusal, NotHuman) else order.target
            name = guilty.name if isinstance(guilty, Upload) else ""
            raise BatchRefused(file=name, reason=str(refusal)) from refusal

    def _checked(
        self,
        order: SwapOrder,
        title: str | None,
        before_gate: Callable[[], None] = lambda: None,
        checks: _BatchChecks | None = None,
    ) -> tuple[Job, Consent]:
        checks = checks or _BatchChecks()
        name = self._settings.backend_name
        if name not in self._backends:
            raise BackendUnavailable()
        checked = self._orders.check(order, before_gate, checks.passed)
        sources, target = checked.different_sources, checked.target
        self._backends[name].check(sum(upload.size_bytes for upload in sources), target.size_bytes)
        terms = Terms.of(self._settings, target.duration_s)
        if self._backends[name].survives_restart:
            checks.usd += self._costs.require_budget(checked.type, target, checks.usd)
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
        return job, Consent(order.owner, hashes, target.sha256, job.created_at)

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
        self._note(job)
        self._on_queued()
        return job

    def _note(self, job: Job) -> None:
        if not job.options.visible_label:
            try:
                note_unlabelled(self._folders, job)
            except OSError:  # the job is queued, and its first event says the same
                log.exception("job %s: the log of unlabelled results could not be written", job.id)
        log.debug("job %s: submitted as %s on %s", job.id, job.type, job.backend)
