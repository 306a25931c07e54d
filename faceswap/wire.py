"""The messages between the app and its worker in the cloud. Only this module writes and reads them. Pure.

The app writes a `WorkerRequest` as the `input` of a RunPod job. The worker sends `WorkerProgress` while it
works and one `WorkerResult` at the end, which it also writes to the bucket as a receipt. Readers ignore
unknown fields, because either side may be the older one and because other workers use the same convention.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from faceswap import codec
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.errors import FaceSwapError, InvalidRequest, ResultMissing, from_code
from faceswap.media import aigc_text
from faceswap.media.kinds import Kind, Limits, Span
from faceswap.swap_result import SwapResult

ProcessType = Literal["single-image", "multi-image", "single-video", "multi-video"]

_KINDS: Mapping[str, Kind] = {
    "single-image": "image",
    "multi-image": "image",
    "single-video": "video",
    "multi-video": "video",
}
DEFAULT_LIMITS = Limits(max_megapixels=50, max_video_megapixels=9, max_duration_s=3600)
"""The limits for a request that names none."""

WorkerStage = Literal["downloading", "processing", "uploading"]


@dataclass(frozen=True, slots=True)
class MediaLocation:
    """Where the worker gets one file: an https URL, or the file itself as a data URL."""

    url: str
    sha256: str | None = None
    """SHA-256 in hex. With None the file is not checked."""

    @classmethod
    def inline(cls, data: bytes, sha256: str) -> MediaLocation:
        return cls("data:application/octet-stream;base64," + base64.b64encode(data).decode(), sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """Everything that the app tells a worker about a run.

    Without a bucket the three URLs are None. The worker then sends the result inside its answer, and only
    RunPod's own cancel can stop the run.
    """

    job_id: str = ""
    process_type: ProcessType
    sources: Mapping[str, MediaLocation]
    """The sources by key, see `source_keys`."""
    target: MediaLocation
    people: MediaLocation | None = None
    """File with what detection learned about the people of the target. `sources` uses their ids. With `span`:
    the file about the whole video."""
    span: Span | None = None
    """With it, the target is one cut of a video, and the result has the frames of this span and no sound."""
    options: Options = field(default_factory=Options)
    limits: Limits = DEFAULT_LIMITS
    marking: Marking | None = None
    """The labels of the result. After `parse` this is never None."""
    deadline: datetime | None = None
    """The time, with a time zone, at which the worker stops itself if the run has not ended before."""
    result_url: str | None = None
    """The URL to which the worker PUTs the result."""
    receipt_url: str | None = None
    """The URL to which the worker PUTs the receipt."""
    cancel_url: str | None = None
    """The URL at which the cancel marker appears."""

    @property
    def kind(self) -> Kind:
        return _KINDS[self.process_type]

    def as_input(self) -> dict[str, object]:
        """The `input` of a RunPod job, as `parse` reads it."""
        only = self.sources.get("")
        mapped = {face: location for face, location in self.sources.items() if face}
        return {
            "job_id": self.job_id,
            "process_type": self.process_type,
            "source_file": only.url if only else None,
            "target_file": self.target.url,
            "people_file": self.people.url if self.people else None,
            "face_mappings": {face: location.url for face, location in mapped.items()},
            "sha256": {
                "source_file": only.sha256 if only else None,
                "target_file": self.target.sha256,
                "people_file": self.people.sha256 if self.people else None,
                "face_mappings": {face: location.sha256 for face, location in mapped.items()},
            },
            "span": codec.encode(self.span),
            "options": codec.encode(self.options),
            "limits": codec.encode(self.limits),
            "marking": codec.encode(self.marking),
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "result_url": self.result_url,
            "receipt_url": self.receipt_url,
            "cancel_url": self.cancel_url,
        }

    @classmethod
    def parse(cls, raw: object) -> WorkerRequest:
        """Read the `input` of a RunPod job. A request without a marking gets the default one, so that no
        worker makes an unmarked picture.

        Raises:
            InvalidRequest: names the field that is missing or cannot be understood.
        """
        said = _fields(raw, "input")
        process_type = str(said.get("process_type"))
        if process_type not in _KINDS:
            raise InvalidRequest(reason="process_type must be one of " + ", ".join(_KINDS))
        sums = _fields(said.get("sha256") or {}, "sha256")
        people, span = _optional(said, "people_file"), _span(said.get("span"))
        if span and not people:
            raise InvalidRequest(reason="people_file must be there with span")
        return cls(
            job_id=str(said.get("job_id") or ""),
            process_type=cast("ProcessType", process_type),
            sources=_sources(said, sums),
            target=MediaLocation(_text(said, "target_file"), _optional(sums, "target_file")),
            people=MediaLocation(people, _optional(sums, "people_file")) if people else None,
            span=span,
            options=_options(_fields(said.get("options") or {}, "options")),
            limits=_limits(_fields(said.get("limits") or {}, "limits")),
            marking=_marking(said),
            deadline=_time(said.get("deadline")),
            result_url=_optional(said, "result_url"),
            receipt_url=_optional(said, "receipt_url"),
            cancel_url=_optional(said, "cancel_url"),
        )


def _sources(said: Mapping[str, Any], sums: Mapping[str, Any]) -> Mapping[str, MediaLocation]:
    mapped = _fields(said.get("face_mappings") or {}, "face_mappings")
    mapped_sums = _fields(sums.get("face_mappings") or {}, "sha256.face_mappings")
    sources = {
        face: MediaLocation(_text(mapped, face, "face_mappings"), _optional(mapped_sums, face))
        for face in mapped
    }
    if sources and str(said["process_type"]).startswith("multi-"):
        return sources
    more = {key: location for key, location in sources.items() if key.startswith("#")}
    return {"": MediaLocation(_text(said, "source_file"), _optional(sums, "source_file")), **more}


def _span(said: object) -> Span | None:
    if said is None:
        return None
    try:
        return codec.decode(Span, said)
    except codec.Malformed as error:
        raise InvalidRequest(reason="span must name the frames of a part") from error


def _options(said: Mapping[str, Any]) -> Options:
    """Read the options. A field with the wrong type counts as missing; older clients send such fields.

    Raises: InvalidRequest when `crf` is no number from 0 to 51.
    """
    crf = said.get("crf", Options().crf)
    if not _is_number(crf) or not 0 <= crf <= 51:
        raise InvalidRequest(reason="options.crf must be a number from 0 to 51")
    return codec.decode_leniently(Options, {**said, "crf": round(crf)})


def _limits(said: Mapping[str, Any]) -> Limits:
    numbers = {name: float(value) for name, value in said.items() if _is_number(value)}
    known = {name: value for name, value in numbers.items() if name in Limits.__dataclass_fields__}
    return replace(DEFAULT_LIMITS, **known)


def _marking(said: Mapping[str, Any]) -> Marking:
    if said.get("marking") is not None:
        return Marking.of(said["marking"])
    return Marking(Label(), aigc_text("faceswap", str(said.get("job_id") or "")))


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidRequest(reason="deadline must be an ISO 8601 time") from error
    if time.tzinfo is None:
        raise InvalidRequest(reason="deadline must carry its time zone")
    return time


def _fields(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(reason=f"{name} must be an object")
    return cast("dict[str, Any]", value)


def _text(fields: Mapping[str, Any], key: str, name: str = "") -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(reason=f"{name or key} must be an https address or a data URL")
    return value


def _optional(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """The last report of a running worker. Updates may arrive late and out of order."""

    percent: float = 0.0
    stage: WorkerStage = "processing"

    def as_update(self) -> dict[str, object]:
        return {"progress": round(self.percent, 1), "stage": self.stage}

    @classmethod
    def read(cls, output: object) -> WorkerProgress:
        """Read an update of our worker, or the bare number that other workers send."""
        said = cast("Mapping[str, object]", output) if isinstance(output, dict) else {"progress": output}
        number = said.get("progress")
        percent = float(number) if isinstance(number, (int, float)) and 0 <= number <= 100 else 0.0
        return cls(percent, "uploading" if said.get("stage") == "uploading" else "processing")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerResult:
    """How a run ended, from RunPod's last answer or from the receipt in the bucket.

    If `error` is not set, exactly one of `stored` (the result is in the bucket), `inline` (base64 text) and
    `url` says where the result is.
    """

    stored: bool = False
    inline: str | None = None
    url: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    swap: SwapResult = field(default_factory=SwapResult)
    error: FaceSwapError | None = None

    def as_output(self) -> dict[str, object]:
        """The output of a completed run, or the contents of a receipt, as `read` reads it."""
        if self.error:
            return {"code": self.error.code, "details": self.error.details, "message": str(self.error)}
        where: dict[str, object] = {"stored": True} if self.stored else {"result": self.inline or self.url}
        return where | {"sha256": self.sha256, "size_bytes": self.size_bytes} | codec.encode(self.swap)

    @classmethod
    def read(cls, output: object) -> WorkerResult:
        """Read the output of a completed run of our worker, or of another worker with the same convention.
        The output is untrusted. A field that cannot be read counts as missing."""
        if isinstance(output, str) and output:
            return cls(inline=output)
        if not isinstance(output, dict):
            return cls(error=ResultMissing())
        said = cast("Mapping[str, Any]", output)
        if "code" in said:
            return cls(error=coded_error(said))
        size = said.get("size_bytes")
        known = cls(
            sha256=_optional(said, "sha256"),
            size_bytes=size if type(size) is int and size >= 0 else None,
            swap=_swap_result(said),
        )
        if said.get("stored") is True:
            return replace(known, stored=True)
        if url := _optional(said, "result_url"):
            return replace(known, url=url)
        if result := _optional(said, "result"):
            is_url = result.startswith(("https://", "http://"))
            return replace(known, url=result) if is_url else replace(known, inline=result)
        return cls(error=ResultMissing())


def coded_error(said: Mapping[str, Any]) -> FaceSwapError:
    """Return the `FaceSwapError` that an object with `code` and `details` describes."""
    details = said.get("details")
    return from_code(
        str(said["code"]), cast("dict[str, object]", details) if isinstance(details, dict) else {}
    )


def _swap_result(said: Mapping[str, Any]) -> SwapResult:
    result = codec.decode_leniently(SwapResult, said)
    negative = {name: None for name, count in result.counts().items() if count is not None and count < 0}
    return replace(result, **negative)
