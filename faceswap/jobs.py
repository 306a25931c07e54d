"""Defines a job and the states it may have, and calculates its progress. Pure: no I/O, no clock."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from faceswap.settings import Settings
from faceswap.source_keys import by_face
from faceswap.swap_result import SwapCounts
from faceswap.terms import Terms

CANCELLED_MESSAGE = "任务已被用户取消"
LOCAL_OWNER = "local"
WORST_CRF = 51
"""The highest constant rate factor of x264, which makes the smallest file."""


class JobType(StrEnum):
    SINGLE_IMAGE = "single-image"
    MULTI_IMAGE = "multi-image"
    SINGLE_VIDEO = "single-video"
    MULTI_VIDEO = "multi-video"

    @property
    def target_kind(self) -> Literal["image", "video"]:
        return "video" if self in (JobType.SINGLE_VIDEO, JobType.MULTI_VIDEO) else "image"

    @property
    def several_faces(self) -> bool:
        """Whether the user chooses a source for each face of the target."""
        return self in (JobType.MULTI_IMAGE, JobType.MULTI_VIDEO)

    @property
    def result_name(self) -> str:
        return "result.mp4" if self.target_kind == "video" else "result.png"


class Status(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def live(self) -> bool:
        return self in LIVE


LIVE = frozenset({Status.PENDING, Status.PROCESSING})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.FAILED}),
    Status.PROCESSING: frozenset({Status.PENDING, Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}
"""processing -> pending: the run died or was given back, and the job starts again."""


def sources_of(destination: Status) -> tuple[Status, ...]:
    """Return the states from which a job may change to `destination`. Every compare-and-set checks them."""
    return tuple(state for state, allowed in TRANSITIONS.items() if destination in allowed)


class Stage(StrEnum):
    QUEUED = "queued"
    UPLOADING = "uploading"
    WAITING_FOR_GPU = "waiting for GPU"
    PROCESSING = "processing"
    FINISHING = "finishing"


class RemoteStop(StrEnum):
    NONE = "none"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Result(SwapCounts):
    """The file that a completed job made, and the numbers that were counted while it was made."""

    sha256: str
    size_bytes: int


PIXEL_BOOSTS = (256, 512, 768, 1024)
"""Sides in pixels at which the neural engine can compute faces."""
_CLOCK = re.compile(r"(\d{1,3}:)?(\d{1,5}:)?\d{1,7}(\.\d{1,6})?", re.ASCII)


class SwapOptions(BaseModel):
    """How to swap. Unknown names are ignored: clients of older APIs send more than we honour."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    many_faces: bool = False
    """Swap every face of the target; the same as the selector `all`, which clients of the original API do not
    know. No effect when each face has its own source."""
    face_selector: Literal["largest", "first", "all", "reference"] = "largest"
    """Whose face is swapped, where the target shows several people. `largest`: whose face is the largest, in
    a video over its length. `first`: who comes first, in a picture from top to bottom and from left to right.
    `all`: everybody. `reference`: the one that `reference_face` names. In a video it is the same person in
    all shots. No effect when each face has its own source."""
    reference_frame_s: float | None = Field(default=None, ge=0, le=1_000_000, allow_inf_nan=False)
    """For `reference` in a video: the time of the frame whose faces `reference_face` counts. None means the
    people of the whole video, as /api/detect-faces numbers them."""
    reference_face: str = Field(default="face_0", pattern=r"^face_(0|[1-9][0-9]{0,3})$")
    """For `reference`: a face, numbered from top to bottom and in each row from left to right. Its number
    alone is understood, too."""
    visible_label: bool = True
    """False leaves the visible label out, if the server allows that. The other marks stay. It is logged."""
    mouth_mask: bool = False
    """Keep the target's own mouth. Lips and teeth move exactly as before, but the likeness is less."""
    occlusion_mask: bool = True
    """Keep what lies before the face: hands, hair, glasses. False swaps over it."""
    keep_fps: bool = True
    """Keep every frame. False drops frames until at most 30 a second are left."""
    quality_percent: int = Field(default=80, ge=1, le=100)
    """1 (smallest file) to 100 (best); see `crf`."""
    video_quality: int | None = Field(default=None, ge=0, le=100)
    """The quality as clients of the original API state it: 0 (best) to 51 (smallest file), a rate factor. It
    takes the place of `quality_percent`. A value above 51 is a percentage, which this option once was."""
    video_encoder: str = Field(default="libx264", max_length=64)
    """`libx264` (H.264, plays everywhere), `libx265` (HEVC, smaller, slow; not every browser plays it) or
    `libvpx-vp9` (VP9, small, slow). Any other becomes `libx264`, and a note says so."""
    start_s: float = Field(default=0.0, ge=0, le=1_000_000, allow_inf_nan=False)
    """Swap a video from here on, in seconds from its first frame. The result has only this part."""
    end_s: float | None = Field(default=None, gt=0, le=1_000_000, allow_inf_nan=False)
    """Swap a video up to here, in seconds from its first frame. None means up to its end."""
    engine: Literal["auto", "mesh", "neural"] = "auto"
    """`mesh` draws the face of the source onto that of the target. `neural` uses networks whose weights the
    user provides. `auto` is `neural` when such weights and a GPU are there, otherwise `mesh`."""
    engine_model: str = Field(default="", max_length=128)
    """The swap model that the neural engine uses, by the name of its file, such as `hyperswap_1a_256`. ""
    means the best one that is there. With a model, `auto` means `neural`. A task fails if there is no such
    model."""
    pixel_boost: Literal[0, 256, 512, 768, 1024] = 0
    """Side in pixels at which the neural engine computes a face: sharper, but the time grows with the square.
    0 means the size of its model."""
    swap_weight: float = Field(default=1, ge=0, le=1)
    """How much of the source the person of the result has with the neural engine: 1 is the source alone, less
    mixes in the target's own person. If the model cannot do that, a note says so."""
    use_face_enhancer: bool = False
    """Sharpen the swapped face afterwards, if there are weights for that. If not, a note says so."""
    enhancer_blend: float = Field(default=0.8, ge=0, le=1)
    """Share of the enhancer's picture in the swapped face."""
    enhancer_weight: float = Field(default=0.5, ge=0, le=1)
    """For CodeFormer: 0 improves most, 1 stays closest to the swapped face."""
    execution_provider: str = Field(default="", max_length=64)
    """Where networks are computed: `cpu`, or another value for the best provider there is."""

    @property
    def crf(self) -> int:
        """The constant rate factor for x264: quality 100 -> 16, 80 -> 20, 1 -> 36."""
        stated = self.video_quality
        if stated is not None and stated <= WORST_CRF:
            return stated
        return round(36 - (self.quality_percent if stated is None else stated) * 0.2)

    @model_validator(mode="after")
    def _starts_before_its_end(self) -> Self:
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError("end_s must be greater than start_s")
        return self

    @field_validator("start_s", "end_s", "reference_frame_s", mode="before")
    @classmethod
    def _in_seconds(cls, value: object) -> object:
        """A time may also be a text such as `90`, `1:30` or `1:02:03.5`."""
        if not isinstance(value, str):
            return value
        if not _CLOCK.fullmatch(value.strip()):
            raise ValueError("a time is written as seconds, m:ss or h:mm:ss")
        seconds = 0.0
        for part in value.split(":"):
            seconds = seconds * 60 + float(part)
        return seconds

    @field_validator("reference_face", mode="before")
    @classmethod
    def _as_id(cls, value: object) -> object:
        return f"face_{value}" if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("execution_provider", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        """Older clients may send a list. Its first entry is the one they prefer."""
        if isinstance(value, list):
            value = next(iter(cast("list[object]", value)), "")
        return value if isinstance(value, str) else ""

    def for_engine(self) -> Mapping[str, object]:
        """Return the options in the form that the engine's spec and the cloud worker's order contain."""
        return self.model_dump(exclude={"quality_percent", "video_quality", "visible_label"}) | {
            "crf": self.crf
        }


class Simulation(SwapOptions):
    """What a job of the backend `simulated` pretends to do: it reads no media and swaps nothing."""

    duration_s: float = Field(default=20.0, gt=0, le=600)
    outcome: Literal["completed", "failed"] = "completed"


BackendName = Literal["local", "runpod", "simulated"]


@dataclass(frozen=True, slots=True)
class RunKey:
    """Identifies one run of a job: which attempt, by which dispatcher.

    The key leads to everything that belongs to the run: the engine process, the work folder, the result file,
    and the place in the bucket. Code that has another run's key must not touch them.
    """

    job_id: str
    attempt: int
    worker: str
    """The dispatcher's name, which ends in eight random hexadecimal digits; "" before the first run."""
    part: str = ""
    """Of the run of one part of a video: the part and its try, such as `p3-1`."""

    @property
    def name(self) -> str:
        """A part of file names and object names. It is unique among the runs of the job."""
        worker = self.worker.rpartition(":")[2] or "none"
        of_part = f"-{self.part}" if self.part else ""
        return f"{self.attempt}-{re.sub(r'[^A-Za-z0-9_]', '-', worker)}{of_part}"


@dataclass(frozen=True, slots=True)
class PartCounts:
    """The parts of a video that several machines swap."""

    total: int
    done: int = 0
    running: int = 0
    """Runs of parts that may be working on another machine, also after the job was cancelled."""


@dataclass(frozen=True, slots=True)
class PartRun:
    """One try to swap one part of a video on another machine."""

    run: RunKey
    part: int
    """Number of the part, from 0."""
    submitted_at: datetime
    """Just before the request was sent that may have started it."""
    remote_id: str | None = None
    ended: Literal["done", "over"] | None = None
    """None while it may be working. `done` when its result is here, `over` when it ended otherwise."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the store. Times are aware UTC datetimes; `progress` is 0..100 within the attempt."""

    id: str
    owner: str
    type: JobType
    status: Status
    backend: BackendName
    """A simulated job has no files (`source_file` and `target_file` are "") and a `Simulation` as options."""
    title: str
    source_file: str
    """Upload id of the source. With several sources, that of the first mapped face."""
    target_file: str
    """Upload id of the target picture or video."""
    created_at: datetime
    updated_at: datetime
    options: SwapOptions = field(default_factory=SwapOptions)
    face_mappings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Upload ids of sources by key, see `source_keys`. For `multi-*` jobs all of them, for others those after
    the first."""
    progress: float = 0.0
    stage: Stage = Stage.QUEUED
    eta_s: float | None = None
    frames_done: int | None = None
    """Finished frames of a running video. None where the backend does not tell."""
    frames_per_s: float | None = None
    """How many frames a second the run finishes."""
    attempt: int = 0
    """The number of the latest attempt. The first is 1; 0 before it."""
    result: Result | None = None
    notes: tuple[str, ...] = ()
    """Codes of remarks that are not errors, such as `several_faces_in_source`."""
    engine: str | None = None
    """For a completed job: what swapped the pixels, `mesh`, or `neural:` and the name of the swap model."""
    weights: tuple[Mapping[str, Any], ...] = ()
    """For a completed job: the user's weights files that were used. Each has role, name, file, sha256,
    recognised (by its SHA-256) and licence."""
    marks: Mapping[str, Any] | None = None
    """For a completed job: the marks that were read back from its result, see `provenance.Marks`."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    """In English, for clients that do not translate `error_code`."""
    error_details: Mapping[str, object] = field(default_factory=dict[str, object])
    """The values for the placeholders in the message of `error_code`, such as a limit; see
    `errors.from_code`."""
    submitted_at: datetime | None = None
    """When the job was about to be sent to the remote backend. It is written before the request is sent, so a
    job with this time may have a remote run."""
    runpod_id: str | None = None
    billed_s: float | None = None
    """Seconds that the cloud has billed for all runs of the job. None when it billed nothing or did not say.
    """
    remote_stop: RemoteStop = RemoteStop.NONE
    worker: str | None = None
    """The dispatcher that drives the job's run, or that drove its last run."""
    lease_until: datetime | None = None
    sent_by: str | None = None
    """The dispatcher that submitted the remote run. It stays when another dispatcher takes the run over."""
    result_file: str | None = None
    """For a completed job: the file name of its result in the job's folder. It contains the run's name."""
    terms: Terms | None = None
    """None for a simulated job, and for a job that was submitted before terms were stored."""
    batch: str | None = None
    """The id of the batch that the job belongs to. None: to none."""
    turn: float | None = None
    """Where a job that was moved stands in the queue, in seconds since 1970. None: by `created_at`."""
    parts: PartCounts | None = None
    """None for a job that is one run."""
    position: int | None = None
    """Place in the queue of its backend, 1 = next; None when the job does not wait."""

    @property
    def run(self) -> RunKey:
        """The key of the run as it is driven now. The work folder and the result file are named by it."""
        return RunKey(self.id, self.attempt, self.worker or "")

    @property
    def remote_run(self) -> RunKey:
        """The key by which the backend knows the run. It stays when another dispatcher takes the run over."""
        return RunKey(self.id, self.attempt, self.sent_by or self.worker or "")

    @property
    def uploads(self) -> frozenset[str]:
        """Ids of the job's sources and target. A simulated job has none."""
        return frozenset({self.target_file, *self.sources.values()} - {""})

    @property
    def sources(self) -> Mapping[str, str]:
        """Upload ids of the sources by key, see `source_keys`."""
        return self.face_mappings if self.type.several_faces else {"": self.source_file, **self.face_mappings}

    @property
    def result_url(self) -> str | None:
        return f"/api/download/{self.id}" if self.status is Status.COMPLETED else None

    @property
    def took_s(self) -> float | None:
        """Seconds from the start of the first run to the end. None before the end."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()

    def report(self) -> dict[str, Any] | None:
        """Return what was counted while the result was made, as JSON types. None before there is one."""
        if self.result is None:
            return None
        frames, took_s = self.result.frames, self.took_s
        return {
            "frames": frames,
            "swapped_frames": self.result.swapped_frames,
            "size_bytes": self.result.size_bytes,
            "took_s": None if took_s is None else round(took_s, 1),
            "frames_per_s": round(frames / took_s, 1) if frames and took_s else None,
        }

    def evolve(self, **changes: Any) -> Job:
        return replace(self, **changes)

    def public(self) -> dict[str, Any]:
        """Return the job as `/api/status` shows it: JSON types only, without owner, worker and lease."""
        photos = by_face(self.sources)
        only = [] if self.type.several_faces else photos.pop("")
        return {
            "id": self.id,
            "type": self.type.value,
            "status": self.status.value,
            "progress": round(self.progress, 1),
            "stage": self.stage.value,
            "eta_s": None if self.eta_s is None else round(self.eta_s, 1),
            "frames_done": self.frames_done,
            "frames_per_s": None if self.frames_per_s is None else round(self.frames_per_s, 1),
            "title": self.title,
            "backend": self.backend,
            "source_file": self.source_file,
            "target_file": self.target_file,
            "source_files": only,
            "face_mappings": {face: ids if len(ids) > 1 else ids[0] for face, ids in photos.items()},
            "options": self.options.model_dump(),
            "notes": list(self.notes),
            "engine": self.engine,
            "weights": [dict(file) for file in self.weights],
            "marks": None if self.marks is None else dict(self.marks),
            "report": self.report(),
            "parts": None if self.parts is None else asdict(self.parts),
            "billed_s": None if self.billed_s is None else round(self.billed_s, 1),
            "created_at": isoformat(self.created_at),
            "updated_at": isoformat(self.updated_at),
            "started_at": isoformat(self.started_at),
            "completed_at": isoformat(self.completed_at),
            "cancelled_at": isoformat(self.cancelled_at),
            "error_message": self.error_message,
            "error_code": self.error_code,
            "error_details": dict(self.error_details),
            "result_url": self.result_url,
            "runpod_id": self.runpod_id,
            "remote_stop": self.remote_stop.value,
            "attempt": self.attempt,
            "position": self.position,
            "batch_id": self.batch,
        }


def terms_of(job: Job, settings: Settings) -> Terms:
    """Return the terms of the job. A job without stored terms gets those of the current settings."""
    return job.terms or Terms.of(settings)


def isoformat(time: datetime | None) -> str | None:
    """Return the time in ISO 8601, in UTC with milliseconds and Z. None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rising(before: float, reported: float) -> float:
    """Return the progress to show after `reported`: within 0..100, and never less than `before`.

    NaN is ignored.
    """
    if math.isnan(reported):
        return before
    return max(before, min(100.0, max(0.0, reported)))


class Pace:
    """Measures how many frames a second a run finishes, from samples of (time, frames)."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def update(self, now_s: float, frames: int | None) -> float | None:
        """Add a sample. Returns None until frames were finished for a second."""
        if frames is None:
            return None
        if self._first is None or frames < self._first[1]:
            self._first = now_s, frames
        seconds = now_s - self._first[0]
        return (frames - self._first[1]) / seconds if seconds >= 1 else None


class EtaEstimator:
    """Estimates the seconds left of one run from samples of (time, progress).

    It uses the rate of the last `window_s` seconds, so that a slow start does not make the estimate wrong for
    minutes. The estimate is None until the samples span `warm_up_s` and the progress has risen.
    """

    def __init__(self, window_s: float = 20.0, warm_up_s: float = 1.0) -> None:
        self._window_s = window_s
        self._warm_up_s = warm_up_s
        self._samples: list[tuple[float, float]] = []

    def update(self, now_s: float, progress: float) -> float | None:
        """Add a sample; its time must not be less than the last one's.

        Returns the seconds left, or None while that is unknown.
        """
        self._samples.append((now_s, progress))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - self._window_s:
            del self._samples[0]
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        if last_s - first_s < self._warm_up_s or last <= first:
            return None
        return (100.0 - last) * (last_s - first_s) / (last - first)
