"""Accepts or refuses an untrusted file: limits its size, checks its content, and stores it under a new name.

An accepted file becomes an `Upload` in the store. When a file is refused, its copy is deleted.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from faceswap.engine.child.contract import (
    EngineLimits,
    FacesSpec,
    GateSpec,
    InspectSpec,
    PreviewSpec,
    Spec,
)
from faceswap.engine.child.process import EngineProcess, retried_without_memory
from faceswap.engine.face.found import DetectedFace
from faceswap.engine.marks.marking import Label
from faceswap.engine.options import Options
from faceswap.errors import (
    ContentRefused,
    DiskFull,
    EmptyFile,
    EngineCrashed,
    EngineOutOfMemory,
    GateUnavailable,
    JobTimeout,
    TooLarge,
    UploadNotFound,
    WrongKind,
)
from faceswap.folders import Folders
from faceswap.media import Limits, sniff
from faceswap.media.kinds import Kind
from faceswap.private import private_folder
from faceswap.quota import Amount, Quota
from faceswap.settings import MEGABYTE, Settings
from faceswap.store import JobStore, Upload
from faceswap.terms import Terms
from faceswap.turns import Demand, Turns

R = TypeVar("R")

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_INSPECTION_LIMIT_S = 120
INSPECTION_CPU_S = 30
GATE_CPU_S = 110
"""Limit of processor time for the content gate. It is needed because a JPEG of a few hundred kB can hold
thousands of scans of the same large picture."""

FACES_CPU_S: Mapping[Kind, float] = {"image": INSPECTION_CPU_S, "video": 90}
"""Limit of processor time for finding faces. A video gets more, because detection decodes it from a key frame
at several dozen places."""


MOST_WAITING = 24
MOST_WAITING_OF_OWNER = 6
"""With several users, how many requests may wait for an engine process."""
MOST_WAITING_ALONE = 100
"""The same with one user."""


def turns_of(settings: Settings, demand: Demand) -> Turns:
    """Turns for engine processes that answer at once. Probes of uploads have their own, so that they never
    wait for detections and previews."""
    several = settings.multi_user
    return Turns(
        settings.local_workers,
        most_waiting=MOST_WAITING if several else MOST_WAITING_ALONE,
        most_waiting_of_owner=MOST_WAITING_OF_OWNER if several else MOST_WAITING_ALONE,
        demand=demand,
    )


def most_callers(settings: Settings) -> int:
    """How many threads may wait for an engine process or run one."""
    return 2 * (settings.local_workers + (MOST_WAITING if settings.multi_user else MOST_WAITING_ALONE))


class Intake:
    def __init__(
        self, store: JobStore, folders: Folders, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._folders = folders
        self._settings = settings
        self._now = now
        self._quota = Quota.of(settings)
        demand = Demand()
        self._probes = turns_of(settings, demand)
        self.looks = turns_of(settings, demand)
        """For everything else that opens a file while somebody waits for the answer."""

    def accept(
        self,
        file: Path | BinaryIO,
        name: str,
        owner: str,
        expected: Kind | None = None,
        sender: str = "",
    ) -> Upload:
        """Copy a file into its own folder, inspect it in a child process and add it to the store.

        A picture is stored upright and without metadata, and its faces are counted. An animation is stored as
        a video if a video is `expected`. `name` is stored for display only. `sender` stands for the network
        address that it came from, see `Owners.sender`.

        Raises:
            BadMedia: empty, too large, too long, too many pixels, broken, or not the `expected` kind.
            DiskFull: the disk has no space for it.
            TooManyUploads: the owner or the sender has too many files here already.
            TooBusy: too many others wait.
        """
        self.require_quota(owner, sender)
        upload_id = secrets.token_urlsafe(16)
        folder = self._folders.upload(upload_id)
        try:
            private_folder(self._folders.uploads)
            folder.mkdir()
            raw = folder / "raw"
            size, digest = self._copy(file, raw)
            sniff(raw)  # refuses a file with an unknown signature before a child process starts
            clip = folder / "media.mp4" if expected == "video" else None
            with self._probes.taken(owner, sender):
                upload = self._inspect(raw, upload_id, _shown_name(name), owner, size, digest, clip)
            upload = replace(upload, sender=sender)
            if expected and upload.kind != expected:
                raise WrongKind(expected=expected, found=upload.kind)
            self._store.add_upload(upload, self._quota)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull() from error
            raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        log.debug("upload %s: %s, %d bytes, %s faces", upload_id, upload.kind, size, upload.faces)
        return upload

    def require_quota(self, owner: str, sender: str, waiting: tuple[Amount, Amount] | None = None) -> None:
        """Check that one more file may be kept. `waiting`: what is to be taken in for this owner, and from
        this sender.

        Raises: TooManyUploads.
        """
        if self._quota is None:
            return
        own, sent = self._store.unused_amounts(owner, sender)
        more_own, more_sent = waiting or (Amount(), Amount())
        one = Amount(files=1)
        self._quota.require(own + more_own + one, sent + more_sent + one if sender else Amount())

    def find_faces(self, upload: Upload, sender: str = "") -> list[DetectedFace]:
        """Find the faces of an uploaded picture, or the people of a whole video, in a child process.

        For a video, the child process writes what it learned about the people to a file beside the video. A
        swap reads that file and so uses the same ids. The store keeps the number of people.

        Raises:
            BadMedia, BackendUnavailable: the engine could not do it.
            TooBusy: too many others wait.
        """
        path = self._media(upload)
        spec = FacesSpec(
            limits=engine_limits(self._settings, FACES_CPU_S[upload.kind]),
            path=path,
            people=people_path(path) if upload.kind == "video" else None,
            weights_dir=self._folders.weights,
        )
        with self.looks.taken(upload.owner, sender):
            faces = list(self._ask_engine(spec).faces)
        if upload.kind == "video":
            self._store.note_faces(upload.id, len(faces))
        return faces

    def preview(
        self,
        kind: Kind,
        sources: Mapping[str, Upload],
        target: Upload,
        options: Mapping[str, object],
        label: Label,
        at_s: float | None,
        sender: str = "",
    ) -> bytes:
        """Make one swapped frame as JPEG with the visible label, in a child process that writes no file.

        Raises:
            UnknownFace, NoFaceFound, BadMedia, BackendUnavailable: the engine could not do it.
            TooBusy: too many others wait.
        """
        path = self._media(target)
        spec = PreviewSpec(
            limits=engine_limits(self._settings, FACES_CPU_S[kind]),
            kind=kind,
            sources={face: self._media(source) for face, source in sources.items()},
            target=path,
            options=Options.of(options),
            label=label,
            at_s=at_s,
            people=people_path(path),
            weights_dir=self._folders.weights,
            models_dir=self._settings.neural_models_dir,
        )
        with self.looks.taken(target.owner, sender):
            return self._ask_engine(spec).jpeg

    def require_content(self, sources: Collection[Upload], target: Upload, passed: set[str]) -> None:
        """Ask the content gate about each file, if the settings name a gate. A refused file is deleted unless
        an earlier job uses it. Files in `passed` are left out; those that the gate lets through are added.

        Raises:
            ContentRefused: the gate refuses a file.
            GateUnavailable: the gate failed. The caller must not accept the files.
            BadMedia: a file cannot be decoded to its end.
        """
        gate = self._settings.content_gate
        for role, upload in [*(("source", source) for source in sources), ("target", target)] if gate else []:
            if upload.id in passed:
                continue
            limits = engine_limits(self._settings, GATE_CPU_S)
            spec = GateSpec(limits=limits, gate=gate, path=self._media(upload))
            try:
                with self.looks.taken(upload.owner, upload.sender):
                    refused = self._ask_engine(spec).refused
            except (EngineCrashed, EngineOutOfMemory, JobTimeout) as error:
                raise GateUnavailable(reason="it broke off") from error
            if refused is not None:
                log.info("upload %s: refused as %s: %s", upload.id, role, refused)
                self.discard([upload])
                raise ContentRefused(role=role)
            passed.add(upload.id)

    def discard(self, uploads: Collection[Upload]) -> None:
        """Delete those of the uploads that no job uses, also from the store's log."""
        unused = {upload.id for upload in self._store.unused_uploads(older_than_s=0)}
        for upload in uploads:
            if upload.id in unused:
                self.remove(upload)
        self._store.compact()

    def _media(self, upload: Upload) -> Path:
        path = self._folders.media(upload)
        if not path.is_file():
            raise UploadNotFound()
        return path

    def require_room(self, size_bytes: int = 0) -> None:
        """Raises: DiskFull when less than `min_free_mb` would be free after writing `size_bytes`."""
        self._folders.root.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self._folders.root).free - size_bytes
        if free_bytes < self._settings.min_free_mb * MEGABYTE:
            raise DiskFull()

    def remove(self, upload: Upload) -> None:
        """Delete an upload that no job uses. Does nothing when a job uses it.

        The store looks for jobs and deletes the row in one transaction, so that a job that was submitted
        meanwhile keeps its files. The folder is deleted afterwards. If the process dies in between, a folder
        without a row remains; the erasure or the next housekeeping deletes it.
        """
        if self._store.delete_unused_upload(upload.id):
            shutil.rmtree(self._folders.upload(upload.id), ignore_errors=True)

    def remove_unused(self, older_than_s: float) -> int:
        """Delete older uploads that no job uses, and older folders that a crash left without a row.

        Returns how many it deleted.
        """
        unused = self._store.unused_uploads(older_than_s)
        for upload in unused:
            self.remove(upload)
        return len(unused) + self._remove_unfinished(self._now().timestamp() - older_than_s)

    def _remove_unfinished(self, before: float) -> int:
        """Delete the folders without a row that last changed before `before`, in seconds since 1970.

        Returns how many it deleted.
        """
        removed = 0
        for folder in self._folders.uploads.glob("*"):
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime < before and not self._store.has_upload(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def _copy(self, file: Path | BinaryIO, raw: Path) -> tuple[int, str]:
        limit_mb = self._settings.max_upload_mb
        known = file.stat().st_size if isinstance(file, Path) else 0
        self.require_room(min(known, limit_mb * MEGABYTE))
        size, digest = 0, hashlib.sha256()
        with raw.open("xb") as copy:
            stream = file.open("rb") if isinstance(file, Path) else file
            try:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    if size > limit_mb * MEGABYTE:
                        raise TooLarge(limit_mb=limit_mb)
                    digest.update(chunk)
                    copy.write(chunk)
            finally:
                if isinstance(file, Path):
                    stream.close()
        if size == 0:
            raise EmptyFile()
        return size, digest.hexdigest()

    def _inspect(
        self, raw: Path, upload_id: str, name: str, owner: str, size: int, digest: str, clip: Path | None
    ) -> Upload:
        normalised = raw.with_name("media.png")
        thumbnail = raw.with_name("thumbnail.webp")
        spec = InspectSpec(
            limits=engine_limits(self._settings, INSPECTION_CPU_S),
            path=raw,
            detect_faces=True,
            normalised=normalised,
            clip=clip,
            thumbnail=thumbnail,
            weights_dir=self._folders.weights,
        )
        found = self._ask_engine(spec)
        media = found.media
        if media.kind == "image":
            raw.unlink()
            file_path = normalised
        elif clip is not None and clip.exists():
            raw.unlink()
            file_path = clip
        else:
            normalised.unlink(missing_ok=True)
            file_path = raw.rename(raw.with_name(f"media.{media.format}"))
        return Upload(
            id=upload_id,
            owner=owner,
            name=name,
            file=file_path.name,
            kind=media.kind,
            size_bytes=size,
            sha256=digest,
            width=media.width,
            height=media.height,
            duration_s=media.duration_s,
            fps=media.fps,
            has_audio=media.has_audio,
            faces=len(found.faces) if media.kind == "image" else None,
            created_at=self._now(),
            kept_bytes=file_path.stat().st_size,
            notes=found.notes,
        )

    def _ask_engine(self, spec: Spec[R]) -> R:
        """Run one child process and return its result. Raises: the child's error."""

        def ask() -> R:
            child = EngineProcess(spec)
            try:
                return child.wait(_INSPECTION_LIMIT_S).result_or_raise()
            finally:
                child.kill()

        return retried_without_memory(ask)


def _shown_name(name: str) -> str:
    """Return a file's name for display. Bytes that are no UTF-8, such as those of a name from a GBK archive,
    become replacement characters: neither the store nor an answer could hold them."""
    return re.sub("[\ud800-\udfff]", "\ufffd", Path(name).name)[-120:] or "file"


def people_path(video: Path) -> Path:
    """The path of the file with what detection learned about the people of a video. It is in the video's
    folder and is deleted with it."""
    return video.with_name("people.json")


def engine_limits(settings: Settings | Terms, cpu_s: float | None = None) -> EngineLimits:
    """The limits of an engine process on this machine. `cpu_s` None sets no limit of processor time."""
    return EngineLimits(
        memory_mb=settings.engine_memory_mb,
        cpu_s=cpu_s,
        media=Limits(
            max_megapixels=settings.max_megapixels,
            max_video_megapixels=settings.max_video_megapixels,
            max_duration_s=settings.max_duration_s,
        ),
    )
