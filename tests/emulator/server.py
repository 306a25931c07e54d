"""RunPod's server on this machine: both sides of its protocol, with a switch for each fault.

The app talks to `/run`, `/status`, `/cancel`; a worker under the real SDK talks to `job-take`, `job-done`,
`job-stop` and `ping`. It keeps to the times of a policy.

Source: runpod 1.12 (`serverless/modules/rp_job.py`, `rp_http.py`, `rp_ping.py`) for the worker's side and
https://docs.runpod.io/serverless/endpoints/operation-reference for the app's.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.waiting import wait_until

KEY = "app-key"
LIVE = ("IN_QUEUE", "IN_PROGRESS")
TAKE_HOLD_S = 5.0
_TICK_S = 0.02


@dataclass
class Faults:
    """Set before or during a run. Each call takes the first entry of its list; `ok` means no fault."""

    run: list[str] = field(default_factory=list[str])
    """lose_answer (accepted, no answer), lose_request, 429, 500, garbage (accepted, no id in the answer)."""
    status: list[str] = field(default_factory=list[str])
    """404, 429, 500, garbage, strange."""
    slow_run_s: float = 0.0
    """Seconds between accepting a job and answering."""
    cancel: list[str] = field(default_factory=list[str])
    """400, 404, 500, lose_answer, unsignalled (answers "cancelled" but does not tell the worker)."""
    job_done: list[int] = field(default_factory=list[int])
    """HTTP status codes that answer the worker's results; those results are dropped."""
    hidden_s: float = 0.0
    """Seconds during which /status and /cancel do not know a new job."""
    drop_stops: bool = False
    late_progress_s: float = 0.0
    """Progress updates arrive this many seconds late, in swapped pairs, and overwrite a result."""
    padding_bytes: int = 0
    """Added to the output of every finished job."""
    hold_queue: bool = False
    """No worker gets a job."""
    only_worker: str | None = None
    """The only worker that gets jobs."""


@dataclass
class EmulatedJob:
    id: str
    input: dict[str, Any]
    execution_s: float
    ttl_s: float
    queued_at: float
    state: str = "IN_QUEUE"
    worker: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    progress: Any = None
    updates: list[Any] = field(default_factory=list[Any])
    """Every progress update, in order of arrival."""
    late: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What a worker sent after the job had ended. An output here was computed in vain."""


class Emulator:
    """Runs in a thread. The test may read its attributes and replace `faults`."""

    endpoint = "ep"

    def __init__(self) -> None:
        self.faults = Faults()
        self.jobs: dict[str, EmulatedJob] = {}
        self.calls: list[tuple[str, str]] = []
        """(verb, name) of every request by the app."""
        self.connections: set[tuple[str, int]] = set()
        """The addresses the app's requests came from, one for each connection."""
        self.pings: set[str] = set()
        self.waiting: set[str] = set()
        """Names of the workers that are asking for a job."""
        self._stops: dict[str, list[str]] = {}
        self._held_back: list[tuple[float, EmulatedJob, Any]] = []
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v2"
        config = uvicorn.Config(
            self._app(), log_level="critical", lifespan="on", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, "the emulator listens")

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    @property
    def only_job(self) -> EmulatedJob:
        (job,) = self.jobs.values()
        return job

    now = staticmethod(time.monotonic)

    def running(self) -> list[EmulatedJob]:
        return [job for job in list(self.jobs.values()) if job.state == "IN_PROGRESS"]

    def take_stops(self, worker: str) -> list[str]:
        return self._stops.pop(worker, [])

    def take_answer(self, job: EmulatedJob, answer: dict[str, Any]) -> None:
        if job.state not in LIVE:
            job.late.append(answer)
        elif error := answer.pop("error", None):
            self._end(job, "FAILED", error=error)
        else:
            self._end(job, "COMPLETED", output=answer)

    def _app(self) -> Any:
        app = f"/v2/{self.endpoint}"
        return Starlette(
            routes=[
                Route(app + "/run", self._run, methods=["POST"]),
                Route(app + "/status/{id}", self._status),
                Route(app + "/cancel/{id}", self._cancel, methods=["POST"]),
                Route(app + "/job-take/{worker}", self._job_take),
                Route(app + "/job-done/{worker}/{id}", self._job_done, methods=["POST"]),
                Route(app + "/job-stop/{worker}", self._job_stop),
                Route(app + "/ping/{worker}", self._ping),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        yield
        task.cancel()

    async def _tick(self) -> None:
        """Enforce `executionTimeout` and `ttl`, and deliver delayed progress."""
        while True:
            await asyncio.sleep(_TICK_S)
            now = self.now()
            for job in list(self.jobs.values()):
                if job.started_at and job.state in LIVE and now >= job.started_at + job.execution_s:
                    self._end(job, "TIMED_OUT")
                    self._signal(job)
                if job.state in LIVE and now >= job.queued_at + job.ttl_s:
                    self._end(job, "GONE")
                    self._signal(job)
            due = [entry for entry in self._held_back if entry[0] <= now]
            self._held_back = [entry for entry in self._held_back if entry[0] > now]
            for _, job, update in reversed(due):
                self._update(job, update)

    @staticmethod
    def _end(job: EmulatedJob, state: str, **answer: Any) -> None:
        job.state, job.answer, job.ended_at = state, answer, time.monotonic()

    def _signal(self, job: EmulatedJob) -> None:
        if job.worker and not self.faults.drop_stops:
            self._stops.setdefault(job.worker, []).append(job.id)

    def _called(self, request: Request, verb: str) -> str:
        """Record a call by the app and return the fault to play."""
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.client
        self.connections.add((request.client.host, request.client.port))
        self.calls.append((verb, request.path_params.get("id", "")))
        planned: list[str] = getattr(self.faults, verb)
        return planned.pop(0) if planned else "ok"

    async def _run(self, request: Request) -> Response:
        fault = self._called(request, "run")
        body = await request.body()
        if fault == "lose_request":
            return _Silence()
        if fault.isdigit():
            return PlainTextResponse("no", int(fault), headers={"Retry-After": "1"})
        if len(body) > 10_000_000:
            return JSONResponse({"error": "payload too large"}, 400)
        said = json.loads(body)
        policy = said.get("policy", {})
        job = EmulatedJob(
            id=f"{secrets.token_hex(8)}-e1",
            input=said["input"],
            execution_s=policy.get("executionTimeout", 600_000) / 1000,
            ttl_s=policy.get("ttl", 86_400_000) / 1000,
            queued_at=self.now(),
        )
        self.jobs[job.id] = job
        await asyncio.sleep(self.faults.slow_run_s)
        if fault == "lose_answer":
            return _Silence()
        if fault == "garbage":
            return PlainTextResponse("<html>Bad gateway</html>", 502)
        return JSONResponse({"id": job.id, "status": job.state})

    def _known(self, request: Request) -> EmulatedJob | None:
        job = self.jobs.get(request.path_params["id"])
        if job is None or job.state == "GONE" or self.now() < job.queued_at + self.faults.hidden_s:
            return None
        return job

    async def _status(self, request: Request) -> Response:
        fault = self._called(request, "status")
        if fault == "garbage":
            return PlainTextResponse("<html>welcome</html>")
        if fault.isdigit():
            return PlainTextResponse("no", int(fault))
        job = self._known(request)
        if job is None:
            return PlainTextResponse("404 page not found", 404)
        answer: dict[str, Any] = {"id": job.id, "status": job.state, "delayTime": 12, "workerId": job.worker}
        answer |= job.answer
        if job.started_at and job.ended_at:
            answer["executionTime"] = int(1000 * (job.ended_at - job.started_at))
        if job.state == "IN_PROGRESS" and job.progress is not None:
            answer["output"] = job.progress
        if fault == "strange":
            answer["status"] = "THROTTLED"
        if job.state == "COMPLETED" and self.faults.padding_bytes:
            answer["padding"] = "x" * self.faults.padding_bytes
        return JSONResponse(answer)

    async def _cancel(self, request: Request) -> Response:
        fault = self._called(request, "cancel")
        if fault.isdigit():
            return JSONResponse({"error": "no"}, int(fault))
        job = self._known(request)
        if job is None:
            return JSONResponse({"error": "job not found"}, 404)
        if job.state in LIVE:
            self._end(job, "CANCELLED")
            if fault != "unsignalled":
                self._signal(job)
        if fault == "lose_answer":
            return _Silence()
        return JSONResponse({"id": job.id, "status": job.state})

    async def _job_take(self, request: Request) -> Response:
        worker = request.path_params["worker"]
        until = self.now() + TAKE_HOLD_S
        self.waiting.add(worker)
        try:
            while self.now() < until and not await request.is_disconnected():
                queued = [job for job in list(self.jobs.values()) if job.state == "IN_QUEUE"]
                faults = self.faults
                if queued and not faults.hold_queue and faults.only_worker in (None, worker):
                    job = queued[0]
                    job.state, job.worker, job.started_at = "IN_PROGRESS", worker, self.now()
                    return JSONResponse({"id": job.id, "input": job.input})
                await asyncio.sleep(_TICK_S)
        finally:
            self.waiting.discard(worker)
        return Response(status_code=204)

    async def _job_stop(self, request: Request) -> Response:
        worker = request.path_params["worker"]
        until = self.now() + TAKE_HOLD_S
        while self.now() < until and not await request.is_disconnected():
            if stops := self.take_stops(worker):
                return JSONResponse({"jobsToStop": stops})
            await asyncio.sleep(_TICK_S)
        return Response(status_code=204)

    async def _job_done(self, request: Request) -> Response:
        job = self.jobs.get(request.path_params["id"])
        if job is None:  # of a test that is over
            return JSONResponse({})
        said = json.loads(await request.body())
        if said.get("status") == "IN_PROGRESS":
            if self.faults.late_progress_s:
                self._held_back.append((self.now() + self.faults.late_progress_s, job, said["output"]))
            else:
                self._update(job, said["output"])
            return JSONResponse({})
        if self.faults.job_done:
            return PlainTextResponse("no", self.faults.job_done.pop(0))
        if job.state in LIVE:
            self._end(job, "FAILED" if "error" in said else "COMPLETED", **said)
        else:
            job.late.append(said)
        return JSONResponse({})

    def _update(self, job: EmulatedJob, update: Any) -> None:
        job.updates.append(update)
        job.progress = update
        if job.state == "COMPLETED" and self.faults.late_progress_s:
            job.state, job.answer = "IN_PROGRESS", {}

    async def _ping(self, request: Request) -> Response:
        self.pings.add(request.path_params["worker"])
        return JSONResponse({})


class _Silence(Response):
    """The connection breaks in the middle of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


@contextmanager
def emulated() -> Iterator[Emulator]:
    emulator = Emulator()
    try:
        yield emulator
    finally:
        emulator.close()
