"""Batches: several faces in several targets, each pair a task like any other."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap import SwapOptions
from faceswap.api.archive import zipped
from faceswap.batches import different_names
from faceswap.errors import (
    BatchFull,
    BatchRefused,
    ConsentRequired,
    InvalidRequest,
    JobAlreadyFinished,
    JobNotFound,
    QueueFull,
    TooManyFromAddress,
    UploadNotFound,
)
from faceswap.jobs import CANCELLED_MESSAGE, Job, Status
from faceswap.store import Upload
from tests.integration.serving import Serving


@pytest.fixture
def idle(serve: Callable[..., Serving]) -> Serving:
    """A server on which nothing runs the jobs."""
    return serve(max_active=2, max_batch=8)


def pictures(serving: Serving, count: int, **changes: Any) -> list[Upload]:
    owner = changes.pop("owner", "local")
    return [serving.add_upload(owner, name=f"{number}.png", **changes) for number in range(count)]


def queued(serving: Serving, sources: int = 2, targets: int = 3, **more: Any) -> list[Job]:
    return serving.service.batches.submit(
        pictures(serving, sources), pictures(serving, targets), consent=True, **more
    )


class TestQueueing:
    def test_each_face_goes_into_each_target(self, idle: Serving) -> None:
        sources, targets = pictures(idle, 2), pictures(idle, 3)
        jobs = idle.service.batches.submit(
            sources, targets, consent=True, options=SwapOptions(mouth_mask=True)
        )
        assert [(job.source_file, job.target_file) for job in jobs] == [
            (source.id, target.id) for target in targets for source in sources
        ]
        assert len({job.batch for job in jobs}) == 1
        assert all(job.options.mouth_mask for job in jobs)
        for job in jobs:
            consent = idle.service.consent(job.id)
            source, target = (
                next(u for u in sources if u.id == job.source_file),
                next(u for u in targets if u.id == job.target_file),
            )
            assert (consent.sources_sha256, consent.target_sha256) == ((source.sha256,), target.sha256)

    def test_paired_files_go_together_in_their_order(self, idle: Serving) -> None:
        sources, targets = pictures(idle, 3), pictures(idle, 3)
        jobs = idle.service.batches.submit(sources, targets, consent=True, pairing="pairs")
        assert [(job.source_file, job.target_file) for job in jobs] == [
            (source.id, target.id) for source, target in zip(sources, targets, strict=True)
        ]
        with pytest.raises(InvalidRequest, match="as many sources as targets, not 3 and 2"):
            idle.service.batches.submit(sources, targets[:2], consent=True, pairing="pairs")

    def test_all_are_queued_or_none(self, idle: Serving) -> None:
        batches = idle.service.batches
        good, faceless = pictures(idle, 2), pictures(idle, 1, faces=0)
        with pytest.raises(BatchRefused, match=r"0\.png: No face was found in the target\."):
            batches.submit(good, [*good, *faceless], consent=True)
        with pytest.raises(BatchRefused, match=r"0\.png: No face was found in the source\."):
            batches.submit([*good, *faceless], good, consent=True)
        with pytest.raises(ConsentRequired):
            batches.submit(good, good, consent=False)
        with pytest.raises(UploadNotFound):
            batches.submit(good, pictures(idle, 1, owner="somebody"), consent=True)
        with pytest.raises(InvalidRequest):
            batches.submit([], good, consent=True)
        with pytest.raises(BatchFull, match="may have 8 tasks"):
            batches.submit(pictures(idle, 3), pictures(idle, 3), consent=True)
        assert idle.service.active() == []
        assert batches.all() == []

    def test_batches_and_single_tasks_have_limits_of_their_own(self, idle: Serving) -> None:
        queued(idle, 2, 4)
        with pytest.raises(BatchFull):
            queued(idle, 1, 1)
        for _ in range(2):
            source, target = pictures(idle, 2)
            idle.service.submit("single-image", source, target, consent=True)
        assert len(idle.service.active()) == 10

    def test_all_owners_together_and_one_address_have_limits_too(self, idle: Serving) -> None:
        def submit(owner: str, sender: str = "") -> None:
            files = pictures(idle, 9, owner=owner)
            idle.service.batches.submit(files[:1], files[1:], consent=True, owner=owner, sender=sender)

        submit("first", "an address")
        for number in range(20):
            try:
                submit(f"of that address {number}", "an address")
            except TooManyFromAddress:
                break
        else:
            pytest.fail("one address could fill the queue")
        with pytest.raises(QueueFull):
            for number in range(20):
                submit(f"elsewhere {number}")

    def test_single_tasks_come_first_and_batches_of_several_owners_take_turns(self, idle: Serving) -> None:
        def of(owner: str) -> list[Job]:
            files = pictures(idle, 4, owner=owner)
            return idle.service.batches.submit(files[:1], files[1:], consent=True, owner=owner)

        mine, theirs = of("me"), of("they")
        source, target = pictures(idle, 2, owner="single")
        single = idle.service.submit("single-image", source, target, consent=True, owner="single")
        order = []
        while (job := idle.store.claim("a worker", "local", 60)) is not None:
            order.append(job.id)
        expected = [single, *(job for pair in zip(mine, theirs, strict=True) for job in pair)]
        assert order == [job.id for job in expected]


class TestState:
    def test_progress_and_time_left_are_those_of_all(self, idle: Serving) -> None:
        jobs = queued(idle, 1, 4)
        batch = jobs[0].batch or ""
        state, listed = idle.service.batches.get(batch)
        assert [job.id for job in listed] == [job.id for job in jobs]
        assert (state.tasks, state.completed, state.failed, state.progress, state.eta_s) == (4, 0, 0, 0, None)
        running = idle.store.claim("a worker", "local", 60)
        assert running is not None
        idle.store.report(running, progress=40, stage=running.stage, eta_s=None)
        state, _ = idle.service.batches.get(batch)
        assert state.progress == 10
        assert state.eta_s is not None
        idle.store.complete(running)
        idle.service.cancel(jobs[1].id)
        state, _ = idle.service.batches.get(batch)
        assert (state.completed, state.failed, state.progress, state.live) == (1, 1, 50, True)
        assert idle.service.batches.cancel(batch) == 2
        state, _ = idle.service.batches.get(batch)
        assert (state.failed, state.progress, state.eta_s, state.live) == (3, 100, None, False)
        with pytest.raises(JobAlreadyFinished):
            idle.service.batches.cancel(batch)

    def test_a_cancelled_batch_is_cancelled_as_each_of_its_tasks(self, idle: Serving) -> None:
        jobs = queued(idle, 1, 3)
        assert idle.store.claim("a worker", "local", 60) is not None
        assert idle.service.batches.cancel(jobs[0].batch or "") == 3
        for job in jobs:
            found = idle.service.get(job.id)
            assert (found.status, found.error_message) == (Status.FAILED, CANCELLED_MESSAGE)
        assert idle.store.claim("a worker", "local", 60) is None

    def test_what_failed_is_queued_again_in_the_same_batch(self, idle: Serving) -> None:
        jobs = queued(idle, 1, 3)
        batch = jobs[0].batch or ""
        first = idle.store.claim("a worker", "local", 60)
        assert first is not None
        idle.store.complete(first)
        with pytest.raises(InvalidRequest):
            idle.service.batches.retry(batch, consent=True)
        idle.service.batches.cancel(batch)
        with pytest.raises(ConsentRequired):
            idle.service.batches.retry(batch, consent=False)
        again = idle.service.batches.retry(batch, consent=True)
        assert [(job.source_file, job.target_file) for job in again] == [
            (job.source_file, job.target_file) for job in jobs[1:]
        ]
        state, listed = idle.service.batches.get(batch)
        assert (state.tasks, state.completed, state.failed) == (3, 1, 0)
        assert {job.id for job in listed} == {jobs[0].id, *(job.id for job in again)}
        assert idle.service.get(jobs[1].id).batch is None

    def test_two_retries_at_once_queue_each_task_once(self, idle: Serving) -> None:
        jobs = queued(idle, 1, 2)
        batch = jobs[0].batch or ""
        idle.service.batches.cancel(batch)
        submit = idle.service._parts.submission.submit_batch

        def late(*given: Any, **named: Any) -> list[Job]:
            """Another retry comes first."""
            idle.service._parts.submission.submit_batch = submit
            idle.service.batches.retry(batch, consent=True)
            return submit(*given, **named)

        idle.service._parts.submission.submit_batch = late
        with pytest.raises(InvalidRequest, match="meanwhile"):
            idle.service.batches.retry(batch, consent=True)
        assert len(idle.service.active()) == 2

    def test_a_batch_is_gone_with_its_last_task(self, idle: Serving) -> None:
        jobs = queued(idle, 1, 2)
        batch = jobs[0].batch or ""
        idle.service.delete(jobs[0].id)
        assert idle.service.batches.get(batch)[0].tasks == 1
        idle.service.delete(jobs[1].id)
        for act in (idle.service.batches.get, idle.service.batches.cancel):
            with pytest.raises(JobNotFound):
                act(batch)

    def test_another_owners_batch_is_not_found(self, idle: Serving) -> None:
        batch = queued(idle)[0].batch or ""
        for act in (idle.service.batches.get, idle.service.batches.cancel):
            with pytest.raises(JobNotFound):
                act(batch, owner="somebody")
        assert idle.service.batches.all(owner="somebody") == []

    def test_the_content_gate_sees_each_file_once(self, idle: Serving, monkeypatch: Any) -> None:
        seen: list[str] = []
        intake = idle.service._parts.intake
        original = intake.require_content

        def counted(sources: Any, target: Upload, passed: set[str]) -> None:
            fresh = {upload.id for upload in (*sources, target)} - passed
            seen.extend(fresh)
            passed |= fresh
            original(sources, target, passed)

        monkeypatch.setattr(intake, "require_content", counted)
        queued(idle, 2, 3)
        assert len(seen) == len(set(seen)) == 5


class TestOverHttp:
    def post(self, client: httpx.Client, files: list[Upload], **more: Any) -> httpx.Response:
        ids = [file.id for file in files]
        return client.post("/api/batches", json={"sources": ids[:1], "targets": ids[1:], **more})

    def test_a_batch_is_queued_followed_and_cancelled(self, idle: Serving) -> None:
        client = idle.client()
        files = pictures(idle, 3)
        refused = self.post(client, files)
        assert (refused.status_code, refused.json()["success"]) == (400, False)
        made = self.post(client, files, consent=True, options={"keep_fps": False}).json()["data"]
        assert len(made["jobIds"]) == 2
        shown = client.get(f"/api/batches/{made['batchId']}").json()["data"]
        assert [job["id"] for job in shown["jobs"]] == made["jobIds"]
        assert all(not job["options"]["keep_fps"] for job in shown["jobs"])
        assert (shown["tasks"], shown["completed"], shown["failed"], shown["result_url"]) == (2, 0, 0, None)
        (listed,) = client.get("/api/batches").json()["data"]
        assert listed == {name: value for name, value in shown.items() if name != "jobs"}
        tasks = client.get("/api/tasks").json()["data"]
        assert {task["batch_id"] for task in tasks} == {made["batchId"]}
        assert tasks[0]["batch"] == listed
        cancelled = client.post(f"/api/batches/{made['batchId']}/cancel").json()["data"]
        assert cancelled == {"cancelled": 2}
        assert client.post(f"/api/batches/{made['batchId']}/cancel").status_code == 400
        again = client.post(f"/api/batches/{made['batchId']}/retry", json={"consent": True}).json()["data"]
        assert again["batchId"] == made["batchId"]
        assert len(again["jobIds"]) == 2

    def test_too_many_are_refused_in_words(self, idle: Serving) -> None:
        answer = self.post(idle.client(), pictures(idle, 12), consent=True)
        assert (answer.status_code, answer.headers["X-FaceSwap-Error"]) == (429, "batch_full")
        assert "8 tasks" in answer.json()["error"]

    def test_the_results_come_as_one_zip(self, serve: Callable[..., Serving]) -> None:
        serving = serve(multi_user=True)
        token, owner = serving.sign_in()
        batch = "Z" * 22
        for number in range(3):
            serving.add_job(
                owner, Status.COMPLETED, result=bytes([number]) * 300_000, batch=batch, title="clip.mp4"
            )
        serving.add_job(owner, Status.FAILED, batch=batch)
        client = serving.client(token)
        (state,) = client.get("/api/batches").json()["data"]
        assert (state["completed"], state["failed"]) == (3, 1)
        answer = serving.client().get(
            state["result_url"]
        )  # The link alone opens it, as that of a result does.
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="faceswap-')
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
            assert sorted(archive.read(name)[:1] for name in names) == [b"\0", b"\1", b"\2"]
        assert len(names) == len(set(names)) == 3
        assert all(name.startswith("clip") and name.endswith(".mp4") for name in names)
        assert serving.client().get(f"/api/batches/{batch}/download").status_code == 401

    def test_a_batch_without_a_result_has_none_to_download(self, idle: Serving) -> None:
        batch = queued(idle)[0].batch
        answer = idle.client().get(f"/api/batches/{batch}/download")
        assert (answer.status_code, answer.json()["success"]) == (404, False)


def test_a_zip_is_made_while_it_is_sent(tmp_path: Path) -> None:
    """So 2 GB of results need 2 GB neither of memory nor of disk."""
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(40_000_000)
    gone = tmp_path / "gone.mp4"
    chunks = zipped([("a.mp4", large, None), ("b.mp4", gone, None)])
    assert max(len(chunk) for chunk in chunks) < 1_000_000
    whole = b"".join(zipped([("a.mp4", large, None), ("b.mp4", gone, None)]))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert [(entry.filename, entry.file_size) for entry in archive.infolist()] == [("a.mp4", 40_000_000)]


def test_names_in_a_zip_differ() -> None:
    assert different_names(["a.mp4", "A.mp4", "a-2.mp4", "b", "b"]) == [
        "a.mp4",
        "A-2.mp4",
        "a-2-2.mp4",
        "b",
        "b-2",
    ]
