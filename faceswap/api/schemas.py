"""The shapes of requests and answers. /api/openapi.json contains them, and /api/docs shows them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from faceswap.changes import TITLE_LENGTH
from faceswap.consent import STATEMENT, VERSION, statement_hash
from faceswap.jobs import BackendName, RemoteStop, Stage, Status, SwapOptions
from faceswap.receipt import Receipt
from faceswap.source_keys import MOST_PHOTOS

T = TypeVar("T")


def _encodable(text: str) -> str:
    """Refuse text with half of a surrogate pair. JSON can contain that, but the store cannot save it."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("half of a character is missing")
    return text


JobId = Annotated[str, Path(description="Of a task.")]
FileId = Annotated[str, Path(description="Of a completed task, for its result, or of an upload.")]
Text = Annotated[str, AfterValidator(_encodable)]

ProcessType = Literal["single-image", "single-video", "video", "multi-image", "multi-video"]
Scope = Literal["active", "recent", "all"]

_UPLOAD_ID = "pR0v3N4t6yXq8sLw2bZkJA"
_TARGET_ID = "c1Qz5JtHn8oRr0FvGxWm3A"
_JOB_ID = "Yk3wB7n0T5eZr1uQmVd9Xg"
_TIME = "2026-11-24T09:30:00.000Z"
_JOB: dict[str, Any] = {
    "id": _JOB_ID,
    "type": "single-video",
    "status": "processing",
    "progress": 42.5,
    "stage": "processing",
    "eta_s": 11.2,
    "frames_done": 31,
    "frames_per_s": 14.2,
    "title": "clip.mp4",
    "backend": "local",
    "source_file": _UPLOAD_ID,
    "source_files": [_UPLOAD_ID],
    "target_file": _TARGET_ID,
    "source": {"name": "me.jpg", "thumbnail": f"/api/thumbnail/{_UPLOAD_ID}"},
    "target": {"name": "clip.mp4", "thumbnail": f"/api/thumbnail/{_TARGET_ID}"},
    "face_mappings": {},
    "options": SwapOptions().model_dump(),
    "notes": [],
    "engine": None,
    "weights": [],
    "marks": None,
    "report": None,
    "billed_s": None,
    "cost_usd": None,
    "parts": None,
    "created_at": _TIME,
    "updated_at": _TIME,
    "started_at": _TIME,
    "completed_at": None,
    "cancelled_at": None,
    "error_message": None,
    "error_code": None,
    "error_details": {},
    "result_url": None,
    "runpod_id": None,
    "remote_stop": "none",
    "attempt": 1,
    "position": None,
    "held": False,
    "batch_id": None,
    "batch": None,
    "frame_url": None,
}


class Success(BaseModel, Generic[T]):
    """The envelope of every answer that is not an error."""

    success: Literal[True]
    data: T


class Failure(BaseModel):
    """The envelope of every error. The sentence is for people; it holds no path and no secret."""

    model_config = ConfigDict(json_schema_extra={"example": {"success": False, "error": "Job not found"}})

    success: Literal[False]
    error: str


class UploadView(BaseModel):
    """A file that was taken in."""

    fileId: str = Field(examples=[_UPLOAD_ID])
    fileName: str = Field(examples=["me.jpg"], description="As it was sent, for display.")
    url: str = Field(examples=[f"/api/download/{_UPLOAD_ID}"])
    size: int = Field(ge=1, examples=[183_402], description="Bytes, as sent.")
    type: str = Field(examples=["image/png", "video/mp4"], description="Media type, judged by the content.")
    notes: list[str] = Field(
        examples=[["source_turned"]],
        description="Codes of what about a picture will show in a swap with it as the source.",
    )


class OptionsView(SwapOptions):
    """How to swap, and the consent where a client sends it here. Unknown names are ignored."""

    consent: StrictBool | None = None


class SwapRequest(BaseModel):
    """How to swap, with the statement of consent."""

    options: OptionsView | None = None
    consent: StrictBool | None = Field(
        default=None, description="True states that everyone shown in all files agreed to this swap."
    )

    def stated_consent(self) -> bool:
        return self.consent is True or (self.options is not None and self.options.consent is True)

    def swap_options(self) -> SwapOptions:
        return SwapOptions.model_validate(self.options.model_dump()) if self.options else SwapOptions()


class ProcessRequest(SwapRequest):
    """What to swap. Unknown fields are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "source_file": _UPLOAD_ID,
                "target_file": "c1Qz5JtHn8oRr0FvGxWm3A",
                "options": {"quality_percent": 80, "many_faces": False},
                "consent": True,
            }
        }
    )

    source_file: Text | None = Field(
        default=None, description="fileId of the picture of the face to put in; for single-* types."
    )
    source_files: list[Text] | None = Field(
        default=None,
        max_length=MOST_PHOTOS,
        description="Several pictures of the same person, or a clip, beside source_file or in its place.",
    )
    target_file: Text | None = Field(default=None, description="fileId of the picture or video it goes into.")
    face_mappings: dict[Text, Text | list[Text] | None] | None = Field(
        default=None,
        description="For multi-* types: detected face (`face_0`…) to fileId of its source, or to a list of "
        "several of the same person. Faces without one are left untouched.",
        examples=[{"face_0": _UPLOAD_ID}],
    )


class PreviewRequest(ProcessRequest):
    """As for /api/process, and which frame."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "single-video",
                "source_file": _UPLOAD_ID,
                "target_file": "c1Qz5JtHn8oRr0FvGxWm3A",
                "consent": True,
                "at_s": 2.5,
            }
        }
    )

    type: ProcessType
    at_s: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(
        default=None, description="Of a video: seconds; otherwise a frame near its middle that shows a face."
    )


class PreviewView(BaseModel):
    image: str = Field(examples=["data:image/jpeg;base64,/9j/4AAQ…"], description="The frame, as a data URL.")


class ProcessView(BaseModel):
    jobId: str = Field(examples=[_JOB_ID])


class PictureSwapView(ProcessView):
    job_id: str = Field(examples=[_JOB_ID], description="The same, as the original API calls it.")


class JobFileView(BaseModel):
    """A source or target of a task."""

    name: str = Field(description="As it was sent, for display.")
    thumbnail: str = Field(
        description="Where a small WebP of it is; 404 for a file that an older version took in. With several "
        "users a signed link."
    )


class ReportView(BaseModel):
    """What was counted while a result was made. Null where the backend did not count."""

    frames: int | None
    swapped_frames: int | None = Field(description="Frames in which a face was swapped.")
    size_bytes: int
    took_s: float | None = Field(description="Seconds from the start of the first run to the end.")
    frames_per_s: float | None


class BatchStateView(BaseModel):
    """All tasks of a batch together."""

    id: str = Field(examples=[_JOB_ID])
    tasks: int = Field(ge=1)
    completed: int
    failed: int = Field(description="Cancelled ones, too.")
    progress: float = Field(ge=0, le=100, description="Percent; a task that ended counts as done.")
    eta_s: float | None = Field(description="Seconds left; null while unknown, and at the end.")
    created_at: str = Field(examples=[_TIME])
    result_url: str | None = Field(
        description="Where the results are downloaded as a ZIP, once a task is completed; as for a task."
    )


class PartsView(BaseModel):
    """The parts of a running task's video."""

    total: int
    done: int
    running: int


class JobView(BaseModel):
    """A task. Times are ISO 8601 in UTC."""

    model_config = ConfigDict(json_schema_extra={"example": _JOB})

    id: str
    type: Literal["single-image", "multi-image", "single-video", "multi-video"]
    status: Status
    progress: float = Field(ge=0, le=100, description="Percent; never falls within an attempt.")
    stage: Stage
    eta_s: float | None = Field(description="Seconds left; null while unknown.")
    frames_done: int | None = Field(
        default=None, description="Finished frames of a running video; null where that is not told."
    )
    frames_per_s: float | None = Field(default=None, description="Frames that the run finishes in a second.")
    title: str = Field(
        default="",
        description="Not in /api/status of a server that serves clients of the original API, see "
        "FACESWAP_API_CONSENT: they would replace their own title by it.",
    )
    backend: BackendName
    source_file: str
    source_files: list[str] = Field(
        description="All pictures of the source, source_file first; empty for multi-* types."
    )
    target_file: str
    source: JobFileView | None = Field(
        description="The source; of several, that of the first face. Null for a simulated task."
    )
    target: JobFileView | None
    face_mappings: dict[str, str | list[str]]
    options: SwapOptions
    notes: list[str] = Field(description="Codes of things worth telling that are no errors.")
    engine: str | None = Field(
        description="What swapped the pixels, once completed: `mesh`, or `neural:` and the swap model's name."
    )
    weights: list[dict[str, str | bool]] = Field(
        description="The operator's weights that were used: role, name, file, sha256, recognised, licence."
    )
    marks: dict[str, Any] | None = Field(
        description="Of a completed task: the marks that were read back from its result before it was handed "
        "out: visible label, metadata label, manifest, signer, SHA-256."
    )
    report: ReportView | None = Field(description="Of a completed task.")
    billed_s: float | None = Field(
        default=None, description="Seconds that the cloud has billed for all runs; null where there was none."
    )
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None
    cancelled_at: str | None
    error_message: str | None
    error_code: str | None
    error_details: dict[str, Any] = Field(
        description="What the sentence of the error is filled with, such as a limit."
    )
    result_url: str | None = Field(
        description="Where a completed task's result is downloaded; with several users a signed link that "
        "works for an hour at least."
    )
    runpod_id: str | None
    remote_stop: RemoteStop
    attempt: int
    position: int | None = Field(description="1 = next in the queue; null when not waiting.")
    held: bool = Field(default=False, description="It waits until the queue is resumed.")
    parts: PartsView | None = Field(
        default=None,
        description="Of a long video that is swapped here in parts, once one of them is done.",
    )
    cost_usd: float | None = Field(
        default=None, description="What billed_s costs; null where the server knows no price."
    )
    batch_id: str | None = Field(default=None, description="Of the batch that the task belongs to.")
    batch: BatchStateView | None = Field(default=None, description="All tasks of that batch together.")
    frame_url: str | None = Field(
        default=None,
        description="Where a small picture of the latest swapped frame is, while a video is swapped on this "
        "machine; as for a result.",
    )


_FILE: dict[str, Any] = {
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "name": "me.jpg",
    "kind": "image",
    "size_bytes": 183_402,
    "width": 1280,
    "height": 960,
    "duration_s": None,
    "fps": None,
}
_VIDEO: dict[str, Any] = {
    "name": "clip.mp4",
    "kind": "video",
    "size_bytes": 912_044,
    "duration_s": 2.4,
    "fps": 30.0,
}


_RECEIPT: dict[str, Any] = {
    "job_id": _JOB_ID,
    "type": "single-video",
    "status": "completed",
    "error_code": None,
    "title": "clip.mp4",
    **dict.fromkeys(("created_at", "started_at", "completed_at"), _TIME),
    "cancelled_at": None,
    "backend": "local",
    "attempts": 1,
    "options": {"many_faces": False, "quality_percent": 80},
    "notes": [],
    "events": [{"at": _TIME, "status": "pending", "reason": "submitted"}],
    "consent": {
        "version": VERSION,
        "statement_sha256": statement_hash(),
        "statement": STATEMENT,
        "stated_at": _TIME,
        "revoked_at": None,
        "sources_sha256": [_FILE["sha256"]],
        "target_sha256": _FILE["sha256"],
    },
    "sources": [_FILE],
    "target": _FILE | _VIDEO,
    "result": {
        "sha256": _FILE["sha256"],
        "size_bytes": 958_720,
        "frames": 72,
        "swapped_frames": 72,
        "audio": "converted",
        "took_s": 6.0,
        "frames_per_s": 12.0,
    },
    "marks": None,
    "forgotten": None,
}


class ReceiptView(Receipt):
    """What was done with which files, and who consented. Times are ISO 8601 in UTC.

    Of a deleted task only this is kept, with hashes, times and codes.
    """

    model_config = ConfigDict(json_schema_extra={"example": _RECEIPT})


class RevokedView(BaseModel):
    message: Literal["Consent revoked"]
    still_used_by: list[str] = Field(
        examples=[[_JOB_ID]],
        description="Other tasks that use some of the same files, which stay for them. Each has a statement "
        "of its own.",
    )


class MessageView(BaseModel):
    message: str


class TitleRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"title": "Holiday, second try"}})

    title: Text = Field(max_length=TITLE_LENGTH, description="Shown in lists, receipts and download names.")


class MoveRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"before": _JOB_ID}})

    before: Text | None = Field(
        default=None, description="Which of your waiting tasks it goes before; without it, `place` counts."
    )
    place: int = Field(
        default=1_000_000,
        ge=1,
        le=1_000_000,
        description="1 = first of your waiting tasks; after the last is the last, which is the default.",
    )


class QueueStopView(BaseModel):
    stopped: bool


class CancelView(BaseModel):
    message: Literal["Job cancelled successfully"]


class DetectRequest(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"fileId": _UPLOAD_ID}})

    fileId: Text = Field(description="Of an uploaded picture or video.")


class FaceView(BaseModel):
    """One face; pixels of the picture, or of the frame at `at_s`, as shown, from its top left corner."""

    id: str = Field(
        examples=["face_0"], description="Numbered from top to bottom, in each row from left to right."
    )
    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)
    confidence: float = Field(ge=0, le=1)
    center_x: float
    center_y: float
    preview: str = Field(
        examples=["data:image/jpeg;base64,/9j/4AAQ…"],
        description="The face, as a data URL. A server that serves clients of the original API, see "
        "FACESWAP_API_CONSENT, sends what follows the comma only.",
    )
    at_s: float | None = Field(description="When a video shows the face so, in seconds; null for a picture.")


class FacesView(BaseModel):
    faces: list[FaceView]
    image_path: str = Field(examples=[f"/api/download/{_UPLOAD_ID}"], description="Where the file is.")
    total_faces: int = Field(ge=0)


class SessionView(BaseModel):
    token: str = Field(
        description="Send it as `Authorization: Bearer <token>`. With one user it is not needed."
    )


class QueueView(BaseModel):
    pending: int = Field(ge=0)
    processing: int = Field(ge=0)
    limit: int = Field(ge=1)


class ConfinementView(BaseModel):
    """What this machine takes from the processes that decode files. Not from those that use a GPU, nor from
    a content gate."""

    files: bool = Field(description="They can open no file but their own (Landlock).")
    network: bool = Field(description="They can open no socket (seccomp).")


class HealthView(BaseModel):
    store: Literal["ok"]
    snapshot: Literal["off", "ok", "failing"]
    dispatcher: bool = Field(description="Whether this process starts waiting tasks.")
    threads: dict[str, Literal["ok", "failing", "stopped"]] = Field(
        description="Each background thread of this process, and `runs` for the threads that drive tasks; "
        "`failing` after an unexpected error, until a step succeeds again."
    )
    backends: list[str]
    default_backend: str
    confinement: ConfinementView
    queue: QueueView
