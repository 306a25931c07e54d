"""Content gates for the tests, named `tests.gates:…` in FACESWAP_CONTENT_GATE."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from faceswap.engine.gate import SampledFrame


def refuse_videos(pictures: Iterator[SampledFrame]) -> str | None:
    """Refuses videos, recognised by fields that pictures lack, after it has seen every sample."""
    seen = list(pictures)
    return f"{len(seen)} frames" if seen[0].time_s is not None else None


def refuse_pictures(pictures: Iterator[SampledFrame]) -> str | None:
    return "a picture" if next(pictures).time_s is None else None


def fail(pictures: Iterator[SampledFrame]) -> str | None:
    raise RuntimeError(f"/a/path/that/nobody/should/read, {next(pictures).time_s}")


def die(pictures: Iterator[SampledFrame]) -> str | None:
    os.kill(os.getpid(), signal.SIGSEGV)
    return None


def answer_nonsense(pictures: Iterator[SampledFrame]) -> object:
    return False
