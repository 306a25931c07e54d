"""On a full disk, everything that frees room still works, and no other action stays half done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faceswap import Service, Settings, Status
from faceswap.errors import DiskFull, JobNotFound
from faceswap.folders import Folders
from faceswap.jobs import Job
from faceswap.provenance import Ingredient, Provenance, marking_of
from faceswap.store.database import RESERVE_BYTES
from tests.factories import add_job, make_job, make_upload
from tests.marked import marked


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 16 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("to mount a small disk needs a privilege that is missing here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def service(small_disk: Path) -> Iterator[Service]:
    service = Service(Settings(data_dir=small_disk / "data", min_free_mb=0), dispatch=False)
    yield service
    service.close()


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while filler.write(b"x" * size):
                    pass


def job_with_media(service: Service) -> Job:
    store, folders = service._store, service._folders
    target = make_upload(kind="video", file="media.mp4")
    folders.upload(target.id).mkdir(parents=True)
    folders.media(target).write_bytes(b"a face" * 10_000)
    store.add_upload(target)
    return add_job(store, target_file=target.id)


def test_on_a_full_disk_submitting_is_refused_while_cancel_fail_and_delete_work(
    service: Service, small_disk: Path
) -> None:
    waiting, done, failing = (job_with_media(service) for _ in range(3))
    running = service._store.claim("worker", "local", 60)
    assert running is not None
    fill(small_disk)
    with pytest.raises(DiskFull):
        for _ in range(1000):
            add_job(service._store, title="x" * 500)
    fill(small_disk)
    assert service._store.fail(running, "no_face", "No face") is not None
    others = [job for job in (waiting, done, failing) if job.id != running.id]
    assert service.cancel(others[0].id).status is Status.FAILED
    for job in (running, *others):
        service.delete(job.id)
        with pytest.raises(JobNotFound):
            service.get(job.id)
        assert not service._folders.upload(job.target_file).exists()
    assert service._store.erasures() == []


def test_the_reserve_comes_back_once_there_is_room(service: Service, small_disk: Path) -> None:
    job = job_with_media(service)
    reserve = service._folders.store.with_name("jobs.sqlite3-reserve")
    assert reserve.stat().st_size == RESERVE_BYTES
    fill(small_disk)
    with suppress(DiskFull):
        for _ in range(1000):
            add_job(service._store, title="x" * 500)
    fill(small_disk)
    service.cancel(job.id)
    assert not reserve.exists()
    (small_disk / "filler").unlink()
    service._store.keep_reserve()
    assert reserve.stat().st_size == RESERVE_BYTES


def test_a_store_on_a_full_disk_opens_for_who_wants_to_delete(small_disk: Path) -> None:
    settings = Settings(data_dir=small_disk / "data", min_free_mb=0)
    with Service(settings, dispatch=False) as service:
        job = job_with_media(service)
    fill(small_disk)
    with Service(settings, dispatch=False) as service:
        service.delete(job.id)
        assert service.history() == []


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["png", "mp4"])
def test_a_disk_that_is_full_while_a_result_is_sealed_is_told_as_that(
    small_disk: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    """The signed file is written by the engine's process, beside the file that it signs."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("elsewhere") / "data", min_free_mb=0)
    provenance, job = Provenance(settings, Folders(settings.data_dir)), make_job()
    fetched, sealed = small_disk / f"fetched.{kind}", small_disk / f"sealed.{kind}"
    marked(fetched, marking_of(job, settings))
    fill(small_disk)
    with pytest.raises(DiskFull):
        provenance.seal(job, fetched, sealed, (Ingredient("target", "0" * 64),))
    (small_disk / "filler").unlink()
    sealed.unlink(missing_ok=True)
    assert provenance.seal(job, fetched, sealed, (Ingredient("target", "0" * 64),)) is not None
