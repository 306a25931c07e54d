"""A log handler that writes a flood of the same line once, and then how often it came.

Otherwise one visitor who repeats a bad request could fill a disk with the log, or hide other lines in it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

WINDOW_S = 10.0
MOST_ALIKE = 20
"""How many lines that differ only in their values are written in one window, from the level INFO on."""


@dataclass(slots=True)
class _Seen:
    sample: logging.LogRecord
    since_s: float
    most: int
    count: int = 0

    @property
    def left_out(self) -> int:
        return max(0, self.count - self.most)


class QuietHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream, to standard error by default."""

    def __init__(
        self, stream: TextIO | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream)
        self._monotonic = monotonic
        self._seen: dict[tuple[object, ...], _Seen] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.tell()
        same = self._count(("text", record.name, record.levelno, record.getMessage()), record, 1)
        alike = (
            not same.left_out
            and record.levelno >= logging.INFO
            and self._count(("alike", record.name, record.levelno, record.msg), record, MOST_ALIKE).left_out
        )
        if same.left_out or alike:
            self._tell_later()
        else:
            super().emit(record)

    def tell(self, *, all_now: bool = False) -> None:
        """Write how many lines were left out in each window that is over."""
        with self.lock or threading.RLock():
            now_s = self._monotonic()
            over = [key for key, seen in self._seen.items() if all_now or now_s - seen.since_s >= WINDOW_S]
            for seen in [self._seen.pop(key) for key in over]:
                if seen.left_out:
                    first = seen.sample
                    words = first.getMessage() if seen.most == 1 else str(first.msg)
                    text = f"{words} (and {seen.left_out} more like this)"
                    super().emit(
                        logging.LogRecord(
                            first.name, first.levelno, first.pathname, first.lineno, text, None, None
                        )
                    )

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.tell(all_now=True)
        super().close()

    def _count(self, key: tuple[object, ...], record: logging.LogRecord, most: int) -> _Seen:
        seen = self._seen.setdefault(key, _Seen(record, self._monotonic(), most))
        seen.count += 1
        return seen

    def _tell_later(self) -> None:
        """Make sure that the count is written although nothing else is logged."""
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(WINDOW_S, self.tell)
            self._timer.daemon = True
            self._timer.start()
