"""Batches: several faces go into several targets, as one job for each pair."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import PurePath
from typing import Literal

from faceswap.errors import InvalidRequest, JobAlreadyFinished, JobNotFound
from faceswap.jobs import LOCAL_OWNER, Job, Status, SwapOptions
from faceswap.orders import SwapOrder
from faceswap.store import BatchState, JobStore, Upload
from faceswap.submission import Submission

MOST_FILES = 200
"""Most sources, and most targets, of a batch."""
Pairing = Literal["each", "pairs"]
"""`each`: each source goes onto each target. `pairs`: the first onto the first, and so on."""
Source = Upload | Sequence[Upload]
"""One photo, or several of the same person."""


class Batches:
    """The use cases of batches. A job of a batch is a job like any other: with its own consent, run by the
    same rules, cancelled and deleted alone. Methods take `owner`; another owner's batch is not found.
    """

    def __init__(self, store: JobStore, submission: Submission, cancel: Callable[[str, str], object]) -> None:
        """`cancel` ends a job, given its id and its owner."""
        self._store = store
        self._submission = submission
        self._cancel = cancel

    def submit(
        self,
        sources: Sequence[Source],
        targets: Sequence[Upload],
        *,
        consent: bool,
        pairing: Pairing = "each",
        options: SwapOptions | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> list[Job]:
        """Queue a job for each pair, all or none, and return them in the order of the targets.

        Raises:
            InvalidRequest: there are no files, or not as many sources as targets for `pairs`.
            BatchFull: these are too many, with the jobs of the owner's other batches.
            Otherwise as `Service.submit`.
        """
        swap_options = options or SwapOptions()
        orders = [
            SwapOrder(f"single-{target.kind}", source, target, consent, None, swap_options, owner, sender)
            for source, target in pairs_of(sources, targets, pairing)
        ]
        return self._submission.submit_batch(orders, secrets.token_urlsafe(16))

    def all(self, *, limit: int = 50, owner: str = LOCAL_OWNER) -> list[BatchState]:
        """Return the owner's batches, newest first."""
        return self._store.batches(owner, limit=limit)

    def states_of(self, jobs: Sequence[Job]) -> Mapping[str, BatchState]:
        """Return the state of each batch that some of these jobs belong to, by its id."""
        return self._store.batch_states({job.batch for job in jobs if job.batch})

    def get(self, batch_id: str, *, owner: str = LOCAL_OWNER) -> tuple[BatchState, list[Job]]:
        """Return a batch and its jobs in their order. Raises: JobNotFound."""
        jobs = self._jobs(batch_id, owner)
        state = self._store.batch_states([batch_id]).get(batch_id)
        if state is None:  # the last job was deleted between the two queries
            raise JobNotFound()
        return state, jobs

    def cancel(self, batch_id: str, *, owner: str = LOCAL_OWNER) -> int:
        """Cancel every live job of a batch, and return how many were cancelled.

        Raises: JobNotFound; JobAlreadyFinished: none is live.
        """
        # Those that wait come first: else one of them would start in place of a running one.
        jobs = self._jobs(batch_id, owner)
        live = [job for job in jobs if job.status.live]
        cancelled = 0
        for job in sorted(live, key=lambda job: job.status is not Status.PENDING):
            with suppress(JobAlreadyFinished, JobNotFound):  # it ended, or was deleted, meanwhile
                self._cancel(job.id, owner)
                cancelled += 1
        if not cancelled:
            raise JobAlreadyFinished(status=jobs[-1].status.value)
        return cancelled

    def retry(self, batch_id: str, *, consent: bool, owner: str = LOCAL_OWNER, sender: str = "") -> list[Job]:
        """Queue the failed jobs of a batch again, with the same files and options. They leave the batch, and
        new jobs take their place. Cancelled jobs count as failed.

        Raises: JobNotFound; InvalidRequest: none failed; otherwise as `submit`.
        """
        failed = [job for job in self._jobs(batch_id, owner) if job.status is Status.FAILED]
        if not failed:
            raise InvalidRequest(reason="no task of this batch failed")
        find = self._store.upload
        orders = [
            SwapOrder(
                job.type,
                [find(source, owner) for source in job.sources.values()],
                find(job.target_file, owner),
                consent,
                None,
                job.options,
                owner,
                sender,
            )
            for job in failed
        ]
        return self._submission.submit_batch(orders, batch_id, instead_of=[job.id for job in failed])

    def _jobs(self, batch_id: str, owner: str) -> list[Job]:
        jobs = self._store.jobs_of_batch(batch_id, owner)
        if not jobs:
            raise JobNotFound()
        return jobs


def pairs_of(
    sources: Sequence[Source], targets: Sequence[Upload], pairing: Pairing
) -> list[tuple[Source, Upload]]:
    """Return the pairs, in the order of the targets. Raises: InvalidRequest."""
    if not sources or not targets:
        raise InvalidRequest(reason="a batch needs sources and targets")
    if pairing == "each":
        return [(source, target) for target, source in product(targets, sources)]
    if len(sources) != len(targets):
        raise InvalidRequest(
            reason=f"pairs need as many sources as targets, not {len(sources)} and {len(targets)}"
        )
    return list(zip(sources, targets, strict=True))


def different_names(names: Sequence[str]) -> list[str]:
    """Return the file names, changed so that all differ: a second `a.mp4` becomes `a-2.mp4`. Upper and lower
    case count as the same."""
    taken: set[str] = set()
    found: list[str] = []
    for name in names:
        path, number = PurePath(name), 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        taken.add(name.casefold())
        found.append(name)
    return found
