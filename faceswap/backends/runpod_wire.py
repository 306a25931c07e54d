"""What is said between the app, RunPod and the worker, without any network. Pure.

An answer of RunPod is never trusted to have the documented form: whatever does not fit is read as "still
running", and the caller's deadline ends it.

Source: https://docs.runpod.io/serverless/endpoints/operation-reference for states and fields.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import cast

from faceswap.engine.marks.marking import Marking
from faceswap.errors import CloudFailed, FaceSwapError, ResultMissing, from_code
from faceswap.jobs import Job, Stage, isoformat

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10_000_000
"""Of one /run request. Source: https://docs.runpod.io/serverless/endpoints/send-requests"""
ENVELOPE_BYTES = 64 * 1024
"""Room in a body for everything but the media: presigned URLs, options, mappings."""

Fields = Mapping[str, object]


class Remote(StrEnum):
    """The states of RunPod."""

    QUEUED = "IN_QUEUE"
    RUNNING = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def ended(self) -> bool:
        return self not in (Remote.QUEUED, Remote.RUNNING)


_STATES = {state.value: state for state in Remote}


def state_of(answer: Fields) -> Remote:
    """The state in an answer. A word we do not know, or none, means that the run may still be going on."""
    word = str(answer.get("status", "")).upper()
    if word not in _STATES and word != "RUNNING":
        log.warning("runpod: unknown state %.60r is taken for running", word)
    return _STATES.get(word, Remote.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a running worker last said of itself; updates may arrive late and out of order."""

    percent: float = 0.0
    stage: Stage = Stage.PROCESSING


def progress_of(answer: Fields) -> Progress:
    """Progress as the worker sends it, `{"progress": 0..100, "stage": "..."}`; a bare number is accepted."""
    output = answer.get("output")
    said = cast("Fields", output) if isinstance(output, dict) else {"progress": output}
    number = said.get("progress")
    percent = float(number) if isinstance(number, (int, float)) and 0 <= number <= 100 else 0.0
    return Progress(percent, Stage.FINISHING if said.get("stage") == "uploading" else Stage.PROCESSING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, from RunPod's last answer or from the receipt in the bucket.

    Exactly one of `stored` (the result lies in the bucket), `inline` (base64 text) and `url` tells where the
    result is, unless `error` is set.
    """

    stored: bool = False
    inline: str | None = None
    url: str | None = None
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    frames: int | None = None
    swapped_frames: int | None = None
    engine: str | None = None
    weights: tuple[Fields, ...] = ()
    error: FaceSwapError | None = None

    def as_output(self) -> Fields:
        return {"stored": self.stored, "inline": self.inline, "url": self.url, "sha256": self.sha256}


def outcome_of(output: object) -> Outcome:
    """Read the output of a completed run: ours, or that of another worker of the same convention."""
    if isinstance(output, str) and output:
        return Outcome(inline=output)
    if not isinstance(output, dict):
        return Outcome(error=ResultMissing())
    said = cast("Fields", output)
    if "code" in said:
        return Outcome(error=_coded(said))
    known = Outcome(
        sha256=_text(said.get("sha256")),
        notes=_words(said.get("notes")),
        frames=_count(said.get("frames")),
        swapped_frames=_count(said.get("swapped_frames")),
        engine=_text(said.get("engine")),
        weights=_facts(said.get("weights")),
    )
    if said.get("stored") is True:
        return replace(known, stored=True)
    if url := _text(said.get("result_url")):
        return replace(known, url=url)
    if result := _text(said.get("result")):
        is_url = result.startswith(("https://", "http://"))
        return replace(known, url=result) if is_url else replace(known, inline=result)
    return Outcome(error=ResultMissing())


def receipt_of(data: bytes) -> Outcome | None:
    """Read a receipt; None when it is none of ours."""
    said = json_object(data)
    return outcome_of(said) if said else None


def error_of(answer: Fields) -> FaceSwapError:
    """The error of a FAILED answer: a sentence, JSON text of our worker, or JSON text of RunPod's SDK."""
    found = answer.get("error") or _object(answer.get("output")).get("error")
    said = _object(found)
    if "code" in said:
        return _coded(said)
    reason = (said.get("error_message") or said.get("message") or "") if said else str(found or "")
    return CloudFailed(reason=_harmless(str(reason)))


def _coded(said: Fields) -> FaceSwapError:
    details = said.get("details")
    return from_code(
        str(said["code"]), cast("dict[str, object]", details) if isinstance(details, dict) else {}
    )


def _harmless(reason: str) -> str:
    """One short line without addresses and paths: presigned URLs are secrets."""
    line = reason.strip().partition("\n")[0]
    line = re.sub(r"\S*(?:://|[/\\]\w+[/\\])\S*", "...", line)
    return line[:200].rstrip(" .") or "no reason given"


def _object(value: object) -> Fields:
    """A JSON object, given as such or as text; empty for everything else."""
    if isinstance(value, dict):
        return cast("Fields", value)
    return json_object(value) if isinstance(value, str) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in cast("list[object]", value)) if isinstance(value, list) else ()


def _facts(value: object) -> tuple[Fields, ...]:
    """What a worker says of the weights it used: flat objects of words and flags."""
    if not isinstance(value, list):
        return ()
    said = (cast("Fields", each) for each in cast("list[object]", value) if isinstance(each, dict))
    return tuple({key: word for key, word in each.items() if isinstance(word, (str, bool))} for each in said)


def json_object(text: str | bytes) -> Fields:
    """The JSON object in an untrusted text; empty when there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("Fields", value) if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the worker gets one file: an https URL, or the file itself as a data URL."""

    url: str
    sha256: str

    @classmethod
    def inline(cls, data: bytes, sha256: str) -> Address:
        return cls("data:application/octet-stream;base64," + base64.b64encode(data).decode(), sha256)


@dataclass(frozen=True, slots=True)
class Order:
    """All that a worker is told. Without a bucket the three URLs are None: the result comes back inline, and
    only RunPod's own cancel reaches the worker.
    """

    job: Job
    sources: Mapping[str, Address]
    target: Address
    deadline: datetime
    """When the run must be over, whatever RunPod does; the worker stops itself then."""
    people: Address | None = None
    """What was learned before about the people of the target."""
    limits: Fields = field(default_factory=dict[str, object])
    marking: Marking | None = None
    """What the worker marks the result with; it has its own default."""
    result_url: str | None = None
    receipt_url: str | None = None
    cancel_url: str | None = None

    def as_input(self) -> dict[str, object]:
        only = self.sources.get("")
        mapped = {face: address for face, address in self.sources.items() if face}
        return {
            "job_id": self.job.id,
            "process_type": self.job.type.value,
            "source_file": only.url if only else None,
            "target_file": self.target.url,
            "people_file": self.people.url if self.people else None,
            "face_mappings": {face: address.url for face, address in mapped.items()},
            "sha256": {
                "source_file": only.sha256 if only else None,
                "target_file": self.target.sha256,
                "people_file": self.people.sha256 if self.people else None,
                "face_mappings": {face: address.sha256 for face, address in mapped.items()},
            },
            "options": self.job.options.for_engine(),
            "limits": dict(self.limits),
            "marking": self.marking.as_spec() if self.marking else None,
            "deadline": isoformat(self.deadline),
            "result_url": self.result_url,
            "receipt_url": self.receipt_url,
            "cancel_url": self.cancel_url,
        }


def inline_size(size_bytes: int) -> int:
    """Of a file as base64."""
    return (size_bytes + 2) // 3 * 4


def decoded(text: str) -> bytes:
    """The bytes of base64 text or of a data URL. Raises `ValueError` for anything else."""
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
