"""Wait for a condition, not for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 20.0) -> T:
    """The first truthy answer of `condition`; fails the test after `timeout_s`."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {timeout_s} s in vain: {what}"
        pause.wait(0.01)
    return answer
