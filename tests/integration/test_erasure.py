"""Of a deleted, revoked or expired job, only its receipt is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faceswap import Service, Settings, Status
from faceswap.backends import Handle
from faceswap.consent import STATEMENT, VERSION, statement_hash
from faceswap.erasure import Eraser
from faceswap.errors import JobNotFound, UploadNotFound
from faceswap.housekeeping import Housekeeping
from faceswap.jobs import Job, Result, RunKey
from faceswap.receipt import Receipt
from faceswap.store import JobStore
from faceswap.summary import write_summary
from faceswap.uploads import Intake
from tests.factories import Clock, add_job
from tests.integration.serving import Serving
from tests.integration.test_dispatcher import ScriptedBackend
from tests.waiting import wait_until

MADE = Result("e" * 64, 4321, frames=72, swapped_frames=70)


@pytest.fixture
def service(serving: Serving) -> Service:
    return serving.service


@pytest.fixture
def eraser_with(serving: Serving) -> Callable[[ScriptedBackend], Eraser]:
    """Make an eraser that works through its notes when the test tells it to."""

    def make(backend: ScriptedBackend) -> Eraser:
        def now() -> datetime:
            return datetime.now(UTC)

        intake = Intake(serving.store, serving.folders, serving.settings, now)
        return Eraser(serving.store, serving.folders, intake, {"runpod": backend}, now)

    return make


def finished(serving: Serving, title: str = "a-private-title.mp4") -> Job:
    """Add a completed job with result, sound and marks. Its target's name is the job's title."""
    source = serving.add_upload(sha256="a" * 64, name="a-private-face.png")
    target = serving.add_upload(
        *("local", b"the target"),
        **{"kind": "video", "file": "media.mp4", "name": title, "sha256": "b" * 64, "faces": None},
        **{"width": 640, "height": 360, "duration_s": 2.4, "fps": 30.0, "has_audio": True},
    )
    job = add_job(serving.store, title=title, source_file=source.id, target_file=target.id)
    running = serving.store.claim("host:1:w", "local", lease_s=60)
    assert running is not None
    result = serving.folders.result(job)
    result.parent.mkdir(parents=True)
    result.write_bytes(b"the result")
    assert serving.store.complete(running, ["audio_reencoded"], MADE, marks={"label": "both"})
    write_summary(serving.store, serving.folders, job.id)
    return serving.store.get(job.id)


def files_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_receipt_tells_what_was_done_with_which_files_by_whose_word(
    serving: Serving, service: Service
) -> None:
    job = finished(serving)
    receipt = service.receipt(job.id)
    assert (receipt.job_id, receipt.status, receipt.title) == (job.id, "completed", job.title)
    assert [event.reason for event in receipt.events] == ["submitted", "claimed", "completed"]
    assert "host" not in receipt.model_dump_json()
    consent = receipt.consent
    assert (consent.version, consent.statement, consent.revoked_at) == (VERSION, STATEMENT, None)
    assert consent.statement_sha256 == statement_hash()
    (source,) = receipt.sources
    assert (source.name, source.sha256) == ("a-private-face.png", "a" * 64)
    target = receipt.target
    assert (target.width, target.duration_s, target.fps) == (640, 2.4, 30.0)
    assert receipt.result is not None
    assert receipt.result.took_s is not None
    assert receipt.result.model_dump(exclude={"took_s", "frames_per_s"}) == {
        **{"sha256": MADE.sha256, "size_bytes": 4321, "frames": 72, "swapped_frames": 70},
        "audio": "converted",
    }
    assert receipt.marks == {"label": "both"}
    assert receipt.forgotten is None


def test_a_live_job_has_a_receipt_too(serving: Serving, service: Service) -> None:
    receipt = service.receipt(serving.add_job().id)
    assert (receipt.status, receipt.result, receipt.marks, receipt.completed_at) == (
        "pending",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("end", ["deleted", "revoked", "expired"])
def test_of_a_forgotten_job_a_receipt_with_hashes_only_is_left(
    serving: Serving, service: Service, end: str
) -> None:
    job = finished(serving)
    if end == "deleted":
        service.delete(job.id)
    elif end == "revoked":
        assert service.revoke_consent(job.id) == []
    else:
        service._eraser.delete_older_than(days=1e-9)
    for question in (service.get, service.events, service.result_path, service.consent, service.delete):
        with pytest.raises(JobNotFound):
            question(job.id)
    for upload_id in (job.source_file, job.target_file):
        with pytest.raises(UploadNotFound):
            service.find_upload(upload_id)
    assert service.history() == []
    receipt = service.receipt(job.id)
    assert service.receipts() == [receipt]
    assert receipt.forgotten is not None
    assert receipt.forgotten.because == end
    assert receipt.consent.revoked_at == (receipt.forgotten.at if end == "revoked" else None)
    kept = receipt.model_dump()
    assert [source["sha256"] for source in kept["sources"]] == ["a" * 64]
    assert (kept["target"]["sha256"], kept["result"]["sha256"]) == ("b" * 64, MADE.sha256)
    for part in (*kept["sources"], kept["target"], kept["result"]):
        assert {name for name, value in part.items() if value is not None} == {"sha256"}
    assert [event.reason for event in receipt.events] == ["submitted", "claimed", "completed"]
    assert {name for name in files_below(serving.folders.root) if "sqlite3" not in name} == {"server.key"}
    content = b"".join(path.read_bytes() for path in serving.folders.root.rglob("*") if path.is_file())
    assert b"a-private-" not in content
    assert serving.store.erasures() == []


def test_another_owner_has_no_receipt(serving: Serving, service: Service) -> None:
    live, gone = serving.add_job("ann"), serving.add_job("ann", Status.COMPLETED)
    service.delete(gone.id, owner="ann")
    for job in (live, gone):
        assert service.receipt(job.id, owner="ann").job_id == job.id
        with pytest.raises(JobNotFound):
            service.receipt(job.id, owner="bob")
    with pytest.raises(JobNotFound):
        service.revoke_consent(live.id, owner="bob")
    with pytest.raises(JobNotFound):
        service.consent(live.id, owner="bob")
    assert service.receipts(owner="bob") == []


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.FAILED])
def test_revoking_ends_a_live_job_and_deletes_a_failed_one(
    serving: Serving, service: Service, status: Status
) -> None:
    job = serving.add_job(status=status)
    service.revoke_consent(job.id)
    receipt = service.receipt(job.id)
    assert receipt.status == "failed"
    assert receipt.error_code == ("no_face" if status is Status.FAILED else "cancelled")
    assert receipt.consent.revoked_at is not None
    assert service.active() == []


def test_files_that_another_job_uses_stay_for_it_and_it_is_named(serving: Serving, service: Service) -> None:
    mine = serving.add_job(status=Status.COMPLETED)
    other = add_job(serving.store, source_file=mine.source_file, target_file=serving.add_upload().id)
    assert service.revoke_consent(mine.id) == [other.id]
    assert service.find_upload(mine.source_file)
    assert service.media_path(service.find_upload(mine.source_file)).exists()
    with pytest.raises(UploadNotFound):
        service.find_upload(mine.target_file)
    assert service.consent(other.id)
    assert service.revoke_consent(other.id) == []
    assert not any(serving.folders.uploads.iterdir())


def test_a_job_is_forgotten_once(serving: Serving, service: Service) -> None:
    job = serving.add_job(status=Status.COMPLETED)
    service.revoke_consent(job.id)
    for again in (service.delete, service.revoke_consent):
        with pytest.raises(JobNotFound):
            again(job.id)
    assert len(service.receipts()) == 1


def test_a_summary_written_too_late_does_not_bring_a_forgotten_job_back(
    serving: Serving, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(serving)
    events = serving.store.events

    def forgotten_meanwhile(job_id: str) -> object:
        found = events(job_id)
        service.delete(job_id)
        return found

    monkeypatch.setattr(serving.store, "events", forgotten_meanwhile)
    with pytest.raises(JobNotFound):
        write_summary(serving.store, serving.folders, job.id)
    assert not serving.folders.job(job.id).exists()


def test_what_a_crash_left_unfinished_is_erased_after_the_next_start(
    serving: Serving, make_service: Callable[..., Service]
) -> None:
    job = finished(serving)
    assert serving.store.delete_job(job, serving.service.receipt(job.id).model_dump_json()), "then it crashed"
    assert serving.folders.result(job).exists()
    make_service()
    wait_until(lambda: serving.store.erasures() == [], "it is worked off")
    assert not serving.folders.job(job.id).exists()
    assert not any(serving.folders.uploads.iterdir())


@pytest.fixture
def make_service(serving: Serving) -> Iterator[Callable[..., Service]]:
    """Make services for the same folder that run jobs and housekeeping."""
    opened: list[Service] = []

    def make(clock: Clock | None = None, **settings: object) -> Service:
        chosen = Settings(data_dir=serving.folders.root, backend="local", **settings)
        opened.append(Service(chosen, **({"clock": clock} if clock else {})))
        return opened[-1]

    yield make
    for service in opened:
        service.close()


def test_the_log_is_emptied_as_soon_as_nobody_reads_in_it(
    serving: Serving, service: Service, make_service: Callable[..., Service]
) -> None:
    job = finished(serving)
    reader = sqlite3.connect(serving.folders.store, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    service.delete(job.id)
    assert [note.job_id for note in serving.store.erasures()] == [job.id]
    reader.close()
    make_service()
    wait_until(lambda: serving.store.erasures() == [], "it is worked off")
    content = b"".join(path.read_bytes() for path in serving.folders.root.rglob("*") if path.is_file())
    assert b"a-private-" not in content


@pytest.fixture
def rounds(serving: Serving) -> Iterator[Callable[[datetime, float], None]]:
    """`rounds(start, hours)` lets the clock run from `start`, with a round of housekeeping in each hour."""
    clock = Clock()
    settings = serving.settings.model_copy(update={"retention_days": 7})
    store = JobStore(serving.folders.store, clock)

    def now() -> datetime:
        return datetime.fromtimestamp(clock(), UTC)

    intake = Intake(store, serving.folders, settings, now)
    eraser = Eraser(store, serving.folders, intake, {}, now)

    def run(start: datetime, hours: float) -> None:
        for hour in range(int(hours) + 1):
            clock.now_s = start.timestamp() + hour * 3600
            Housekeeping(store, serving.folders, intake, eraser, settings).keep_house()

    yield run
    store.close()


def test_jobs_are_kept_for_as_long_as_is_set_after_their_end(
    serving: Serving, rounds: Callable[[datetime, float], None]
) -> None:
    old, live = finished(serving), serving.add_job(status=Status.PROCESSING)
    ended = old.completed_at
    assert ended is not None
    rounds(ended, 7 * 24 - 1)
    assert serving.store.get(old.id) == old
    rounds(ended + timedelta(days=7), 1)
    assert serving.service.receipt(old.id).forgotten is not None
    assert not serving.folders.job(old.id).exists()
    assert serving.store.has_job(live.id)


def test_a_clock_that_jumps_ahead_deletes_nothing_for_a_day_and_then_a_small_share_each_hour(
    serving: Serving, rounds: Callable[[datetime, float], None]
) -> None:
    jobs = [finished(serving) for _ in range(40)]
    ended = jobs[-1].completed_at
    assert ended is not None

    def left() -> int:
        return len(serving.store.history("local", limit=100))

    rounds(ended, 48)
    wrong = ended + timedelta(days=400)
    rounds(wrong, 23)
    assert left() == 40
    rounds(wrong + timedelta(hours=24), 0)
    assert left() == 38
    rounds(wrong + timedelta(hours=25), 0)
    assert left() == 36
    rounds(ended + timedelta(hours=50), 24)  # the clock is right again
    assert left() == 36
    for jump in range(4):  # jumps of less than two days, one in each round
        rounds(ended + timedelta(days=20 + 1.9 * jump), 0)
    assert left() == 36


def test_on_ones_own_machine_nothing_is_deleted_by_itself(
    serving: Serving, make_service: Callable[..., Service]
) -> None:
    old = finished(serving)
    later = make_service(Clock(datetime.now(UTC).timestamp() + 3650 * 86_400))
    wait_until(lambda: later._parts.housekeeping.rounds == 1, "the house was kept")
    assert later.result_path(old.id).read_bytes() == b"the result"


class Elsewhere(ScriptedBackend):
    """Answers what the test tells it to."""

    def __init__(self) -> None:
        super().__init__(survives_restart=True)
        self.name = "runpod"
        self.answers: list[bool] = []
        self.erased: list[Handle] = []

    def erase(self, handle: Handle) -> bool:
        self.erased.append(handle)
        return self.answers.pop(0)


def test_what_lies_elsewhere_is_erased_again_and_again_until_it_is_gone(
    serving: Serving, service: Service, eraser_with: Callable[[ScriptedBackend], Eraser]
) -> None:
    job = add_job(serving.store, backend="runpod")
    running = serving.store.claim("a worker", "runpod", 3600)
    assert running is not None
    serving.store.submitting(running)
    serving.store.submitted(running.run, "rp-1")
    done = serving.store.complete(running)
    assert done is not None
    service.delete(job.id)
    (note,) = serving.store.erasures()
    cloud = Elsewhere()
    cloud.answers = [False, False, True]
    eraser = eraser_with(cloud)
    waited_s = 0.0
    eraser._monotonic = lambda: waited_s
    eraser.step()
    eraser.step()
    assert len(cloud.erased) == 1, "not at once again"
    waited_s = 1.5
    eraser.step()
    waited_s = 9.0
    eraser.step()
    assert cloud.erased == [Handle(RunKey(job.id, 0, ""), "rp-1", note.submitted_at)] * 3
    assert serving.store.erasures() == []


def test_without_its_backend_a_note_waits(
    serving: Serving, service: Service, eraser_with: Callable[[ScriptedBackend], Eraser]
) -> None:
    add_job(serving.store, backend="runpod")
    running = serving.store.claim("a worker", "runpod", 3600)
    assert running is not None
    serving.store.submitting(running)
    assert serving.store.complete(running)
    service.delete(running.id)
    eraser = eraser_with(Elsewhere())
    eraser._backends = {}
    eraser.step()
    assert [note.job_id for note in serving.store.erasures()] == [running.id]


def test_a_stored_receipt_is_read_as_it_was_written(serving: Serving, service: Service) -> None:
    job = finished(serving)
    before = service.receipt(job.id)
    assert Receipt.model_validate_json(before.model_dump_json()) == before
