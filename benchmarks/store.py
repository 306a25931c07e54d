"""Measures how fast the job store is: `python -m benchmarks.store`.

It prints the time to list 20 active jobs among 100 and among 100,000 finished ones. It also prints how many
jobs a second one process and four processes can create and move through their states, on this machine's disk.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from faceswap.jobs import Stage
from faceswap.store import JobStore
from tests.factories import add_job

ACTIVE = 20
FINISHED = (100, 100_000)
RATE_S = 5.0
PROCESSES = 4


def seconds_each(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Call `work` many times. Returns the median and the 99th percentile of one call, in seconds."""
    taken: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def rate(work: Callable[[], object], seconds: float = RATE_S) -> float:
    """Call `work` for some seconds. Returns the number of calls a second."""
    start = time.perf_counter()
    calls = 0
    while (taken := time.perf_counter() - start) < seconds:
        work()
        calls += 1
    return calls / taken


def fill(store: JobStore, finished: int) -> None:
    """Fill the store with that many finished jobs: one made through `JobStore`, the others copies of it."""
    add_job(store)
    job = store.claim("filler", "local", 600)
    assert job is not None
    store.complete(job)
    with store._database.write() as db:
        columns = [row["name"] for row in db.execute("PRAGMA table_info(jobs)") if row["name"] != "id"]
        names = ", ".join(columns)
        db.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO jobs (id, {names}) SELECT 'copy-' || i, {names} FROM n, jobs WHERE jobs.id = ?",
            (finished - 1, job.id),
        )


def one_life(store: JobStore) -> None:
    job = store.claim("worker", "local", 600)
    if job is None:
        add_job(store)
        return
    store.report(job, progress=50, stage=Stage.PROCESSING, eta_s=1)
    store.complete(job)


def measure_lists(store: JobStore, finished: int) -> None:
    for what, work, times in (
        (f"list {ACTIVE} active", lambda: store.active("local"), 300),
        ("list 50 newest", lambda: store.history("local", limit=50), 100),
    ):
        median, p99 = seconds_each(work, times)
        print(f"{what} of {finished:>7,} finished: {median * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for finished in FINISHED:
            store = JobStore(Path(scratch) / f"{finished}.sqlite3")
            fill(store, finished)
            for _ in range(ACTIVE):
                add_job(store)
            measure_lists(store, finished)
            store.close()

        store = JobStore(Path(scratch) / "rates.sqlite3")
        print(f"create: {rate(lambda: add_job(store, max_active=10**9, max_queue=10**9)):.0f} jobs/s")
        store.close()
        store = JobStore(Path(scratch) / "lives.sqlite3")
        lives = rate(lambda: (one_life(store), one_life(store)))
        print(f"create, claim, one progress, complete: {lives:.0f} jobs/s ({4 * lives:.0f} transactions/s)")
        store.close()

        path = Path(scratch) / "shared.sqlite3"
        JobStore(path).close()
        command = [sys.executable, "-m", "benchmarks.store", str(path)]
        children = [
            subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") for _ in range(PROCESSES)
        ]
        total = sum(float(child.communicate()[0]) for child in children)
        print(f"the same by {PROCESSES} processes at once: {total:.0f} jobs/s together")


def one_of_many(path: Path) -> None:
    store = JobStore(path)
    print(rate(lambda: (one_life(store), one_life(store))))
    store.close()


if __name__ == "__main__":
    one_of_many(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
