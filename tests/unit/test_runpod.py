"""What the RunPod client does with each answer. The test moves the clock."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap.backends import Handle, Media, Report, RunState, runpod
from faceswap.backends.bucket import BucketPlace
from faceswap.backends.runpod import RunPodBackend
from faceswap.backends.runpod_wire import MAX_BODY_BYTES, billed_of
from faceswap.errors import (
    BackendUnavailable,
    BucketNeeded,
    BucketUnavailable,
    CloudRefused,
    JobStopped,
    ResultDamaged,
    ResultMissing,
    SubmissionUnknown,
)
from faceswap.jobs import Job, JobType, RunKey, Stage
from faceswap.settings import Settings
from faceswap.terms import Terms
from faceswap.wire import WorkerResult
from tests.emulator.model import RESULT, ModelBucket, ModelCloud, Script
from tests.factories import Clock, make_job

SETTINGS = Settings(
    runpod_api_key="key",
    runpod_endpoint_id="ep",
    runpod_base_url="https://cloud.test/v2",
    engine_timeout_s=120,
    runpod_wait_s=60,
)


class Rig:
    """One job, one client and one `ModelCloud`."""

    def __init__(self, folder: Path, script: Script, *, has_bucket: bool, target_bytes: int) -> None:
        self.clock = Clock()
        self.bucket = ModelBucket() if has_bucket else None
        self.cloud = ModelCloud(script, self.clock, self.bucket)
        self.billed: dict[RunKey, float] = {}
        self.backend = RunPodBackend(
            SETTINGS,
            bucket=self.bucket,
            transport=self.cloud,
            clock=self.clock,
            sleep=self.sleep,
            on_billed=self.billed.__setitem__,
        )
        (folder / "source.png").write_bytes(b"source")
        (folder / "target.png").write_bytes(b"t" * target_bytes)
        self.media = Media({"": folder / "source.png"}, folder / "target.png", folder)
        self.job: Job = make_job(
            backend="runpod",
            type=JobType.SINGLE_IMAGE,
            submitted_at=datetime.fromtimestamp(self.clock(), UTC),
        )
        self.unnamed = Handle(self.job.run, None, self.job.submitted_at)
        self.result = folder / "result.png"
        self.place = BucketPlace(self.job.run).prefix

    def sleep(self, seconds: float) -> None:
        self.clock.now_s += seconds

    def submit(self) -> Handle:
        return self.backend.submit(self.job, self.media)

    def polls(self, handle: Handle, limit_s: float = 4000) -> Iterator[Report]:
        """Poll every half second, and yield the reports up to the final one."""
        until = self.clock() + limit_s
        while self.clock() < until:
            report = self.backend.poll(handle)
            yield report
            if report.state in (RunState.SUCCEEDED, RunState.FAILED):
                return
            self.sleep(0.5)
        raise AssertionError("the run never ends")

    def last(self, handle: Handle | None = None) -> Report:
        *_, last = self.polls(handle or self.submit())
        return last

    def error_code(self) -> str | None:
        error = self.last().error
        return error.code if error else None


@pytest.fixture
def make_rig(tmp_path: Path) -> Any:
    def make(script: Script | None = None, *, has_bucket: bool = True, target_bytes: int = 10) -> Rig:
        return Rig(tmp_path, script or Script(), has_bucket=has_bucket, target_bytes=target_bytes)

    return make


def test_small_media_travel_inside_the_request(make_rig: Any) -> None:
    rig = make_rig()
    rig.submit()
    (run,) = rig.cloud.runs.values()
    assert base64.b64decode(run.input["source_file"].partition(",")[2]) == b"source"
    assert run.input["sha256"]["source_file"] == hashlib.sha256(b"source").hexdigest()
    assert run.input["result_url"].endswith("/result?PUT")


def test_large_media_travel_through_the_bucket(make_rig: Any) -> None:
    rig = make_rig(target_bytes=9_000_000)
    rig.submit()
    (run,) = rig.cloud.runs.values()
    assert run.input["target_file"] == f"https://bucket.test/{rig.place}/target?GET"
    assert run.input["sha256"]["target_file"] == hashlib.sha256(b"t" * 9_000_000).hexdigest()
    assert rig.bucket.size(f"{rig.place}/target") == 9_000_000


def test_large_media_without_a_bucket_are_refused_before_anything_is_sent(make_rig: Any) -> None:
    rig = make_rig(has_bucket=False, target_bytes=9_000_000)
    with pytest.raises(BucketNeeded, match=r"9\.0 MB"):
        rig.submit()
    with pytest.raises(BucketNeeded):
        rig.backend.check(6, 9_000_000)
    assert rig.cloud.requests == 0
    assert rig.backend.stop(rig.unnamed)


def knowing_people(rig: Rig, size_bytes: int = 300) -> Rig:
    """Store people for the target, as if the app had already looked for them."""
    path = rig.media.target.with_name("people.json")
    path.write_bytes(b"p" * size_bytes)
    rig.media = replace(rig.media, people=path)
    rig.job = rig.job.evolve(type=JobType.MULTI_VIDEO)
    return rig


def test_what_is_known_of_the_people_travels_as_the_media_do_and_is_deleted_with_them(make_rig: Any) -> None:
    rig = knowing_people(make_rig(target_bytes=9_000_000))
    handle = rig.submit()
    (run,) = rig.cloud.runs.values()
    assert run.input["people_file"] == f"https://bucket.test/{rig.place}/people?GET"
    assert run.input["sha256"]["people_file"] == hashlib.sha256(b"p" * 300).hexdigest()
    assert rig.bucket.size(f"{rig.place}/people") == 300
    rig.last(handle)
    rig.backend.clean_up(handle)
    assert rig.bucket.objects() == set()


def test_small_media_and_what_is_known_of_the_people_travel_inside_the_request(make_rig: Any) -> None:
    rig = knowing_people(make_rig())
    rig.submit()
    (run,) = rig.cloud.runs.values()
    assert base64.b64decode(run.input["people_file"].partition(",")[2]) == b"p" * 300
    assert rig.bucket.objects() == set()


def test_what_is_known_of_the_people_never_costs_a_job_that_fits_without_it(make_rig: Any) -> None:
    rig = knowing_people(make_rig(has_bucket=False, target_bytes=7_000_000), 1_000_000)
    rig.submit()
    (run,) = rig.cloud.runs.values()
    assert run.input["people_file"] is None


def test_what_the_check_lets_pass_fits_into_a_request(make_rig: Any) -> None:
    largest = (MAX_BODY_BYTES - 64 * 1024) // 4 * 3 - 6 - 6
    rig = make_rig(has_bucket=False, target_bytes=largest)
    rig.backend.check(6, largest)
    rig.submit()  # The model refuses a body over 10 MB.


@pytest.mark.parametrize("fault", ["not_sent", "not_sent_slow", "429"])
def test_a_request_that_was_not_taken_is_sent_again(make_rig: Any, fault: str) -> None:
    rig = make_rig(Script(run_faults=(fault, fault, fault)))
    assert rig.submit().remote_id == "run-0"


def test_retry_after_is_honoured(make_rig: Any) -> None:
    rig = make_rig(Script(run_faults=("429",)))
    before = rig.clock()
    rig.submit()
    assert rig.clock() - before == pytest.approx(3)


def test_a_cloud_that_never_takes_it_ends_the_job_within_two_minutes(make_rig: Any) -> None:
    rig = make_rig(Script(run_faults=("429",) * 1000))
    before = rig.clock()
    with pytest.raises(BackendUnavailable):
        rig.submit()
    assert rig.clock() - before < 120
    assert rig.backend.stop(rig.unnamed), "nothing was taken, so there is nothing to stop"


@pytest.mark.parametrize(
    "fault", ["lost_before", "lost_after", "500", "500_taken", "504_taken", "garbage_taken", "list"]
)
def test_an_unknown_outcome_is_never_sent_again(make_rig: Any, fault: str) -> None:
    rig = make_rig(Script(run_faults=(fault,)))
    with pytest.raises(SubmissionUnknown):
        rig.submit()
    assert rig.cloud.requests == 1


@pytest.mark.parametrize("status", ["302", "400", "401", "403", "404", "413"])
def test_a_refusal_names_the_status_and_leaves_nothing_behind(make_rig: Any, status: str) -> None:
    rig = make_rig(Script(run_faults=(status,)), target_bytes=9_000_000)
    with pytest.raises(CloudRefused, match=status):
        rig.submit()
    assert rig.bucket.objects() == set()


def test_a_cancel_during_the_upload_keeps_the_job_from_being_sent(make_rig: Any) -> None:
    rig = make_rig(target_bytes=9_000_000)
    rig.bucket.on_upload = lambda: rig.backend.stop(rig.unnamed)
    with pytest.raises(JobStopped):
        rig.submit()
    assert rig.cloud.requests == 0
    assert rig.backend.stop(rig.unnamed)
    assert rig.bucket.objects() == set()


def test_a_job_that_was_cancelled_before_the_request_is_not_sent_and_leaves_nothing(make_rig: Any) -> None:
    rig = make_rig(target_bytes=9_000_000)
    seen: list[set[str]] = []

    def refuse() -> None:
        seen.append(rig.bucket.objects())
        raise JobStopped()

    rig.media = replace(rig.media, sending=refuse)
    with pytest.raises(JobStopped):
        rig.submit()
    assert [len(objects) for objects in seen] == [2], "the upload comes first, and it asks once"
    assert rig.cloud.requests == 0
    assert rig.bucket.objects() == set()


def test_a_stop_before_any_request_deletes_what_a_dead_app_uploaded(make_rig: Any) -> None:
    rig = make_rig()
    rig.bucket.store.put(f"{rig.place}/target", b"face")
    assert rig.backend.stop(Handle(rig.job.run)), "nothing was sent, so there is nothing to stop"
    assert rig.bucket.objects() == set()
    assert rig.cloud.requests == 0


def test_a_run_that_was_taken_over_during_its_upload_leaves_the_other_runs_media_alone(make_rig: Any) -> None:
    rig = make_rig(target_bytes=9_000_000)
    theirs = BucketPlace(RunKey(rig.job.id, 2, "host:2:notebook"))

    def taken_over() -> None:
        rig.bucket.store.put(theirs.target, b"of the run that goes on")
        raise JobStopped()

    rig.media = replace(rig.media, sending=taken_over)
    with pytest.raises(JobStopped):
        rig.submit()
    rig.backend.clean_up(Handle(rig.job.run))
    assert rig.bucket.objects() == {theirs.target}
    assert rig.cloud.requests == 0


def test_a_run_is_asked_for_until_the_deadline_it_was_sent_with_whatever_the_limits_are_now(
    make_rig: Any,
) -> None:
    rig = make_rig(Script(queue_s=0, run_s=3000))
    rig.job = rig.job.evolve(terms=Terms.of(Settings(engine_timeout_s=3600, runpod_wait_s=900)))
    rig.media = replace(rig.media, target_duration_s=600)
    sent = rig.submit()
    rig.clock.now_s += 6 * 60
    lowered = RunPodBackend(SETTINGS, bucket=rig.bucket, transport=rig.cloud, clock=rig.clock)
    asked = rig.cloud.requests
    handle = Handle(sent.run, sent.remote_id, sent.submitted_at, rig.job.terms.remote_limit_s)
    assert rig.cloud.computing()
    assert lowered.stop(handle)
    assert rig.cloud.requests > asked, "RunPod was told and asked"
    assert not rig.cloud.computing()


def test_a_bucket_that_is_down_ends_the_job_before_anything_is_sent(make_rig: Any) -> None:
    rig = make_rig(Script(bucket_down=((0.0, 10.0),)), target_bytes=9_000_000)
    with pytest.raises(BucketUnavailable):
        rig.submit()
    assert rig.cloud.requests == 0


def test_the_policy_is_tight_and_the_worker_knows_the_same_end(make_rig: Any) -> None:
    rig = make_rig()
    began = rig.clock()
    rig.submit()
    (run,) = rig.cloud.runs.values()
    assert run.execution_s <= 120
    assert run.gone_at - began == pytest.approx(60 + run.execution_s)
    assert datetime.fromisoformat(run.input["deadline"]).timestamp() == pytest.approx(run.gone_at, abs=0.01)


def test_a_run_goes_from_the_queue_through_progress_to_its_result(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=3, run_s=20))
    handle = rig.submit()
    reports = list(rig.polls(handle))
    assert reports[0].stage is Stage.WAITING_FOR_GPU
    assert {report.state for report in reports} == {RunState.QUEUED, RunState.RUNNING, RunState.SUCCEEDED}
    assert any(0 < report.progress < 100 for report in reports)
    assert reports[-1].swap.notes == ("several_faces_in_source",)
    rig.backend.fetch(handle, reports[-1], rig.result)
    assert rig.result.read_bytes() == RESULT


def test_runpod_is_asked_once_a_second_at_most(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=30, run_s=20))
    list(rig.polls(rig.submit()))
    assert rig.cloud.requests <= 53


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(ending="coded"), "no_face"),
        (Script(ending="sentence"), "cloud_failed"),
        (Script(ending="sdk_error"), "cloud_failed"),
        (Script(ending="no_output"), "result_missing"),
        (Script(ending="huge"), "result_too_large"),
        (Script(ending="crash"), "timeout"),
        (Script(run_s=1000), "timeout"),
        (Script(queue_s=1000), "cloud_lost"),
        (Script(cancelled_by_other_s=3), "cloud_stopped"),
        (Script(status_faults=("404",) * 1000), "cloud_lost"),
        (Script(status_faults=("401",) * 1000), "cloud_refused"),
        (Script(status_faults=("500",) * 1000, run_s=1000), "timeout"),
        (Script(status_faults=("strange",) * 5000), "timeout"),
    ],
)
def test_every_bad_end_has_its_code(make_rig: Any, script: Script, code: str) -> None:
    assert make_rig(script, has_bucket=False).error_code() == code


@pytest.mark.parametrize(
    "script",
    [
        Script(hidden_s=20),
        Script(status_faults=("404",) * 20),
        Script(status_faults=("429", "500", "list", "strange", "lost_before", "not_sent") * 3),
    ],
)
def test_passing_trouble_is_survived(make_rig: Any, script: Script) -> None:
    assert make_rig(script).last().state is RunState.SUCCEEDED


@pytest.mark.parametrize("header", ["0.001", "0", "-1", "nan", "soon", "1e9"])
def test_a_strange_retry_after_makes_nobody_hurry(header: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503, headers={"Retry-After": header})

    clock = Clock()
    backend = RunPodBackend(SETTINGS, transport=httpx.MockTransport(answer), clock=clock)
    handle = Handle(RunKey("job", 1, "worker"), "run", datetime.fromtimestamp(clock(), UTC))
    for _ in range(2_900):
        assert backend.poll(handle).error is None
        clock.now_s += 0.1
    assert 8 < len(asked) <= 291


@pytest.mark.parametrize("receipt_lost", [False, True])
def test_a_result_is_found_in_the_bucket_when_runpod_lost_the_end(make_rig: Any, receipt_lost: bool) -> None:
    rig = make_rig(Script(job_done_lost=True, receipt_lost=receipt_lost))
    handle = rig.submit()
    report = rig.last(handle)
    rig.backend.fetch(handle, report, rig.result)
    assert rig.result.read_bytes() == RESULT
    assert report.swap.notes == (() if receipt_lost else ("several_faces_in_source",))


def test_a_lost_end_is_noticed_within_seconds_and_the_run_is_not_left_to_be_run_again(make_rig: Any) -> None:
    rig = make_rig(Script(job_done_lost=True, run_s=5))
    began = rig.clock()
    rig.last()
    assert rig.clock() - began < 20
    (run,) = rig.cloud.runs.values()
    assert run.state == "CANCELLED"


def test_another_process_picks_a_run_up_by_its_handle(make_rig: Any) -> None:
    rig = make_rig(Script(run_s=20))
    handle = rig.submit()
    rig.backend.close()
    rig.backend = RunPodBackend(SETTINGS, bucket=rig.bucket, transport=rig.cloud, clock=rig.clock)
    assert rig.last(Handle(handle.run, handle.remote_id, handle.submitted_at)).state is RunState.SUCCEEDED
    assert len(rig.cloud.runs) == 1


def report_of(output: object) -> Report:
    result = WorkerResult.read(output)
    assert result.error is None
    return Report(RunState.SUCCEEDED, output=result)


@pytest.mark.parametrize(
    "output",
    [
        base64.b64encode(RESULT).decode(),
        {"result": base64.b64encode(RESULT).decode()},
        {"result": "data:image/png;base64," + base64.b64encode(RESULT).decode()},
        {"result_url": "https://elsewhere.test/result.png"},
        {"result": "https://elsewhere.test/result.png"},
    ],
)
def test_outputs_of_other_workers_are_understood(tmp_path: Path, output: object) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=RESULT)

    backend = RunPodBackend(SETTINGS, transport=httpx.MockTransport(answer))
    backend.fetch(Handle(RunKey("job", 1, "worker"), "run"), report_of(output), tmp_path / "result.png")
    assert (tmp_path / "result.png").read_bytes() == RESULT
    assert all("Authorization" not in request.headers for request in seen), "our key went to a stranger"


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ({"result": "not base64!"}, ResultDamaged),
        ({"result": base64.b64encode(RESULT).decode(), "sha256": "0" * 64}, ResultDamaged),
        ({"result_url": "http://10.0.0.1/x"}, ResultMissing),
        ({"result_url": "file:///etc/passwd"}, ResultMissing),
        ({"result_url": "https://elsewhere.test/404"}, ResultMissing),
        ({"result_url": "https://elsewhere.test/empty"}, ResultMissing),
        ({"stored": True}, ResultMissing),
    ],
)
def test_a_result_that_cannot_be_had_leaves_no_file(
    tmp_path: Path, output: object, error: type[Exception]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404 if request.url.path == "/404" else 200)

    backend = RunPodBackend(SETTINGS, transport=httpx.MockTransport(answer), sleep=lambda seconds: None)
    with pytest.raises(error):
        backend.fetch(Handle(RunKey("job", 1, "worker"), "run"), report_of(output), tmp_path / "result.png")
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_that_is_down_for_a_moment_does_not_cost_the_result(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=0, run_s=1))
    handle = rig.submit()
    report = rig.last(handle)
    now = rig.clock() - rig.cloud.began
    rig.cloud.script = Script(bucket_down=((now, now + 4.0),))
    rig.backend.fetch(handle, report, rig.result)
    assert rig.result.read_bytes() == RESULT


def test_the_end_of_a_nameless_run_is_confirmed_only_when_it_is_certain(make_rig: Any) -> None:
    rig = make_rig(Script(run_faults=("lost_before",)))
    with pytest.raises(SubmissionUnknown):
        rig.submit()
    rig.clock.now_s += 290
    assert not rig.backend.stop(rig.unnamed)
    rig.clock.now_s += 20
    assert rig.backend.stop(rig.unnamed)


def test_a_nameless_run_finds_its_marker_and_computes_nothing(make_rig: Any) -> None:
    rig = make_rig(Script(run_faults=("lost_after",), queue_s=10))
    with pytest.raises(SubmissionUnknown):
        rig.submit()
    assert not rig.backend.stop(rig.unnamed)
    rig.clock.now_s += 10
    assert rig.backend.stop(rig.unnamed), "its receipt says that it ended"
    (run,) = rig.cloud.runs.values()
    assert run.computed_until == run.starts_at


def test_an_end_that_runpod_only_claims_is_not_believed_before_the_worker_had_time(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=0, run_s=60, cancel_faults=("unsignalled",)))
    handle = rig.submit()
    rig.clock.now_s += 1
    assert not rig.backend.stop(handle)
    rig.clock.now_s += 1.5
    assert rig.backend.stop(handle), "the worker saw its marker and wrote a receipt"


def test_a_confirmed_stop_of_a_finished_run_deletes_its_late_result(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=0, run_s=1))
    handle = rig.submit()
    rig.clock.now_s += 5
    rig.cloud.advance()
    assert f"{rig.place}/result" in rig.bucket.objects()
    assert rig.backend.stop(handle)
    assert rig.bucket.objects() == set()


@pytest.mark.parametrize("ending", ["ok", "sentence"])
def test_what_a_run_was_billed_is_told_at_its_end(make_rig: Any, ending: str) -> None:
    rig = make_rig(Script(queue_s=3, run_s=7, ending=ending))
    rig.last()
    assert rig.billed == {rig.job.run: 7.0}


def test_what_a_stopped_run_was_billed_is_told_when_its_stop_is_confirmed(make_rig: Any) -> None:
    rig = make_rig(Script(queue_s=3, run_s=100))
    handle = rig.submit()
    rig.sleep(13)
    assert rig.backend.poll(handle).state is RunState.RUNNING
    assert rig.billed == {}
    while not rig.backend.stop(handle):
        rig.sleep(0.5)
    assert rig.billed == {rig.job.run: 10.0}


@pytest.mark.parametrize("odd", [None, "7000", -1, 0, float("inf"), float("nan")])
def test_an_odd_time_is_billed_as_nothing(odd: object) -> None:
    assert billed_of({"executionTime": odd}) == 0


def test_what_a_dead_app_left_in_the_bucket_is_deleted_a_day_later(
    make_rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    rig.bucket.store.put("jobs/old/run/target", b"left behind")
    rig.bucket.store.put("elsewhere/old", b"not ours")
    rig.backend.clean_up(rig.unnamed)
    assert "jobs/old/run/target" in rig.bucket.objects(), "a run may still need it"
    monkeypatch.setattr(runpod, "OLD_OBJECTS_AFTER_S", -10_000.0)
    rig.clock.now_s += 3601
    rig.backend.clean_up(rig.unnamed)
    assert rig.bucket.objects() == {"elsewhere/old"}


def test_neither_key_nor_signed_address_reaches_a_message_or_a_log(
    make_rig: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = make_rig(Script(ending="sentence"), target_bytes=9_000_000)
    report = rig.last()
    for text in (str(report.error), json.dumps(report.error.details if report.error else {}), caplog.text):
        assert "sig=1" not in text
        assert "Bearer" not in text
        assert "?PUT" not in text
    assert "CUDA out of memory" in str(report.error)


def test_a_forgotten_job_is_looked_after_until_no_url_can_bring_anything_back(make_rig: Any) -> None:
    rig = make_rig(target_bytes=MAX_BODY_BYTES)
    handle = rig.submit()
    keys = BucketPlace(rig.job.run)
    rig.bucket.write(keys.cancel, b"cancelled")
    assert {keys.target, keys.source(0)} < rig.bucket.objects()
    assert not rig.backend.erase(handle), "a worker that runs on may still bring a result"
    assert rig.bucket.objects() == {keys.cancel}, "which is what tells it to stop"
    rig.bucket.write(keys.result, b"a late result")
    assert not rig.backend.erase(handle)
    assert rig.bucket.objects() == {keys.cancel}
    rig.sleep(rig.backend._longest_s + runpod.MARGIN_S)
    rig.bucket.down = lambda: True
    assert not rig.backend.erase(handle)
    rig.bucket.down = lambda: False
    assert rig.backend.erase(handle)
    assert rig.bucket.objects() == set()


def test_without_a_bucket_nothing_lies_anywhere_that_could_be_erased(make_rig: Any) -> None:
    rig = make_rig(has_bucket=False)
    assert rig.backend.erase(rig.submit())


def test_what_a_worker_says_of_its_engine_is_taken_as_far_as_it_makes_sense() -> None:
    fact = {"role": "swap model", "file": "a.onnx", "recognised": True}
    told = WorkerResult.read(
        {"stored": True, "engine": "neural:a", "weights": [fact | {"deep": [1]}, "b", 3, None]}
    ).swap
    assert (told.engine, told.weights) == ("neural:a", (fact,))
    silent = WorkerResult.read({"stored": True, "engine": ["x"], "weights": {"role": "swap model"}}).swap
    assert (silent.engine, silent.weights) == (None, ())
