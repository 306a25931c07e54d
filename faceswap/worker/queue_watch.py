"""Slows a worker down whose queue cannot be reached, and ends it before a minute is over.

The SDK asks for its next job in a loop without a pause. When every request fails at once, the worker of an
endpoint that is gone would use most of a core until somebody ends it.
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
"""How long the queue may fail before the worker ends itself. RunPod starts another one when it needs one."""
PAUSES_S = (0.5, 5.0)
"""After the first failure, and at most."""
_TOO_MANY = 429


class QueueWatch:
    """Watches the requests of one worker. `end` is called once, when they have failed for `END_AFTER_S`."""

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
        """The same request. After a failure it pauses before it raises; an answer 429 has a pause already."""

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
