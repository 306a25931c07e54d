import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from faceswap.consent import Consent
from faceswap.errors import (
    DiskFull,
    JobAlreadyFinished,
    JobNotFound,
    QueueFull,
    StoreUnavailable,
    TooLong,
    TooManyJobs,
    UploadNotFound,
    from_code,
)
from faceswap.jobs import (
    CANCELLED_MESSAGE,
    Job,
    PartCounts,
    RemoteStop,
    Result,
    RunKey,
    Stage,
    Status,
    SwapOptions,
)
from faceswap.settings import Settings
from faceswap.store import Erasure, JobStore, Upload
from faceswap.store.database import MIGRATIONS, SCHEMA_VERSION
from faceswap.terms import Terms
from tests.factories import NOON, Clock, add_job, make_job, make_upload


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs.sqlite3", clock)
    yield store
    store.close()


def claimed(store: JobStore, **changes: object) -> Job:
    add_job(store, **changes)
    job = store.claim("worker", "local", lease_s=5)
    assert job is not None
    return job


def test_a_job_comes_back_as_it_was_put_in(store: JobStore) -> None:
    job = add_job(store, notes=("several_faces_in_source",), face_mappings={"face_0": "u"})
    assert store.get(job.id) == job
    assert job.position == 1
    assert store.consent(job.id) == Consent("local", ("0" * 64,), "1" * 64, NOON)


def test_somebody_elses_job_is_as_unknown_as_none(store: JobStore) -> None:
    job = add_job(store, owner="ann")
    assert store.get(job.id, "ann").id == job.id
    for job_id, owner in ((job.id, "bob"), ("nothing", "ann")):
        with pytest.raises(JobNotFound, match=r"^Job not found$"):
            store.get(job_id, owner)
        with pytest.raises(JobNotFound):
            store.cancel(job_id, owner)
    assert store.active("bob") == []
    assert store.history("bob") == []


def test_the_sixth_live_job_of_an_owner_is_refused(store: JobStore) -> None:
    jobs = [add_job(store, owner="ann") for _ in range(5)]
    with pytest.raises(TooManyJobs, match="already have 5 tasks"):
        add_job(store, owner="ann", max_active=5)
    add_job(store, owner="bob", max_active=5)
    store.cancel(jobs[0].id)
    add_job(store, owner="ann", max_active=5)


def test_a_job_whose_file_was_deleted_meanwhile_is_refused(store: JobStore) -> None:
    upload = make_upload()
    store.add_upload(upload)
    consent = Consent("local", ("0" * 64,), "1" * 64, NOON)
    limits = {"max_active": 9, "max_queue": 9}
    kept = store.add(make_job(target_file=upload.id), consent, needs=[upload.id], **limits)
    store.delete_upload(upload.id)
    with pytest.raises(UploadNotFound):
        store.add(make_job(target_file=upload.id), consent, needs=[upload.id], **limits)
    assert [job.id for job in store.active()] == [kept.id]


def test_terms_come_back_as_they_were_put_in(store: JobStore) -> None:
    terms = Terms.of(Settings(producer="an early name", engine_timeout_s=7))
    job = add_job(store, terms=terms)
    assert store.get(job.id).terms == terms


def test_a_stop_is_confirmed_for_its_own_run_only(store: JobStore) -> None:
    first = claimed(store, backend="local")
    store.submitting(first)
    other = RunKey(first.id, first.attempt, "another worker")
    store.cancel(first.id)
    store.stopped(first.id, RemoteStop.CONFIRMED, other)
    assert store.get(first.id).remote_stop is RemoteStop.PENDING
    store.stopped(first.id, RemoteStop.CONFIRMED, first.run)
    assert store.get(first.id).remote_stop is RemoteStop.CONFIRMED


def test_a_full_queue_refuses_everyone(store: JobStore) -> None:
    add_job(store, owner="ann")
    with pytest.raises(QueueFull):
        add_job(store, owner="bob", max_queue=1)


def test_jobs_are_claimed_in_order_and_once(store: JobStore) -> None:
    first = add_job(store)
    second = add_job(store, created_at=NOON + timedelta(seconds=1))
    add_job(store, backend="runpod")
    assert store.get(second.id).position == 2
    claims = [store.claim("worker", "local", 5) for _ in range(3)]
    assert [job.id if job else None for job in claims] == [first.id, second.id, None]
    assert store.get(first.id).status is Status.PROCESSING
    assert store.get(first.id).attempt == 1
    assert store.get(first.id).position is None


def test_progress_rises_within_an_attempt_and_starts_again_with_the_next(store: JobStore) -> None:
    job = claimed(store)
    job = store.report(job, progress=40, stage=Stage.PROCESSING, eta_s=9) or job
    job = store.report(job, progress=30, stage=Stage.PROCESSING, eta_s=None) or job
    assert job.progress == 40
    released = store.release(job, "its run died", spent=True)
    assert released is not None
    assert (released.status, released.progress, released.attempt) == (Status.PENDING, 0, 1)
    again = store.claim("other", "local", 5)
    assert again is not None
    assert again.attempt == 2


def test_a_run_given_back_in_order_does_not_count_as_an_attempt(store: JobStore) -> None:
    released = store.release(claimed(store), "the app was stopped", spent=False)
    assert released is not None
    assert released.attempt == 0


def test_a_run_that_was_submitted_is_never_given_back_to_be_submitted_again(store: JobStore) -> None:
    job = claimed(store)
    assert store.submitting(job) is not None
    assert store.release(job, "the app was stopped", spent=False) is None, "whatever its thread knew of it"
    assert store.get(job.id).status is Status.PROCESSING


def test_completing_keeps_notes_and_fills_progress(store: JobStore) -> None:
    done = store.complete(claimed(store, notes=("a",)), ["b", "a"])
    assert done is not None
    assert (done.status, done.progress, done.notes) == (Status.COMPLETED, 100, ("a", "b"))
    assert [event.status for event in store.events(done.id)] == ["pending", "processing", "completed"]


def test_a_failed_job_keeps_what_its_sentence_is_filled_with(store: JobStore) -> None:
    error = TooLong(duration_s=9.5, limit_s=5)
    failed = store.fail(claimed(store), error.code, str(error), error.details)
    assert failed is not None
    assert store.get(failed.id) == failed
    assert failed.error_code is not None
    assert str(from_code(failed.error_code, dict(failed.error_details))) == str(error)
    assert store.cancel(add_job(store).id).error_details == {}


@pytest.mark.parametrize("start", ["pending", "processing"])
def test_cancel_of_a_live_job_is_immediate(store: JobStore, start: str) -> None:
    job = claimed(store) if start == "processing" else add_job(store)
    cancelled = store.cancel(job.id)
    assert cancelled.status is Status.FAILED
    assert (cancelled.error_code, cancelled.error_message) == ("cancelled", CANCELLED_MESSAGE)
    assert cancelled.cancelled_at == NOON
    assert cancelled.remote_stop is RemoteStop.NONE
    assert store.active() == []


def test_cancel_of_a_finished_job_changes_nothing(store: JobStore) -> None:
    done = store.complete(claimed(store))
    failed = store.fail(claimed(store), "no_face", "No face")
    assert done is not None
    assert failed is not None
    for job, words in ((done, "Job already completed"), (failed, "Job already failed")):
        with pytest.raises(JobAlreadyFinished, match=f"^{words}$"):
            store.cancel(job.id)
        assert store.get(job.id) == job


def test_a_run_that_lost_its_job_to_a_cancel_can_change_nothing(store: JobStore) -> None:
    job = claimed(store)
    cancelled = store.cancel(job.id)
    assert store.report(job, progress=50, stage=Stage.PROCESSING, eta_s=None) is None
    assert store.complete(job) is None
    assert store.fail(job, "engine_crashed", "x") is None
    assert store.release(job, "x", spent=True) is None
    assert store.submitting(job) is None
    assert store.get(job.id) == cancelled


def test_a_run_taken_over_by_another_worker_can_change_nothing(store: JobStore, clock: Clock) -> None:
    job = claimed(store)
    assert store.with_lapsed_lease() == []
    clock.now_s += 6
    assert [found.id for found in store.with_lapsed_lease()] == [job.id]
    adopted = store.adopt(job, "another", 5)
    assert adopted is not None
    assert store.adopt(job, "third", 5) is None
    assert store.complete(job) is None
    assert store.complete(adopted) is not None


def test_keeping_a_lease_keeps_a_run(store: JobStore, clock: Clock) -> None:
    job = claimed(store)
    clock.now_s += 4
    store.keep_leases("worker", 5, [job.run])
    clock.now_s += 4
    assert store.with_lapsed_lease() == []
    store.end_lease(job)
    assert [found.id for found in store.with_lapsed_lease()] == [job.id]


def test_a_run_that_its_worker_lost_sight_of_is_not_kept(store: JobStore, clock: Clock) -> None:
    lost, driven = claimed(store), claimed(store)
    clock.now_s += 4
    store.keep_leases("worker", 5, [driven.run])
    clock.now_s += 4
    assert [found.id for found in store.with_lapsed_lease()] == [lost.id]


def test_cancel_after_a_submission_asks_for_a_remote_stop(store: JobStore) -> None:
    job = claimed(store)
    assert store.submitting(job) is not None
    assert store.cancel(job.id).remote_stop is RemoteStop.PENDING
    assert store.submitted(job.run, "rp-1").runpod_id == "rp-1"
    assert [found.runpod_id for found in store.to_stop()] == ["rp-1"]
    store.stopped(job.id, RemoteStop.CONFIRMED)
    assert store.to_stop() == []
    assert store.get(job.id).remote_stop is RemoteStop.CONFIRMED


def test_consent_for_several_sources_is_kept_in_their_order(store: JobStore) -> None:
    job = make_job()
    consent = Consent("local", ("c" * 64, "a" * 64, "b" * 64), "1" * 64, NOON)
    store.add(job, consent, max_active=9, max_queue=9)
    assert store.consent(job.id) == consent


def test_a_result_is_remembered_with_the_end_of_its_job(store: JobStore) -> None:
    made = Result("a" * 64, 123, frames=72, swapped_frames=70)
    done = store.complete(claimed(store), result=made)
    assert done is not None
    assert store.get(done.id).result == made


def test_a_forgotten_job_leaves_a_receipt_and_a_note_of_what_to_erase(store: JobStore) -> None:
    job = claimed(store, owner="ann", face_mappings={"face_0": "another-source"})
    with pytest.raises(JobNotFound):
        store.receipt(job.id, "ann")
    failed = store.fail(job, "no_face", "No face")
    assert failed is not None
    erasure = store.delete_job(failed, "the receipt")
    assert erasure == Erasure(
        job.id, "local", None, None, ("another-source", "source-file-of-test", "target-file-of-test")
    )
    assert store.erasures() == [erasure]
    assert (store.receipt(job.id, "ann"), store.receipts("ann", limit=9)) == ("the receipt", ["the receipt"])
    assert not store.has_job(job.id)
    for question in (store.get, store.consent, lambda job_id: store.receipt(job_id, "bob")):
        with pytest.raises(JobNotFound):
            question(job.id)
    assert store.receipts("bob", limit=9) == store.events(job.id) == store.history("ann") == []
    assert store.delete_job(failed, "once more") is None
    store.note_erased(job.id)
    assert store.erasures() == []
    assert store.receipt(job.id) == "the receipt"


def test_receipts_are_listed_last_forgotten_first(store: JobStore, clock: Clock) -> None:
    for minute in range(3):
        clock.now_s += 60
        job = store.fail(claimed(store), "no_face", "No face")
        assert job is not None
        store.delete_job(job, f"receipt {minute}")
    assert store.receipts("local", limit=2) == ["receipt 2", "receipt 1"]
    assert store.receipts("local", limit=2, offset=2) == ["receipt 0"]


def test_of_a_forgotten_job_only_what_stops_its_remote_run_stays(store: JobStore) -> None:
    job = claimed(store, owner="ann")
    store.submitting(job)
    store.submitted(job.run, "rp-1")
    cancelled = store.cancel(job.id)
    erasure = store.delete_job(cancelled, "the receipt")
    assert erasure is not None
    assert (erasure.runpod_id, erasure.submitted_at) == ("rp-1", NOON)
    with pytest.raises(JobNotFound):
        store.get(job.id, "ann")
    assert store.finished_before(NOON.timestamp() + 9) == []
    assert not store.has_job(job.id)
    (left,) = store.to_stop()
    assert (left.owner, left.title, left.source_file, left.target_file) == ("", "", "", "")
    store.stopped(job.id, RemoteStop.CONFIRMED)
    with pytest.raises(JobNotFound):
        store.get(job.id)
    assert store.events(job.id) == []
    assert store.erasures() == [erasure]


@pytest.mark.parametrize("start", ["pending", "processing"])
def test_a_live_job_is_not_forgotten(store: JobStore, start: str) -> None:
    job = claimed(store) if start == "processing" else add_job(store)
    assert store.delete_job(job, "a receipt") is None
    assert store.get(job.id) == job
    assert store.receipts("local", limit=9) == store.erasures() == []


def test_jobs_are_old_by_their_end_not_by_their_beginning(store: JobStore, clock: Clock) -> None:
    late = claimed(store)
    clock.now_s += 60
    add_job(store, source_file="live")
    store.fail(late, "no_face", "No face")
    assert store.finished_before(clock.now_s) == []
    assert [job.id for job in store.finished_before(clock.now_s + 1)] == [late.id]


def test_others_that_share_a_file_are_found_by_source_target_and_mapping(store: JobStore) -> None:
    job = add_job(store, source_file="a", target_file="b")
    others = [
        add_job(store, source_file="b", target_file="c"),
        add_job(store, source_file="x", target_file="y", face_mappings={"face_0": "x", "face_1": "a"}),
        add_job(store, source_file="x", target_file="a"),
    ]
    add_job(store, source_file="x", target_file="y")
    assert set(store.sharing(job.id, job.uploads)) == {other.id for other in others}


def test_titles_and_names_of_what_was_forgotten_are_in_no_byte_of_the_store(tmp_path: Path) -> None:
    """Rows grow, shrink and move between pages many times, but no copy of deleted text stays."""
    store, chance = JobStore(tmp_path / "jobs.sqlite3"), random.Random(1)
    kept: list[tuple[Job, Upload]] = []
    words: dict[str, set[str]] = {"kept": set(), "forgotten": set()}
    for number in range(200):
        upload = make_upload(name=f"name-{number:04}-" + "n" * chance.randrange(100))
        store.add_upload(upload)
        add_job(store, title=f"title-{number:04}-" + "t" * chance.randrange(120), target_file=upload.id)
        job = store.claim("worker", "local", 9)
        assert job is not None
        for _ in range(3):
            eta_s = chance.choice([None, 1.5])
            store.report(job, progress=100 * chance.random(), stage=Stage.PROCESSING, eta_s=eta_s)
        ended = store.fail(job, "no_face", "m" * chance.randrange(200))
        assert ended is not None
        kept.append((ended, upload))
        if chance.random() < 0.6:
            job, upload = kept.pop(chance.randrange(len(kept)))
            assert store.delete_job(job, "{}")
            store.delete_upload(upload.id)
            words["forgotten"] |= {job.title[:10], upload.name[:9]}
    words["kept"] = {word for job, upload in kept for word in (job.title[:10], upload.name[:9])}
    assert store.compact()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(words["forgotten"]) > 200
    assert not [word for word in words["forgotten"] if word.encode() in content]
    assert not [word for word in words["kept"] if word.encode() not in content]
    store.close()


def test_what_was_deleted_stays_in_the_log_while_somebody_reads_there(
    store: JobStore, tmp_path: Path
) -> None:
    add_job(store)
    reader = sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchall()
    add_job(store)
    assert not store.compact()
    reader.close()
    assert store.compact()
    assert (tmp_path / "jobs.sqlite3-wal").stat().st_size == 0


def test_events_are_in_the_order_in_which_they_happened_even_if_the_clock_is_set_back(
    store: JobStore, clock: Clock
) -> None:
    add_job(store)
    clock.now_s -= 3600
    job = store.claim("worker", "local", 60)
    assert job is not None
    clock.now_s -= 3600
    store.complete(job)
    assert [event.status for event in store.events(job.id)] == ["pending", "processing", "completed"]


def test_a_dead_run_is_taken_over_although_the_clock_was_set_back_by_a_day(
    store: JobStore, clock: Clock
) -> None:
    add_job(store)
    job = store.claim("dead", "local", 5)
    assert job is not None
    clock.now_s -= 86_400
    assert [found.id for found in store.with_lapsed_lease()] == [job.id]
    adopted = store.adopt(job, "alive", 5)
    assert adopted is not None
    assert store.with_lapsed_lease() == []
    assert store.adopt(adopted, "third", 5) is None


def test_history_filters_searches_and_pages(store: JobStore) -> None:
    for minute in range(4):
        add_job(store, title=f"Clip {minute}.mp4", created_at=NOON + timedelta(minutes=minute))
    add_job(store, title="100%_é.mp4", created_at=NOON - timedelta(minutes=1))
    titles = [job.title for job in store.history("local", limit=2, offset=1)]
    assert titles == ["Clip 2.mp4", "Clip 1.mp4"]
    assert len(store.history("local", search="CLIP")) == 4
    assert [job.title for job in store.history("local", search="%_")] == ["100%_é.mp4"]
    assert store.history("local", statuses=[Status.COMPLETED]) == []


def test_unused_uploads_are_those_no_job_refers_to(store: JobStore, clock: Clock) -> None:
    used, mapped, unused = (make_upload() for _ in range(3))
    for upload in (used, mapped, unused):
        store.add_upload(upload)
    add_job(store, source_file=used.id, face_mappings={"face_0": mapped.id})
    assert store.unused_uploads(10) == []
    clock.now_s += 11
    assert store.unused_uploads(10) == [unused]
    store.delete_upload(unused.id)
    with pytest.raises(UploadNotFound):
        store.upload(unused.id)
    assert store.upload(used.id, "local") == used
    with pytest.raises(UploadNotFound):
        store.upload(used.id, "bob")


def test_an_upload_that_a_job_uses_meanwhile_is_not_deleted(store: JobStore) -> None:
    used, unused = make_upload(), make_upload()
    for upload in (used, unused):
        store.add_upload(upload)
    add_job(store, target_file=used.id)
    assert not store.delete_unused_upload(used.id)
    assert store.delete_unused_upload(unused.id)
    assert store.upload(used.id) == used
    assert not store.has_upload(unused.id)


def test_how_many_people_a_video_shows_is_noted_once_it_is_known(store: JobStore) -> None:
    video, other = (make_upload(kind="video", faces=None) for _ in range(2))
    for upload in (video, other):
        store.add_upload(upload)
    store.note_faces(video.id, 2)
    store.note_faces("deleted-meanwhile", 2)
    assert (store.upload(video.id).faces, store.upload(other.id).faces) == (2, None)


def test_a_percentage_of_an_older_store_is_not_taken_for_a_rate_factor(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    store = JobStore(path)
    job = add_job(store)
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE jobs SET options = '{"video_quality": 40, "many_faces": true}'""")
        kept = '{"options": {"video_quality": 30, "mouth_mask": true}}'
        db.execute("INSERT INTO receipts VALUES ('deleted', 'local', 0, ?)", (kept,))
        (renaming,) = (script for script in MIGRATIONS if "quality_percent" in script)
        for statement in renaming.split(";"):
            db.execute(statement)
    db.close()
    store = JobStore(path)
    assert store.get(job.id).options == SwapOptions(quality_percent=40, many_faces=True)
    assert json.loads(store.receipt("deleted"))["options"] == {"quality_percent": 30, "mouth_mask": True}
    store.close()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_store_of_any_older_version_is_opened_with_its_jobs(tmp_path: Path, version: int) -> None:
    path = tmp_path / "jobs.sqlite3"
    older = JobStore(path)
    job = add_job(older)
    columns = {row["name"] for row in older._database.connection().execute("PRAGMA table_info(jobs)")}
    older.close()
    db = sqlite3.connect(tmp_path / "older.sqlite3")
    for script in MIGRATIONS[:version]:
        db.executescript(script)
    db.execute(f"PRAGMA user_version = {version}")
    kept = ", ".join(columns & {row[1] for row in db.execute("PRAGMA table_info(jobs)")})
    db.execute("ATTACH ? AS newer", (str(path),))
    db.execute(f"INSERT INTO jobs ({kept}) SELECT {kept} FROM newer.jobs")
    db.commit()
    db.close()
    store = JobStore(tmp_path / "older.sqlite3")
    assert store.get(job.id) == job
    store.close()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    JobStore(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreUnavailable, match="newer version"):
        JobStore(path)


def test_what_is_no_store_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailable) as caught:
        JobStore(path)
    assert str(tmp_path) not in str(caught.value)
    assert path.read_bytes().startswith(b"not a database")


class FailingConnection(sqlite3.Connection):
    """Fails each statement with `code`, while that is set."""

    code: int | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if FailingConnection.code is not None:
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = FailingConnection.code
            raise error
        return super().execute(sql, *values)


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT]
)
def test_a_failure_of_the_file_is_said_in_words_and_the_file_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    connect, opened = sqlite3.connect, list[object]()

    def counting(*arguments: Any, **named: Any) -> sqlite3.Connection:
        opened.append(arguments)
        return connect(*arguments, factory=FailingConnection, **named)

    monkeypatch.setattr(sqlite3, "connect", counting)
    store = JobStore(tmp_path / "jobs.sqlite3")
    job = add_job(store)
    for action in (lambda: store.cancel(job.id), lambda: store.get(job.id), store.version):
        monkeypatch.setattr(FailingConnection, "code", code)
        before = len(opened)
        with pytest.raises(StoreUnavailable):
            action()
        monkeypatch.setattr(FailingConnection, "code", None)
        assert store.get(job.id).status is Status.PENDING
        assert len(opened) == before + 1
    store.close()


def test_a_store_that_vanished_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "data" / "jobs.sqlite3"
    store = JobStore(path)
    job = add_job(store)
    store.close()
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.mkdir()  # as the place where a disk was mounted
    with pytest.raises(StoreUnavailable, match="not there"):
        store.get(job.id)
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()
    (tmp_path / "elsewhere").rename(path.parent)
    assert store.get(job.id) == job
    store.close()


def test_a_full_disk_is_said_in_words_and_loses_nothing(store: JobStore) -> None:
    job = add_job(store)
    db = store._database.connection()
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(DiskFull):
        for _ in range(1000):
            add_job(store, title="x" * 500)
    assert store.get(job.id).evolve(position=1) == job  # Jobs of equal time are ordered by their random ids.


def test_a_backup_is_a_whole_store(store: JobStore, tmp_path: Path) -> None:
    job = add_job(store)
    store.backup(tmp_path / "copy.sqlite3")
    copy = JobStore(tmp_path / "copy.sqlite3")
    assert copy.get(job.id) == job
    copy.close()


def test_a_part_is_noted_before_it_is_sent_and_counted_until_it_is_over(store: JobStore) -> None:
    job = add_job(store, backend="runpod")
    claimed = store.claim("w:1:aaaaaaaa", "runpod", 5)
    assert claimed and store.plan_parts(claimed, 3)
    one, other = (store.part_submitting(claimed, part, 1) for part in (0, 2))
    assert one and other
    assert (one.run.name, other.run.name) == ("1-aaaaaaaa-p0-1", "1-aaaaaaaa-p2-1")
    store.part_submitted(one, "remote-0")
    assert store.get(job.id).parts == PartCounts(3, 0, 2)
    assert store.get(job.id).submitted_at is not None
    store.part_ended(one, done=True)
    cancelled = store.cancel(job.id)
    assert (cancelled.parts, cancelled.remote_stop) == (PartCounts(3, 1, 1), RemoteStop.PENDING)
    assert store.part_submitting(claimed, 1, 1) is None, "nothing is sent after a cancel"
    assert not store.plan_parts(claimed, 3)
    store.part_submitted(other, "remote-2")
    store.part_ended(other, done=False)
    assert store.get(job.id).parts == PartCounts(3, 1, 0)
    assert [(one.part, one.remote_id, one.ended) for one in store.part_runs(job.id)] == [
        (0, "remote-0", "done"),
        (2, "remote-2", "over"),
    ]


def test_each_part_is_billed(store: JobStore) -> None:
    job = add_job(store, backend="runpod")
    claimed = store.claim("w:1:aaaaaaaa", "runpod", 5)
    assert claimed
    for part in (0, 1):
        run = store.part_submitting(claimed, part, 1)
        assert run
        for seconds in (2.5, 2.0):
            store.note_billed(run.run, seconds)
    assert store.billed_of(job.id) == store.billed() == store.get(job.id).billed_s == 5.0
