"""What the app can do. The pages, the API, notebooks and the command line all use this service."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from pydantic import ValidationError

from faceswap.backends import Backend
from faceswap.batches import Batches
from faceswap.costs import Costs
from faceswap.driving import Seal
from faceswap.engine.face.models import hand_model_path, landmarker_path, recogniser_path
from faceswap.engine.neural import providers
from faceswap.engine.neural.inventory import Inventory
from faceswap.errors import (
    EmptyFile,
    FaceSwapError,
    InvalidRequest,
    JobAlreadyFinished,
    TooLarge,
)
from faceswap.examples import Example, example_path
from faceswap.jobs import LOCAL_OWNER, Job, Simulation, SwapOptions
from faceswap.leftovers import Leftovers
from faceswap.orders import File, Files, SwapOrder
from faceswap.provenance import Verification
from faceswap.queries import JobQueries
from faceswap.quota import Amount
from faceswap.settings import MEGABYTE, Settings
from faceswap.store import Upload
from faceswap.summary import write_summary
from faceswap.uploads import DetectedFace
from faceswap.wiring import Parts

log = logging.getLogger(__name__)

TITLE_LENGTH = 120


class Service(JobQueries):
    """Opens the store and starts a dispatcher. Call `close`, or use it in a `with` statement.

    Methods about jobs and files take `owner`. Another owner's job or file is reported as not found. A service
    is safe to use from any thread. Several processes may each have a service for the same data folder.

    Raises:
        StoreUnavailable: the data folder or the snapshot folder cannot be used.
        GateUnavailable: the content gate that the settings name is not installed.
        SigningKeyUnusable: results cannot be signed. Raised with `dispatch` only.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        backends: Mapping[str, Backend] | None = None,
        clock: Callable[[], float] = time.time,
        dispatch: bool = True,
        seal: Seal | None = None,
    ) -> None:
        """`seal` puts the last marks on results. It defaults to `Provenance.seal`."""
        self.settings = settings or Settings()
        self._parts = Parts(self.settings, backends, clock, seal)
        super().__init__(self._parts.store, self._parts.folders, self._parts.eraser)
        self._batches = Batches(
            self._parts.store, self._parts.submission, lambda job_id, owner: self.cancel(job_id, owner=owner)
        )
        if dispatch:
            self._parts.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop dispatching. Local runs go back to the queue. Remote runs go on and are taken over later."""
        self._closing = True
        self._parts.close()

    # -- files -------------------------------------------------------------------------------------------

    def upload(
        self,
        file: Path | str | BinaryIO,
        name: str | None = None,
        *,
        expected: Literal["image", "video"] | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> Upload:
        """Check a file and store it as an upload. `sender` stands for the network address that it came from,
        see `Owners.sender`.

        Raises: BadMedia, DiskFull, TooManyUploads.
        """
        if isinstance(file, (str, Path)):
            file = Path(file)
            name = name or file.name
        return self._parts.intake.accept(file, name or "file", owner, expected, sender)

    def require_upload_room(
        self, owner: str, sender: str, size_bytes: int, waiting: tuple[Amount, Amount] | None = None
    ) -> None:
        """Check, before a file of at most `size_bytes` arrives, that it may be kept. `waiting`: what is to be
        taken in for this owner, and from this sender. Raises: TooManyUploads, DiskFull."""
        self._parts.intake.require_quota(owner, sender, waiting)
        self._parts.intake.require_room(min(size_bytes, self.settings.max_upload_mb * MEGABYTE))

    def example(self, which: Example, *, owner: str = LOCAL_OWNER, sender: str = "") -> Upload:
        """Upload an example file, which is a source or a target. Raises: ExampleMissing, DiskFull."""
        return self.upload(example_path(self._folders.examples, which), owner=owner, sender=sender)

    def find_upload(self, upload_id: str, *, owner: str = LOCAL_OWNER) -> Upload:
        """Return one upload. Raises: UploadNotFound."""
        return self._store.upload(upload_id, owner)

    def media_path(self, upload: Upload) -> Path:
        return self._folders.media(upload)

    def thumbnail_path(self, upload: Upload) -> Path:
        """Return the path of an upload's small WebP picture. Uploads of older versions have no such file."""
        return self._folders.thumbnail(upload)

    def detect_faces(
        self, upload_id: str, *, owner: str = LOCAL_OWNER, sender: str = ""
    ) -> list[DetectedFace]:
        """Return the faces in an uploaded picture, or the people in a video.

        Takes about a second for a picture and a few seconds for a video. `face_mappings` of `submit` and
        `preview` name faces by these ids.

        Raises: UploadNotFound, BadMedia, BackendUnavailable, TooBusy.
        """
        return self._parts.intake.find_faces(self._store.upload(upload_id, owner), sender)

    @property
    def batches(self) -> Batches:
        """Batches: several faces in several targets."""
        return self._batches

    @property
    def costs(self) -> Costs:
        """What jobs cost, and will probably cost, in the cloud."""
        return self._parts.costs

    def models(self) -> Inventory:
        """Return the user's weights files for the neural engine. Takes a second for each new file."""
        return self._parts.weights.inventory(self.settings.neural_models_dir)

    @property
    def neural_runtime_installed(self) -> bool:
        """Whether the Python package that runs networks is installed on this machine."""
        return providers.installed()

    def fetch_models(self) -> None:
        """Download the models of the embedded engine if they are not there yet. Raises: WeightsMissing."""
        for find in (landmarker_path, hand_model_path, recogniser_path):
            find(self._folders.weights)

    def verify(self, file: Path, *, owner: str = LOCAL_OWNER, sender: str = "") -> Verification:
        """Read the marks of any file. Takes about a second. The file is not kept.

        Raises:
            BadMedia: the file is neither a picture nor a video, or is over the limits of an upload.
            TooBusy: too many others wait.
        """
        size = file.stat().st_size
        if size > self.settings.max_upload_mb * MEGABYTE:
            raise TooLarge(limit_mb=self.settings.max_upload_mb)
        if size == 0:
            raise EmptyFile()
        with self._parts.intake.looks.taken(owner, sender):
            return self._parts.provenance.verify(file)

    # -- jobs --------------------------------------------------------------------------------------------

    def submit(
        self,
        type: str,
        source: Files | None,
        target: File,
        *,
        consent: bool,
        face_mappings: Mapping[str, Files] | None = None,
        options: SwapOptions | None = None,
        title: str | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> Job:
        """Queue a swap and return at once. A path is uploaded first, which takes a second or two.

        `single-*` puts `source` onto the person that the option `face_selector` names, or onto all faces.
        `multi-*` puts each source of `face_mappings` onto the face with that id (see `detect_faces`). It
        leaves all other faces untouched, and needs no `source`. A source may be several photos of one person.

        Raises:
            ConsentRequired: `consent` is not True.
            LabelRequired: the options leave the visible label out, which this server does not allow.
            InvalidRequest: the type is unknown, or there is no source; also `NoFaceChosen`, `UnknownFace`.
            BadMedia: a file cannot be used; also `NoFaceFound`, when a picture shows no face, and
                `ContentRefused`.
            TooManyJobs, DiskFull, BackendUnavailable: try later.
        """
        options = options or SwapOptions()
        order = SwapOrder(type, source, target, consent, face_mappings, options, owner, sender)
        return self.submit_order(order, title)

    def submit_order(self, order: SwapOrder, title: str | None = None) -> Job:
        """Does the same as `submit`, with an order."""
        return self._parts.submission.submit(order, title)

    def as_jpeg(self, job_id: str, *, owner: str = LOCAL_OWNER) -> bytes:
        """Return the result of a picture as JPEG, with the same marks, signed anew. Takes about two seconds.

        Raises: JobNotFound, ResultNotReady, BadMedia, MarksMissing, SigningKeyUnusable.
        """
        job = self._store.get(job_id, owner)
        return self._parts.provenance.as_jpeg(job, self.result_path(job_id, owner=owner))

    def simulate(
        self,
        duration_s: float = 20.0,
        outcome: Literal["completed", "failed"] = "completed",
        *,
        title: str = "simulation",
        owner: str = LOCAL_OWNER,
    ) -> Job:
        """Queue a job that only pretends to work for `duration_s`. It counts towards the limits, too.

        Raises:
            InvalidRequest: the duration is not above 0 s, or is over 600 s.
            BackendUnavailable: this server has several users.
            TooManyJobs: try later.
        """
        try:
            plan = Simulation(duration_s=duration_s, outcome=outcome)
        except ValidationError as error:
            raise InvalidRequest(reason="a simulation lasts up to 600 s") from error
        return self._parts.submission.simulate(plan, owner, title)

    def preview(
        self,
        type: str,
        source: Files | None,
        target: File,
        *,
        consent: bool,
        face_mappings: Mapping[str, Files] | None = None,
        options: SwapOptions | None = None,
        at_s: float | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> bytes:
        """Return one frame, as JPEG, of the result that `submit` would make. Takes about a second.

        For a video it is the frame at `at_s` seconds. Without `at_s` it is a frame near the middle that shows
        a face. The frame is made on this machine. No job is made, and the frame is not kept.

        Raises:
            ConsentRequired, LabelRequired, InvalidRequest, BadMedia, DiskFull: as for `submit`.
            BackendUnavailable: the engine could not make the frame.
            TooBusy: too many others wait.
        """
        options = options or SwapOptions()
        order = SwapOrder(type, source, target, consent, face_mappings, options, owner, sender)
        return self.preview_order(order, at_s)

    def preview_order(self, order: SwapOrder, at_s: float | None = None) -> bytes:
        """Does the same as `preview`, with an order."""
        return self._parts.orders.preview(order, at_s)

    def cancel(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Job:
        """End a live job at once. Its run is stopped in the background.

        Raises: JobNotFound, JobAlreadyFinished: nothing was changed.
        """
        before = self._store.get(job_id, owner)
        job = self._store.cancel(job_id, owner)
        log.debug("job %s: cancelled", job_id)
        try:
            if before.lease_until is not None and before.lease_until < job.updated_at:
                Leftovers(self._store, self._folders).remove_of(job_id)  # its process may be dead
            write_summary(self._store, self._folders, job_id)
        except (OSError, FaceSwapError):  # the job is cancelled all the same; housekeeping does the rest
            log.warning("job %s: not all was tidied up after the cancel", job_id, exc_info=True)
        self._parts.wake(job_id)
        return job

    def retitle(self, job_id: str, title: str, *, owner: str = LOCAL_OWNER) -> Job:
        """Give a job another title, which lists, receipts and download names show.

        Raises: JobNotFound; InvalidRequest: the title is empty or longer than `TITLE_LENGTH`.
        """
        self._store.retitle(job_id, owner, _title(title))
        self._summarise(job_id)
        return self._store.get(job_id, owner)

    def move(
        self, job_id: str, place: int = 1, *, before: str | None = None, owner: str = LOCAL_OWNER
    ) -> Job:
        """Let a waiting job run as the first, second … of its owner's waiting jobs. `place` 1 is the first.
        With `before` it runs before that waiting job instead.

        Other owners' jobs keep their places.

        Raises: JobNotFound; InvalidRequest: one of the jobs does not wait.
        """
        self._store.move(job_id, owner, place, before)
        return self._store.get(job_id, owner)

    def stop_queue(self, *, owner: str = LOCAL_OWNER) -> None:
        """Start none of the owner's waiting jobs, also new ones, until `resume_queue`. Running jobs go on."""
        self._store.stop_queue(owner)

    def resume_queue(self, *, owner: str = LOCAL_OWNER) -> None:
        """Start the owner's waiting jobs again."""
        self._store.resume_queue(owner)
        self._parts.wake()

    # -- what is kept ------------------------------------------------------------------------------------

    def delete(self, job_id: str, *, owner: str = LOCAL_OWNER) -> None:
        """Delete a job: its result, its title, and its files that no other job uses.

        They are deleted from this machine at once, and from the bucket as soon as it can be reached. A live
        job is cancelled first. The receipt stays, without names and pictures.

        Raises: JobNotFound.
        """
        self._eraser.delete(self._ended(job_id, owner), "deleted")

    def revoke_consent(self, job_id: str, *, owner: str = LOCAL_OWNER) -> list[str]:
        """Revoke the consent to a job. The job is deleted as by `delete`, and its receipt says why.

        Returns the ids of other jobs that use some of the same files. Those files stay. Each of these jobs
        has its own consent, which can be revoked, too.

        Raises: JobNotFound.
        """
        job = self._ended(job_id, owner)
        others = self._store.sharing(job.id, job.uploads)
        self._eraser.delete(job, "revoked")
        return others

    def health(self) -> dict[str, object]:
        """Return the state of this process and of the whole queue, as JSON types.

        Raises: StoreUnavailable.
        """
        return self._parts.health()

    # -- inside ------------------------------------------------------------------------------------------

    def _summarise(self, job_id: str) -> None:
        """Write the summary of a finished job. On a full disk the job is changed all the same."""
        try:
            write_summary(self._store, self._folders, job_id)
        except OSError:
            log.exception("job %s: job.json could not be written", job_id)

    def _ended(self, job_id: str, owner: str) -> Job:
        """Cancel the job if it is live, and return it."""
        job = self._store.get(job_id, owner)
        if job.status.live:
            with suppress(JobAlreadyFinished):  # it ended by itself meanwhile
                self.cancel(job_id, owner=owner)
            job = self._store.get(job_id, owner)
        return job


def _title(title: str) -> str:
    """Return the title in one line. Raises: InvalidRequest."""
    printable = "".join(letter if letter.isprintable() else " " for letter in title)
    shown = " ".join(printable.split())
    if not 0 < len(shown) <= TITLE_LENGTH:
        raise InvalidRequest(reason=f"a title has 1 to {TITLE_LENGTH} characters")
    return shown
