"""Makes a job's receipt: what was done with which files, and who consented. Pure: no I/O, no clock.

While the job exists, its receipt has the names and sizes of the files. A job is deleted by its owner, when
the consent is revoked, or after the retention time. Then only the receipt is kept. It has hashes, times and
codes, but no title, no file names and no data of a picture. The hashes still identify the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from faceswap.consent import STATEMENT, Consent, statement_hash
from faceswap.jobs import BackendName, Job, Status, SwapOptions, isoformat
from faceswap.store import Event, Upload

Because = Literal["deleted", "revoked", "expired"]
"""Why a job was deleted: its owner asked for it, the consent was revoked, or the retention time was over."""

Audio = Literal["none", "kept", "converted"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileRecord(_Record):
    """A file that was used. All but the hash is null once the job is deleted."""

    sha256: str = Field(description="Of the file as it was sent.")
    name: str | None = None
    kind: Literal["image", "video"] | None = None
    size_bytes: int | None = None
    width: int | None = Field(default=None, description="Pixels, as shown.")
    height: int | None = None
    duration_s: float | None = None
    fps: float | None = None


class ResultRecord(_Record):
    """The file that was made. All but the hash is null once the job is deleted."""

    sha256: str
    size_bytes: int | None = None
    frames: int | None = None
    swapped_frames: int | None = Field(
        default=None, description="Frames in which a face was swapped; null where the backend does not tell."
    )
    took_s: float | None = Field(default=None, description="Seconds from the first start to the end.")
    frames_per_s: float | None = None
    audio: Audio | None = Field(
        default=None, description="`kept`: every packet as it was; `converted`: to AAC, which MP4 needs."
    )


class ConsentRecord(_Record):
    """What the owner of the task stated, and for which files."""

    version: str
    statement_sha256: str = Field(description="Over the version and the words in every language.")
    statement: dict[str, str] | None = Field(
        description="The words by language; null when the wording has changed since. The hash identifies it."
    )
    stated_at: str
    revoked_at: str | None = None
    sources_sha256: list[str]
    target_sha256: str


class EventRecord(_Record):
    at: str
    status: Status
    reason: str


class ForgottenRecord(_Record):
    at: str
    because: Because


class Receipt(_Record):
    """Times are ISO 8601 in UTC."""

    job_id: str
    type: Literal["single-image", "multi-image", "single-video", "multi-video"]
    status: Status
    error_code: str | None
    error_details: dict[str, Any] = Field(
        default={}, description="What the sentence of the error is filled with, such as a limit."
    )
    title: str | None = Field(description="Null once the task is deleted.")
    created_at: str
    started_at: str | None
    completed_at: str | None
    cancelled_at: str | None
    backend: BackendName = Field(description="Where the engine ran.")
    engine: str | None = Field(default=None, description="`mesh`, or `neural:` and the swap model's name.")
    weights: list[dict[str, str | bool]] = Field(
        default=[], description="The networks' files: role, name, file, sha256, recognised, licence."
    )
    attempts: int = Field(description="How many runs were started.")
    billed_s: float | None = Field(
        default=None, description="Seconds that the cloud has billed for all runs."
    )
    options: SwapOptions
    notes: list[str] = Field(description="Codes of things worth telling that are no errors.")
    events: list[EventRecord]
    consent: ConsentRecord
    sources: list[FileRecord]
    target: FileRecord
    result: ResultRecord | None
    marks: dict[str, Any] | None = Field(description="How the result is labelled and signed, where it is.")
    forgotten: ForgottenRecord | None = Field(description="When and why everything but this was deleted.")

    def reduced(self, at: datetime, because: Because) -> Receipt:
        """Return the receipt to keep for the deleted job. It has hashes, times and codes only."""
        moment = isoformat(at) or ""
        revoked_at = moment if because == "revoked" else None
        return self.model_copy(
            update={
                "title": None,
                "sources": [FileRecord(sha256=source.sha256) for source in self.sources],
                "target": FileRecord(sha256=self.target.sha256),
                "result": ResultRecord(sha256=self.result.sha256) if self.result else None,
                "consent": self.consent.model_copy(update={"revoked_at": revoked_at}),
                "forgotten": ForgottenRecord(at=moment, because=because),
            }
        )


def receipt_of(
    job: Job,
    events: Sequence[Event],
    consent: Consent,
    uploads: Mapping[str, Upload],
    marks: Mapping[str, Any] | None,
) -> Receipt:
    """Make the receipt of a job that still exists. `uploads` are its files that still exist, by id."""
    sources = dict.fromkeys(job.sources.values())
    hashes = dict(zip(sources, consent.sources_sha256, strict=False))
    target = uploads.get(job.target_file)
    return Receipt(
        job_id=job.id,
        type=job.type.value,
        status=job.status,
        error_code=job.error_code,
        error_details=dict(job.error_details),
        title=job.title,
        created_at=isoformat(job.created_at) or "",
        started_at=isoformat(job.started_at),
        completed_at=isoformat(job.completed_at),
        cancelled_at=isoformat(job.cancelled_at),
        backend=job.backend,
        engine=job.engine,
        weights=[dict(file) for file in job.weights],
        attempts=job.attempt,
        billed_s=None if job.billed_s is None else round(job.billed_s, 1),
        options=job.options,
        notes=list(job.notes),
        events=[
            EventRecord(at=isoformat(event.at) or "", status=event.status, reason=_reason(event))
            for event in events
        ],
        consent=ConsentRecord(
            version=consent.version,
            statement_sha256=consent.statement_sha256,
            statement=STATEMENT if consent.statement_sha256 == statement_hash() else None,
            stated_at=isoformat(consent.stated_at) or "",
            sources_sha256=list(consent.sources_sha256),
            target_sha256=consent.target_sha256,
        ),
        sources=[_file(uploads.get(name), hashes.get(name, "")) for name in sources],
        target=_file(target, consent.target_sha256),
        result=_result(job, target),
        marks=None if marks is None else dict(marks),
        forgotten=None,
    )


def _reason(event: Event) -> str:
    """Return the event's reason without the names of the machine and the process."""
    return event.reason.partition(" by ")[0]


def _file(upload: Upload | None, sha256: str) -> FileRecord:
    if upload is None:
        return FileRecord(sha256=sha256)
    return FileRecord(
        sha256=upload.sha256,
        name=upload.name,
        kind=upload.kind,
        size_bytes=upload.size_bytes,
        width=upload.width,
        height=upload.height,
        duration_s=upload.duration_s,
        fps=upload.fps,
    )


def _result(job: Job, target: Upload | None) -> ResultRecord | None:
    made, report = job.result, job.report()
    if made is None or report is None:
        return None
    audio: Audio | None = None
    if target is not None:
        converted = "audio_reencoded" in job.notes
        audio = "none" if not target.has_audio else "converted" if converted else "kept"
    return ResultRecord(
        sha256=made.sha256,
        size_bytes=made.size_bytes,
        frames=made.frames,
        swapped_frames=made.swapped_frames,
        took_s=report["took_s"],
        frames_per_s=report["frames_per_s"],
        audio=audio,
    )
