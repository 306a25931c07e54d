"""Workers that run in the test's process: the real worker's code, with an engine that only counts time.

They replace the SDK, which other tests cover. They copy two of its habits that make cancelling hard: a job
begins up to 0.1 s after it was taken, and a stop signal that comes before that is dropped.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceswap.engine.child.contract import SwapSpec
from faceswap.engine.child.process import EngineReport
from faceswap.errors import EngineCrashed
from faceswap.media import Coding, Limits, PartWriter, VideoReader
from faceswap.swap_result import SwapResult
from faceswap.worker.run import Config, WorkerRun
from tests.emulator.server import EmulatedJob, Emulator
from tests.marked import marked_picture

_TICK_S = 0.01


@dataclass
class CountingEngine:
    """Computes from `began` to `ended`, in seconds since 1970. `ended` is None while it computes."""

    spec: SwapSpec
    duration_s: float
    began: float
    ended: float | None = None
    fails: bool = False

    def poll(self) -> EngineReport[SwapResult]:
        passed_s = time.time() - self.began
        if passed_s < self.duration_s:
            return EngineReport(done=False, progress=100 * passed_s / self.duration_s)
        self.ended = self.ended or time.time()
        if self.fails:
            return EngineReport(done=True, error=EngineCrashed())
        assert self.spec.marking
        if self.spec.span:
            frames = copied_part(self.spec)
            return EngineReport(
                done=True,
                progress=100,
                result=SwapResult(frames=frames, swapped_frames=frames, engine="mesh"),
            )
        marked_picture(self.spec.result, (64, 64), self.spec.marking)
        return EngineReport(done=True, progress=100, result=SwapResult(frames=1))

    def kill(self) -> None:
        self.ended = self.ended or time.time()


def copied_part(spec: SwapSpec) -> int:
    """Write the frames of a cut's part as they are. Returns how many there are."""
    assert spec.span and spec.whole and spec.whole.is_file()
    coding = Coding(spec.options.crf)
    with (
        VideoReader(spec.target, Limits()) as reader,
        PartWriter(spec.result, reader, coding, spec.span) as writer,
    ):
        for frame in reader.frames():
            writer.write(frame)
        writer.close()
    return writer.frames


class LightWorkers:
    """Starts a worker for each job. `engines` holds every engine that was started, by our job id."""

    def __init__(
        self,
        emulator: Emulator,
        folder: Path,
        *,
        duration_s: float = 1.5,
        may_take: Callable[[EmulatedJob], bool] = lambda job: True,
        fails: Callable[[EmulatedJob], bool] = lambda job: False,
    ) -> None:
        """The engine of a job for which `fails` is true crashes in the end."""
        self.engines: dict[str, list[CountingEngine]] = {}
        self._emulator = emulator
        self._config = Config(folder, frozenset({"127.0.0.1"}), memory_mb=512, max_download_mb=100)
        self._duration_s = duration_s
        self._may_take = may_take
        self._fails = fails
        self._chance = random.Random(0)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()
        self._closing = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._thread.join()

    def computing(self) -> list[str]:
        """Our ids of the jobs whose engine computes right now."""
        return [
            job_id
            for job_id, engines in list(self.engines.items())
            if any(engine.ended is None for engine in engines)
        ]

    async def _serve(self) -> None:
        while not self._closing:
            for job in list(self._emulator.jobs.values()):
                if job.state == "IN_QUEUE" and self._may_take(job):
                    job.state, job.worker, job.started_at = "IN_PROGRESS", job.id, self._emulator.now()
                    self._tasks[job.id] = asyncio.create_task(self._work(job))
            for job_id in list(self._begun):
                if self._emulator.take_stops(job_id):
                    self._tasks[job_id].cancel()
            await asyncio.sleep(_TICK_S)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _work(self, job: EmulatedJob) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.1))
        self._emulator.take_stops(job.id)  # dropped, as the SDK drops them
        self._begun.add(job.id)
        try:
            run = WorkerRun(self._config, lambda update: None, asyncio.Event(), self._engine_for(job))
            answer = await run.answer(job.input)
            self._emulator.take_answer(job, json.loads(json.dumps(answer)))
        finally:
            self._begun.discard(job.id)

    def _engine_for(self, job: EmulatedJob) -> Any:
        def start(spec: SwapSpec) -> CountingEngine:
            engine = CountingEngine(spec, self._duration_s, time.time(), fails=self._fails(job))
            self.engines.setdefault(job.input["job_id"], []).append(engine)
            return engine

        return start
