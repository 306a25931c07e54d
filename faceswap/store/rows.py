"""Turns jobs, uploads and events into rows, and rows into them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from faceswap.jobs import Job, JobType, PartCounts, RemoteStop, Result, Simulation, Stage, Status, SwapOptions
from faceswap.terms import Terms

_JOB_TIMES = (
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
    "cancelled_at",
    "submitted_at",
    "lease_until",
)

MEDIA_TYPES = {
    "png": "image/png",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that the intake checked and stored."""

    id: str
    owner: str
    name: str
    """The owner's name for the file. It is for display only, and never part of a path."""
    file: str
    """The name that the server gave the file in the upload's folder."""
    kind: Literal["image", "video"]
    size_bytes: int
    sha256: str
    width: int
    height: int
    duration_s: float | None
    fps: float | None
    has_audio: bool
    faces: int | None
    """How many faces a picture shows, or how many people a video shows. For a video it is None until somebody
    asks for its people."""
    created_at: datetime
    kept_bytes: int = 0
    """Size of the stored file. A picture is stored anew, so it may be many times larger than `size_bytes`."""
    sender: str = ""
    """Stands for the network address that it came from, see `Owners.sender`. "" once a task uses it."""
    notes: tuple[str, ...] = ()
    """Codes of what about a picture will show in a swap with it as the source, see `SourceNote`."""

    @property
    def media_type(self) -> str:
        """The media type (RFC 6838) of the stored file."""
        return MEDIA_TYPES.get(self.file.rpartition(".")[2], "application/octet-stream")


@dataclass(frozen=True, slots=True)
class BatchState:
    """What is known of all tasks of a batch together."""

    id: str
    tasks: int
    completed: int
    failed: int
    progress: float
    """0..100, of all. A task that ended counts as done, however it ended."""
    eta_s: float | None
    created_at: datetime

    @property
    def live(self) -> bool:
        return self.completed + self.failed < self.tasks


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """A note of what must still be erased of a deleted job, on this machine and where it ran."""

    job_id: str
    backend: str
    runpod_id: str | None
    submitted_at: datetime | None
    """When the job was sent to a remote backend. None when it was not sent."""
    uploads: tuple[str, ...]
    """Ids of its sources and its target. Uploads that another job uses are not erased."""
    limit_s: float | None = None
    """How long its remote run may take, from `submitted_at`. None when that is not known."""


def time_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def row_of(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(job, name) for name in Job.__dataclass_fields__ if name not in (*_JOB_TIMES, "position")
    }
    for name in _JOB_TIMES:
        moment: datetime | None = getattr(job, name)
        row[name] = None if moment is None else moment.timestamp()
    row["options"] = job.options.model_dump_json()
    row["face_mappings"] = json.dumps(dict(job.face_mappings))
    row["notes"] = json.dumps(job.notes)
    row["result"] = json_of(job.result)
    row["weights"] = json.dumps([dict(file) for file in job.weights])
    row["error_details"] = json_of_details(job.error_details)
    row["terms"] = json.dumps(asdict(job.terms)) if job.terms else None
    row["parts"] = json.dumps(asdict(job.parts)) if job.parts else None
    row["marks"] = None if job.marks is None else json.dumps(dict(job.marks))
    return row


def job_of(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = dict(row)
    for name in _JOB_TIMES:
        values[name] = None if values[name] is None else time_of(values[name])
    values["type"] = JobType(values["type"])
    values["status"] = Status(values["status"])
    values["stage"] = Stage(values["stage"])
    values["remote_stop"] = RemoteStop(values["remote_stop"])
    options = Simulation if values["backend"] == "simulated" else SwapOptions
    values["options"] = options.model_validate_json(values["options"])
    values["face_mappings"] = json.loads(values["face_mappings"])
    values["notes"] = tuple(json.loads(values["notes"]))
    values["result"] = Result(**json.loads(values["result"])) if values["result"] else None
    values["weights"] = tuple(json.loads(values["weights"]))
    values["error_details"] = json.loads(values["error_details"] or "{}")
    values["terms"] = Terms(**json.loads(values["terms"])) if values["terms"] else None
    values["parts"] = PartCounts(**json.loads(values["parts"])) if values["parts"] else None
    values["marks"] = json.loads(values["marks"]) if values["marks"] else None
    return Job(**values)


def json_of(result: Result | None) -> str | None:
    return json.dumps(asdict(result)) if result else None


def json_of_details(details: Mapping[str, object]) -> str | None:
    """Return the details as JSON, or None when there are none. Values that JSON cannot hold become text."""
    return json.dumps(dict(details), default=str, ensure_ascii=False) if details else None


def row_of_upload(upload: Upload) -> Mapping[str, Any]:
    return asdict(upload) | {
        "has_audio": int(upload.has_audio),
        "created_at": upload.created_at.timestamp(),
        "notes": json.dumps(upload.notes),
    }


def upload_of(row: sqlite3.Row) -> Upload:
    values: dict[str, Any] = dict(row)
    values["has_audio"] = bool(values["has_audio"])
    values["created_at"] = time_of(values["created_at"])
    values["notes"] = tuple(json.loads(values["notes"] or "[]"))
    return Upload(**values)


def event_of(row: sqlite3.Row) -> Event:
    return Event(time_of(row["at"]), Status(row["status"]), row["reason"])


def erasure_of(row: sqlite3.Row) -> Erasure:
    submitted_at = None if row["submitted_at"] is None else time_of(row["submitted_at"])
    uploads = tuple(json.loads(row["uploads"]))
    return Erasure(row["job_id"], row["backend"], row["runpod_id"], submitted_at, uploads, row["limit_s"])
