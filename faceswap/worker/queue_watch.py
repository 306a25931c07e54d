"""Slows down a worker that cannot reach its queue, and ends it in less than a minute.

The SDK asks for its next job in a loop without a pause. When an endpoint is deleted, every request of its
worker fails at once. The worker would then use most of a core until somebody ends it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")

log = logging.getLogger(__name__)

END_AFTER_S = 45.0
"""For how many seconds every request may fail before the worker ends itself. RunPod starts another worker
when it needs one."""
PAUSES_S = (0.5, 5.0)
"""The pause after the first failure, and the longest pause. Each pause is twice the one before."""
_TOO_MANY = 429


class QueueWatch:
    """Watches the requests of one worker. It calls `end` once, when they have failed for `END_AFTER_S`."""

    def __init__(
        self,
        end: Callable[[], object],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._end = end
        self._monotonic = monotonic
        self._sleep = sleep
        self._failing_since_s: float | None = None
        self._pause_s = PAUSES_S[0]
        self._ended = False

    def watched(self, request: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
        """Return a function that sends the same request and pauses before it raises an error. It does not
        pause after an answer 429, because the SDK does that itself."""

        async def with_pause(*arguments: object) -> R:
            try:
                answer = await request(*arguments)
            except Exception as error:
                if getattr(error, "status", None) != _TOO_MANY:
                    await self._failed()
                raise
            self._failing_since_s, self._pause_s = None, PAUSES_S[0]
            return answer

        return with_pause

    async def _failed(self) -> None:
        now_s = self._monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        if now_s - self._failing_since_s >= END_AFTER_S and not self._ended:
            self._ended = True
            log.error("the queue could not be reached for %.0f s: this worker ends itself", END_AFTER_S)
            self._end()
        await self._sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, PAUSES_S[1])
