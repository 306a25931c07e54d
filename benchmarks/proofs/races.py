"""Lets processes race for the same tasks: of a cancel and its rival exactly one wins.

    python -m benchmarks.proofs.races [--races 10000]        about six minutes on 2 cores

Two processes cancel tasks while two others complete them; send them to a remote backend; take them over after
their lease ran out; or give them back, claim them again and complete them. All four take the same 20 tasks at
a time, each in its own random order. Afterwards each task must have ended once, by the one process that was
told so. In the last race, eight processes claim all tasks at once; none may be claimed twice.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.proofs import checks
from faceswap.errors import JobAlreadyFinished
from faceswap.jobs import Job, RemoteStop, Status
from faceswap.store import JobStore
from tests.factories import add_job

AT_ONCE = 20
CLAIMERS = 8
_FORK = multiprocessing.get_context("fork")

Won = dict[str, str]
"""For each job that this process changed: what it was told that it did."""
Rival = Callable[[JobStore, Job], Won]


@dataclass(frozen=True)
class Race:
    name: str
    backend: str
    lease_s: float
    rivals: tuple[Rival, Rival]
    ends: bool = True
    """Whether a rival can end the job."""


# -- what the processes do ---------------------------------------------------------------------------------


def cancel(store: JobStore, job: Job) -> Won:
    with suppress(JobAlreadyFinished):
        store.cancel(job.id)
        return {job.id: "cancelled"}
    return {}


def complete(store: JobStore, job: Job) -> Won:
    return {job.id: "completed"} if store.complete(job) else {}


def send(store: JobStore, job: Job) -> Won:
    sent = store.submitting(job)
    if sent is None:
        return {}
    store.submitted(sent.remote_run, f"remote-{job.id}")
    return {job.id: "sent"}


def take_over_and_complete(store: JobStore, job: Job) -> Won:
    adopted = store.adopt(job, "another:2:22222222", 60)
    return complete(store, adopted) if adopted else {}


def give_back_and_claim(store: JobStore, job: Job) -> Won:
    """Give the job back, then complete whichever job comes next, also one that the rival gave back."""
    store.release(job, "restarted", spent=True)
    claimed = store.claim("another:2:22222222", "local", 60)
    return complete(store, claimed) if claimed else {}


RACES = (
    Race("complete", "local", 60, (complete, complete)),
    Race("submit", "runpod", 60, (send, send), ends=False),
    Race("lease expiry", "local", -1, (take_over_and_complete, complete)),
    Race("retry", "local", 60, (give_back_and_claim, give_back_and_claim)),
)


# -- how they race -----------------------------------------------------------------------------------------


def race_in(path: Path, jobs: Sequence[Job], act: Rival, start: Barrier, seed: int, pipe: Any) -> None:
    chance, won = random.Random(seed), Won()
    with closing(JobStore(path)) as store:
        for first in range(0, len(jobs), AT_ONCE):
            batch = list(jobs[first : first + AT_ONCE])
            chance.shuffle(batch)
            start.wait(600)
            for job in batch:
                won |= act(store, job)
    pipe.send(won)
    pipe.close()


def together(works: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> list[Any]:
    """Run each work in a process of its own. Returns what they send through their last argument."""
    pipes = [_FORK.Pipe(duplex=False) for _ in works]
    processes = [
        _FORK.Process(target=work, args=(*given, pipe[1]))
        for (work, given), pipe in zip(works, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    for _, writing in pipes:
        writing.close()
    answers = [reading.recv() for reading, _ in pipes]
    for process in processes:
        process.join()
    return answers


def prepared(path: Path, count: int, race: Race | None = None) -> list[Job]:
    """Make jobs that wait, or that run if there is a `race`: one through `JobStore`, the others copies of it.

    To add each one would take long, because it counts all live jobs.
    """
    with closing(JobStore(path)) as store:
        first = add_job(store, backend=race.backend if race else "local")
        if race:
            assert store.claim("one:1:11111111", race.backend, race.lease_s)
        with store._database.write() as db:
            columns = [row["name"] for row in db.execute("PRAGMA table_info(jobs)") if row["name"] != "id"]
            names = ", ".join(columns)
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                f"INSERT INTO jobs (id, {names}) SELECT 'copy-' || i, {names} FROM n, jobs WHERE jobs.id = ?",
                (count - 1, first.id),
            )
            db.execute(
                "INSERT INTO events SELECT jobs.id, at, events.status, reason FROM jobs, events "
                "WHERE job_id = ?1 AND jobs.id <> ?1 ORDER BY jobs.id, events.rowid",
                (first.id,),
            )
        return store.active()


def run_race(path: Path, race: Race, count: int) -> Iterator[str]:
    """Run one race. Returns the faults, after it has printed who won how often."""
    jobs = prepared(path, count, race)
    start = _FORK.Barrier(4)
    acts = (cancel, cancel, *race.rivals)
    wins: list[Won] = together([(race_in, (path, jobs, act, start, seed)) for seed, act in enumerate(acts)])
    faults: list[str] = []
    outcomes: Counter[str] = Counter()
    with closing(JobStore(path)) as store:
        for job in jobs:
            told = [won[job.id] for won in wins if job.id in won]
            after = store.get(job.id)
            outcomes[after.error_code or after.status.value] += 1
            faults += _faults_of(race, after, told)
            faults += checks.chain_faults(after, store.events(job.id))
    faults += checks.file_faults(path)
    won = ", ".join(f"{what} {times}" for what, times in sorted(outcomes.items()))
    print(f"cancel against {race.name}: {count} races, {won}; broken: {len(faults)}", flush=True)
    yield from faults


def _faults_of(race: Race, job: Job, told: Sequence[str]) -> Iterator[str]:
    ends = [what for what in told if what in ("cancelled", "completed")]
    expected = "cancelled" if job.error_code == "cancelled" else job.status.value
    if ends != [expected]:
        yield f"job {job.id} is {expected}, and the processes were told {told}"
    if race.ends:
        return
    sent = told.count("sent")
    if (job.submitted_at is not None, job.runpod_id is not None) != (sent > 0, sent > 0):
        yield f"job {job.id}: {sent} processes were told that they may send it, and the row says otherwise"
    if sent and job.remote_stop is not RemoteStop.PENDING:
        yield f"job {job.id}: it was sent and cancelled, and no stop is pending"


def claim_all(path: Path, start: Barrier, pipe: Any) -> None:
    claimed: list[str] = []
    with closing(JobStore(path)) as store:
        start.wait(600)
        while job := store.claim("claimer", "local", 600):
            claimed.append(job.id)
    pipe.send(claimed)
    pipe.close()


def run_claims(path: Path, count: int) -> Iterator[str]:
    jobs = prepared(path, count)
    start = _FORK.Barrier(CLAIMERS)
    claims: list[list[str]] = together([(claim_all, (path, start))] * CLAIMERS)
    times = Counter(job_id for claimed in claims for job_id in claimed)
    twice = [job_id for job_id, count in times.items() if count > 1]
    with closing(JobStore(path)) as store:
        wrong = [job for job in map(store.get, times) if (job.status, job.attempt) != (Status.PROCESSING, 1)]
    shares = "/".join(str(len(claimed)) for claimed in claims)
    print(f"{CLAIMERS} processes claimed {len(times)} of {len(jobs)} jobs ({shares}); twice: {len(twice)}")
    yield from (f"job {job_id} was claimed twice" for job_id in twice)
    yield from (f"job {job.id} is {job.status} in attempt {job.attempt}" for job in wrong)
    if len(times) != len(jobs):
        yield f"{len(jobs) - len(times)} jobs were not claimed"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Races of several processes for the same tasks.")
    parser.add_argument("--races", type=int, default=10_000, help="of each kind")
    parser.add_argument("--folder", type=Path, help="where the stores are made, such as /dev/shm")
    chosen = parser.parse_args(argv)
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="faceswap-races-", dir=chosen.folder) as folder:
        for number, race in enumerate(RACES):
            faults += run_race(Path(folder) / f"{number}.sqlite3", race, chosen.races)
        faults += run_claims(Path(folder) / "claims.sqlite3", chosen.races)
    print(f"broken promises: {len(faults)}{checks.told(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
