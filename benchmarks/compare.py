"""Measures list, claim and cancel beside other ways to keep tasks, in one run.

    python -m benchmarks.compare [--finished 1000] [--times 200]        about a minute on 2 cores

- faceswap: `JobStore`, as the app uses it.
- JSON files: one file for each task, rewritten in place, as some programs of this field keep their tasks.
- diskcache: a `Cache` with one entry for each task and a queue beside it.
- huey: the queue of `SqliteHuey` with fsync. It keeps what waits and what was revoked, but no finished task.

Each holds 20 waiting tasks and the finished ones. *List* reads the tasks that have not ended. *Claim* takes
the oldest waiting task. *Cancel* ends a waiting task. After each claim and cancel a new task is added, which
is not measured. Each number is the median and the 99th percentile. `durable` says whether a change survives
the loss of power once it is answered. `one wins` says whether of a cancel and a claim exactly one is told
that it was in time.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import diskcache
from huey import SqliteHuey

from faceswap.store import JobStore
from tests.factories import NOON, add_job

WAITING = 20
LIVE = ("pending", "processing")


class Keeper(Protocol):
    """A way to keep tasks."""

    name: str
    durable: str
    one_wins: str

    def add(self) -> str: ...
    def list(self) -> int:
        """Read the tasks that have not ended. Returns how many there are."""
        ...

    def claim(self) -> str: ...
    def finish(self, task: str) -> None: ...
    def cancel(self, task: str) -> None: ...
    def close(self) -> None: ...


class Faceswap:
    name, durable, one_wins = "faceswap", "yes", "yes"

    def __init__(self, folder: Path) -> None:
        self._store = JobStore(folder / "jobs.sqlite3")
        self._added = 0

    def add(self) -> str:
        self._added += 1
        at = NOON + timedelta(milliseconds=self._added)
        return add_job(self._store, created_at=at, max_active=10**6, max_queue=10**6).id

    def list(self) -> int:
        return len(self._store.active("local"))

    def claim(self) -> str:
        job = self._store.claim("worker", "local", 60)
        assert job is not None
        return job.id

    def finish(self, task: str) -> None:
        self._store.complete(self._store.get(task))

    def cancel(self, task: str) -> None:
        self._store.cancel(task)

    def close(self) -> None:
        self._store.close()


class JsonFiles:
    name, durable, one_wins = "JSON files", "no", "no"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._added = 0

    def _write(self, task: str, **changes: object) -> None:
        path = self._folder / f"{task}.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | changes))

    def _live(self) -> list[tuple[int, str, str]]:
        every = ((path.stem, json.loads(path.read_text())) for path in self._folder.glob("*.json"))
        return sorted((job["at"], task, job["status"]) for task, job in every if job["status"] in LIVE)

    def add(self) -> str:
        self._added += 1
        task = secrets.token_urlsafe(16)
        self._write(task, status="pending", at=self._added, title="clip.mp4", source="a", target="b")
        return task

    def list(self) -> int:
        return len(self._live())

    def claim(self) -> str:
        task = next(task for _, task, status in self._live() if status == "pending")
        self._write(task, status="processing")
        return task

    def finish(self, task: str) -> None:
        self._write(task, status="completed")

    def cancel(self, task: str) -> None:
        self._write(task, status="failed")

    def close(self) -> None: ...


class DiskCache:
    name, durable, one_wins = "diskcache", "no", "yes"

    def __init__(self, folder: Path) -> None:
        self._tasks = diskcache.Cache(str(folder))

    def _change(self, task: str, status: str) -> None:
        with self._tasks.transact():
            self._tasks[task] = self._tasks[task] | {"status": status}

    def add(self) -> str:
        task = secrets.token_urlsafe(16)
        with self._tasks.transact():
            self._tasks[task] = {"status": "pending", "title": "clip.mp4", "source": "a", "target": "b"}
            self._tasks.push(task, prefix="queue")
        return task

    def list(self) -> int:
        tasks = (self._tasks[key] for key in self._tasks.iterkeys() if not key.startswith("queue-"))
        return sum(job["status"] in LIVE for job in tasks)

    def claim(self) -> str:
        with self._tasks.transact():
            while True:
                _, task = self._tasks.pull(prefix="queue")
                if self._tasks[task]["status"] == "pending":
                    self._change(task, "processing")
                    return task

    def finish(self, task: str) -> None:
        self._change(task, "completed")

    def cancel(self, task: str) -> None:
        with self._tasks.transact():
            if self._tasks[task]["status"] in LIVE:
                self._change(task, "failed")

    def close(self) -> None:
        self._tasks.close()


class Huey:
    name, durable, one_wins = "huey", "yes", "no"

    def __init__(self, folder: Path) -> None:
        self._huey = SqliteHuey(filename=str(folder / "huey.db"), fsync=True)
        self._task = self._huey.task()(lambda title, source, target: None)

    def add(self) -> str:
        return self._task("clip.mp4", "a", "b").id

    def list(self) -> int:
        return sum(not self._huey.is_revoked(task) for task in self._huey.pending())

    def claim(self) -> str:
        while True:
            task = self._huey.dequeue()
            assert task is not None
            if not self._huey.is_revoked(task):
                return task.id

    def finish(self, task: str) -> None: ...

    def cancel(self, task: str) -> None:
        self._huey.revoke_by_id(task)

    def close(self) -> None:
        self._huey.storage.close()


def milliseconds(taken: Sequence[float]) -> str:
    p99 = statistics.quantiles(taken, n=100, method="inclusive")[98]
    return f"{statistics.median(taken) * 1e3:.2f} / {p99 * 1e3:.2f}"


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(keeper: Keeper, finished: int, times: int) -> str:
    for _ in range(finished):
        keeper.add()
        keeper.finish(keeper.claim())
    waiting = [keeper.add() for _ in range(WAITING)]
    assert keeper.list() == WAITING
    lists = [timed(keeper.list) for _ in range(times)]
    claims: list[float] = []
    cancels: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        task = keeper.claim()
        claims.append(time.perf_counter() - start)
        keeper.finish(task)
        waiting.remove(task)
        waiting.append(keeper.add())
        cancels.append(timed(partial(keeper.cancel, waiting.pop())))
        waiting.append(keeper.add())
    cells = "".join(f"{milliseconds(taken):>20}" for taken in (lists, claims, cancels))
    return f"{keeper.name:12}{cells}{keeper.durable:>10}{keeper.one_wins:>10}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="List, claim and cancel beside other ways to keep tasks.")
    parser.add_argument("--finished", type=int, default=1000)
    parser.add_argument("--times", type=int, default=200)
    chosen = parser.parse_args(argv)
    print(f"{WAITING} waiting tasks and {chosen.finished} finished ones; median / p99 in ms")
    heads = "".join(f"{head:>20}" for head in ("list", "claim", "cancel"))
    print(f"{'':12}{heads}{'durable':>10}{'one wins':>10}")
    for kind in (Faceswap, JsonFiles, DiskCache, Huey):
        with tempfile.TemporaryDirectory(prefix="faceswap-compare-") as folder:
            keeper = kind(Path(folder))
            print(measure(keeper, chosen.finished, chosen.times), flush=True)
            keeper.close()


if __name__ == "__main__":
    main()
