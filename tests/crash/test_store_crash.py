"""Processes that die at any point or race with each other over one store file."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

from faceswap.errors import JobAlreadyFinished
from faceswap.jobs import Status
from faceswap.store import JobStore
from tests.factories import add_job
from tests.waiting import wait_until

_LIFE = """
import sys
from pathlib import Path
from faceswap.jobs import Stage
from faceswap.store import JobStore
from tests.factories import add_job
store = JobStore(Path(sys.argv[1]))
while True:
    job = add_job(store)
    print("created", job.id, flush=True)
    job = store.claim("doomed", "local", 60)
    for progress in (25, 50, 75):
        store.report(job, progress=progress, stage=Stage.PROCESSING, eta_s=None)
    store.complete(job)
    print("completed", job.id, flush=True)
"""

_COMPLETER = """
import sys
from pathlib import Path
from faceswap.store import JobStore
store = JobStore(Path(sys.argv[1]))
for job_id in map(str.strip, sys.stdin):
    print(int(store.complete(store.get(job_id)) is not None), flush=True)
"""


def run(code: str, path: Path, **streams: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, **streams
    )


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = tmp_path / "jobs.sqlite3"
    created: set[str] = set()
    completed: set[str] = set()
    for _ in range(12):
        lines = chance.randint(1, 60)
        with run(_LIFE, path) as doomed:
            assert doomed.stdout
            for _ in range(lines):
                word, job_id = doomed.stdout.readline().split()
                (created if word == "created" else completed).add(job_id)
            threading.Event().wait(
                chance.random() * 0.004
            )  # Kills at a random point of the next transaction.
            doomed.kill()
            for line in doomed.stdout:
                if line.endswith("\n"):
                    word, job_id = line.split()
                    (created if word == "created" else completed).add(job_id)
        store = JobStore(path)
        for job_id in created:
            job = store.get(job_id)
            assert store.consent(job_id).owner == job.owner
            assert store.events(job_id)[-1].status is job.status
        assert all(store.get(job_id).status is Status.COMPLETED for job_id in completed)
        store.close()
    assert len(completed) > 50


def test_of_a_cancel_and_a_completion_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    store = JobStore(path)
    for _ in range(400):
        add_job(store)
    ids = [job.id for _ in range(400) if (job := store.claim("worker", "local", 600))]
    chance = random.Random(3)
    cancelled = completed = 0
    with run(_COMPLETER, path, stdin=subprocess.PIPE) as rival:
        assert rival.stdin
        assert rival.stdout
        for job_id in ids:  # One race for each job, because SQLite's busy handler is not fair over many.
            print(job_id, file=rival.stdin, flush=True)
            threading.Event().wait(chance.random() * 0.003)
            try:
                store.cancel(job_id)
                cancelled += 1
            except JobAlreadyFinished:
                assert store.get(job_id).status is Status.COMPLETED
            completed += int(rival.stdout.readline())
        rival.stdin.close()
    assert cancelled + completed == len(ids)
    assert min(cancelled, completed) > 0
    found = [store.get(job_id) for job_id in ids]
    assert sum(job.status is Status.COMPLETED for job in found) == completed
    assert all(len(store.events(job.id)) == 3 for job in found)
    store.close()


def test_many_threads_and_one_connection_each_read_right_rows(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite3")
    jobs = [add_job(store, title=f"title {number}") for number in range(50)]
    wrong: list[str] = []

    def read() -> None:
        for _ in range(20):
            wrong.extend(job.id for job in jobs if store.get(job.id).title != job.title)
        store.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), "all have read")
    assert wrong == []
    store.close()
