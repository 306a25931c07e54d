"""What is stored is done: an error that comes after the transaction is no refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceswap import Service, Settings, Status, SwapOptions, changes
from faceswap import submission as submission_module
from faceswap.errors import StoreUnavailable
from faceswap.jobs import Job
from faceswap.store.reading import JobReads
from tests.factories import add_job, make_upload


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path, backend="local", multi_user=False), dispatch=False) as service:
        yield service


def unavailable(*_: object, **__: object) -> Any:
    raise StoreUnavailable(reason="its disk failed")


def full(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


def job_with_files(service: Service) -> Job:
    upload = make_upload()
    service._folders.upload(upload.id).mkdir(parents=True)
    service._store.add_upload(upload)
    return add_job(service._store, source_file=upload.id, target_file=upload.id)


def test_a_job_is_queued_although_nothing_can_be_read_after_its_transaction(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobReads, "get", unavailable)
    job = add_job(service._store)
    assert job.position == 1
    assert [waiting.id for waiting in service.active()] == [job.id]


def test_a_job_without_label_is_queued_although_the_log_of_those_is_full(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission_module, "note_unlabelled", full)
    uploads = [make_upload(), make_upload()]
    for upload in uploads:
        service._store.add_upload(upload)
    options = SwapOptions(visible_label=False)
    job = service.submit("single-image", *uploads, consent=True, options=options)
    assert [event.reason for event in service.events(job.id)] == ["submitted, asked for no visible label"]


@pytest.mark.parametrize("failure", [unavailable, full])
def test_a_cancel_is_told_as_done_although_its_summary_cannot_be_written(
    service: Service, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    job = job_with_files(service)
    monkeypatch.setattr(changes, "write_summary", failure)
    assert service.cancel(job.id).status is Status.FAILED


def test_a_deletion_is_told_as_done_and_finished_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_with_files(service)
    monkeypatch.setattr(service._store, "unused_uploads", unavailable)
    service.delete(job.id)
    monkeypatch.undo()
    assert service.history() == []
    service._parts.eraser.step()
    assert service._store.erasures() == []
    assert list(service._folders.uploads.iterdir()) == []
