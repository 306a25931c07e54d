"""What a snapshot contains, what a restore brings back, and what a deletion leaves."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from faceswap.engine.files import partial_path
from faceswap.errors import DiskFull, JobNotFound, SnapshotUnavailable, StoreUnavailable
from faceswap.folders import Folders
from faceswap.jobs import Job, Status
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.signing import SigningKey
from faceswap.snapshots import Snapshots, prepare, restore
from faceswap.store import JobStore
from faceswap.summary import write_summary
from tests.factories import add_job, make_upload
from tests.waiting import wait_until


def lose(folder: Path) -> None:
    """Delete a folder. A connection that closes meanwhile may delete its files first."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, "the folder is gone")


@dataclass
class Machine:
    """A machine whose data folder can be lost, and a snapshot folder that stays."""

    root: Path
    bucket: Path

    def __post_init__(self) -> None:
        self.folders = Folders(self.root)

    def open(self) -> None:
        prepare(self.bucket)
        self.restored = restore(self.folders, self.bucket)
        self.store = JobStore(self.folders.store)
        self.snapshots = Snapshots(self.store, self.folders, self.bucket)

    def close(self) -> None:
        self.store.close()

    def lose_the_disk(self) -> None:
        self.close()
        lose(self.root)
        self.open()

    def finish_a_job(self, result: bytes = b"the result") -> Job:
        source, target = make_upload(), make_upload(kind="video", file="media.mp4", faces=None)
        for upload in (source, target):
            self.folders.upload(upload.id).mkdir(parents=True)
            self.folders.media(upload).write_bytes(upload.id.encode())
            self.store.add_upload(upload)
        job = add_job(self.store, source_file=source.id, target_file=target.id)
        running = self.store.claim("worker", "local", 60)
        assert running
        work = self.folders.work(running.run)
        work.mkdir(parents=True)
        (work / "frames").write_bytes(b"half done")
        self.folders.result(job).write_bytes(result)
        self.store.complete(running)
        return self.store.get(job.id)

    def copied(self) -> set[str]:
        """Return what is in the snapshot folder, without its manifest."""
        found = {
            path.relative_to(self.bucket).as_posix() for path in self.bucket.rglob("*") if path.is_file()
        }
        return found - {"snapshot.json"}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data", tmp_path / "bucket")
    made.open()
    yield made
    made.close()


def test_a_lost_disk_costs_nothing_that_was_in_the_snapshot(machine: Machine) -> None:
    token = Owners.load(machine.root, True).new_token()
    job = machine.finish_a_job()
    (machine.root / "signing").mkdir()
    (machine.root / "signing" / "key.pem").write_text("a key")
    assert machine.snapshots.take()
    for key in machine.bucket.rglob("*key*"):
        key.chmod(0o644)  # A mounted bucket shows this mode.
    machine.lose_the_disk()
    assert machine.restored
    assert (machine.root / "signing" / "key.pem").stat().st_mode & 0o077 == 0
    assert machine.store.get(job.id) == job
    assert [event.status for event in machine.store.events(job.id)][-1] is Status.COMPLETED
    assert machine.store.consent(job.id)
    assert machine.folders.result(job).read_bytes() == b"the result"
    source = machine.store.upload(job.source_file)
    assert machine.folders.media(source).read_bytes() == source.id.encode()
    assert Owners.load(machine.root, True).owner_of(token), "browsers keep their history"
    assert (machine.root / "server.key").stat().st_mode & 0o077 == 0


def test_only_what_is_worth_keeping_is_copied(machine: Machine) -> None:
    for folder in ("weights", "models", "examples"):
        (machine.root / folder).mkdir()
        (machine.root / folder / "model.task").write_bytes(b"can be had again")
    job = machine.finish_a_job()
    machine.snapshots.take()
    assert machine.copied() == {
        "jobs.sqlite3",
        f"jobs/{job.id}/result.mp4",
        f"uploads/{job.source_file}/media.png",
        f"uploads/{job.target_file}/media.mp4",
    }
    assert not [path for path in machine.root.iterdir() if ".jobs.sqlite3" in path.name], "no draft is left"


def test_what_a_killed_process_was_writing_is_not_copied(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = machine.finish_a_job()
    machine.snapshots.take()
    before = machine.copied()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", interrupted)
        write_summary(machine.store, machine.folders, job.id)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        SigningKey.load(machine.folders.signing)
    partial_path(machine.folders.upload(job.target_file) / "people.json").write_text("{")
    machine.snapshots.take()
    assert machine.copied() == before


def interrupted(path: Path, target: Path) -> None:
    raise KeyboardInterrupt


def test_what_is_deleted_here_is_deleted_there(machine: Machine) -> None:
    kept, gone = machine.finish_a_job(), machine.finish_a_job(b"to be forgotten")
    machine.snapshots.take()
    assert machine.store.delete_job(machine.store.get(gone.id), "{}")
    shutil.rmtree(machine.folders.job(gone.id))
    machine.snapshots.take()
    assert not [name for name in machine.copied() if gone.id in name]
    assert not (machine.bucket / "jobs" / gone.id).exists(), "nor an empty folder"
    assert gone.target_file.encode() in (machine.bucket / "jobs.sqlite3").read_bytes(), "it is to be erased"
    machine.store.note_erased(gone.id)
    machine.store.delete_upload(gone.target_file)
    machine.snapshots.take()
    assert gone.target_file.encode() not in (machine.bucket / "jobs.sqlite3").read_bytes()
    assert [name for name in machine.copied() if kept.id in name]


def test_a_new_process_removes_what_an_old_one_left_there(machine: Machine) -> None:
    job, gone = machine.finish_a_job(), machine.finish_a_job()
    machine.snapshots.take()
    (machine.bucket / "jobs" / job.id / ".result.mp4.part").write_bytes(b"a crash")
    machine.close()
    shutil.rmtree(machine.folders.job(gone.id))
    machine.open()
    assert not machine.restored
    machine.snapshots.take()
    assert {name for name in machine.copied() if name.startswith("jobs/")} == {f"jobs/{job.id}/result.mp4"}


def other_machine(machine: Machine, name: str) -> Machine:
    """Make another machine, with a new data folder and the same snapshot folder."""
    return Machine(machine.root.with_name(name), machine.bucket)


@pytest.mark.parametrize("foreign", ["models/my_weights.onnx", "holiday/mother.jpg", "jobs.sqlite3"])
def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(machine: Machine, foreign: str) -> None:
    path = machine.bucket / foreign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody's own")
    machine.finish_a_job()
    assert not machine.snapshots.take()
    assert machine.snapshots.state == "failing"
    machine.close()
    with pytest.raises(SnapshotUnavailable, match="choose an empty folder"):
        machine.open()
    assert machine.copied() == {foreign}
    assert path.read_bytes() == b"somebody's own"
    machine.store = JobStore(machine.folders.store)


def test_files_that_are_put_beside_a_snapshot_are_never_deleted(machine: Machine) -> None:
    job = machine.finish_a_job()
    machine.snapshots.take()
    strays = {"holiday/mother.jpg", f"jobs/{job.id}/notes.txt"}
    for name in strays:
        (machine.bucket / name).parent.mkdir(exist_ok=True)
        (machine.bucket / name).write_bytes(b"somebody's own")
    shutil.rmtree(machine.folders.job(job.id))
    machine.snapshots.take(without=[machine.folders.job(job.id)])
    machine.close()
    machine.open()
    machine.snapshots.take()
    assert strays < machine.copied()
    assert f"jobs/{job.id}/result.mp4" not in machine.copied()


def test_the_snapshot_of_another_installation_is_refused(machine: Machine) -> None:
    machine.finish_a_job()
    machine.snapshots.take()
    before = machine.copied()
    other = other_machine(machine, "other")
    JobStore(other.folders.store).close()
    with pytest.raises(SnapshotUnavailable, match="belongs to another installation"):
        other.open()
    assert machine.copied() == before
    assert machine.snapshots.take()


def test_two_machines_cannot_take_snapshots_into_one_folder(machine: Machine) -> None:
    machine.finish_a_job()
    machine.snapshots.take()
    second = other_machine(machine, "second")
    second.open()
    assert second.restored
    newer = second.finish_a_job()
    assert second.snapshots.take()
    machine.finish_a_job()
    assert not machine.snapshots.take(), "the second machine has continued it"
    assert f"jobs/{newer.id}/result.mp4" in machine.copied()
    machine.close()
    with pytest.raises(SnapshotUnavailable, match="newer than the data here"):
        machine.open()
    second.close()
    machine.store = JobStore(machine.folders.store)


def test_a_snapshot_that_was_rolled_back_is_not_restored(machine: Machine) -> None:
    machine.finish_a_job()
    machine.snapshots.take()
    older = (machine.bucket / "snapshot.json").read_text()
    for _ in range(3):
        machine.finish_a_job()
        machine.snapshots.take()
    (machine.bucket / "snapshot.json").write_text(older)
    machine.close()
    machine.folders.store.unlink()
    with pytest.raises(SnapshotUnavailable, match="older than the last snapshot"):
        machine.open()
    machine.store = JobStore(machine.folders.store)


def test_a_snapshot_from_before_manifests_is_restored_and_claimed(machine: Machine) -> None:
    job = machine.finish_a_job()
    machine.snapshots.take()
    (machine.bucket / "snapshot.json").unlink()
    machine.lose_the_disk()
    assert machine.folders.result(job).read_bytes() == b"the result"
    assert machine.snapshots.take()


def test_copies_of_the_store_that_a_killed_process_left_here_are_deleted(machine: Machine) -> None:
    left = [machine.root / f".jobs.sqlite3.00aabbcc{end}" for end in ("", "-journal")]
    for path in left:
        path.write_bytes(b"with the titles of deleted jobs")
    assert machine.snapshots.take()
    assert not any(path.exists() for path in left)


def test_media_are_copied_once_and_again_when_they_change(machine: Machine) -> None:
    job = machine.finish_a_job()
    machine.snapshots.take()
    there = machine.bucket / "jobs" / job.id / "result.mp4"
    first = there.stat().st_ino
    machine.snapshots.take()
    assert there.stat().st_ino == first
    machine.close()
    machine.open()
    machine.snapshots.take()
    assert there.stat().st_ino == first, "nor by the next process"
    machine.folders.result(job).write_bytes(b"another result")
    machine.snapshots.take()
    assert there.read_bytes() == b"another result"


def test_a_restore_that_was_cut_off_starts_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    job = machine.finish_a_job()
    machine.snapshots.take()
    machine.close()
    lose(machine.root)
    copy, copies = shutil.copyfile, []

    def breaks(source: Path, destination: Path) -> None:
        copies.append(source)
        if len(copies) == 3:
            raise KeyboardInterrupt
        copy(source, destination)

    monkeypatch.setattr("faceswap.snapshots.shutil.copyfile", breaks)
    with pytest.raises(KeyboardInterrupt):
        restore(machine.folders, machine.bucket)
    assert not machine.folders.store.exists()
    monkeypatch.undo()
    machine.open()
    assert machine.restored
    assert machine.folders.result(job).exists()


def test_a_store_that_is_here_is_never_replaced(machine: Machine) -> None:
    machine.snapshots.take()
    job = machine.finish_a_job()
    machine.close()
    machine.open()
    assert not machine.restored
    assert machine.store.get(job.id) == job


def test_a_damaged_copy_stops_the_start_and_stays_as_it_is(machine: Machine) -> None:
    for _ in range(20):
        machine.finish_a_job()
    machine.snapshots.take()
    machine.close()
    copy = machine.bucket / "jobs.sqlite3"
    whole = copy.read_bytes()
    for damaged in (
        b"",
        whole[: len(whole) // 2],
        b"not a store at all" * 100,
        whole[:4096] + b"\xff" * 8192,
    ):
        shutil.rmtree(machine.root, ignore_errors=True)
        copy.write_bytes(damaged)
        with pytest.raises(SnapshotUnavailable, match="damaged"):
            machine.open()
        assert copy.read_bytes() == damaged
        assert not machine.folders.store.exists()
    machine.store = JobStore(machine.root / "other.sqlite3")


def test_a_missing_mount_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotUnavailable, match="FACESWAP_SNAPSHOT_DIR") as caught:
        prepare(tmp_path / "not mounted" / "faceswap")
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable):
        prepare(tmp_path / "file")


def test_a_full_disk_during_a_restore_is_told_as_that(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.snapshots.take()
    machine.close()
    lose(machine.root)

    def full(source: Path, destination: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("faceswap.snapshots.shutil.copyfile", full)
        with pytest.raises(DiskFull):
            machine.open()
    machine.open()


def test_a_failing_folder_is_told_and_recovers(machine: Machine) -> None:
    job = machine.finish_a_job()
    machine.bucket.rmdir()
    machine.bucket.write_text("the mount is gone")
    assert not machine.snapshots.take()
    assert machine.snapshots.state == "failing"
    machine.bucket.unlink()
    machine.bucket.mkdir()
    assert machine.snapshots.take()
    assert machine.snapshots.state == "ok"
    assert f"jobs/{job.id}/result.mp4" in machine.copied()


def test_the_copy_is_always_whole_while_jobs_change(machine: Machine, tmp_path: Path) -> None:
    """Two threads take snapshots, as two processes would, while a writer works. Each copy can be restored."""
    other = Snapshots(machine.store, machine.folders, machine.bucket)
    machine.snapshots.take()
    done = threading.Event()

    def write() -> None:
        for _ in range(40):
            machine.finish_a_job()
        machine.store.close()
        done.set()

    def snap(snapshots: Snapshots) -> None:
        while not done.is_set():
            assert snapshots.take()
        machine.store.close()

    takers = [threading.Thread(target=snap, args=(each,)) for each in (machine.snapshots, other)]
    writer = threading.Thread(target=write)
    for thread in (writer, *takers):
        thread.start()
    seen = 0
    while not done.is_set():
        root = tmp_path / f"elsewhere-{seen}"
        assert restore(Folders(root), machine.bucket)
        store = JobStore(root / "jobs.sqlite3")
        for job in store.history("local", limit=100, statuses=[Status.COMPLETED]):
            assert Folders(root).result(job).read_bytes() == b"the result"
        store.close()
        seen += 1
    for thread in (writer, *takers):
        thread.join()
    assert seen > 1
    machine.snapshots.take()
    machine.lose_the_disk()
    assert len(machine.store.history("local", limit=100)) == 40


def test_settings_refuse_folders_inside_each_other(tmp_path: Path) -> None:
    for own, copy in (("a", "a"), ("a", "a/b"), ("a/b", "a")):
        with pytest.raises(ValidationError, match="must not contain each other"):
            Settings(data_dir=tmp_path / own, snapshot_dir=tmp_path / copy)
    assert Settings(data_dir=tmp_path / "a", snapshot_dir=tmp_path / "ab").snapshot_dir
    assert Settings(snapshot_dir="").snapshot_dir is None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", snapshot_dir=tmp_path / "bucket")


def test_the_service_keeps_what_was_submitted_and_forgets_what_was_deleted(settings: Settings) -> None:
    """After each step the disk is lost, without a normal shutdown."""
    assert settings.snapshot_dir
    folders = Folders(settings.data_dir)
    machine = Machine(settings.data_dir, settings.snapshot_dir)

    def lose_the_disk() -> Service:
        lose(settings.data_dir)
        return Service(settings, dispatch=False)

    service = Service(settings, backends={})
    machine.store = JobStore(folders.store)
    job = machine.finish_a_job()
    waiting = add_job(machine.store)
    machine.store.close()
    service.cancel(waiting.id)
    copy = settings.snapshot_dir / "jobs" / waiting.id / "job.json"
    wait_until(copy.exists, "the cancel reached the snapshot", 10)
    assert service.health()["snapshot"] == "ok"
    service.close()

    second = lose_the_disk()
    assert second.get(waiting.id).cancelled_at
    assert second.result_path(job.id).read_bytes() == b"the result"
    second.delete(job.id)
    second.close()

    third = lose_the_disk()
    with pytest.raises(JobNotFound):
        third.get(job.id)
    assert not folders.job(job.id).exists()
    assert not folders.upload(job.source_file).exists()
    assert third.get(waiting.id)
    third.close()


def test_media_that_no_row_names_are_not_kept_after_a_restore(settings: Settings) -> None:
    assert settings.snapshot_dir
    Service(settings, backends={}).close()
    for folder in ("jobs", "uploads"):
        stray = settings.snapshot_dir / folder / ("A" * 22) / "result.mp4"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"a face")
    lose(settings.data_dir)
    service = Service(settings, dispatch=False)
    assert not list(settings.data_dir.glob("jobs/*"))
    assert not list(settings.data_dir.glob("uploads/*"))
    service.close()
