"""Files that dead runs left are deleted, and no others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceswap import Service, Settings
from faceswap.errors import JobNotFound
from faceswap.folders import Folders
from faceswap.jobs import Job, RunKey
from faceswap.leftovers import Leftovers
from faceswap.store import JobStore
from faceswap.summary import write_summary
from tests.factories import add_job


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def store(folders: Folders) -> Iterator[JobStore]:
    store = JobStore(folders.store)
    yield store
    store.close()


def running(store: JobStore, folders: Folders, lease_s: float = 60) -> Job:
    """Add a job whose run has written half a result that shows faces."""
    add_job(store)
    job = store.claim("host:1:aabbccdd", "local", lease_s)
    assert job is not None
    work = folders.work(job.run)
    work.mkdir(parents=True)
    (work / "result.mp4.part").write_bytes(b"faces")
    return job


def test_the_work_of_a_live_run_stays_and_that_of_a_cancelled_job_goes(
    store: JobStore, folders: Folders
) -> None:
    live, cancelled = running(store, folders), running(store, folders)
    leftovers = Leftovers(store, folders)
    assert leftovers.remove() == 0
    store.cancel(cancelled.id)
    assert leftovers.remove() == 1
    assert folders.work(live.run).is_dir()
    assert not folders.work(cancelled.run).exists()
    assert leftovers.remove() == 0


def test_the_parts_of_a_video_stay_until_its_job_ends(store: JobStore, folders: Folders) -> None:
    job = running(store, folders)
    folders.parts(job.id).mkdir()
    leftovers = Leftovers(store, folders)
    assert leftovers.remove() == 0
    store.release(job, "given back", spent=True)
    assert leftovers.remove() == 1, "the work folder of the run that is over"
    assert folders.parts(job.id).is_dir(), "the next run goes on after them"
    store.cancel(job.id)
    assert leftovers.remove() == 1
    assert not folders.parts(job.id).exists()


def test_a_summary_that_a_killed_process_did_not_finish_is_written_and_its_draft_goes(
    store: JobStore, folders: Folders
) -> None:
    job = running(store, folders)
    draft, fresh = (folders.job(job.id) / name for name in (".job.json.0011aabb", ".job.json.2233ccdd"))
    for path in (draft, fresh):
        path.write_text("{")
    os.utime(draft, (0, 0))
    store.complete(job)
    Leftovers(store, folders).remove()
    assert sorted(path.name for path in folders.job(job.id).iterdir()) == [fresh.name, "job.json"]
    assert json.loads((folders.job(job.id) / "job.json").read_text())["status"] == "completed"


def test_a_summary_of_a_job_that_is_deleted_meanwhile_is_no_error(
    store: JobStore, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running(store, folders)
    store.complete(job)

    def delete_first(draft: Path, path: Path) -> None:
        store.delete_job(store.get(job.id), None)
        shutil.rmtree(folders.job(job.id))
        raise FileNotFoundError

    monkeypatch.setattr(Path, "replace", delete_first)
    with pytest.raises(JobNotFound):
        write_summary(store, folders, job.id)
    assert not folders.job(job.id).exists()


def test_a_folder_with_a_young_draft_is_looked_at_again(store: JobStore, folders: Folders) -> None:
    job = running(store, folders)
    store.complete(job)
    (folders.job(job.id) / ".job.json.2233ccdd").write_text("{")
    leftovers = Leftovers(store, folders)
    assert leftovers.remove() == 1, "the work folder"
    os.utime(folders.job(job.id) / ".job.json.2233ccdd", (0, 0))
    assert (leftovers.remove(), leftovers.remove()) == (1, 0)


def test_what_an_earlier_attempt_left_goes_while_the_next_one_runs(store: JobStore, folders: Folders) -> None:
    job = running(store, folders)
    dead = RunKey(job.id, 0, "host:9:00000000")
    folders.work(dead).mkdir()
    folders.result_of(dead, "result.mp4").write_bytes(b"never named by the row")
    assert Leftovers(store, folders).remove() == 2
    assert [path.name for path in folders.job(job.id).iterdir()] == [folders.work(job.run).name]


def test_the_result_that_the_row_names_stays(store: JobStore, folders: Folders) -> None:
    job = running(store, folders)
    result = folders.result_of(job.run, "result.mp4")
    result.write_bytes(b"the result")
    done = store.complete(job, result_file=result.name)
    assert done is not None
    assert Leftovers(store, folders).remove() == 1, "its work"
    assert folders.result(done).read_bytes() == b"the result"


def test_the_folder_of_a_deleted_job_goes(store: JobStore, folders: Folders) -> None:
    job = running(store, folders)
    failed = store.fail(job, "no_face", "No face")
    assert failed is not None
    assert store.delete_job(failed, "{}")
    Leftovers(store, folders).remove()
    assert not folders.job(job.id).exists()


def test_a_cancel_while_the_runner_is_dead_removes_its_work_at_once(tmp_path: Path) -> None:
    with Service(Settings(data_dir=tmp_path), dispatch=False) as service:
        job = running(service._store, service._folders, lease_s=-1)
        service.cancel(job.id)
        assert not service._folders.work(job.run).exists()
