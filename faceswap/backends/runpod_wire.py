"""Reads RunPod's own part of an answer: states, errors, sizes. Pure.

`faceswap.wire` reads the part that our worker wrote. This module does not assume that an answer has the
documented form. It reads an unknown state as "still running"; the caller's deadline ends such a run.

Source: https://docs.runpod.io/serverless/endpoints/operation-reference for states and fields.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import cast

from faceswap.errors import CloudFailed, FaceSwapError
from faceswap.wire import WorkerResult, coded_error

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10_000_000
"""Size limit of one /run request. Source: https://docs.runpod.io/serverless/endpoints/send-requests"""
ENVELOPE_BYTES = 64 * 1024
"""Space reserved in a request for everything except the media: presigned URLs, options, mappings."""

Fields = Mapping[str, object]


class Remote(StrEnum):
    """RunPod's states of a run."""

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
    """The state in an answer. An unknown or missing one counts as RUNNING, because the run may still work."""
    word = str(answer.get("status", "")).upper()
    if word not in _STATES and word != "RUNNING":
        log.warning("runpod: unknown state %.60r is taken for running", word)
    return _STATES.get(word, Remote.RUNNING)


def billed_of(answer: Fields) -> float:
    """The seconds that a run was executed, which RunPod bills. 0.0 when the answer does not say."""
    executed_ms = answer.get("executionTime")
    if isinstance(executed_ms, (int, float)) and 0 < executed_ms < math.inf:
        return executed_ms / 1000
    return 0.0


def receipt_of(data: bytes) -> WorkerResult | None:
    """Read a receipt. Returns None when the data is not a JSON object or an empty one."""
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
    """The first line of `reason`, shortened, with every URL and path replaced: presigned URLs are secrets."""
    line = reason.strip().partition("\n")[0]
    line = re.sub(r"\S*(?:://|[/\\]\w+[/\\])\S*", "...", line)
    return line[:200].rstrip(" .") or "no reason given"


def _object(value: object) -> Fields:
    """Return a JSON object that is given as a dict or as text. Returns an empty one for everything else."""
    if isinstance(value, dict):
        return cast("Fields", value)
    return json_object(value) if isinstance(value, str) else {}


def json_object(text: str | bytes) -> Fields:
    """Return the JSON object in an untrusted text, or an empty one when the text holds none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("Fields", value) if isinstance(value, dict) else {}


def inline_size(size_bytes: int) -> int:
    """The size in bytes of a file after it is encoded as base64."""
    return (size_bytes + 2) // 3 * 4


def decoded(text: str) -> bytes:
    """Return the bytes of base64 text or of a data URL. Raises `ValueError` for anything else."""
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
