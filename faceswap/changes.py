"""The methods that change or delete jobs that exist."""

from __future__ import annotations

import logging
from contextlib import suppress

from faceswap.errors import FaceSwapError, InvalidRequest, JobAlreadyFinished
from faceswap.jobs import LOCAL_OWNER, Job
from faceswap.leftovers import Leftovers
from faceswap.summary import write_summary
from faceswap.wiring import Parts

log = logging.getLogger(__name__)

TITLE_LENGTH = 120


class JobChanges:
    """The methods of `Service` that change jobs. Another owner's job is reported as not found."""

    _parts: Parts

    def cancel(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Job:
        """End a live job at once. Its run is stopped in the background.

        Raises: JobNotFound, JobAlreadyFinished: nothing was changed.
        """
        before = self._parts.store.get(job_id, owner)
        job = self._parts.store.cancel(job_id, owner)
        log.debug("job %s: cancelled", job_id)
        try:
            if before.lease_until is not None and before.lease_until < job.updated_at:
                Leftovers(self._parts.store, self._parts.folders).remove_of(job_id)  # its process may be dead
            write_summary(self._parts.store, self._parts.folders, job_id)
        except (OSError, FaceSwapError):  # the job is cancelled all the same; housekeeping does the rest
            log.warning("job %s: not all was tidied up after the cancel", job_id, exc_info=True)
        self._parts.wake(job_id)
        return job

    def retitle(self, job_id: str, title: str, *, owner: str = LOCAL_OWNER) -> Job:
        """Give a job another title, which lists, receipts and download names show.

        Raises: JobNotFound; InvalidRequest: the title is empty or longer than `TITLE_LENGTH`.
        """
        self._parts.store.retitle(job_id, owner, _title(title))
        self._summarise(job_id)
        return self._parts.store.get(job_id, owner)

    def move(
        self, job_id: str, place: int = 1, *, before: str | None = None, owner: str = LOCAL_OWNER
    ) -> Job:
        """Let a waiting job run as the first, second … of its owner's waiting jobs. `place` 1 is the first.
        With `before` it runs before that waiting job instead.

        Other owners' jobs keep their places.

        Raises: JobNotFound; InvalidRequest: one of the jobs does not wait.
        """
        self._parts.store.move(job_id, owner, place, before)
        return self._parts.store.get(job_id, owner)

    def stop_queue(self, *, owner: str = LOCAL_OWNER) -> None:
        """Start none of the owner's waiting jobs, also new ones, until `resume_queue`. Running jobs go on."""
        self._parts.store.stop_queue(owner)

    def resume_queue(self, *, owner: str = LOCAL_OWNER) -> None:
        """Start the owner's waiting jobs again."""
        self._parts.store.resume_queue(owner)
        self._parts.wake()

    def delete(self, job_id: str, *, owner: str = LOCAL_OWNER) -> None:
        """Delete a job: its result, its title, and its files that no other job uses.

        They are deleted from this machine at once, and from the bucket as soon as it can be reached. A live
        job is cancelled first. The receipt stays, without names and pictures.

        Raises: JobNotFound.
        """
        self._parts.eraser.delete(self._ended(job_id, owner), "deleted")

    def revoke_consent(self, job_id: str, *, owner: str = LOCAL_OWNER) -> list[str]:
        """Revoke the consent to a job. The job is deleted as by `delete`, and its receipt says why.

        Returns the ids of other jobs that use some of the same files. Those files stay. Each of these jobs
        has its own consent, which can be revoked, too.

        Raises: JobNotFound.
        """
        job = self._ended(job_id, owner)
        others = self._parts.store.sharing(job.id, job.uploads)
        self._parts.eraser.delete(job, "revoked")
        return others

    def _summarise(self, job_id: str) -> None:
        """Write the summary of a finished job. On a full disk the job is changed all the same."""
        try:
            write_summary(self._parts.store, self._parts.folders, job_id)
        except OSError:
            log.exception("job %s: job.json could not be written", job_id)

    def _ended(self, job_id: str, owner: str) -> Job:
        """Cancel the job if it is live, and return it."""
        job = self._parts.store.get(job_id, owner)
        if job.status.live:
            with suppress(JobAlreadyFinished):  # it ended by itself meanwhile
                self.cancel(job_id, owner=owner)
            job = self._parts.store.get(job_id, owner)
        return job


def _title(title: str) -> str:
    """Return the title in one line. Raises: InvalidRequest."""
    printable = "".join(letter if letter.isprintable() else " " for letter in title)
    shown = " ".join(printable.split())
    if not 0 < len(shown) <= TITLE_LENGTH:
        raise InvalidRequest(reason=f"a title has 1 to {TITLE_LENGTH} characters")
    return shown
