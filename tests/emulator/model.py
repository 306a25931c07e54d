"""A model of the cloud in one object: RunPod, its worker and the bucket, on a clock that the test moves.

It is an httpx transport, so the real client talks to it. Nothing waits: a hundred seconds of faults take a
millisecond. Other tests use the real SDK and a real S3 server; here a test can try any order of events.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx
from obstore.store import MemoryStore

from faceswap.backends.bucket import Bucket
from faceswap.errors import BucketUnavailable
from tests.factories import Clock

RESULT = b"the swapped picture"
MARKER_EVERY_S = 2.0


class ModelBucket(Bucket):
    """A bucket in memory. The app cannot reach it while `down()` is true; the worker always can."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.down: Callable[[], bool] = lambda: False
        """Called before every access by the app."""
        self.on_upload: Callable[[], None] = lambda: None
        """Called before a file is uploaded, so that a test can let time pass."""
        super().__init__(self.store, self._sign)

    @staticmethod
    def _sign(method: str, key: str, expires_in: timedelta) -> str:
        return f"https://bucket.test/{key}?{method}"

    def _require_up(self) -> None:
        if self.down():
            raise BucketUnavailable()

    def upload(self, key: str, path: Path, check: Callable[[], None] = lambda: None) -> str:
        self._require_up()
        self.on_upload()
        return super().upload(key, path, check)

    def download(self, key: str, path: Path, *, sha256: str | None, limit_bytes: int) -> None:
        self._require_up()
        super().download(key, path, sha256=sha256, limit_bytes=limit_bytes)

    def write(self, key: str, data: bytes) -> None:
        self._require_up()
        super().write(key, data)

    def read(self, key: str) -> bytes | None:
        self._require_up()
        return super().read(key)

    def size(self, key: str) -> int | None:
        self._require_up()
        return super().size(key)

    def delete(self, prefix: str, *, keep: str | None = None) -> None:
        self._require_up()
        super().delete(prefix, keep=keep)

    def objects(self) -> set[str]:
        return {str(meta["path"]) for batch in self.store.list() for meta in batch}


@dataclass(frozen=True)
class Script:
    """What goes wrong in a run. Each tuple holds the faults of the first calls; later calls succeed."""

    queue_s: float = 1.0
    run_s: float = 5.0
    ending: str = "ok"
    """ok, coded, sentence, sdk_error, no_output, wrong_sha256, huge, or crash (the worker dies silently)."""
    run_faults: tuple[str, ...] = ()
    status_faults: tuple[str, ...] = ()
    cancel_faults: tuple[str, ...] = ()
    upload_s: float = 0.0
    """Seconds that each upload to the bucket takes."""
    hidden_s: float = 0.0
    """Seconds during which /status and /cancel do not know a new run."""
    job_done_lost: bool = False
    receipt_lost: bool = False
    expires_s: float = 1800.0
    """Seconds for which RunPod remembers a run after its end."""
    cancelled_by_other_s: float | None = None
    bucket_down: tuple[tuple[float, float], ...] = ()
    """Intervals (from, to), in seconds since the start, during which the app cannot reach the bucket."""


@dataclass
class Run:
    id: str
    input: dict[str, Any]
    execution_s: float
    gone_at: float
    submitted_at: float
    starts_at: float
    ends_at: float
    state: str = "IN_QUEUE"
    computing: bool = False
    ended_at: float | None = None
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    """`output` and `error` as the worker sent them."""
    computed_until: float | None = None
    looks: int = 0


class ModelCloud(httpx.BaseTransport):
    """`runs` are the submissions that RunPod accepted: each may cost money."""

    def __init__(self, script: Script, clock: Clock, bucket: ModelBucket | None) -> None:
        self.script = script
        self.clock = clock
        self.began = clock()
        self.bucket = bucket
        self.runs: dict[str, Run] = {}
        self.requests = 0
        if bucket:
            bucket.down = self._bucket_is_down
        self._faults = {
            "run": list(script.run_faults),
            "status": list(script.status_faults),
            "cancel": list(script.cancel_faults),
        }

    @property
    def now(self) -> float:
        return self.clock()

    def _bucket_is_down(self) -> bool:
        self.advance()
        return any(start <= self.now - self.began < end for start, end in self.script.bucket_down)

    def computing(self) -> list[Run]:
        self.advance()
        return [run for run in self.runs.values() if run.computing]

    def advance(self) -> None:
        """Bring every run up to the present time."""
        for run in self.runs.values():
            self._live(run)

    def _live(self, run: Run) -> None:
        other = self.script.cancelled_by_other_s
        if other is not None and self.now >= run.submitted_at + other and run.state in _LIVE:
            self._end(run, "CANCELLED", run.submitted_at + other)
            run.computing = False
        if run.state == "IN_QUEUE" and run.starts_at <= min(self.now, run.gone_at):
            run.state, run.computing, run.computed_until = "IN_PROGRESS", True, run.starts_at
        if run.state in _LIVE and self.now >= run.starts_at + run.execution_s:
            self._compute(run, run.starts_at + run.execution_s)
            self._end(run, "TIMED_OUT", run.starts_at + run.execution_s)
            run.computing = False
        self._compute(run, self.now)

    def _compute(self, run: Run, until: float) -> None:
        """Compute on. Look for the cancel marker when the worker does, and once before the first frame."""
        deadline = datetime.fromisoformat(run.input["deadline"]).timestamp()
        while run.computing:
            look_at = run.starts_at + MARKER_EVERY_S * run.looks
            at = min(look_at, run.ends_at, deadline)
            if at > until:
                run.computed_until = until
                return
            run.computed_until = at
            if at == look_at and at < deadline:
                run.looks += 1
                if not self._marked(run):
                    continue
            run.computing = False
            if at == run.ends_at:
                self._finish(run, at)
            else:
                self._receipt(run, {"code": "stopped"})
                self._end(run, "FAILED", at, error=json.dumps({"code": "stopped", "details": {}}))

    def _marked(self, run: Run) -> bool:
        return bool(run.input["cancel_url"]) and _place(run, "cancel") in self._keys()

    def _keys(self) -> set[str]:
        return self.bucket.objects() if self.bucket else set()

    def _finish(self, run: Run, at: float) -> None:
        sha256 = hashlib.sha256(RESULT).hexdigest()
        match self.script.ending:
            case "coded":
                self._receipt(run, {"code": "no_face", "details": {"role": "target"}})
                error = json.dumps({"code": "no_face", "details": {"role": "target"}})
                self._end(run, "FAILED", at, error=error)
            case "sentence":
                self._end(run, "FAILED", at, error="CUDA out of memory at https://secret.example/x?sig=1")
            case "sdk_error":
                error = {"error_type": "X", "error_message": "boom in /root/x/y.py", "error_traceback": "..."}
                self._end(run, "FAILED", at, error=json.dumps(error))
            case "no_output":
                self._end(run, "COMPLETED", at)
            case "huge":
                self._end(run, "COMPLETED", at, output={"result": "A" * 40_000_000})
            case "crash":
                pass
            case ending:
                sha256 = "0" * 64 if ending == "wrong_sha256" else sha256
                output: dict[str, Any] = {"sha256": sha256, "notes": ["several_faces_in_source"]}
                if self.bucket:
                    self._put(_place(run, "result"), RESULT)
                    output |= {"stored": True}
                else:
                    output |= {"result": base64.b64encode(RESULT).decode()}
                self._receipt(run, output)
                self._end(run, "COMPLETED", at, output=output)

    def _receipt(self, run: Run, content: dict[str, Any]) -> None:
        if self.bucket and not self.script.receipt_lost:
            self._put(_place(run, "receipt"), json.dumps(content).encode())

    def _put(self, key: str, data: bytes) -> None:
        assert self.bucket
        self.bucket.store.put(key, data)

    def _end(self, run: Run, state: str, at: float, **answer: Any) -> None:
        """Report the end to RunPod, unless the report is lost or RunPod has already ended the run."""
        from_worker = state in ("COMPLETED", "FAILED")
        if run.state not in _LIVE or (from_worker and self.script.job_done_lost):
            return
        run.state, run.ended_at, run.answer = state, at, answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.advance()
        self.requests += 1
        assert request.headers["Authorization"] == "Bearer key"
        verb, _, name = request.url.path.removeprefix("/v2/ep/").partition("/")
        fault = self._faults[verb].pop(0) if self._faults[verb] else "ok"
        effect = {"run": self._run, "status": self._status, "cancel": self._cancel}[verb]
        match fault:
            case "not_sent":
                raise httpx.ConnectError("refused", request=request)
            case "not_sent_slow":
                raise httpx.ConnectTimeout("slow", request=request)
            case "lost_before":
                raise httpx.ReadTimeout("nobody answered", request=request)
            case "lost_after":
                effect(request, name)
                raise httpx.RemoteProtocolError("closed", request=request)
            case "500_taken" | "504_taken":
                effect(request, name)
                return httpx.Response(int(fault[:3]), text="<html>Bad gateway</html>")
            case "garbage_taken":
                effect(request, name)
                return httpx.Response(200, text="<html>welcome</html>")
            case "no_effect":
                return httpx.Response(200, json={"id": name, "status": "CANCELLED"})
            case "unsignalled":
                return self._cancel(request, name, signal=False)
            case "stale":
                return httpx.Response(
                    200, json={"id": name, "status": "IN_PROGRESS", "output": {"progress": 3}, "delayTime": 1}
                )
            case "strange":
                return httpx.Response(200, json={"id": name, "status": "WARMING_UP"})
            case "list":
                return httpx.Response(200, json=[1, 2])
            case "ok":
                return effect(request, name)
            case _:
                headers = {"Retry-After": "3"} if fault == "429" else {}
                return httpx.Response(int(fault), text="no", headers=headers)

    def _run(self, request: httpx.Request, name: str) -> httpx.Response:
        body = json.loads(request.content)
        assert len(request.content) <= 10_000_000
        policy = body["policy"]
        run = Run(
            id=f"run-{len(self.runs)}",
            input=body["input"],
            execution_s=policy["executionTimeout"] / 1000,
            gone_at=self.now + policy["ttl"] / 1000,
            submitted_at=self.now,
            starts_at=self.now + self.script.queue_s,
            ends_at=self.now + self.script.queue_s + self.script.run_s,
        )
        self.runs[run.id] = run
        return httpx.Response(200, json={"id": run.id, "status": "IN_QUEUE"})

    def _known(self, name: str) -> Run | None:
        run = self.runs[name]
        hidden = self.now < run.submitted_at + self.script.hidden_s
        expired = run.ended_at is not None and self.now > run.ended_at + self.script.expires_s
        return None if hidden or expired or self.now >= run.gone_at else run

    def _status(self, request: httpx.Request, name: str) -> httpx.Response:
        run = self._known(name)
        if run is None:
            return httpx.Response(404, text="404 page not found")
        body: dict[str, Any] = {"id": run.id, "status": run.state, **run.answer}
        if run.ended_at is not None:
            body["executionTime"] = int(1000 * max(0.0, run.ended_at - run.starts_at))
        if run.state == "IN_PROGRESS":
            done = (self.now - run.starts_at) / self.script.run_s
            body["output"] = {"progress": min(99, round(100 * done)), "stage": "processing"}
        return httpx.Response(200, json=body)

    def _cancel(self, request: httpx.Request, name: str, *, signal: bool = True) -> httpx.Response:
        run = self._known(name)
        if run is None:
            return httpx.Response(404, json={"error": "job not found"})
        if run.state not in _LIVE:
            return httpx.Response(400, json={"error": "job already finished"})
        self._end(run, "CANCELLED", self.now)
        if (
            signal or not self.bucket
        ):  # our worker keeps early signals; only a bucket helps when they are lost
            if run.computing:
                self._receipt(run, {"code": "stopped"})
            run.computing = False
        return httpx.Response(200, json={"id": run.id, "status": "CANCELLED"})


_LIVE = ("IN_QUEUE", "IN_PROGRESS")


def _place(run: Run, name: str) -> str:
    """The key of an object beside the run's result, as its worker knows it from the signed address."""
    return str(PurePosixPath(urlsplit(run.input["result_url"]).path.lstrip("/")).with_name(name))
