"""The order in which waiting jobs are run, and who may change it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from faceswap.errors import InvalidRequest, JobNotFound
from faceswap.store import JobStore
from tests.factories import NOON, add_job


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(tmp_path / "faceswap.db")
    yield opened
    opened.close()


def add(store: JobStore, owner: str, second: int) -> str:
    return add_job(store, owner=owner, created_at=NOON + timedelta(seconds=second)).id


def claimed(store: JobStore) -> list[str]:
    return [job.id for job in iter(lambda: store.claim("worker", "local", 5.0), None)]


def test_a_moved_job_runs_in_its_new_place_and_other_owners_keep_theirs(store: JobStore) -> None:
    mine = [add(store, "me", second) for second in (1, 3, 5)]
    theirs = [add(store, "them", second) for second in (2, 4)]
    store.move(mine[2], "me", 1)
    assert [store.get(job).position for job in (mine[2], theirs[0], mine[0], theirs[1], mine[1])] == [
        *range(1, 6)
    ]
    store.move(mine[2], "me", 99)
    assert claimed(store) == [mine[0], theirs[0], mine[1], theirs[1], mine[2]]


def test_jobs_of_the_same_moment_can_be_moved(store: JobStore) -> None:
    made = [add(store, "me", 1) for _ in range(4)]
    for job in made:
        store.move(job, "me", 1)
    assert claimed(store) == made[::-1]


def test_only_the_owner_moves_a_job_and_only_while_it_waits(store: JobStore) -> None:
    first, second = add(store, "me", 1), add(store, "me", 2)
    with pytest.raises(JobNotFound):
        store.move(second, "them", 1)
    assert store.claim("worker", "local", 5.0) == store.get(first)
    before = store.get(first)
    with pytest.raises(InvalidRequest):
        store.move(first, "me", 2)
    assert store.get(first) == before
    store.move(second, "me", 5)
    assert claimed(store) == [second]


def test_a_job_is_moved_before_another_one(store: JobStore) -> None:
    mine = [add(store, "me", second) for second in (1, 2, 3)]
    theirs = add(store, "them", 4)
    store.move(mine[2], "me", 99, mine[1])
    for before in (theirs, "unknown", mine[0]):
        with pytest.raises(InvalidRequest):
            store.move(mine[0], "me", 1, before)
    assert claimed(store) == [mine[0], mine[2], mine[1], theirs]


def test_a_stopped_queue_starts_nothing_until_it_is_resumed(store: JobStore, tmp_path: Path) -> None:
    mine, theirs = [add(store, "me", second) for second in (1, 3)], add(store, "them", 2)
    store.stop_queue("me")
    store.stop_queue("me")
    later = add(store, "me", 0)
    assert claimed(store) == [theirs]
    assert (store.is_stopped("me"), store.is_stopped("them")) == (True, False)
    again = JobStore(tmp_path / "faceswap.db")  # as after a restart
    assert again.claim("other", "local", 5.0) is None
    again.close()
    store.resume_queue("me")
    store.resume_queue("me")
    assert claimed(store) == [later, *mine]
