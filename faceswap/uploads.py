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
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
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
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.terms import Terms

R = TypeVar("R")

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_INSPECTION_LIMIT_S = 120
INSPECTION_CPU_S = 30
GATE_CPU_S = 110
"""Limit of processor time for the content gate. It is needed because a JPEG of a few hundred kB can hold
thousands of scans of the same large picture."""
MEGABYTE = 10**6

FACES_CPU_S: Mapping[Kind, float] = {"image": INSPECTION_CPU_S, "video": 90}
"""Limit of processor time for finding faces. A video gets more, because detection decodes it from a key frame
at several dozen places."""


def inspections_at_once(settings: Settings) -> int:
    """How many engine processes may inspect uploads at the same time, for all owners together."""
    return settings.local_workers + 1


class Intake:
    def __init__(
        self, store: JobStore, folders: Folders, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._folders = folders
        self._settings = settings
        self._now = now
        self._slots = threading.BoundedSemaphore(inspections_at_once(settings))

    def accept(self, file: Path | BinaryIO, name: str, owner: str, expected: Kind | None = None) -> Upload:
        """Copy a file into its own folder, inspect it in a child process and add it to the store.

        A picture is stored upright and without metadata, and its faces are counted. An animation is stored as
        a video if a video is `expected`. `name` is stored for display only.

        Raises:
            BadMedia: empty, too large, too long, too many pixels, broken, or not the `expected` kind.
            DiskFull: the disk has no space for it.
        """
        upload_id = secrets.token_urlsafe(16)
        folder = self._folders.upload(upload_id)
        try:
            private_folder(self._folders.uploads)
            folder.mkdir()
            raw = folder / "raw"
            size, digest = self._copy(file, raw)
            sniff(raw)  # refuses a file with an unknown signature before a child process starts
            clip = folder / "media.mp4" if expected == "video" else None
            upload = self._inspect(raw, upload_id, _shown_name(name), owner, size, digest, clip)
            if expected and upload.kind != expected:
                raise WrongKind(expected=expected, found=upload.kind)
            self._store.add_upload(upload)
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

    def find_faces(self, upload: Upload) -> list[DetectedFace]:
        """Find the faces of an uploaded picture, or the people of a whole video, in a child process.

        For a video, the child process writes what it learned about the people to a file beside the video. A
        swap reads that file and so uses the same ids. The store keeps the number of people.

        Raises:
            BadMedia, BackendUnavailable: the engine could not do it.
        """
        path = self._media(upload)
        spec = FacesSpec(
            limits=engine_limits(self._settings, FACES_CPU_S[upload.kind]),
            path=path,
            people=people_path(path),
            weights_dir=self._folders.weights,
        )
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
    ) -> bytes:
        """Make one swapped frame as JPEG with the visible label, in a child process that writes no file.

        Raises:
            UnknownFace, NoFaceFound, BadMedia, BackendUnavailable: the engine could not do it.
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
        return self._ask_engine(spec).jpeg

    def require_content(self, sources: Collection[Upload], target: Upload) -> None:
        """Ask the content gate about each file, if the settings name a gate. A refused file is deleted unless
        an earlier job uses it.

        Raises:
            ContentRefused: the gate refuses a file.
            GateUnavailable: the gate failed. The caller must not accept the files.
            BadMedia: a file cannot be decoded to its end.
        """
        gate = self._settings.content_gate
        for role, upload in [*(("source", source) for source in sources), ("target", target)] if gate else []:
            limits = engine_limits(self._settings, GATE_CPU_S)
            try:
                refused = self._ask_engine(
                    GateSpec(limits=limits, gate=gate, path=self._media(upload))
                ).refused
            except (EngineCrashed, EngineOutOfMemory, JobTimeout) as error:
                raise GateUnavailable(reason="it broke off") from error
            if refused is not None:
                log.info("upload %s: refused as %s: %s", upload.id, role, refused)
                self.discard([upload])
                raise ContentRefused(role=role)

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

    def require_room(self) -> None:
        """Raises: DiskFull when less than `min_free_mb` is free."""
        self._folders.root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folders.root).free < self._settings.min_free_mb * MEGABYTE:
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
        self.require_room()
        limit_mb = self._settings.max_upload_mb
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
        spec = InspectSpec(
            limits=engine_limits(self._settings, INSPECTION_CPU_S),
            path=raw,
            detect_faces=True,
            normalised=normalised,
            clip=clip,
            weights_dir=self._folders.weights,
        )
        found = self._ask_engine(spec)
        media = found.media
        if media.kind == "image":
            raw.unlink()
            file = normalised
        elif clip is not None and clip.exists():
            raw.unlink()
            file = clip
        else:
            normalised.unlink(missing_ok=True)
            file = raw.rename(raw.with_name(f"media.{media.format}"))
        return Upload(
            id=upload_id,
            owner=owner,
            name=name,
            file=file.name,
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
        )

    def _ask_engine(self, spec: Spec[R]) -> R:
        """Run one child process and return its result. At most `inspections_at_once` of them run at the same
        time; the others wait. Raises: the child's error."""

        def ask() -> R:
            child = EngineProcess(spec)
            try:
                return child.wait(_INSPECTION_LIMIT_S).result_or_raise()
            finally:
                child.kill()

        with self._slots:
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
