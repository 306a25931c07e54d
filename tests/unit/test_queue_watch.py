"""A worker that cannot reach its queue slows down, and exits within a minute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from faceswap.worker.queue_watch import QueueWatch
from tests.factories import Clock


class Refused(Exception):
    status = 500


class TooMany(Exception):
    status = 429


@dataclass
class Queue:
    """Answers what the test says. Its time passes only while the worker pauses."""

    clock: Clock = field(default_factory=lambda: Clock(0.0))
    fault: type[Exception] | None = Refused
    asked: int = 0
    ends: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.watch = QueueWatch(lambda: self.ends.append(self.clock()), self.clock, self.pause)

    async def pause(self, seconds: float) -> None:
        self.clock.now_s += seconds

    async def take(self) -> list[str]:
        self.asked += 1
        if self.fault:
            raise self.fault()
        return ["a job"]

    def ask(self) -> list[str]:
        return asyncio.run(self._ask())

    async def _ask(self) -> list[str]:
        return await self.watch.watched(self.take)()


def test_it_asks_a_few_times_and_ends_once_within_a_minute() -> None:
    queue = Queue()
    while queue.clock() < 120:
        with pytest.raises(Refused):
            queue.ask()
    assert len(queue.ends) == 1
    assert queue.ends[0] < 60
    assert queue.asked < 30, "it does not spin"


def test_an_answer_begins_the_count_anew() -> None:
    queue = Queue()
    for _ in range(20):
        queue.fault = Refused
        for _ in range(3):
            with pytest.raises(Refused):
                queue.ask()
        queue.fault = None
        assert queue.ask() == ["a job"]
    assert queue.clock() > 60
    assert queue.ends == []


def test_too_many_requests_are_paused_by_the_sdk_itself() -> None:
    queue = Queue(fault=TooMany)
    with pytest.raises(TooMany):
        queue.ask()
    assert queue.clock() == 0
