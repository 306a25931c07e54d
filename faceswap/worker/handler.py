"""The RunPod side of the worker: `python -m faceswap.worker.handler` serves jobs until it is told to end.

It works around some behaviour of RunPod's SDK. The docstrings of `EarlyStops`, `watch_queue` and `Worker`
describe that behaviour. Source: runpod 1.12, `serverless/modules/rp_scale.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import runpod
from runpod.serverless.modules.rp_scale import JobScaler

from faceswap.engine.child.contract import EngineLimits, ModelsSpec, Spec, SwapSpec
from faceswap.engine.child.process import EngineProcess, EngineReport
from faceswap.engine.face.models import landmarker_path
from faceswap.engine.options import Options
from faceswap.errors import EngineCrashed, NoFaceFound
from faceswap.media import Limits
from faceswap.worker.queue_watch import QueueWatch
from faceswap.worker.run import Config, WorkerRun

R = TypeVar("R")

log = logging.getLogger("faceswap.worker.handler")  # the worker runs this module as __main__

_KEPT_STOPS = 1000
_FITNESS_S = 60.0
_NETWORKS_FITNESS_S = 240.0
"""Long enough to read a gigabyte from a network volume and to start a GPU."""


class EarlyStops:
    """Remembers stop signals for jobs that the SDK has fetched but whose handler has not begun.

    The SDK drops such a signal if it has no task for the job yet, and would then run the job. If it has a
    task that has not run its first step, it cancels that task, which then never clears the job away: the
    worker would wait for it forever. So a signal reaches the SDK only while the job's handler runs.
    """

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()

    def watch(self) -> None:
        """Wrap the method that the SDK calls for each signal."""
        original = JobScaler.stop_job

        async def stop_job(scaler: JobScaler, job_id: str) -> bool:
            if job_id in self._running:
                return await original(scaler, job_id)
            self._ids[job_id] = None
            if len(self._ids) > _KEPT_STOPS:
                self._ids.popitem(last=False)
            return False

        JobScaler.stop_job = stop_job

    @contextmanager
    def running(self, job_id: str) -> Generator[bool]:
        """The `with` block handles the job. Gives whether the job was stopped before, and forgets that."""
        early = job_id in self._ids
        self._ids.pop(job_id, None)
        self._running.add(job_id)
        try:
            yield early
        finally:
            self._running.discard(job_id)


def watch_queue() -> None:
    """Make the SDK pause after each failed request, and end this worker as `QueueWatch` describes."""
    original = JobScaler.__init__

    def watched_init(self: JobScaler, config: dict[str, Any]) -> None:
        original(self, config)
        self.jobs_fetcher = QueueWatch(self.kill_worker).watched(self.jobs_fetcher)

    JobScaler.__init__ = watched_init


class Worker:
    def __init__(self, config: Config, early_stops: EarlyStops) -> None:
        self._config = config
        self._early_stops = early_stops
        self._shutdown: asyncio.Event | None = None

    async def handle(self, job: dict[str, Any]) -> dict[str, object]:
        """The handler that the SDK calls. It is an `async def`, because the SDK can cancel only a task."""

        def tell(progress: dict[str, object]) -> None:
            runpod.serverless.progress_update(job, progress)

        run = WorkerRun(self._config, tell, self._shutdown_event())
        with self._early_stops.running(str(job["id"])) as stopped_early:
            return await run.answer(job.get("input"), stopped_early=stopped_early)

    def _shutdown_event(self) -> asyncio.Event:
        """An event that SIGTERM sets. This method installs the signal handler on the first call.

        It does so during the first job, because the SDK installs its own signal handler when it starts and
        would replace an earlier one. The SDK's handler only stops fetching jobs. It does not tell the running
        job, so RunPod would kill a long job without an answer.
        """
        if self._shutdown is None:
            self._shutdown = shutdown = asyncio.Event()
            loop = asyncio.get_running_loop()
            previous = signal.getsignal(signal.SIGTERM)

            def on_sigterm(number: int, frame: FrameType | None) -> None:
                loop.call_soon_threadsafe(shutdown.set)
                if callable(previous):
                    previous(number, frame)

            signal.signal(signal.SIGTERM, on_sigterm)
        return self._shutdown


def check_fitness(config: Config) -> None:
    """Raise unless this machine can swap.

    The landmark model must be the right file, the engine must answer that a grey picture shows no face, and
    the operator's networks must run if there are any. The SDK ends a worker whose check raises, and RunPod
    starts another one on another machine.
    """
    from PIL import Image

    landmarker_path(config.weights_dir)
    limits = EngineLimits(config.memory_mb, media=Limits(1, 1, 1))
    with tempfile.TemporaryDirectory(prefix="fitness-") as folder:
        grey = Path(folder) / "grey.png"
        Image.new("RGB", (64, 64), (128, 128, 128)).save(grey)
        swap = SwapSpec(
            limits=limits,
            kind="image",
            sources={"": grey},
            target=grey,
            result=Path(folder) / "result.png",
            options=Options(engine="mesh"),
            weights_dir=config.weights_dir,
        )
        report = _asked(swap, _FITNESS_S)
    if not isinstance(report.error, NoFaceFound):
        raise report.error or EngineCrashed()
    if config.models_dir is None or not any(config.models_dir.glob("*.onnx")):
        log.info("no networks: every swap is the mesh engine's")
        return
    models = ModelsSpec(limits=limits, models_dir=config.models_dir)
    checked = _asked(models, _NETWORKS_FITNESS_S).result_or_raise()
    log.info("%s on %s", checked.engine, checked.provider)


def _asked(spec: Spec[R], timeout_s: float) -> EngineReport[R]:
    engine = EngineProcess(spec)
    try:
        return engine.wait(timeout_s)
    finally:
        engine.kill()


def main() -> None:
    # The import of the SDK has configured the root logger. Without `force` this call would change nothing.
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("faceswap").setLevel(os.environ.get("FACESWAP_LOG_LEVEL", "INFO"))
    config = Config.from_env()
    early_stops = EarlyStops()
    early_stops.watch()
    watch_queue()

    def engine_is_fit() -> None:
        check_fitness(config)

    runpod.serverless.register_fitness_check(engine_is_fit)
    runpod.serverless.start({"handler": Worker(config, early_stops).handle})


if __name__ == "__main__":
    main()
