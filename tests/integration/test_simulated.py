"""Jobs without media run through the real store and dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import pytest

from faceswap import Job, Service, Settings, Status
from faceswap.backends import Media
from faceswap.backends.simulated import SimulatedBackend
from faceswap.dispatcher import HEARTBEAT_S
from faceswap.errors import BackendUnavailable, ConsentRequired, InvalidRequest, JobNotFound, TooManyJobs
from faceswap.jobs import EtaEstimator, Simulation
from faceswap.store import JobStore
from tests.factories import Clock, make_job
from tests.waiting import wait_until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path)) as service:
        yield service


def reasons(service: Service, job: Job) -> list[str]:
    return [event.reason.partition(" by ")[0] for event in service.events(job.id)]


def test_a_simulation_lives_like_any_job_and_leaves_a_picture(service: Service) -> None:
    job = service.simulate(1.2)
    shown = [job.progress for job in service.watch(job.id)]
    assert shown == sorted(shown)
    assert service.get(job.id).status is Status.COMPLETED
    assert reasons(service, job) == ["submitted", "claimed", "completed"]
    assert cv2.imread(str(service.result_path(job.id))).shape == (180, 320, 3)
    assert service.get(job.id).options == Simulation(duration_s=1.2)


def test_a_simulation_may_be_told_to_fail(service: Service) -> None:
    job = service.wait(service.simulate(0.1, "failed").id, 20)
    assert (job.status, job.error_code) == (Status.FAILED, "engine_crashed")
    assert job.progress < 100


def test_a_simulation_is_cancelled_at_once(service: Service) -> None:
    job = service.simulate(600)
    wait_until(lambda: service.get(job.id).progress > 0, "it runs")
    service.cancel(job.id)
    assert service.get(job.id).error_code == "cancelled"
    wait_until(lambda: not list(service.settings.data_dir.glob("jobs/*/attempt-*")), "its folder is gone")


def test_a_simulation_is_deleted_without_a_receipt(service: Service) -> None:
    job = service.wait(service.simulate(0.1).id, 20)
    service.delete(job.id)
    with pytest.raises(JobNotFound):
        service.get(job.id)
    assert not (service.settings.data_dir / "jobs" / job.id).exists()


def test_the_limit_of_live_tasks_holds_and_who_waits_has_a_place(service: Service) -> None:
    jobs = [service.simulate(600) for _ in range(5)]
    with pytest.raises(TooManyJobs):
        service.simulate(600)
    wait_until(lambda: service.get(jobs[1].id).status is Status.PROCESSING, "two run")
    assert [service.get(job.id).position for job in jobs[2:]] == [1, 2, 3]


def test_a_simulation_that_died_with_its_process_starts_again(tmp_path: Path) -> None:
    with Service(Settings(data_dir=tmp_path)) as first:
        job = first.simulate(600)
        wait_until(lambda: first.get(job.id).status is Status.PROCESSING, "it runs")
    with Service(Settings(data_dir=tmp_path)) as second:
        wait_until(lambda: second.get(job.id).status is Status.PROCESSING, "it runs again")
        second.cancel(job.id)


def test_there_are_none_where_there_are_several_users(tmp_path: Path) -> None:
    with Service(Settings(data_dir=tmp_path, multi_user=True)) as service, pytest.raises(BackendUnavailable):
        service.simulate()


@pytest.mark.parametrize("duration_s", [0, -1, 601, float("nan")])
def test_a_length_that_makes_no_sense_is_refused(service: Service, duration_s: float) -> None:
    with pytest.raises(InvalidRequest):
        service.simulate(duration_s)
    assert service.active() == []


@pytest.mark.parametrize("backend", ["local", "runpod"])
def test_no_real_job_comes_in_without_consent(tmp_path: Path, backend: str) -> None:
    store = JobStore(tmp_path / "jobs.sqlite3")
    with pytest.raises(ConsentRequired):
        store.add(make_job(backend=backend), None, max_active=5, max_queue=5)
    assert store.active() == []


def test_the_simulation_does_not_take_a_real_job(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        SimulatedBackend().submit(make_job(backend="simulated"), Media({}, tmp_path, tmp_path))


def test_the_time_left_of_a_minute_is_right_after_its_first_fifth(tmp_path: Path) -> None:
    clock, eta = Clock(0.0), EtaEstimator()
    backend = SimulatedBackend(clock)
    job = make_job(backend="simulated", options=Simulation(duration_s=60))
    handle = backend.submit(job, Media({}, tmp_path, tmp_path))
    errors: list[float] = []
    while clock.now_s < 60:
        left = eta.update(clock.now_s, backend.poll(handle).progress)
        if clock.now_s >= 12:
            assert left is not None
            errors.append(abs(left - (60 - clock.now_s)) / (60 - clock.now_s))
        clock.now_s += HEARTBEAT_S
    assert median(errors) < 0.01
