"""The RunPod Serverless backend: it runs a job on a machine in the cloud and makes sure that every run ends.

This file guarantees, whatever RunPod answers:
- It makes at most one billable submission for each job. `/run` has no idempotency key, so it repeats the
  request only when RunPod certainly did not accept it. Otherwise a missing answer is `SubmissionUnknown`.
- Every run ends. Each run carries a tight `executionTimeout` and `ttl`, and our worker stops itself at the
  same deadline. After the deadline `poll` reports the end and `stop` returns True.
- `stop` returns True only for a run that has certainly ended; see its docstring.

Source: https://docs.runpod.io/serverless/endpoints/operation-reference
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from faceswap.backends import Handle, Media, Report, RunState
from faceswap.backends.bucket import Bucket
from faceswap.backends.bucket_media import BucketMedia
from faceswap.backends.runpod_parts import Ledger, PartedRun, stop_tries
from faceswap.backends.runpod_wire import (
    Fields,
    Remote,
    billed_of,
    error_of,
    json_object,
    state_of,
)
from faceswap.engine.options import Options
from faceswap.errors import (
    BackendUnavailable,
    BucketUnavailable,
    CloudLost,
    CloudRefused,
    CloudStopped,
    FaceSwapError,
    JobStopped,
    JobTimeout,
    ResultDamaged,
    ResultMissing,
    ResultTooLarge,
    SubmissionUnknown,
)
from faceswap.jobs import Job, RunKey, Stage, terms_of
from faceswap.provenance import marking_of
from faceswap.settings import Settings
from faceswap.uploads import engine_limits
from faceswap.wire import WorkerProgress, WorkerRequest, WorkerResult

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

SETTLE_S = 8.0
"""How many seconds a run may still compute after it was told to end, although RunPod calls it cancelled.
The worker looks for its marker every 2 s, waits up to 3 s for the answer, and then kills its engine."""
GONE_AFTER_S = 30.0
"""How long RunPod must answer that it does not know or does not show a run (400, 404, 401, 403) before we
believe it. RunPod does not know a new job for a while."""
RECEIPT_EVERY_S = 10.0
SEND_FOR_S = 60.0
"""For how many seconds a submission is repeated while RunPod certainly has not accepted it."""
UPLOAD_S = 1800.0
"""How many seconds the upload to the bucket may take. Presigned URLs stay valid for that much longer."""
RUN_BASE_S, RUN_PER_VIDEO_S = 300.0, 20.0
"""Time limit of a run in seconds: a base for the engine's start and the transfers, and an addition for each
second of video. It is several times what the slowest measured machine needs for three faces in 1080p."""
MARGIN_S = 60.0
"""Added to a deadline, because clocks differ and an answer may still be on its way."""
OLD_OBJECTS_EVERY_S, OLD_OBJECTS_AFTER_S = 3600.0, 86_400.0
"""How often old objects are deleted, and how long after the latest possible end of their run. They remain
when the app's process dies before it deletes them."""
MAX_ANSWER_BYTES = 32_000_000

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
_VAGUE = (CloudLost, JobTimeout, ResultMissing)
"""Errors after which the worker may still have finished its run."""
_FINAL = (RunState.SUCCEEDED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class _Answer:
    """RunPod's answer to one request. `status` is None when no answer came; `sent` then says whether RunPod
    may have received the request."""

    status: int | None
    fields: Fields = field(default_factory=dict[str, object])
    retry_after_s: float | None = None
    sent: bool = True
    oversized: bool = False

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300 and bool(self.fields)

    @property
    def denied(self) -> bool:
        """Whether RunPod says that there is no such run."""
        return self.status in (400, 404)


@dataclass(slots=True)
class _Watch:
    """What this process remembers about a run between two polls. Times are in seconds since 1970."""

    since: float
    report: Report = field(default_factory=lambda: Report(RunState.QUEUED, stage=Stage.WAITING_FOR_GPU))
    next_poll: float = 0.0
    next_receipt: float = 0.0
    failures: int = 0
    denied_since: float | None = None
    told_at: float | None = None


@dataclass(slots=True)
class _Submission:
    """A job while it is being submitted."""

    stopped: bool = False
    may_exist: bool = False
    """Whether RunPod may have accepted a run. True from just before a request is sent until its answer says
    that RunPod did not accept it."""

    def go_on(self) -> None:
        """Raises `JobStopped` after `stop` was called for the job, so that nothing more is sent."""
        if self.stopped:
            raise JobStopped()


class RunPodBackend:
    """Runs jobs on RunPod, see `Backend`. One instance serves all jobs; `close` ends its connections."""

    name = "runpod"
    survives_restart = True

    def __init__(
        self,
        settings: Settings,
        *,
        bucket: Bucket | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        on_billed: Callable[[RunKey, float], None] = lambda run, seconds: None,
        ledger: Ledger | None = None,
    ) -> None:
        """`bucket` defaults to the bucket of the settings. `clock` returns seconds since 1970. `on_billed` is
        called with the seconds that RunPod has billed for a run that has ended, perhaps more than once.
        Without `ledger`, no video is sent in parts."""
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._on_billed = on_billed
        self._media = BucketMedia(
            bucket or Bucket.from_settings(settings), self._stream, 4 * settings.max_upload_mb * 1_000_000
        )
        self._base = f"{settings.runpod_base_url.rstrip('/')}/{settings.runpod_endpoint_id}"
        self._client = httpx.Client(
            transport=transport, timeout=httpx.Timeout(15.0, connect=5.0, write=60.0), follow_redirects=False
        )
        self._lock = threading.Lock()
        self._watches: dict[RunKey, _Watch] = {}
        self._submitting: dict[RunKey, _Submission] = {}
        self._ledger = ledger
        self._parted: dict[RunKey, PartedRun] = {}
        self._next_removal = 0.0
        self._never_sent: set[RunKey] = set()
        self._told: set[RunKey] = set()
        """Runs that were stopped before RunPod gave them an id. They must not be sent any more."""

    def close(self) -> None:
        with self._lock:
            parted = list(self._parted.values())
        for run in parted:
            run.close()
        self._client.close()

    # -- submit ------------------------------------------------------------------------------------------

    def check(self, source_bytes: int, target_bytes: int) -> None:
        """Refuse media that cannot be sent. Changes nothing; `source_bytes` is the size of all sources.

        Raises:
            BucketNeeded: the media do not fit into a request and no bucket is configured.
        """
        self._media.check(source_bytes + target_bytes)

    def submit(self, job: Job, media: Media) -> Handle:
        """Send a run. A long video is sent in parts if the settings say so, see `PartedRun`."""
        if (
            self._ledger is None
            or media.parts is None
            or (self._settings.runpod_parallel == 1 and not job.parts)
        ):
            return self.send_run(job.run, job, media, media.sending)
        with self._on_its_way(job.run) as submission:
            parted = PartedRun.plan(job, media, self._settings, self._ledger, self, submission.go_on)
        if parted is None:
            return self.send_run(job.run, job, media, media.sending)
        with self._lock:
            self._parted[job.run] = parted
        return Handle(job.run)

    def send_run(self, run: RunKey, job: Job, media: Media, sending: Callable[[], datetime | None]) -> Handle:
        """Send one run. `sending` is called right before its request."""
        terms = terms_of(job, self._settings)
        execution_s = min(
            terms.engine_timeout_s, RUN_BASE_S + RUN_PER_VIDEO_S * (media.target_duration_s or 0)
        )
        expires_in = timedelta(seconds=UPLOAD_S + SEND_FOR_S + terms.remote_limit_s)
        ttl_s = terms.runpod_wait_s + execution_s
        with self._on_its_way(run) as submission:
            sent = self._media.hand_over(run, media, expires_in, submission.go_on)
            submission.go_on()
            sending()
            now = self._clock()
            request = WorkerRequest(
                job_id=job.id,
                process_type=job.type.value,
                sources=sent.sources,
                target=sent.target,
                deadline=datetime.fromtimestamp(now + ttl_s, UTC),
                people=sent.people,
                span=media.span,
                options=Options.of(job.options.for_engine()),
                limits=engine_limits(terms).media,
                marking=marking_of(job, self._settings),
                **self._media.return_addresses(run, expires_in),
            )
            policy = {"executionTimeout": int(execution_s * 1000), "ttl": int(ttl_s * 1000)}
            remote_id = self._run({"input": request.as_input(), "policy": policy}, submission)
        log.debug("job %s: runpod took it as %s, ttl %.0f s", job.id, remote_id, ttl_s)
        return Handle(run, remote_id, datetime.fromtimestamp(now, UTC), terms.remote_limit_s)

    @contextmanager
    def _on_its_way(self, run: RunKey) -> Generator[_Submission]:
        """Keep a submission while it runs. When it fails and RunPod certainly accepted no run, remember that
        and delete the media."""
        with self._lock:
            submission = _Submission(stopped=run in self._told)
            self._submitting[run] = submission
        try:
            yield submission
        except Exception:
            if not submission.may_exist:
                with self._lock:
                    self._never_sent.add(run)
                self._media.clean(run, keep_marker=False)
            raise
        finally:
            with self._lock:
                del self._submitting[run]

    def _run(self, body: Mapping[str, object], submission: _Submission) -> str:
        """Send POST /run, and repeat it while RunPod certainly has not accepted it. Returns RunPod's id.

        Raises:
            BackendUnavailable: RunPod accepted no request within `SEND_FOR_S`.
            CloudRefused: RunPod refused the request.
            SubmissionUnknown: RunPod may have accepted the request, but no id came back.
            JobStopped: `stop` was called for the job.
        """
        give_up_at = self._clock() + SEND_FOR_S
        delay_s = 1.0
        while True:
            submission.go_on()
            submission.may_exist = True
            answer = self._call("POST", "/run", body)
            remote_id = answer.fields.get("id")
            if answer.ok and isinstance(remote_id, str) and remote_id:
                return remote_id
            not_taken = (answer.status is None and not answer.sent) or (300 <= (answer.status or 0) < 500)
            submission.may_exist = not not_taken
            if not_taken and answer.status in (None, 429):
                pause_s = answer.retry_after_s or delay_s
                if self._clock() + pause_s > give_up_at:
                    raise BackendUnavailable()
                self._pause(pause_s, submission)
                delay_s = min(delay_s * 2, 10.0)
            elif not_taken:
                raise CloudRefused(status=answer.status)
            else:  # no answer, 5xx, or an answer without an id: RunPod may have accepted it
                raise SubmissionUnknown()

    def _pause(self, pause_s: float, submission: _Submission) -> None:
        until = self._clock() + pause_s
        while (left_s := until - self._clock()) > 0:
            submission.go_on()
            self._sleep(min(left_s, 1.0))

    # -- poll --------------------------------------------------------------------------------------------

    def poll(self, handle: Handle) -> Report:
        parted = self._parted.get(handle.run)
        return parted.poll() if parted else self.poll_run(handle)

    def poll_run(self, handle: Handle) -> Report:
        """Ask RunPod once a second at first and every 5 s later. In between, return the last report."""
        watch, now = self._watch(handle), self._clock()
        if watch.report.state in _FINAL or now < watch.next_poll:
            return watch.report
        if handle.remote_id is None:
            return Report(RunState.FAILED, error=SubmissionUnknown(), stop_needed=True)
        answer = self._status(handle)
        watch.next_poll = now + min(5.0, max(1.0, (now - watch.since) / 30))
        report = self._read(handle, watch, answer, now) or watch.report
        if report.state not in _FINAL and now >= self._over_at(handle, watch):
            report = self._ended(handle, self._timed_out())
        watch.report = report
        return report

    def _read(self, handle: Handle, watch: _Watch, answer: _Answer, now: float) -> Report | None:
        """Turn an answer to /status into a report. Returns None when the answer says nothing new."""
        if answer.oversized:
            return self._ended(
                handle, WorkerResult(error=ResultTooLarge(limit_mb=MAX_ANSWER_BYTES / 1e6)), over=True
            )
        if answer.denied or answer.status in (401, 403):
            watch.denied_since = watch.denied_since or now
            if now - watch.denied_since < GONE_AFTER_S:
                return None
            error = CloudLost() if answer.denied else CloudRefused(status=answer.status)
            return self._ended(handle, WorkerResult(error=error))
        if not answer.ok:
            watch.failures += 1
            watch.next_poll = now + (answer.retry_after_s or 2.0 ** min(watch.failures, 5))
            return None
        watch.denied_since, watch.failures = None, 0
        state = state_of(answer.fields)
        log.debug("job %s: runpod says %s", handle.job_id, state)
        match state:
            case Remote.QUEUED:
                return Report(RunState.QUEUED, stage=Stage.WAITING_FOR_GPU)
            case Remote.RUNNING:
                return self._running(handle, watch, answer.fields, now)
            case Remote.COMPLETED:
                return self._ended(handle, WorkerResult.read(answer.fields.get("output")), over=True)
            case Remote.FAILED:
                return self._ended(handle, WorkerResult(error=error_of(answer.fields)), over=True)
            case Remote.CANCELLED:
                return self._ended(handle, WorkerResult(error=CloudStopped()))
            case Remote.TIMED_OUT:
                return self._ended(handle, self._timed_out())

    def _timed_out(self) -> WorkerResult:
        return WorkerResult(error=JobTimeout(limit_s=self._settings.engine_timeout_s))

    def _running(self, handle: Handle, watch: _Watch, fields: Fields, now: float) -> Report:
        if now >= watch.next_receipt:
            watch.next_receipt = now + RECEIPT_EVERY_S
            if receipt := self._media.receipt(handle.run):
                log.info("job %s: RunPod missed its end, the receipt has it", handle.job_id)
                self._call("POST", f"/cancel/{handle.remote_id}")  # otherwise RunPod may run it once more
                return _final(receipt)
        progress = WorkerProgress.read(fields.get("output"))
        stage = Stage.FINISHING if progress.stage == "uploading" else Stage.PROCESSING
        return Report(RunState.RUNNING, progress.percent, stage)

    def _ended(self, handle: Handle, outcome: WorkerResult, *, over: bool = False) -> Report:
        """The final report of a run. A failure becomes a success when the receipt reports a success, or when
        the failure leaves open what the worker did and the bucket holds a result. The receipt's error
        replaces one that leaves this open, unless the receipt's error is `JobStopped`.

        `over` is True when the worker itself has reported the end. Otherwise only a receipt proves it.
        """
        if outcome.error and (receipt := self._media.receipt(handle.run)):
            over = True
            knows_more = isinstance(outcome.error, _VAGUE) and not isinstance(receipt.error, JobStopped)
            outcome = receipt if knows_more or receipt.error is None else outcome
        elif isinstance(outcome.error, _VAGUE) and self._media.has_result(handle.run):
            outcome = WorkerResult(stored=True)
        return _final(outcome, stop_needed=not over)

    # -- stop --------------------------------------------------------------------------------------------

    def stop(self, handle: Handle) -> bool:
        """Tell a run, or each of its parts, to end. Returns whether all of it certainly ended."""
        with self._lock:
            parted = [run for run in self._parted.values() if run.job.id == handle.job_id]
        for run in parted:
            run.stop()
        ledger = self._ledger
        if ledger is None or not (tries := ledger.part_runs(handle.job_id)):
            return self.stop_run(handle)
        if not stop_tries(tries, handle.limit_s, ledger, self):
            return False
        self._forget_parts(handle.job_id)
        # This also deletes what was uploaded for a try that was not sent.
        self._media.erase(handle.job_id, keep_marker=True)
        return True

    def forgo(self, run: RunKey) -> None:
        """Do not send a run that is being sent, if that is possible."""
        with self._lock:
            self._told.add(run)
            if submission := self._submitting.get(run):
                submission.stopped = True

    def mark_run(self, run: RunKey) -> bool:
        """Write the marker that ends the worker of a run. False when that is not possible."""
        return self._media.mark(run)

    def stop_run(self, handle: Handle) -> bool:
        """Tell a run to end, by the marker in the bucket and by /cancel. Returns whether it certainly ended.

        RunPod's "cancelled" alone proves nothing, because the signal to the worker is lost when it comes
        early. The method returns True only when one of these is true:
        - The run was never sent.
        - The deadline of the run has passed. RunPod and the worker each end the run then.
        - RunPod reports "completed" or "failed", or the bucket holds a receipt. Only a worker causes these.
        - RunPod reports another end, or "no such run" for `GONE_AFTER_S`, and `SETTLE_S` have passed since
          the run was told to end. A worker needs less time to see the marker.
        A run without `remote_id` cannot be looked up at RunPod. For such a run only the first two
        conditions and a receipt count.
        """
        watch, now = self._watch(handle), self._clock()
        with self._lock:
            if handle.remote_id is None:
                self._told.add(handle.run)
            if submission := self._submitting.get(handle.run):
                submission.stopped = True
            certain = handle.run in self._never_sent or not (handle.submitted_at or submission)
            never_sent = handle.remote_id is None and certain
        if never_sent or now >= self._over_at(handle, watch):
            return self._over(handle, keep_marker=False)
        marked = self._media.mark(handle.run)
        if handle.remote_id is None:
            return bool(self._media.receipt(handle.run)) and self._over(handle, keep_marker=True)
        self._call("POST", f"/cancel/{handle.remote_id}")  # the answer does not matter, only that of /status
        answer = self._status(handle)
        state = Remote.COMPLETED if answer.oversized else state_of(answer.fields) if answer.ok else None
        watch.denied_since = (watch.denied_since or now) if answer.denied else None
        if marked or (not self._media.has_bucket and answer.status is not None):
            watch.told_at = watch.told_at or now
        gone = watch.denied_since is not None and now - watch.denied_since >= GONE_AFTER_S
        if not gone and not (state and state.ended):
            return False
        if state in (Remote.COMPLETED, Remote.FAILED) or self._media.receipt(handle.run):
            return self._over(handle, keep_marker=False)
        if watch.told_at is None or now - watch.told_at < SETTLE_S:
            return False
        return self._over(handle, keep_marker=True)

    def _over(self, handle: Handle, *, keep_marker: bool) -> bool:
        """Delete the run's objects and forget the run. Returns True.

        The marker stays when no worker confirmed the end, because a worker may still look for it.
        """
        log.info("job %s: its run in the cloud is over", handle.job_id)
        self._media.clean(handle.run, keep_marker=keep_marker)
        self._drop(handle)
        return True

    # -- result ------------------------------------------------------------------------------------------

    def fetch(self, handle: Handle, report: Report, path: Path) -> None:
        if parted := self._parted.get(handle.run):
            parted.fetch(path)
        else:
            self.fetch_run(handle, report, path)

    def fetch_run(self, handle: Handle, report: Report, path: Path) -> None:
        output = report.output
        if not isinstance(output, WorkerResult):
            raise ResultMissing()
        for pause_s in (2.0, 5.0, 10.0):
            try:
                self._media.fetch(handle.run, output, path)
                return
            except (BucketUnavailable, ResultDamaged) as error:
                log.info("job %s: fetching the result: %s, once more", handle.job_id, error.code)
                self._sleep(pause_s)
        self._media.fetch(handle.run, output, path)

    def clean_up(self, handle: Handle) -> None:
        if parted := self._forget_parts(handle.job_id):
            self._media.erase(handle.job_id, keep_marker=any(run.lost for run in parted))
        self.clean_up_run(handle)

    def _forget_parts(self, job_id: str) -> list[PartedRun]:
        """Returns the runs of the job that this process has driven in parts."""
        with self._lock:
            return [self._parted.pop(key) for key in list(self._parted) if key.job_id == job_id]

    def clean_up_run(self, handle: Handle) -> None:
        self._media.clean(handle.run, keep_marker=False)
        self._drop(handle)
        now = self._clock()
        if now >= self._next_removal:
            self._next_removal = now + OLD_OBJECTS_EVERY_S
            self._media.delete_older_than(timedelta(seconds=self._longest_s + OLD_OBJECTS_AFTER_S))

    def erase(self, handle: Handle) -> bool:
        """Delete the job's objects. Returns True when they are gone and no worker can write more: after the
        deadline, or at once without a bucket.

        The marker, which holds no media, stays until the deadline. RunPod keeps media that were sent inside
        the messages for half an hour, and we cannot delete them earlier.
        """
        over = self._clock() >= self._over_at(handle, _Watch(since=self._clock()))
        gone = self._media.erase(handle.job_id, keep_marker=not over)
        return gone and (over or not self._media.has_bucket)

    # -- what a run is known by --------------------------------------------------------------------------

    @property
    def _longest_s(self) -> float:
        """How many seconds a run that is sent now may take; see `_over_at`."""
        return SEND_FOR_S + self._settings.runpod_wait_s + self._settings.engine_timeout_s

    def _over_at(self, handle: Handle, watch: _Watch) -> float:
        """The deadline of a run, in seconds since 1970, by its job's terms. RunPod's policy and the worker's
        own clock both end the run before it."""
        since = handle.submitted_at.timestamp() if handle.submitted_at else watch.since
        longest_s = self._longest_s if handle.limit_s is None else SEND_FOR_S + handle.limit_s
        return since + longest_s + MARGIN_S

    def _watch(self, handle: Handle) -> _Watch:
        with self._lock:
            return self._watches.setdefault(handle.run, _Watch(since=self._clock()))

    def _drop(self, handle: Handle) -> None:
        with self._lock:
            self._watches.pop(handle.run, None)
            self._never_sent.discard(handle.run)
            self._told.discard(handle.run)

    # -- HTTP --------------------------------------------------------------------------------------------

    def _status(self, handle: Handle) -> _Answer:
        answer = self._call("GET", f"/status/{handle.remote_id}")
        if answer.ok and state_of(answer.fields).ended and (billed_s := billed_of(answer.fields)):
            try:
                self._on_billed(handle.run, billed_s)
            except FaceSwapError:  # a lasting lock or a full disk must not end the run
                log.exception("job %s: what RunPod billed could not be noted", handle.job_id)
        return answer

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> _Answer:
        """Send one request. A failed request is returned as an answer and not raised."""
        key = self._settings.runpod_api_key.get_secret_value()
        headers = {"Authorization": f"Bearer {key}"}
        try:
            with self._client.stream(method, self._base + path, json=body, headers=headers) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > MAX_ANSWER_BYTES:
                        return _Answer(response.status_code, oversized=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("runpod: %s %s failed: %s", method, path.split("/")[1], type(error).__name__)
            return _Answer(None, sent=not isinstance(error, _NEVER_SENT))
        if response.status_code >= 400:
            log.info("runpod: %s %s answered %d", method, path.split("/")[1], response.status_code)
        return _Answer(response.status_code, json_object(bytes(data)), _retry_after(response.headers))

    def _stream(self, url: str) -> Iterator[bytes]:
        """Stream a result from a URL that the worker named. The request does not carry our API key.

        Raises: ResultMissing.
        """
        own = self._settings.s3_endpoint
        if not url.startswith("https://") and not (own and url.startswith(own)):
            log.warning("a worker named a result that is not on https")
            raise ResultMissing()
        try:
            with self._client.stream("GET", url) as response:
                if response.status_code != 200:
                    log.warning("the address of a result answered %d", response.status_code)
                    raise ResultMissing()
                yield from response.iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("a result could not be downloaded: %s", type(error).__name__)
            raise ResultMissing() from error


def _final(outcome: WorkerResult, *, stop_needed: bool = False) -> Report:
    if outcome.error:  # we poll no run that we stopped, so somebody else stopped this one
        error = CloudStopped() if isinstance(outcome.error, JobStopped) else outcome.error
        return Report(RunState.FAILED, error=error, stop_needed=stop_needed)
    return Report(RunState.SUCCEEDED, 100.0, Stage.FINISHING, output=outcome, swap=outcome.swap)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, at least 1. None unless the header is a number from 0 to 60."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return max(1.0, seconds) if 0 <= seconds <= 60 else None
