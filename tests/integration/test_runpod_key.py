"""The API key is removed before the stop of a cloud job is confirmed, and the service restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceswap import Service, Settings, Status, stops
from faceswap.jobs import RemoteStop
from faceswap.ui.texts import CATALOGUES
from tests.emulator.fixtures import settings_for
from tests.emulator.server import Emulator, Faults
from tests.waiting import wait_until


def cancelled_without_the_key(emulator: Emulator, data_dir: Path, portrait: Path) -> str:
    """Queue a job in the cloud, close the service that has the key, and cancel the job by another service."""
    emulator.faults = Faults(hold_queue=True)
    with Service(settings_for(emulator, data_dir, None)) as service:
        job = service.submit("single-image", portrait, portrait, consent=True)
        wait_until(lambda: service.get(job.id).runpod_id, "it waits in the cloud")
    with Service(Settings(data_dir=data_dir), dispatch=False) as service:
        job = service.cancel(job.id)
        assert (job.status, job.remote_stop) == (Status.FAILED, RemoteStop.PENDING)
        assert CATALOGUES["zh"].remote_stop[job.remote_stop] == "云端正在停止"
    return job.id


def test_the_stop_is_delivered_when_the_key_is_back(
    emulator: Emulator, landmark_model: Path, portrait: Path, tmp_path: Path
) -> None:
    job_id = cancelled_without_the_key(emulator, tmp_path, portrait)
    with Service(Settings(data_dir=tmp_path)) as service:
        wait_until(lambda: service._parts.dispatcher.stops.tried(job_id), "it was tried")
        assert service.get(job_id).remote_stop is RemoteStop.PENDING
        assert service.health()["backends"] == ["local"]
    assert emulator.only_job.state == "IN_QUEUE", "nobody could tell RunPod"
    with Service(settings_for(emulator, tmp_path, None)) as service:
        wait_until(lambda: emulator.only_job.state == "CANCELLED", "RunPod is told")
        wait_until(lambda: service.get(job_id).remote_stop is RemoteStop.CONFIRMED, "it is confirmed", 60)
        assert CATALOGUES["zh"].remote_stop[service.get(job_id).remote_stop] == "云端已停止"


def test_without_the_key_it_is_given_up_in_words_once_the_run_has_ended_by_itself(
    emulator: Emulator, landmark_model: Path, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = cancelled_without_the_key(emulator, tmp_path, portrait)
    settings = Settings(data_dir=tmp_path)
    longest_s = settings.runpod_wait_s + settings.engine_timeout_s
    monkeypatch.setattr(stops, "GIVE_UP_AFTER_S", -longest_s)
    with Service(settings) as service:
        wait_until(lambda: service.get(job_id).remote_stop is RemoteStop.GIVEN_UP, "it is given up")
        job = service.get(job_id)
        assert CATALOGUES["zh"].remote_stop[job.remote_stop] == "未能确认云端已停止，请到 RunPod 控制台查看"
        assert job.error_code == "cancelled"
        service.delete(job_id)
        assert service.history() == []
