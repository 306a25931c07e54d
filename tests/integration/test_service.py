"""The service works with real files, the real store, and the real engine in its child process."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from PIL import Image

from faceswap import Job, Service, Settings, Status, SwapOptions
from faceswap.consent import VERSION, statement_hash
from faceswap.errors import (
    BadMedia,
    ConsentRequired,
    DayTooExpensive,
    DiskFull,
    EmptyFile,
    InvalidRequest,
    JobAlreadyFinished,
    JobNotFound,
    NoFaceFound,
    NotHuman,
    ResultNotReady,
    TooLarge,
    TooLong,
    TooManyJobs,
    UnsupportedMedia,
    UploadNotFound,
)
from faceswap.folders import Folders
from faceswap.jobs import CANCELLED_MESSAGE
from faceswap.orders import ROOM_PER_TARGET
from faceswap.queries import FRAME_COLUMNS
from faceswap.store import JobStore
from tests.media import MediaFolder, skimage_file, transcode
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    opened: list[Service] = []

    def make(*, dispatch: bool = True, **settings: object) -> Service:
        opened.append(Service(Settings(data_dir=tmp_path / "data", **settings), dispatch=dispatch))
        return opened[-1]

    yield make
    for service in opened:
        service.close()


@pytest.fixture(scope="session")
def long_video(face_video: Path, media_folder: MediaFolder) -> Path:
    """A video of 640 x 360 and 29 s. It is long enough to be interrupted in the middle."""
    return media_folder.make(
        "long-face.mp4",
        lambda path: transcode(face_video, path, frames=None, loops=12, preset="ultrafast"),
    )


def running(service: Service, job: Job) -> Job:
    return wait_until(
        lambda: found if (found := service.get(job.id)).progress > 0 else None, "the job makes progress", 60
    )


def engine_pids(data_dir: Path) -> list[int]:
    """Return the process ids of the engines that have files open below a data folder."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if b"faceswap.engine" not in (process / "cmdline").read_bytes():
                continue
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(path.startswith(str(data_dir)) for path in opened):
            found.append(int(process.name))
    return found


@pytest.mark.engine
def test_a_video_is_swapped_from_submit_to_file(
    make_service: Callable[..., Service], portrait: Path, longer_video: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, longer_video, consent=True, title="me in a clip")
    assert (job.status, job.title, job.position) == (Status.PENDING, "me in a clip", 1)
    seen = list(service.watch(job.id))
    assert seen[-1].status is Status.COMPLETED
    shown = [found.progress for found in seen]
    assert shown == sorted(shown)
    assert len({progress for progress in shown if 0 < progress < 100}) >= 2
    result = service.result_path(job.id)
    assert service.upload(result, expected="video").duration_s == pytest.approx(
        service.find_upload(job.target_file).duration_s, abs=0.05
    )
    consent = service._store.consent(job.id)
    assert (consent.version, consent.statement_sha256) == (VERSION, statement_hash())
    assert consent.sources_sha256 == (service.find_upload(job.source_file).sha256,)


@pytest.mark.engine
def test_a_picture_is_swapped(
    make_service: Callable[..., Service], portrait: Path, other_portrait: Path
) -> None:
    service = make_service()
    job = service.submit(
        "single-image", str(portrait), str(other_portrait), consent=True, options=SwapOptions(many_faces=True)
    )
    assert service.wait(job.id, timeout_s=60 * PATIENCE).status is Status.COMPLETED
    assert service.upload(service.result_path(job.id)).kind == "image"


@pytest.mark.engine
def test_cancel_ends_job_process_and_partial_files(
    make_service: Callable[..., Service], portrait: Path, long_video: Path, tmp_path: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, long_video, consent=True)
    running(service, job)
    assert engine_pids(tmp_path)
    cancelled = service.cancel(job.id)
    assert (cancelled.status, cancelled.error_message) == (Status.FAILED, CANCELLED_MESSAGE)
    assert service.active() == []
    folder = tmp_path / "data" / "jobs" / job.id
    wait_until(
        lambda: not engine_pids(tmp_path) and [path.name for path in folder.iterdir()] == ["job.json"],
        "the process and its files are gone",
        timeout_s=1.0,
    )
    with pytest.raises(JobAlreadyFinished, match=r"^Job already failed$"):
        service.cancel(job.id)
    with pytest.raises(ResultNotReady):
        service.result_path(job.id)


@pytest.mark.engine
def test_a_cancel_from_another_process_is_noticed(
    make_service: Callable[..., Service], portrait: Path, long_video: Path, tmp_path: Path
) -> None:
    service = make_service()
    notebook = make_service(dispatch=False)
    job = service.submit("single-video", portrait, long_video, consent=True)
    running(service, job)
    notebook.cancel(job.id)
    wait_until(lambda: not engine_pids(tmp_path), "the process is gone")


@pytest.mark.engine
def test_a_crash_of_the_engine_costs_one_job(
    make_service: Callable[..., Service], portrait: Path, long_video: Path, face_video: Path, tmp_path: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, long_video, consent=True)
    running(service, job)
    for pid in engine_pids(tmp_path):
        os.kill(pid, signal.SIGSEGV)
    crashed = service.wait(job.id, timeout_s=20 * PATIENCE)
    assert (crashed.status, crashed.error_code) == (Status.FAILED, "engine_crashed")
    again = service.submit("single-video", portrait, face_video, consent=True)
    assert service.wait(again.id, timeout_s=60 * PATIENCE).status is Status.COMPLETED


@pytest.mark.engine
def test_a_run_that_takes_too_long_is_stopped(
    make_service: Callable[..., Service], portrait: Path, long_video: Path, tmp_path: Path
) -> None:
    service = make_service(engine_timeout_s=0.5)
    job = service.submit("single-video", portrait, long_video, consent=True)
    late = service.wait(job.id, timeout_s=30 * PATIENCE)
    assert (late.error_code, late.status) == ("timeout", Status.FAILED)
    wait_until(lambda: not engine_pids(tmp_path), "the process is gone")


@pytest.mark.engine
def test_closing_gives_the_job_back_and_the_next_service_finishes_it(
    make_service: Callable[..., Service], portrait: Path, longer_video: Path, tmp_path: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, longer_video, consent=True)
    running(service, job)
    service.close()
    assert not engine_pids(tmp_path)
    restarted = make_service()
    assert restarted.wait(job.id, timeout_s=120 * PATIENCE).status is Status.COMPLETED
    assert restarted.get(job.id).attempt == 1


@pytest.mark.engine
def test_no_face_in_the_target_video_fails_the_job_and_says_so(
    make_service: Callable[..., Service], portrait: Path, no_face_video: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, no_face_video, consent=True)
    failed = service.wait(job.id, timeout_s=60 * PATIENCE)
    assert (failed.status, failed.error_code) == (Status.FAILED, "no_face")
    assert failed.error_message == str(NoFaceFound(role="target"))


@pytest.mark.engine
def test_several_faces_in_the_source_are_noted(
    make_service: Callable[..., Service], group_photo: Path, other_portrait: Path
) -> None:
    service = make_service()
    job = service.submit("single-image", group_photo, other_portrait, consent=True)
    assert job.notes == ("several_faces_in_source",)
    assert service.wait(job.id, timeout_s=60 * PATIENCE).status is Status.COMPLETED


@pytest.mark.engine
def test_a_doubtful_source_is_noted_and_what_is_no_face_is_refused(
    make_service: Callable[..., Service], other_portrait: Path, tmp_path: Path
) -> None:
    service = make_service(dispatch=False)
    small = tmp_path / "small.png"
    with Image.open(other_portrait) as picture:
        picture.reduce(4).save(small)
    source, target = service.upload(small), service.upload(other_portrait)
    assert (source.notes, target.notes) == (("source_small",), ())
    assert service.find_upload(source.id).notes == source.notes
    job = service.submit("single-image", source, target, consent=True)
    assert job.notes == ("source_small",)
    cells = service.upload(skimage_file("cell.png"))
    assert cells.faces
    with pytest.raises(NotHuman):
        service.submit("single-image", cells, target, consent=True)


@pytest.mark.engine
def test_the_sixth_live_job_is_refused_and_costs_nothing(
    make_service: Callable[..., Service], portrait: Path, face_video: Path
) -> None:
    service = make_service(dispatch=False)
    source = service.upload(portrait)
    target = service.upload(face_video)
    for _ in range(5):
        service.submit("single-video", source, target, consent=True)
    with pytest.raises(TooManyJobs):
        service.submit("single-video", source, target, consent=True)
    assert len(service.active()) == 5
    assert service.submit(
        "single-video",
        service.upload(portrait, owner="ann"),
        service.upload(face_video, owner="ann"),
        consent=True,
        owner="ann",
    )


@pytest.mark.parametrize("consent", [False, None, "yes", 1])
def test_nothing_happens_without_consent(
    make_service: Callable[..., Service], portrait: Path, face_video: Path, consent: object
) -> None:
    service = make_service(dispatch=False)
    with pytest.raises(ConsentRequired):
        service.submit("single-video", portrait, face_video, consent=consent)
    assert service.history() == []


@pytest.mark.engine
def test_each_bad_file_is_refused_by_name_of_its_fault(
    make_service: Callable[..., Service],
    portrait: Path,
    face_video: Path,
    no_face_picture: Path,
    tmp_path: Path,
) -> None:
    service = make_service(dispatch=False, max_upload_mb=1, max_duration_s=2)
    cut = face_video.read_bytes()[:30_000]
    cases: list[tuple[type[BadMedia], bytes]] = [
        (EmptyFile, b""),
        (UnsupportedMedia, b"just some words, long enough to be looked at\n" * 20),
        (UnsupportedMedia, b"ffconcat version 1.0\nfile victim.mp4\n"),
        (BadMedia, cut),
        (BadMedia, portrait.read_bytes()[:5_000]),
        (TooLarge, b"\0" * 1_000_001),
        (TooLong, face_video.read_bytes()),
    ]
    for error, content in cases:
        with pytest.raises(error):
            service.upload(io.BytesIO(content), "clip.mp4")
    with pytest.raises(UnsupportedMedia):
        service.upload(portrait, expected="video")
    assert list((tmp_path / "data" / "uploads").iterdir()) == []
    face = service.upload(portrait)
    coffee = service.upload(no_face_picture)
    for error, source, target in (
        (NoFaceFound, coffee, face),
        (NoFaceFound, face, coffee),
    ):
        with pytest.raises(error):
            service.submit("single-image", source, target, consent=True)
    with pytest.raises(UnsupportedMedia):
        service.submit("single-video", face, face, consent=True)
    with pytest.raises(InvalidRequest):
        service.submit("sideways-video", face, face, consent=True)
    assert service.history() == []


def test_a_ctrl_c_at_any_moment_of_a_wait_does_not_keep_the_service_from_closing(
    make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython may raise KeyboardInterrupt between any two steps, also right after a lock was taken."""
    service = make_service(dispatch=False)
    job = service.simulate()
    taken = threading.Condition.__enter__

    def interrupted_after(condition: threading.Condition) -> bool:
        taken(condition)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(threading.Condition, "__enter__", interrupted_after)
        patched.setattr("faceswap.queries.time.sleep", Mock(side_effect=KeyboardInterrupt))
        service.wait(job.id)
    closing = threading.Thread(target=service.close, daemon=True)
    closing.start()
    closing.join(10 * PATIENCE)
    assert not closing.is_alive()


def test_too_little_room_is_said_before_anything_is_queued(
    make_service: Callable[..., Service], portrait: Path, tmp_path: Path
) -> None:
    service = make_service(dispatch=False, min_free_mb=10**9)
    with pytest.raises(DiskFull):
        service.upload(portrait)
    assert service.history() == []


@pytest.mark.engine
def test_tasks_in_the_cloud_keep_to_their_budget(
    make_service: Callable[..., Service], portrait: Path, other_portrait: Path
) -> None:
    cloud = {
        "backend": "runpod",
        "runpod_api_key": "key",
        "runpod_endpoint_id": "ep",
        "runpod_usd_per_s": 0.01,
    }
    service = make_service(dispatch=False, **cloud, runpod_max_usd_per_task=0.5, runpod_max_usd_per_day=1.0)
    source, target = service.upload(portrait), service.upload(other_portrait)
    job = service.submit("single-image", source, target, consent=True)
    assert job.terms
    assert job.terms.engine_timeout_s == 50
    store = JobStore(Folders(service.settings.data_dir).store)
    store.note_billed(job.run, 100)
    store.close()
    with pytest.raises(DayTooExpensive):
        service.submit("single-image", source, target, consent=True)
    assert [each.id for each in service.history()] == [job.id]


@pytest.mark.engine
def test_a_swap_that_will_not_fit_on_the_disk_is_not_queued(
    make_service: Callable[..., Service],
    portrait: Path,
    other_portrait: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = make_service(dispatch=False, min_free_mb=0)
    source, target = service.upload(portrait), service.upload(other_portrait)
    usage, usage_of = shutil.disk_usage(service.settings.data_dir), "faceswap.uploads.shutil.disk_usage"
    needed_bytes = ROOM_PER_TARGET * target.size_bytes
    for free_bytes, error in ((needed_bytes - 1, DiskFull), (needed_bytes, None)):
        monkeypatch.setattr(usage_of, Mock(return_value=usage._replace(free=free_bytes)))
        with pytest.raises(error) if error else nullcontext():
            service.submit("single-image", source, target, consent=True)
    assert len(service.history()) == 1


def test_a_file_that_will_not_fit_on_the_disk_is_not_copied(
    make_service: Callable[..., Service], portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(dispatch=False, min_free_mb=0)
    size_bytes = portrait.stat().st_size
    left = shutil.disk_usage(portrait)._replace(free=size_bytes - 1)
    monkeypatch.setattr("faceswap.uploads.shutil.disk_usage", Mock(return_value=left))
    with pytest.raises(DiskFull):
        service.upload(portrait)
    with pytest.raises(DiskFull):
        service.require_upload_room("somebody", "", size_bytes)
    service.require_upload_room("somebody", "", size_bytes - 1)


@pytest.mark.engine
def test_delete_removes_media_result_and_rows(
    make_service: Callable[..., Service], portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    service = make_service()
    shared = service.upload(portrait)
    jobs = [service.submit("single-image", shared, other_portrait, consent=True) for _ in range(2)]
    for job in jobs:
        service.wait(job.id, timeout_s=60 * PATIENCE)
    service.delete(jobs[0].id)
    with pytest.raises(JobNotFound):
        service.get(jobs[0].id)
    with pytest.raises(UploadNotFound):
        service.find_upload(jobs[0].target_file)
    assert service.find_upload(shared.id) == shared
    service.delete(jobs[1].id)
    left = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {path.name.partition("-")[0] for path in left} <= {
        *("jobs.sqlite3", "face_landmarker.task"),
        *("key.pem", "chain.pem", "ca.pem"),
    }


@pytest.mark.engine
def test_deleting_a_live_job_cancels_it(
    make_service: Callable[..., Service], portrait: Path, long_video: Path, tmp_path: Path
) -> None:
    service = make_service()
    job = service.submit("single-video", portrait, long_video, consent=True)
    running(service, job)
    service.delete(job.id)
    wait_until(lambda: not engine_pids(tmp_path), "the process is gone")
    wait_until(lambda: list((tmp_path / "data" / "jobs").iterdir()) == [], "its folder is gone")


@pytest.mark.engine
def test_another_owner_sees_nothing(
    make_service: Callable[..., Service], portrait: Path, face_video: Path
) -> None:
    service = make_service(dispatch=False)
    job = service.submit("single-video", portrait, face_video, consent=True, owner="ann")
    ask: list[Callable[[], object]] = [
        lambda: service.get(job.id, owner="bob"),
        lambda: service.cancel(job.id, owner="bob"),
        lambda: service.delete(job.id, owner="bob"),
        lambda: service.events(job.id, owner="bob"),
        lambda: service.result_path(job.id, owner="bob"),
        lambda: list(service.watch(job.id, owner="bob")),
        lambda: service.wait(job.id, owner="bob"),
    ]
    for question in ask:
        with pytest.raises(JobNotFound):
            question()
    with pytest.raises(UploadNotFound):
        service.find_upload(job.source_file, owner="bob")
    with pytest.raises(UploadNotFound):
        service.submit(
            "single-video",
            service.find_upload(job.source_file, owner="ann"),
            face_video,
            consent=True,
            owner="bob",
        )
    assert service.active(owner="bob") == service.history(owner="bob") == []
    assert len(service.active_frame(owner="bob")) == 0


@pytest.mark.engine
def test_the_panels_table_is_a_frame_of_active_jobs(
    make_service: Callable[..., Service], portrait: Path, face_video: Path
) -> None:
    service = make_service(dispatch=False)
    empty = service.active_frame()
    assert isinstance(empty, pd.DataFrame)
    assert list(empty.columns) == list(FRAME_COLUMNS)
    job = service.submit("single-video", portrait, face_video, consent=True)
    (row,) = service.active_frame().to_dict("records")
    assert (row["id"], row["status"], row["progress"], row["position"]) == (job.id, "pending", 0.0, 1)


@pytest.mark.engine
def test_a_wait_that_is_too_short_says_so(
    make_service: Callable[..., Service], portrait: Path, face_video: Path
) -> None:
    service = make_service(dispatch=False)
    job = service.submit("single-video", portrait, face_video, consent=True)
    with pytest.raises(TimeoutError, match="still pending"):
        service.wait(job.id, timeout_s=0.01)


@pytest.mark.engine
def test_an_animation_is_a_video_where_one_is_expected_and_else_a_picture(
    make_service: Callable[..., Service], portrait: Path, tmp_path: Path
) -> None:
    service = make_service(dispatch=False)
    path = tmp_path / "wave.gif"
    face = Image.open(portrait).convert("RGB").resize((256, 256))
    face.save(path, save_all=True, append_images=[face.rotate(3), face.rotate(6)], duration=100)
    as_video = service.upload(path, expected="video")
    assert (as_video.kind, as_video.file, as_video.duration_s) == (
        "video",
        "media.mp4",
        pytest.approx(0.3, abs=0.01),
    )
    as_picture = service.upload(path)
    assert (as_picture.kind, as_picture.file, as_picture.faces) == ("image", "media.png", 1)
    job = service.submit("single-video", source=portrait, target=path, consent=True)
    assert job.status is Status.PENDING


@pytest.mark.engine
def test_a_batch_is_swapped(
    make_service: Callable[..., Service], portrait: Path, other_portrait: Path
) -> None:
    service = make_service()
    first, second = service.upload(portrait), service.upload(other_portrait)
    jobs = service.batches.submit([first, second], [first, second], consent=True)
    ended = [service.wait(job.id, 100 * PATIENCE) for job in jobs]
    assert [job.status for job in ended] == [Status.COMPLETED] * 4
    state, _ = service.batches.get(jobs[0].batch or "")
    assert (state.completed, state.progress) == (4, 100)
