"""The last lines of the app's own log, held in memory for the page that shows them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

LENGTH = 5000
_LOGGER = "faceswap"


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    level: str
    text: str


class RecentLog(logging.Handler):
    """Use it for one local user only: the lines name every user's jobs."""

    def __init__(self, length: int = LENGTH) -> None:
        super().__init__()
        self._lines: deque[Line] = deque(maxlen=length)
        self._reading = threading.Lock()

    @classmethod
    def attached(cls) -> Self:
        """The handler that is attached already, or else a new one, attached."""
        logger = logging.getLogger(_LOGGER)
        for handler in logger.handlers:
            if isinstance(handler, cls):
                return handler
        made = cls()
        logger.addHandler(made)
        return made

    def emit(self, record: logging.LogRecord) -> None:
        line = Line(datetime.fromtimestamp(record.created, UTC), record.levelname, record.getMessage())
        with self._reading:
            self._lines.append(line)

    def about(self, job_id: str, most: int) -> list[Line]:
        """At most `most` lines that name the job, newest first."""
        with self._reading:
            lines = list(self._lines)
        return [line for line in reversed(lines) if job_id in line.text][:most]
