"""Checks an order, which is a swap that somebody asks for, before it is queued or previewed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from faceswap.engine.face.found import NOT_HUMAN
from faceswap.errors import (
    ConsentRequired,
    FaceSwapError,
    InvalidRequest,
    LabelRequired,
    NoFaceChosen,
    NoFaceFound,
    NotHuman,
    OutsideVideo,
    UnknownFace,
    WrongKind,
)
from faceswap.jobs import LOCAL_OWNER, WORST_CRF, JobType, SwapOptions
from faceswap.provenance import label_of
from faceswap.settings import Settings
from faceswap.source_keys import MOST_PHOTOS, by_face, keyed
from faceswap.store import JobStore, Upload
from faceswap.uploads import Intake

MOST_MAPPED = 32
"""How many faces of one target may have their own source. Each one costs the engine memory."""
ROOM_PER_TARGET = 3
"""Disk space that a run needs, in sizes of its target: the parts of a long video, the result that is joined
from them, and its copy while that gets its marks."""
_FACE_ID = re.compile(r"face_(0|[1-9][0-9]{0,3})")

File = Upload | Path | str
"""An upload, or the path of a file that is not uploaded yet."""
Files = File | Sequence[File]
"""One photo, or several of the same person."""


@dataclass(frozen=True, slots=True)
class SwapOrder:
    """The swap that somebody asks for, as they sent it. Nothing in it is checked yet."""

    type: str
    source: Files | None
    target: File
    consent: bool
    """Only True counts as consent."""
    face_mappings: Mapping[str, Files] | None = None
    """For `multi-*`: the source of each face, by the face's id."""
    options: SwapOptions = field(default_factory=SwapOptions)
    owner: str = LOCAL_OWNER
    sender: str = ""
    """Stands for the network address that it came from, see `Owners.sender`."""


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """A swap that is allowed. Its files are uploaded, fit its type, and pass the content gate."""

    type: JobType
    sources: Mapping[str, Upload]
    """The sources by key, see `source_keys`."""
    target: Upload
    options: SwapOptions

    @property
    def different_sources(self) -> tuple[Upload, ...]:
        """Each source once, in the order of the faces."""
        return tuple({upload.id: upload for upload in self.sources.values()}.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Codes of remarks about this order."""
        several = any((source.faces or 0) > 1 for source in self.different_sources)
        unlabelled = not self.options.visible_label
        about_sources = dict.fromkeys(note for source in self.different_sources for note in source.notes)
        stated = self.options.video_quality if self.type.target_kind == "video" else None
        as_crf = stated is not None and stated <= WORST_CRF
        return (
            *("several_faces_in_source",) * several,
            *about_sources,
            *("unlabelled",) * unlabelled,
            *("quality_is_rate_factor",) * as_crf,
        )


class OrderChecks:
    """Checks orders. The cheapest checks come first."""

    def __init__(self, store: JobStore, intake: Intake, settings: Settings) -> None:
        self._store = store
        self._intake = intake
        self._settings = settings

    def check(
        self,
        order: SwapOrder,
        before_gate: Callable[[], None] = lambda: None,
        passed: set[str] | None = None,
    ) -> CheckedOrder:
        """Upload the order's files and check the order.

        `before_gate` is called before the content gate, because the gate takes seconds. What it raises is
        raised here. `passed` has the ids of files that the gate need not see again; new ones are added.

        Raises:
            ConsentRequired, LabelRequired, InvalidRequest, BadMedia, DiskFull, UploadNotFound.
        """
        if order.consent is not True:
            raise ConsentRequired()
        job_type = _job_type(order.type)
        given = _sources(job_type, order.source, order.face_mappings)
        if not (order.options.visible_label or self._settings.allow_unlabelled):
            raise LabelRequired()
        self._intake.require_room()
        own = {file.id for file in (*given.values(), order.target) if isinstance(file, Upload)}
        sources = self._all_taken_in(given, order)
        target = self._taken_in(order.target, order, "video" if job_type.target_kind == "video" else None)
        _require_fit(job_type, sources, target)
        self._intake.require_room(ROOM_PER_TARGET * target.size_bytes)
        if target.duration_s is not None and order.options.start_s >= target.duration_s:
            raise OutsideVideo(duration_s=target.duration_s)
        checked = CheckedOrder(job_type, sources, target, order.options)
        before_gate()
        self._require_content(checked, own, set() if passed is None else passed)
        return checked

    def preview(self, order: SwapOrder, at_s: float | None) -> bytes:
        """Return one swapped frame of an order, as JPEG. Raises: see `Service.preview`."""
        checked = self.check(order)
        options = checked.options
        if self._settings.backend_name != "local" and options.engine == "neural":
            options = options.model_copy(update={"engine": "auto"})  # the networks may be in the cloud only
        return self._intake.preview(
            checked.type.target_kind,
            checked.sources,
            checked.target,
            options.for_engine(),
            label_of(self._settings),
            at_s,
            order.sender,
        )

    def _taken_in(self, file: File, order: SwapOrder, expected: Literal["video"] | None = None) -> Upload:
        if not isinstance(file, Upload):
            name = Path(file).name or "file"
            return self._intake.accept(Path(file), name, order.owner, expected, order.sender)
        return self._store.upload(file.id, order.owner)

    def _all_taken_in(self, files: Mapping[str, File], order: SwapOrder) -> dict[str, Upload]:
        """Upload the files that are not uploaded yet, each only once even if it is named more than once."""
        taken: dict[Path | str, Upload] = {}
        for file in files.values():
            key = file.id if isinstance(file, Upload) else Path(file)
            if key not in taken:
                taken[key] = self._taken_in(file, order)
        return {
            face: taken[file.id if isinstance(file, Upload) else Path(file)] for face, file in files.items()
        }

    def _require_content(self, order: CheckedOrder, own: Collection[str], passed: set[str]) -> None:
        """Ask the content gate about the order's files.

        `own` has the ids of the uploads that the submitter named. The other files were uploaded for this
        order only, so they are deleted when the gate refuses it.
        """
        try:
            self._intake.require_content(order.different_sources, order.target, passed)
        except FaceSwapError:
            files = (*order.different_sources, order.target)
            self._intake.discard([each for each in files if each.id not in own])
            raise


def _job_type(name: str) -> JobType:
    if name not in set(JobType):
        raise InvalidRequest(reason=f"unknown type {name!r}")
    return JobType(name)


def _sources(
    job_type: JobType, source: Files | None, face_mappings: Mapping[str, Files] | None
) -> dict[str, File]:
    """Return the sources by key, in the order of the faces."""
    if not job_type.several_faces:
        photos = _photos(source)
        if not photos:
            raise InvalidRequest(reason="a source is needed")
        return keyed({"": photos})
    if not face_mappings:
        raise NoFaceChosen()
    if len(face_mappings) > MOST_MAPPED:
        raise InvalidRequest(reason=f"at most {MOST_MAPPED} faces can be swapped at once")
    for face in face_mappings:
        if not _FACE_ID.fullmatch(face):
            raise UnknownFace(face=_printable(face))
    ordered = sorted(face_mappings, key=lambda face: int(face.removeprefix("face_")))
    mapped = {face: _photos(face_mappings[face]) for face in ordered}
    if not all(mapped.values()):
        raise NoFaceChosen()
    return keyed(mapped)


def _photos(files: Files | None) -> list[File]:
    if files is None or isinstance(files, (Upload, Path, str)):
        return [] if files is None else [files]
    if len(files) > MOST_PHOTOS:
        raise InvalidRequest(reason=f"a face gets at most {MOST_PHOTOS} photos")
    return list(files)


def _printable(text: str) -> str:
    return "".join(letter for letter in text[:40] if letter.isprintable())


def _require_fit(job_type: JobType, sources: Mapping[str, Upload], target: Upload) -> None:
    if target.kind != job_type.target_kind:
        raise WrongKind(expected=job_type.target_kind, found=target.kind)
    if any(source.faces == 0 for source in sources.values()):
        raise NoFaceFound(role="source")
    if any(NOT_HUMAN in source.notes for source in sources.values()):
        raise NotHuman()
    # The faces of a video are known from sampled frames only. A single swap may find one in another frame.
    if target.faces == 0 and (target.kind == "image" or job_type.several_faces):
        raise NoFaceFound(role="target")
    if target.faces is not None:
        for face in filter(None, by_face(sources)):
            if int(face.removeprefix("face_")) >= target.faces:
                raise UnknownFace(face=face)
