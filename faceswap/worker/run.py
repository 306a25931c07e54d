"""Carries out one request and makes its answer, without RunPod's SDK.

The engine runs in a child process, so a stop can kill it at once, also in the middle of native code. Four
things stop a run: RunPod cancels the task, the cancel marker appears in the bucket, the deadline passes, or
RunPod takes the machine away. When the request names a receipt URL, the run writes its receipt there last.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from faceswap.engine.child.contract import EngineLimits, SwapSpec
from faceswap.engine.child.process import EngineProcess, EngineReport
from faceswap.errors import CloudFailed, FaceSwapError, JobStopped, JobTimeout, ResultTooLarge, WorkerShutDown
from faceswap.swap_result import SwapResult
from faceswap.wire import MediaLocation, WorkerProgress, WorkerRequest, WorkerResult, WorkerStage
from faceswap.worker.transfer import Transfer, outlast

log = logging.getLogger(__name__)

MARKER_EVERY_S = 2.0
ENGINE_POLL_S = 0.05
PROGRESS_EVERY_S = 1.0
"""Shortest time between two updates. RunPod may deliver faster ones in another order."""
QUIET_S = 0.5
"""Pause between the last update and the answer. An update that arrives after the answer would replace it."""
RECEIPT_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 7.0
"""How long a stopped run waits for its open transfers. It is longer than `ANSWER_TIMEOUT_S` of an upload."""
INLINE_LIMIT_BYTES = 7_000_000
"""Largest result that is sent inside the answer, as base64. RunPod limits the whole answer to 10 MB."""
NETWORK_VOLUME = Path("/runpod-volume/faceswap-models")
"""The default folder for the operator's weights, on the network volume that RunPod mounts."""

Tell = Callable[[dict[str, object]], None]
"""Sends one `WorkerProgress.as_update`."""


@dataclass(frozen=True, slots=True)
class Config:
    """The worker's settings, from its environment variables. 1 MB is 10**6 bytes."""

    weights_dir: Path
    allow_hosts: frozenset[str]
    """Hosts that the worker may connect to although they are not public, such as a bucket in the operator's
    network."""
    memory_mb: int
    """Memory limit of the engine's process."""
    max_download_mb: int
    """Largest size of each downloaded file."""
    models_dir: Path | None = None
    """Folder of the operator's weights files for the neural engine. A missing folder counts as empty."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        hosts = environ.get("FACESWAP_WORKER_ALLOW_HOSTS", "").split(",")
        weights_dir = Path(environ.get("FACESWAP_WORKER_WEIGHTS_DIR", "~/.cache/faceswap")).expanduser()
        return cls(
            weights_dir=weights_dir,
            allow_hosts=frozenset(host.strip() for host in hosts if host.strip()),
            memory_mb=int(environ.get("FACESWAP_WORKER_MEMORY_MB", "8192")),
            max_download_mb=int(environ.get("FACESWAP_WORKER_MAX_DOWNLOAD_MB", "2000")),
            models_dir=_models_dir(environ, weights_dir),
        )


def _models_dir(environ: Mapping[str, str], weights_dir: Path) -> Path:
    """`FACESWAP_WORKER_MODELS_DIR`, else the folder on the network volume if it exists, else
    `weights_dir`."""
    told = environ.get("FACESWAP_WORKER_MODELS_DIR")
    if told:
        return Path(told)
    return NETWORK_VOLUME if NETWORK_VOLUME.is_dir() else weights_dir


class Engine(Protocol):
    """The methods of `EngineProcess` that this module uses."""

    def poll(self) -> EngineReport[SwapResult]: ...

    def kill(self) -> None: ...


StartEngine = Callable[[SwapSpec], Engine]


class WorkerRun:
    """Carries out one request. The event `shutdown` is set when RunPod is about to take this machine away."""

    def __init__(
        self,
        config: Config,
        tell: Tell,
        shutdown: asyncio.Event,
        start_engine: StartEngine = EngineProcess,
    ) -> None:
        self._config = config
        self._progress = _ProgressSender(tell)
        self._shutdown = shutdown
        self._start_engine = start_engine
        self._receipt: asyncio.Task[bool] | None = None

    async def answer(self, raw: object, *, stopped_early: bool = False) -> dict[str, object]:
        """Carry out the request `raw` and return the answer. An error becomes `{"error": JSON text}`.

        Raises: asyncio.CancelledError only.
        """
        async with Transfer(self._config.allow_hosts, self._config.max_download_mb * 1_000_000) as transfer:
            receipt_url: str | None = None
            try:
                request = WorkerRequest.parse(raw)
                receipt_url = request.receipt_url
                if stopped_early:
                    raise JobStopped()
                output = await self._carry_out(request, transfer)
                await self._leave_receipt(transfer, receipt_url, output)
                await self._progress.quiet()
                return output
            except asyncio.CancelledError:
                log.info("stopped by RunPod")
                await self._leave_receipt(transfer, receipt_url, _described(JobStopped()))
                raise
            except FaceSwapError as error:
                described = _described(error)
            except Exception:
                log.exception("unexpected error")
                described = _described(CloudFailed(reason="unexpected error, see the worker's log"))
            log.info("ended with %s", described["code"])
            await self._leave_receipt(transfer, receipt_url, described)
            await self._progress.quiet()
            return {"error": json.dumps(described)}

    async def _carry_out(self, request: WorkerRequest, transfer: Transfer) -> dict[str, object]:
        """Work until the result is done or something stops the run. A stop cancels the work at once."""
        if request.cancel_url and await transfer.exists(request.cancel_url):
            raise JobStopped()
        tasks = [
            asyncio.create_task(self._work(request, transfer)),
            asyncio.create_task(self._until_marked(request, transfer)),
            asyncio.create_task(self._until_shutdown()),
            asyncio.create_task(_until_deadline(request)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended = next(task for task in tasks if task.done())
            return await ended
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                await outlast(task, STOP_TIMEOUT_S)

    async def _work(self, request: WorkerRequest, transfer: Transfer) -> dict[str, object]:
        with tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            self._progress.update(0.0, "downloading")
            sources: dict[str, Path] = {}
            for number, (face, location) in enumerate(request.sources.items()):
                sources[face] = await _fetched(transfer, location, folder / f"source-{number}", "source")
            target = await _fetched(transfer, request.target, folder / "target", "target")
            people = (
                await _fetched(transfer, request.people, folder / "people", "people")
                if request.people
                else None
            )
            result = folder / ("result.mp4" if request.kind == "video" else "result.png")
            said = await self._swap(self._spec(request, sources, target, people, result))
            self._progress.update(100.0, "uploading")
            return await _handed_back(request, transfer, result, said)

    async def _swap(self, spec: SwapSpec) -> SwapResult:
        log.info("an engine starts")
        engine = self._start_engine(spec)
        try:
            while not (report := engine.poll()).done:
                self._progress.update(report.progress, "processing")
                await asyncio.sleep(ENGINE_POLL_S)
        finally:
            engine.kill()
        return report.result_or_raise()

    def _spec(
        self,
        request: WorkerRequest,
        sources: Mapping[str, Path],
        target: Path,
        people: Path | None,
        result: Path,
    ) -> SwapSpec:
        """The spec for the engine's child process."""
        return SwapSpec(
            limits=EngineLimits(self._config.memory_mb, media=request.limits),
            kind=request.kind,
            sources=sources,
            target=target,
            result=result,
            options=request.options,
            marking=request.marking,
            people=None if request.span else people,
            span=request.span,
            whole=people if request.span else None,
            weights_dir=self._config.weights_dir,
            models_dir=self._config.models_dir,
        )

    async def _until_marked(self, request: WorkerRequest, transfer: Transfer) -> dict[str, object]:
        while request.cancel_url:
            await asyncio.sleep(MARKER_EVERY_S)
            if await transfer.exists(request.cancel_url):
                raise JobStopped()
        return await _never()

    async def _until_shutdown(self) -> dict[str, object]:
        await self._shutdown.wait()
        raise WorkerShutDown()

    async def _leave_receipt(
        self, transfer: Transfer, url: str | None, content: Mapping[str, object]
    ) -> None:
        """Write the receipt, once. When the task is cancelled meanwhile, it still waits until the receipt is
        written, because the app needs it."""
        if url is None or self._receipt is not None:
            return
        data = json.dumps(content).encode()
        self._receipt = put = asyncio.create_task(transfer.put(url, data, RECEIPT_TIMEOUT_S))
        try:
            await asyncio.shield(put)
        except asyncio.CancelledError:
            await outlast(put, RECEIPT_TIMEOUT_S)
            raise


class _ProgressSender:
    """Sends at most one update a second, because RunPod may reorder faster ones."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last_s = -PROGRESS_EVERY_S

    def update(self, percent: float, stage: WorkerStage) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s >= PROGRESS_EVERY_S:
            self._last_s = now_s
            self._tell(WorkerProgress(percent, stage).as_update())

    async def quiet(self) -> None:
        """Wait until `QUIET_S` after the last update, so that it arrives before the answer."""
        await asyncio.sleep(max(0.0, self._last_s + QUIET_S - time.monotonic()))


async def _fetched(transfer: Transfer, location: MediaLocation, path: Path, role: str) -> Path:
    await transfer.download(location, path, role)
    return path


async def _handed_back(
    request: WorkerRequest, transfer: Transfer, result: Path, swap: SwapResult
) -> dict[str, object]:
    """Upload the result, or put it inside the answer if the request names no URL. Returns the answer.

    Raises: ResultTooLarge, CloudFailed.
    """
    size = result.stat().st_size
    if request.result_url is None:
        if size > INLINE_LIMIT_BYTES:
            raise ResultTooLarge(limit_mb=INLINE_LIMIT_BYTES / 1e6)
        data = result.read_bytes()
        digest, text = hashlib.sha256(data).hexdigest(), base64.b64encode(data).decode()
        return WorkerResult(inline=text, sha256=digest, size_bytes=size, swap=swap).as_output()
    with result.open("rb") as file:
        digest = await asyncio.to_thread(lambda: hashlib.file_digest(file, "sha256").hexdigest())
    await transfer.upload(request.result_url, result)
    return WorkerResult(stored=True, sha256=digest, size_bytes=size, swap=swap).as_output()


async def _until_deadline(request: WorkerRequest) -> dict[str, object]:
    if request.deadline is None:
        return await _never()
    left_s = (request.deadline - datetime.now(UTC)).total_seconds()
    await asyncio.sleep(max(0.0, left_s))
    raise JobTimeout(limit_s=max(0.0, left_s))


async def _never() -> dict[str, object]:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


def _described(error: FaceSwapError) -> dict[str, object]:
    return WorkerResult(error=error).as_output()
