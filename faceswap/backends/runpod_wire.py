"""The envelope in which RunPod carries a run: states, errors, sizes. Pure. `faceswap.wire` has the contents.

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
from enum import StrEnum
from typing import cast

from faceswap.errors import CloudFailed, FaceSwapError
from faceswap.wire import WorkerResult, coded_error

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


def receipt_of(data: bytes) -> WorkerResult | None:
    """Read a receipt; None when it is none of ours."""
    said = json_object(data)
    return WorkerResult.read(said) if said else None


def error_of(answer: Fields) -> FaceSwapError:
    """The error of a FAILED answer: a sentence, JSON text of our worker, or JSON text of RunPod's SDK."""
    found = answer.get("error") or _object(answer.get("output")).get("error")
    said = _object(found)
    if "code" in said:
        return coded_error(said)
    reason = (said.get("error_message") or said.get("message") or "") if said else str(found or "")
    return CloudFailed(reason=_harmless(str(reason)))


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


def json_object(text: str | bytes) -> Fields:
    """The JSON object in an untrusted text; empty when there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("Fields", value) if isinstance(value, dict) else {}


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
