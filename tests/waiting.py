"""Wait for a condition, not for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 5
"""A busy machine may take this many times as long as a quiet one before a test gives up."""


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 20.0) -> T:
    """The first truthy answer of `condition`.

    `timeout_s` says how long that may take on a quiet machine; the test fails after `PATIENCE` times that.
    """
    timeout_s *= PATIENCE
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {timeout_s} s in vain: {what}"
        pause.wait(0.01)
    return answer
