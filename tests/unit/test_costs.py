"""What the cloud bills, what it will bill, and the limits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from faceswap.costs import DAY_S, Cost, Costs
from faceswap.errors import DayTooExpensive, JobTooExpensive
from faceswap.jobs import Job, JobType, RunKey
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.terms import Terms
from tests.factories import Clock, add_job, make_upload


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "store.sqlite", clock)
    yield store
    store.close()


@pytest.fixture
def costs(store: JobStore, clock: Clock) -> Callable[..., Costs]:
    return lambda **settings: Costs(store, Settings(**settings), clock)


def add_upload(store: JobStore, **changes: Any) -> Upload:
    upload = make_upload(**changes)
    store.add_upload(upload)
    return upload


def done(store: JobStore, target: Upload, billed_s: float, type: JobType = JobType.SINGLE_VIDEO) -> Job:
    """A job that ran in the cloud to its end."""
    job = add_job(store, backend="runpod", type=type, target_file=target.id)
    running = store.claim("host:1:w", "runpod", lease_s=60)
    assert running is not None
    store.note_billed(running.remote_run, billed_s)
    store.complete(running)
    return store.get(job.id)


def test_a_job_has_what_all_its_runs_were_billed(store: JobStore) -> None:
    job = add_job(store)
    assert store.get(job.id).billed_s is None
    first, second = RunKey(job.id, 1, "a"), RunKey(job.id, 2, "b")
    for run, seconds in ((first, 3.0), (first, 4.0), (first, 2.0), (second, 10.0)):
        store.note_billed(run, seconds)
    assert store.get(job.id).billed_s == 14
    assert store.get(job.id).public()["billed_s"] == 14
    assert store.billed() == 14


def test_what_was_billed_is_known_after_its_job_is_gone(store: JobStore) -> None:
    store.note_billed(RunKey("a-deleted-job", 1, "a"), 7.5)
    assert store.billed() == 7.5


def test_a_video_is_expected_to_be_billed_in_proportion_to_its_length(
    store: JobStore, costs: Callable[..., Costs]
) -> None:
    known, asked = (add_upload(store, kind="video", duration_s=length_s) for length_s in (10.0, 60.0))
    here = costs(runpod_usd_per_s=0.25)
    assert here.estimate(JobType.SINGLE_VIDEO, asked) is None
    for billed_s in (5.0, 20.0, 6.0):
        done(store, known, billed_s)
    assert here.estimate(JobType.SINGLE_VIDEO, asked) == Cost(36.0, 9.0)
    assert here.estimate(JobType.MULTI_VIDEO, asked) is None
    assert costs().estimate(JobType.SINGLE_VIDEO, asked) == Cost(36.0, None)


def test_a_picture_is_expected_to_be_billed_as_others_were(
    store: JobStore, costs: Callable[..., Costs]
) -> None:
    picture = add_upload(store)
    done(store, picture, 4.0, JobType.SINGLE_IMAGE)
    assert costs().estimate(JobType.SINGLE_IMAGE, picture) == Cost(4.0, None)


def test_a_job_that_would_cost_too_much_is_refused(store: JobStore, costs: Callable[..., Costs]) -> None:
    known, long = (add_upload(store, kind="video", duration_s=length_s) for length_s in (10.0, 100.0))
    here = costs(runpod_usd_per_s=0.01, runpod_max_usd_per_task=0.5)
    here.require_budget(JobType.SINGLE_VIDEO, long)  # nothing is known yet
    done(store, known, 10.0)
    here.require_budget(JobType.SINGLE_VIDEO, known)
    with pytest.raises(JobTooExpensive) as refused:
        here.require_budget(JobType.SINGLE_VIDEO, long)
    assert refused.value.details == {"usd": 1.0, "limit_usd": 0.5}
    assert "$1.00" in str(refused.value)


def test_a_day_that_has_cost_enough_takes_no_more(
    store: JobStore, costs: Callable[..., Costs], clock: Clock
) -> None:
    picture = add_upload(store)
    here = costs(runpod_usd_per_s=0.1, runpod_max_usd_per_day=1.0)
    store.note_billed(RunKey("somebody-s", 1, "a"), 9.9)
    here.require_budget(JobType.SINGLE_IMAGE, picture)
    store.note_billed(RunKey("another", 1, "a"), 0.1)
    with pytest.raises(DayTooExpensive):
        here.require_budget(JobType.SINGLE_IMAGE, picture)
    clock.now_s += DAY_S + 60
    here.require_budget(JobType.SINGLE_IMAGE, picture)


def test_a_run_ends_before_it_costs_more_than_a_job_may(costs: Callable[..., Costs]) -> None:
    terms = Terms.of(Settings(engine_timeout_s=3600))
    assert costs(runpod_usd_per_s=0.01, runpod_max_usd_per_task=0.5).limited(terms).engine_timeout_s == 50
    assert costs(runpod_usd_per_s=0.01, runpod_max_usd_per_task=500).limited(terms) == terms
    assert costs(runpod_usd_per_s=0.01).limited(terms) == terms


@pytest.mark.parametrize("limit", ["runpod_max_usd_per_task", "runpod_max_usd_per_day"])
def test_a_limit_without_a_price_is_refused(limit: str) -> None:
    with pytest.raises(ValidationError, match="FACESWAP_RUNPOD_USD_PER_S"):
        Settings(**{limit: 1.0})
