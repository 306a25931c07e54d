"""The use cases: the one door for pages, API, notebook and command line."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Literal, Self

from pydantic import ValidationError

from faceswap.archive import Archive
from faceswap.backends import Backend
from faceswap.backends.local import LocalBackend
from faceswap.backends.runpod import RunPodBackend
from faceswap.backends.simulated import SimulatedBackend
from faceswap.consent import Consent
from faceswap.disks import network_file_system
from faceswap.dispatcher import Dispatcher, Seal, write_summary
from faceswap.engine.gate import require as require_gate
from faceswap.engine.neural.weights import Inventory, WeightsCache
from faceswap.errors import (
    BackendUnavailable,
    ConsentRequired,
    EmptyFile,
    FaceSwapError,
    InvalidRequest,
    JobAlreadyFinished,
    LabelRequired,
    NetworkDisk,
    NoFaceChosen,
    NoFaceFound,
    ResultNotReady,
    TooLarge,
    UnknownFace,
    WrongKind,
)
from faceswap.examples import Example, example_path
from faceswap.folders import Folders
from faceswap.jobs import LOCAL_OWNER, Job, JobType, Simulation, Status, SwapOptions, isoformat
from faceswap.provenance import Provenance, Verification, label_of
from faceswap.receipt import Receipt
from faceswap.settings import Settings
from faceswap.snapshots import Snapshots, prepare, remove_unowned, restore
from faceswap.store import Event, JobStore, Upload
from faceswap.uploads import MEGABYTE, DetectedFace, Intake

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

REMOTE_AT_ONCE = 20
"""Jobs that this process submits and watches at once on a remote backend, which has a queue of its own."""
SIMULATIONS_AT_ONCE = 2
ORPHAN_AGE_S = 24 * 3600.0
_HOUSEKEEPING_S = 3600.0
_WATCH_S = 0.1
MOST_MAPPED = 32
"""Faces of one target with a source of their own: each costs the engine memory."""
_FACE_ID = re.compile(r"face_(0|[1-9][0-9]{0,3})")

MEDIA_TYPES = {
    "png": "image/png",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
}

FRAME_COLUMNS = ("id", "title", "status", "progress", "stage", "eta_s", "position", "backend", "created_at")


@dataclass(frozen=True, slots=True)
class _Order:
    """A swap that may be made: its files are taken in, fit each other, and were allowed."""

    type: JobType
    sources: Mapping[str, Upload]
    """By face id; `""` stands for the only source of a single swap."""
    target: Upload
    options: SwapOptions

    @property
    def different_sources(self) -> tuple[Upload, ...]:
        return tuple({upload.id: upload for upload in self.sources.values()}.values())

    @property
    def notes(self) -> tuple[str, ...]:
        several = any((source.faces or 0) > 1 for source in self.different_sources)
        unlabelled = not self.options.visible_label
        return ("several_faces_in_source",) * several + ("unlabelled",) * unlabelled


class Service:
    """Opens the store and starts a dispatcher; `close` it, or use it in a `with` statement.

    Every method takes `owner`: another owner's job or file is as unknown as none. Safe to use from any
    thread; several processes may each hold a service over the same data folder.

    Raises:
        StoreUnavailable: the data folder or the snapshot folder cannot be used.
        GateUnavailable: the content gate that is set is not installed.
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
        """`seal` puts the last marks on results; it defaults to that of `provenance`."""
        self.settings = settings or Settings()
        self._clock = clock
        if self.settings.content_gate:
            require_gate(self.settings.content_gate)
        self._folders = Folders(self.settings.data_dir)
        self._store, self._snapshots = _opened(self.settings, self._folders, clock)
        self._weights = WeightsCache()
        self._intake = Intake(self._store, self._folders, self.settings, self._now)
        self._backends = dict(backends) if backends is not None else self._configured_backends()
        slots = dict.fromkeys(self._backends, REMOTE_AT_ONCE) | {
            "local": self.settings.local_workers,
            "simulated": SIMULATIONS_AT_ONCE,
        }
        self._archive = Archive(
            self._store, self._folders, self._intake, self._backends, self._now, on_erased=self._keep_without
        )
        self._provenance = Provenance(self.settings, self._folders, self._now)
        self._dispatcher = Dispatcher(
            self._store,
            self._backends,
            self._folders,
            self.settings,
            slots,
            on_change=self._keep,
            seal=seal or self._provenance.seal,
        )
        self._closing = threading.Event()
        self._rounds = 0
        """How often the house was kept."""
        if dispatch:
            self._dispatcher.start()
            self._archive.start()
            if self._snapshots:
                self._snapshots.start()
            threading.Thread(target=self._keep_house, name="faceswap-housekeeping", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop dispatching: local runs go back to the queue, remote ones run on and are picked up later."""
        self._closing.set()
        self._dispatcher.close()
        self._archive.close()
        for backend in self._backends.values():
            backend.close()
        if self._snapshots:
            self._snapshots.close()
        self._store.close()

    # -- files -------------------------------------------------------------------------------------------

    def upload(
        self,
        file: Path | str | BinaryIO,
        name: str | None = None,
        *,
        expected: Literal["image", "video"] | None = None,
        owner: str = LOCAL_OWNER,
    ) -> Upload:
        """Take a file in. Raises: BadMedia, DiskFull."""
        if isinstance(file, (str, Path)):
            file = Path(file)
            name = name or file.name
        return self._intake.accept(file, name or "file", owner, expected)

    def example(self, which: Example, *, owner: str = LOCAL_OWNER) -> Upload:
        """A face to put in, or a picture or video for it to go into, taken in like any other file.

        Raises: ExampleMissing, DiskFull.
        """
        return self.upload(example_path(self._folders.examples, which), owner=owner)

    def find_upload(self, upload_id: str, *, owner: str = LOCAL_OWNER) -> Upload:
        """Raises: UploadNotFound."""
        return self._store.upload(upload_id, owner)

    def media_path(self, upload: Upload) -> Path:
        return self._folders.media(upload)

    def media_type(self, upload: Upload) -> str:
        """The media type (RFC 6838) of the file as it is kept."""
        return MEDIA_TYPES.get(upload.file.rpartition(".")[2], "application/octet-stream")

    def detect_faces(self, upload_id: str, *, owner: str = LOCAL_OWNER) -> list[DetectedFace]:
        """The faces of an uploaded picture, or the people of a video; takes a second, for a video a few.

        Their ids are what `face_mappings` of `submit` and `preview` names.

        Raises: UploadNotFound, BadMedia, BackendUnavailable.
        """
        return self._intake.find_faces(self._store.upload(upload_id, owner))

    def models(self) -> Inventory:
        """The user's weights for the neural engine on this machine; takes a second for each new file."""
        return self._weights.inventory(self.settings.neural_models_dir)

    def verify(self, file: Path) -> Verification:
        """What the marks of any file say; takes about a second. It is not kept.

        Raises: BadMedia: no picture and no video, or over the limits of an upload.
        """
        size = file.stat().st_size
        if size > self.settings.max_upload_mb * MEGABYTE:
            raise TooLarge(limit_mb=self.settings.max_upload_mb)
        if size == 0:
            raise EmptyFile()
        return self._provenance.verify(file)

    # -- jobs --------------------------------------------------------------------------------------------

    def submit(
        self,
        type: str,
        source: Upload | Path | str | None,
        target: Upload | Path | str,
        *,
        consent: bool,
        face_mappings: Mapping[str, Upload | Path | str] | None = None,
        options: SwapOptions | None = None,
        title: str | None = None,
        owner: str = LOCAL_OWNER,
    ) -> Job:
        """Queue a swap and return at once. A path is uploaded first, which takes a second or two.

        `single-*` puts `source` onto the largest face, or onto all. `multi-*` puts each source of
        `face_mappings` onto the face of its id, see `detect_faces`, leaves all others untouched, and needs no
        `source`.

        Raises:
            ConsentRequired: `consent` is not True.
            LabelRequired: no visible label was asked for, which this server does not allow.
            InvalidRequest: an unknown type, or no source; `NoFaceChosen`, `UnknownFace`.
            BadMedia: a file cannot be used; `NoFaceFound` when a picture shows no face; `ContentRefused`.
            TooManyJobs, DiskFull, BackendUnavailable: try later.
        """
        backend = self.settings.backend_name
        if backend not in self._backends:
            raise BackendUnavailable()
        order = self._order(type, source, target, consent, face_mappings, options, owner)
        sources, target, options = order.sources, order.target, order.options
        self._backends[backend].check(
            sum(upload.size_bytes for upload in order.different_sources), target.size_bytes
        )
        now = self._now()
        job = Job(
            id=secrets.token_urlsafe(16),
            owner=owner,
            type=order.type,
            status=Status.PENDING,
            backend=backend,
            title=title or target.name,
            source_file=next(iter(sources.values())).id,
            target_file=target.id,
            face_mappings={face: upload.id for face, upload in sources.items() if face},
            options=options,
            notes=order.notes,
            created_at=now,
            updated_at=now,
        )
        job = self._store.add(
            job,
            Consent(owner, tuple(one.sha256 for one in order.different_sources), target.sha256, now),
            max_active=self.settings.max_active,
            max_queue=self.settings.max_queue,
        )
        if not options.visible_label:
            self._log_unlabelled(job)
        log.debug("job %s: submitted as %s on %s", job.id, job.type, job.backend)
        self._dispatcher.wake()
        self._keep()
        return job

    def simulate(
        self,
        duration_s: float = 20.0,
        outcome: Literal["completed", "failed"] = "completed",
        *,
        title: str = "simulation",
        owner: str = LOCAL_OWNER,
    ) -> Job:
        """Queue a job that only pretends to work so long, on one's own machine. Limits hold for it, too.

        Raises:
            InvalidRequest: the duration is not within 0..600 s.
            BackendUnavailable: this server has several users.
            TooManyJobs: try later.
        """
        if "simulated" not in self._backends:
            raise BackendUnavailable()
        try:
            plan = Simulation(duration_s=duration_s, outcome=outcome)
        except ValidationError as error:
            raise InvalidRequest(reason="a simulation lasts up to 600 s") from error
        now = self._now()
        job = Job(
            id=secrets.token_urlsafe(16),
            owner=owner,
            type=JobType.SINGLE_IMAGE,
            status=Status.PENDING,
            backend="simulated",
            title=title,
            source_file="",
            target_file="",
            options=plan,
            created_at=now,
            updated_at=now,
        )
        limits = {"max_active": self.settings.max_active, "max_queue": self.settings.max_queue}
        job = self._store.add(job, None, **limits)
        log.debug("job %s: submitted as a simulation", job.id)
        self._dispatcher.wake()
        self._keep()
        return job

    def preview(
        self,
        type: str,
        source: Upload | Path | str | None,
        target: Upload | Path | str,
        *,
        consent: bool,
        face_mappings: Mapping[str, Upload | Path | str] | None = None,
        options: SwapOptions | None = None,
        at_s: float | None = None,
        owner: str = LOCAL_OWNER,
    ) -> bytes:
        """One swapped frame of what `submit` would make of the same arguments, as JPEG; takes about a second.

        Of a video it is the frame at `at_s` seconds, or else one near its middle that shows a face. It is
        made on this machine, and neither a job nor a file is left of it.

        Raises:
            ConsentRequired, LabelRequired, InvalidRequest, BadMedia, DiskFull: as `submit`.
            BackendUnavailable: the engine could not do it.
        """
        order = self._order(type, source, target, consent, face_mappings, options, owner)
        options = order.options
        if self.settings.backend_name != "local" and options.engine == "neural":
            options = options.model_copy(update={"engine": "auto"})  # the networks may be in the cloud only
        return self._intake.preview(
            order.type.target_kind,
            order.sources,
            order.target,
            options.for_engine(),
            label_of(self.settings),
            at_s,
        )

    def get(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Job:
        """Raises: JobNotFound."""
        return self._store.get(job_id, owner)

    def active(self, *, owner: str = LOCAL_OWNER) -> list[Job]:
        """Waiting and running jobs, oldest first."""
        return self._store.active(owner)

    def active_frame(self, *, owner: str = LOCAL_OWNER) -> pd.DataFrame:
        """`active` as a table with the columns `FRAME_COLUMNS`; `progress` in percent, times in UTC."""
        import pandas as pd  # takes a second or two, which only who wants a table should wait for

        rows = [[getattr(job, column) for column in FRAME_COLUMNS] for job in self.active(owner=owner)]
        return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))

    def history(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        statuses: Sequence[Status] = tuple(Status),
        search: str = "",
        owner: str = LOCAL_OWNER,
    ) -> list[Job]:
        """Jobs in any state, newest first; `search` is part of a title."""
        return self._store.history(owner, limit=limit, offset=offset, statuses=statuses, search=search)

    def version(self) -> object:
        """Equal to what it was in this thread as long as no job of anybody has changed; nearly free."""
        return self._store.version()

    def events(self, job_id: str, *, owner: str = LOCAL_OWNER) -> list[Event]:
        """Every state change of a job with its time and reason. Raises: JobNotFound."""
        self._store.get(job_id, owner)
        return self._store.events(job_id)

    def watch(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Iterator[Job]:
        """The job now and after each change, until it is finished. Raises: JobNotFound."""
        shown: Job | None = None
        while True:
            job = self._store.get(job_id, owner)
            if job != shown:
                shown = job
                yield job
            if not job.status.live or self._closing.wait(_WATCH_S):
                return

    def wait(self, job_id: str, timeout_s: float | None = None, *, owner: str = LOCAL_OWNER) -> Job:
        """The finished job. Raises: JobNotFound; TimeoutError when it is not finished in time."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while (job := self._store.get(job_id, owner)).status.live:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job.status}")
            self._closing.wait(_WATCH_S)
        return job

    def cancel(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Job:
        """End a live job at once; its run is stopped in the background.

        Raises:
            JobNotFound, JobAlreadyFinished: nothing was changed.
        """
        job = self._store.cancel(job_id, owner)
        log.debug("job %s: cancelled", job_id)
        write_summary(self._store, self._folders, job_id)
        self._dispatcher.wake(job_id)
        self._keep()
        return job

    def result_path(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Path:
        """The file a completed job made. Raises: JobNotFound, ResultNotReady."""
        job = self._store.get(job_id, owner)
        path = self._folders.result(job)
        if job.status is not Status.COMPLETED or not path.is_file():
            raise ResultNotReady()
        return path

    # -- what is kept ------------------------------------------------------------------------------------

    def consent(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Consent:
        """What was stated for a job. Raises: JobNotFound."""
        self._store.get(job_id, owner)
        return self._store.consent(job_id)

    def receipt(self, job_id: str, *, owner: str = LOCAL_OWNER) -> Receipt:
        """Of a job in any state, or of one that was forgotten. Raises: JobNotFound."""
        return self._archive.receipt(job_id, owner)

    def receipts(self, *, limit: int = 50, offset: int = 0, owner: str = LOCAL_OWNER) -> list[Receipt]:
        """What is left of forgotten jobs, the last one first."""
        return self._archive.receipts(owner, limit=limit, offset=offset)

    def delete(self, job_id: str, *, owner: str = LOCAL_OWNER) -> None:
        """Forget a job: result, title, and those of its files that no other job uses are gone for good, here
        at once and in the bucket as soon as it can be reached. A live job is cancelled first. The receipt
        stays, with hashes only.

        Raises: JobNotFound.
        """
        self._archive.forget(self._ended(job_id, owner), "deleted")

    def revoke_consent(self, job_id: str, *, owner: str = LOCAL_OWNER) -> list[str]:
        """Take the statement back: as `delete`, and the receipt says so.

        Returns the ids of other jobs that use some of the same files, which stay for them: each has a
        statement of its own, which can be revoked, too.

        Raises: JobNotFound.
        """
        job = self._ended(job_id, owner)
        others = self._store.sharing(job.id, job.uploads)
        self._archive.forget(job, "revoked")
        return others

    def health(self) -> dict[str, object]:
        """Of this process and the whole queue, as JSON types. Raises: StoreUnavailable."""
        live = self._store.active()
        waiting = sum(job.status is Status.PENDING for job in live)
        return {
            "store": "ok",
            "snapshot": self._snapshots.state if self._snapshots else "off",
            "dispatcher": self._dispatcher.alive,
            "backends": sorted(self._backends.keys() - {"simulated"}),
            "default_backend": self.settings.backend_name,
            "queue": {
                "pending": waiting,
                "processing": len(live) - waiting,
                "limit": self.settings.max_queue,
            },
        }

    # -- inside ------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Something happened that a restart must not lose."""
        if self._snapshots:
            self._snapshots.wake()

    def _keep_without(self, folders: Sequence[Path]) -> bool:
        """What was deleted is deleted in the snapshot, too: now, or a restore might bring it back."""
        return self._snapshots is None or self._snapshots.take(without=folders)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _configured_backends(self) -> dict[str, Backend]:
        backends: dict[str, Backend] = {"local": LocalBackend(self.settings, self._folders)}
        if not self.settings.multi_user:
            backends["simulated"] = SimulatedBackend()
        if self.settings.runpod_configured:
            backends["runpod"] = RunPodBackend(self.settings)
        return backends

    def _ended(self, job_id: str, owner: str) -> Job:
        """The job, cancelled if it was live."""
        job = self._store.get(job_id, owner)
        if job.status.live:
            with suppress(JobAlreadyFinished):  # it ended by itself meanwhile
                self.cancel(job_id, owner=owner)
            job = self._store.get(job_id, owner)
        return job

    def _order(
        self,
        type: str,
        source: Upload | Path | str | None,
        target: Upload | Path | str,
        consent: bool,
        face_mappings: Mapping[str, Upload | Path | str] | None,
        options: SwapOptions | None,
        owner: str,
    ) -> _Order:
        """Everything that must hold before a swap is queued or previewed, what costs least first."""
        if consent is not True:
            raise ConsentRequired()
        job_type = _job_type(type)
        given = _sources(job_type, source, face_mappings)
        options = options or SwapOptions()
        if not (options.visible_label or self.settings.allow_unlabelled):
            raise LabelRequired()
        self._intake.require_room()
        own = {file.id for file in (*given.values(), target) if isinstance(file, Upload)}
        sources = self._all_taken_in(given, owner)
        target = self._taken_in(target, owner)
        _require_fit(job_type, sources, target)
        order = _Order(job_type, sources, target, options)
        self._require_content(order, own)
        return order

    def _taken_in(self, file: Upload | Path | str, owner: str) -> Upload:
        if not isinstance(file, Upload):
            return self.upload(file, owner=owner)
        return self._store.upload(file.id, owner)

    def _require_content(self, order: _Order, own: Collection[str]) -> None:
        """`own` are the uploads of who submits; the others were taken in for this only and go if it fails."""
        try:
            self._intake.require_content(order.different_sources, order.target)
        except FaceSwapError:
            files = (*order.different_sources, order.target)
            self._intake.discard([each for each in files if each.id not in own])
            raise

    def _all_taken_in(self, files: Mapping[str, Upload | Path | str], owner: str) -> dict[str, Upload]:
        """A file that is named more than once is taken in once."""
        taken: dict[Path | str, Upload] = {}
        for file in files.values():
            key = file.id if isinstance(file, Upload) else Path(file)
            if key not in taken:
                taken[key] = self._taken_in(file, owner)
        return {
            face: taken[file.id if isinstance(file, Upload) else Path(file)] for face, file in files.items()
        }

    def _log_unlabelled(self, job: Job) -> None:
        """Outlives the job: such a choice is to be kept for half a year at least. Source: GB 45438-2025."""
        log.warning("job %s: asked for no visible label", job.id)
        line = json.dumps({"at": isoformat(job.created_at), "job": job.id, "owner": job.owner})
        descriptor = os.open(self._folders.unlabelled, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:  # noqa: PTH123 - with a mode of its own
            file.write(line + "\n")

    def _keep_house(self) -> None:
        while not self._closing.is_set():
            try:
                removed = self._intake.remove_unused(ORPHAN_AGE_S)
                days = self.settings.retention_days
                expired = 0 if days is None else self._archive.expire(days)
                log.debug("housekeeping: %d unused uploads and %d expired jobs removed", removed, expired)
            except Exception:  # a full disk or a busy store must not end the thread
                log.exception("housekeeping goes on after an error")
            self._rounds += 1
            self._closing.wait(_HOUSEKEEPING_S)
        self._store.close()


def _job_type(name: str) -> JobType:
    if name not in set(JobType):
        raise InvalidRequest(reason=f"unknown type {name!r}")
    return JobType(name)


def _sources(
    job_type: JobType,
    source: Upload | Path | str | None,
    face_mappings: Mapping[str, Upload | Path | str] | None,
) -> dict[str, Upload | Path | str]:
    """By face id in their order; `""` stands for the only source of a single swap."""
    if not job_type.several_faces:
        if source is None:
            raise InvalidRequest(reason="a source is needed")
        return {"": source}
    if not face_mappings:
        raise NoFaceChosen()
    if len(face_mappings) > MOST_MAPPED:
        raise InvalidRequest(reason=f"at most {MOST_MAPPED} faces can be swapped at once")
    for face in face_mappings:
        if not _FACE_ID.fullmatch(face):
            raise UnknownFace(face=_printable(face))
    ordered = sorted(face_mappings, key=lambda face: int(face.removeprefix("face_")))
    return {face: face_mappings[face] for face in ordered}


def _printable(text: str) -> str:
    return "".join(letter for letter in text[:40] if letter.isprintable())


def _opened(
    settings: Settings, folders: Folders, clock: Callable[[], float]
) -> tuple[JobStore, Snapshots | None]:
    """The store, restored from its snapshot when it is missing here.

    Raises: StoreUnavailable: also `NetworkDisk` and `SnapshotUnavailable`.
    """
    file_system = None if settings.allow_network_disk else network_file_system(folders.root)
    if file_system is not None:
        raise NetworkDisk(file_system=file_system)
    if settings.snapshot_dir is None:
        return JobStore(folders.store, clock), None
    prepare(settings.snapshot_dir)
    restored = restore(folders, settings.snapshot_dir)
    store = JobStore(folders.store, clock)
    if restored:
        remove_unowned(store, folders)
    return store, Snapshots(store, folders, settings.snapshot_dir)


def _require_fit(job_type: JobType, sources: Mapping[str, Upload], target: Upload) -> None:
    for source in sources.values():
        if source.kind != "image":
            raise WrongKind(expected="image", found=source.kind)
    if target.kind != job_type.target_kind:
        raise WrongKind(expected=job_type.target_kind, found=target.kind)
    if any(source.faces == 0 for source in sources.values()):
        raise NoFaceFound(role="source")
    # Of a video only samples were looked at: a single swap may find a face elsewhere in it.
    if target.faces == 0 and (target.kind == "image" or job_type.several_faces):
        raise NoFaceFound(role="target")
    if target.faces is not None:
        for face in filter(None, sources):
            if int(face.removeprefix("face_")) >= target.faces:
                raise UnknownFace(face=face)
