"""Kills the app at random points of its work, stops it, and moves its clock: no promise breaks.

    python -m benchmarks.proofs.kills [--points 1000] [--seed 1]        about 15 minutes on 2 cores

Two processes share one data folder and one snapshot folder. Each has a service with its dispatcher, and a
client that submits, cancels and deletes. A point is one of the `STEPS`. When a process reaches its point, it
is killed a random few milliseconds later. Or it is suspended for up to three leases, or its clock jumps by up
to a day, or its engine is killed. A killed process is replaced at once, with other settings.

After every 20 points, all processes are killed and one is started that only lets the work come to rest. Then
everything in `checks.py` must hold, and what was acknowledged must be there. An observer looks at the store
all the time: no task may go backwards.

To afford many points, processes are forked with everything imported, leases are 1 s instead of 5 s, and the
engine is a stand-in (`stand_in.py`).
"""

from __future__ import annotations

import argparse
import json
import logging
import mmap
import os
import random
import selectors
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.proofs import checks, stand_in
from faceswap import dispatcher, driving, housekeeping, leftovers, snapshots
from faceswap.backends.local import LocalBackend
from faceswap.engine.child.process import EngineProcess
from faceswap.erasure import Eraser
from faceswap.errors import FaceSwapError, JobNotFound
from faceswap.folders import Folders
from faceswap.jobs import Job, Status
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.store.lives import LONGEST_LEASE_S
from tests.factories import make_upload

PROCESSES = 2
ROUND = 20
LEASE_S, HEARTBEAT_S = 1.0, 0.1
LIFE_S = 8.0
"""How long a process may live when it does not reach its point."""
REST_S = 300.0
MOST_ACTIVE = 12

STEPS: dict[str, tuple[type[Any], str]] = {
    "start": (Service, "__init__"),
    "create": (JobStore, "add"),
    "claim": (JobStore, "claim"),
    "progress": (JobStore, "report"),
    "submit": (LocalBackend, "submit"),
    "finish": (driving.Driver, "_finish"),
    "complete": (JobStore, "complete"),
    "clean up": (driving.Driver, "clean_up"),
    "adopt": (JobStore, "adopt"),
    "release": (JobStore, "release"),
    "cancel": (Service, "cancel"),
    "delete": (Eraser, "delete"),
    "erase": (Eraser, "_erase_here"),
    "snapshot": (snapshots.Snapshots, "_take"),
    "tidy": (leftovers.Leftovers, "remove"),
}
"""Where a process may be killed. `seal` is the seal function itself, and `engine` is a start of an engine."""
POINTS = (*STEPS, "seal", "engine")


@dataclass(frozen=True)
class Plan:
    """What happens to one process: `action` at the `nth` time that it begins `step`, after `delay_s`."""

    step: str
    nth: int
    delay_s: float
    action: str
    """kill, suspend or jump; `engine` is always killed."""


class SharedClock:
    """A clock that all processes share and that jumps when one of them is told to."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def offset_s(self) -> float:
        return float(struct.unpack("d", self._memory[:8])[0])

    def jump(self, seconds: float) -> None:
        self._memory[:8] = struct.pack("d", self.offset_s + seconds)

    def __call__(self) -> float:
        return time.time() + self.offset_s


# -- inside a process --------------------------------------------------------------------------------------


class Teller:
    """Tells the parent what was done, one line of JSON for each fact. Without a parent it ends."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, what: str, about: object = "") -> None:
        try:
            os.write(self._pipe, json.dumps([what, about]).encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)


class ErrorsAreFaults(logging.Handler):
    """The app logs an error with its traceback only when something unexpected happened."""

    def __init__(self, tell: Teller) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            last = "".join(traceback.format_exception(*record.exc_info)[-3:])
            self._tell("fault", f"{record.getMessage()} {last}"[-1500:])


def hurry() -> None:
    """Shorten leases and pauses, so that a takeover takes a second and not six."""
    dispatcher.LEASE_S, dispatcher.ADOPT_AFTER_S = LEASE_S, 2 * HEARTBEAT_S
    dispatcher.HEARTBEAT_S = driving.HEARTBEAT_S = HEARTBEAT_S
    housekeeping.LEFTOVERS_PERIOD_S = 0.5
    leftovers.DRAFT_AGE_S = 5.0
    snapshots.PERIOD_S = 1.0
    sys.setswitchinterval(0.0002)


def trap(plan: Plan, tell: Teller, clock: SharedClock, chance: random.Random) -> Callable[[str, int], None]:
    """Return a function to call when a step begins; at the planned one it springs."""
    counted: Counter[str] = Counter()

    def strike(pid: int) -> None:
        time.sleep(plan.delay_s)
        tell("point", [plan.step, plan.action])
        if plan.action == "jump":
            clock.jump(chance.uniform(-1, 1) * chance.choice([5, 60, 3600, 86_400]))
            return
        os.kill(pid, signal.SIGSTOP if plan.action == "suspend" else signal.SIGKILL)

    def reached(step: str, pid: int) -> None:
        counted[step] += 1
        if step == plan.step and counted[step] == plan.nth:
            threading.Thread(target=strike, args=(pid,), daemon=True).start()

    return reached


def set_traps(reached: Callable[[str, int], None]) -> None:
    for step, (owner, name) in STEPS.items():
        original = getattr(owner, name)

        def trapped(*args: Any, _step: str = step, _original: Any = original, **named: Any) -> Any:
            reached(_step, os.getpid())
            return _original(*args, **named)

        setattr(owner, name, trapped)
    begin = EngineProcess.__init__

    def beginning(self: EngineProcess[Any], spec: Any) -> None:
        begin(self, spec)
        reached("engine", self.pid)

    EngineProcess.__init__ = beginning  # type: ignore[method-assign]


def settings_for(root: Path, chance: random.Random) -> Settings:
    """Settings of one process. Each has others, as after a restart with another environment."""
    return Settings(
        data_dir=root / "data",
        snapshot_dir=root / "snapshot",
        backend="local",
        local_workers=chance.randint(1, 3),
        max_active=1000,
        max_queue=1000,
        min_free_mb=0,
        producer=chance.choice(["one", "another"]),
        label_words=chance.choice(["both", "zh", "en"]),
        engine_timeout_s=chance.choice([60, 3600]),
        multi_user=False,
    )


def new_upload(service: Service) -> Upload:
    """Add an upload as the intake does, without looking at its content."""
    upload = make_upload()
    path = Folders(service.settings.data_dir).media(upload)
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(500))
    service._store.add_upload(upload)
    return upload


def play(service: Service, tell: Teller, chance: random.Random) -> None:
    """Submit, cancel and delete at random, and tell what was acknowledged. Never returns."""
    pause = threading.Event()
    while True:
        pause.wait(chance.uniform(0, 0.06))
        try:
            _one_action(service, tell, chance)
        except FaceSwapError as error:
            tell("refused", error.code)


def _one_action(service: Service, tell: Teller, chance: random.Random) -> None:
    jobs = service.history(limit=60)
    live = [job for job in jobs if job.status.live]
    what = chance.choices(["submit", "simulate", "cancel", "delete"], [4, 1, 1, 2])[0]
    if what in ("submit", "simulate") and len(live) < MOST_ACTIVE:
        if what == "simulate":
            job = service.simulate(chance.uniform(0.05, 0.5), chance.choice(["completed", "failed"]))
        else:
            source, target = new_upload(service), new_upload(service)
            job = service.submit("single-image", source, target, consent=True)
        tell("submitted", job.id)
    elif what == "cancel" and live:
        tell("cancelled", service.cancel(chance.choice(live).id).id)
    elif what == "delete" and jobs:
        job = chance.choice(jobs)
        tell("deleting", job.id)
        with suppress(JobNotFound):  # the other process was first
            service.delete(job.id)
            tell("deleted", job.id)


def run_app(root: Path, plan: Plan, clock: SharedClock, tell: Teller, seed: int) -> None:
    chance = random.Random(seed)
    stand_in.install(root)
    hurry()
    logging.getLogger("faceswap").addHandler(ErrorsAreFaults(tell))
    reached = trap(plan, tell, clock, chance)
    set_traps(reached)

    def seal(*args: Any, **named: Any) -> Any:
        reached("seal", os.getpid())
        return stand_in.sealed_only_by_name(*args, **named)

    service = Service(settings_for(root, chance), clock=clock, seal=seal)
    play(service, tell, chance)


def observe(root: Path, tell: Teller) -> None:
    """Look at the store again and again: what ended stays as it ended, and no run's progress falls."""
    path, seen, pause = Folders(root / "data").store, dict[str, Job](), threading.Event()
    while not path.exists():
        pause.wait(0.05)
    store = JobStore(path)
    while True:
        for job in checks.all_jobs(store):
            before = seen.get(job.id)
            if before is not None and (fault := _gone_back(before, job)):
                tell("fault", fault)
            seen[job.id] = job
        tell("looked")
        pause.wait(0.05)


def _gone_back(before: Job, job: Job) -> str | None:
    if not before.status.live and (before.status, before.error_code, before.result, before.completed_at) != (
        *(job.status, job.error_code, job.result, job.completed_at),
    ):
        return f"job {job.id} had ended as {before.status} and is {job.status} now"
    if job.attempt < before.attempt - 1:
        return f"job {job.id}: attempt {before.attempt} was followed by {job.attempt}"
    running = before.status is job.status is Status.PROCESSING and before.run == job.run
    if running and job.progress < before.progress:
        return f"job {job.id}: progress fell from {before.progress} to {job.progress}"
    return None


@dataclass
class Acknowledged:
    submitted: set[str] = field(default_factory=set[str])
    cancelled: set[str] = field(default_factory=set[str])
    deleting: set[str] = field(default_factory=set[str])
    deleted: set[str] = field(default_factory=set[str])


def come_to_rest(root: Path, clock: SharedClock, acknowledged: Acknowledged, tell: Teller, seed: int) -> None:
    """Start the app once more, let it finish, and check everything. Runs in a process of its own."""
    marker = stand_in.install(root)
    hurry()
    logging.getLogger("faceswap").addHandler(ErrorsAreFaults(tell))
    clock.jump(LONGEST_LEASE_S)  # if it was set back, a dead run's lease lasts longer
    settings = settings_for(root, random.Random(seed))
    folders = Folders(settings.data_dir)
    service = Service(settings, clock=clock, seal=stand_in.sealed_only_by_name)
    store, end = service._store, time.monotonic() + REST_S
    faults: list[str] = []
    while time.monotonic() < end:
        service._parts.intake.remove_unused(-86_400 * 365)  # as if a day had passed
        faults = list(checks.folder_faults(store, folders))
        if not faults and not checks.processes_of(marker):
            break
        threading.Event().wait(0.1)
    for pid in checks.processes_of(marker):
        faults.append(f"process {pid} of an engine was left")
    service.close()
    store = JobStore(folders.store)
    faults += checks.store_faults(store)
    faults += _kept(store, acknowledged)
    store.close()
    faults += checks.file_faults(folders.store)
    faults += checks.snapshot_faults(folders, root / "snapshot")
    for fault in faults:
        tell("fault", fault)
    tell("rested")


def _kept(store: JobStore, acknowledged: Acknowledged) -> Iterator[str]:
    present = {job.id: job for job in checks.all_jobs(store)}
    for job_id in acknowledged.submitted - present.keys() - acknowledged.deleting:
        yield f"job {job_id}: it was acknowledged and is lost"
    for job_id in acknowledged.deleted & present.keys():
        yield f"job {job_id}: it was deleted and is there"
    for job_id in acknowledged.cancelled & present.keys():
        if present[job_id].error_code != "cancelled":
            yield f"job {job_id}: it was cancelled and is {present[job_id].status}"


# -- the parent --------------------------------------------------------------------------------------------


@dataclass
class Process:
    pid: int
    pipe: int
    began: float
    struck: float | None = None
    """When its point was reached."""
    wakes: float | None = None
    """When it goes on, while it is suspended."""
    rest: bytes = b""
    killed: bool = False
    """Whether it was killed because its time was over."""


class Killing:
    """Forks the processes, reads what they tell, and replaces those that were killed."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.clock = SharedClock()
        self.acknowledged = Acknowledged()
        self.points: Counter[tuple[str, str]] = Counter()
        self.told: Counter[str] = Counter()
        self.faults: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._processes: dict[int, Process] = {}
        (root / "data").mkdir()

    def fork(self, work: Callable[[Teller], None]) -> Process:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            tell = Teller(writing)
            try:
                work(tell)
                status = 0
            except BaseException:  # noqa: BLE001 - whatever it is, the parent must know
                tell("fault", traceback.format_exc()[-1500:])
            finally:
                os._exit(status)
        os.close(writing)
        os.set_blocking(reading, False)
        process = Process(pid, reading, time.monotonic())
        self._processes[pid] = process
        self._selector.register(reading, selectors.EVENT_READ, process)
        return process

    def plan(self) -> Plan:
        step = self.chance.choice(POINTS)
        action = (
            "kill" if step == "engine" else self.chance.choices(["kill", "suspend", "jump"], [8, 1, 1])[0]
        )
        nth = 1 if step in ("start", "adopt", "release") else self.chance.choice([1, 1, 2, 3])
        return Plan(step, nth, self.chance.choice([0.0, self.chance.uniform(0, 0.02)]), action)

    def round(self, points: int) -> None:
        """Reach that many points, then kill everything and check what is left."""
        goal = self.points.total() + points
        observer = self.fork(lambda tell: observe(self.root, tell))
        apps: list[Process] = []
        while self.points.total() < goal:
            while len(apps) < PROCESSES:
                plan, seed = self.plan(), self.chance.randrange(1 << 30)
                apps.append(
                    self.fork(lambda tell, p=plan, s=seed: run_app(self.root, p, self.clock, tell, s))
                )
            self._step()
            apps = [app for app in apps if app.pid in self._processes]
        for process in [*apps, observer]:
            self._kill(process)
        self._until_gone([*apps, observer])
        seed = self.chance.randrange(1 << 30)
        rest = self.fork(lambda tell: come_to_rest(self.root, self.clock, self.acknowledged, tell, seed))
        before = self.told["rested"]
        self._until_gone([rest])
        if self.told["rested"] == before:
            self.faults.append("the last start ended before it had checked everything")

    def _until_gone(self, processes: Sequence[Process]) -> None:
        while any(process.pid in self._processes for process in processes):
            self._step(limit=False)

    def _step(self, *, limit: bool = True) -> None:
        for key, _ in self._selector.select(0.02):
            self._read(key.data)
        now = time.monotonic()
        for process in list(self._processes.values()):
            if process.wakes is not None and now >= process.wakes:
                process.wakes = None
                os.kill(process.pid, signal.SIGCONT)
            over = process.struck is not None and now > process.struck + 0.5 and process.wakes is None
            if limit and process.struck != 0 and (over or now > process.began + LIFE_S):
                self._kill(process)
        self._reap(now)

    def _kill(self, process: Process) -> None:
        process.killed = True
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)

    def _reap(self, now: float) -> None:
        for process in list(self._processes.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                continue
            if os.WIFSTOPPED(status):
                process.wakes = now + self.chance.uniform(0, 3 * LEASE_S)
                continue
            self._read(process)
            if os.WIFEXITED(status) and os.WEXITSTATUS(status):
                self.faults.append("a process ended by itself")
            self._selector.unregister(process.pipe)
            os.close(process.pipe)
            del self._processes[pid]

    def _read(self, process: Process) -> None:
        with suppress(BlockingIOError):
            while part := os.read(process.pipe, 1 << 16):
                *lines, process.rest = (process.rest + part).split(b"\n")
                for line in lines:
                    self._take(process, *json.loads(line))

    def _take(self, process: Process, what: str, about: Any) -> None:
        self.told[what] += 1
        match what:
            case "point":
                process.struck = time.monotonic()
                self.points[about[0], about[1]] += 1
            case "fault":
                self.faults.append(about)
            case "submitted" | "cancelled" | "deleting" | "deleted":
                getattr(self.acknowledged, what).add(about)
            case _:
                pass


def prove(points: int, seed: int, root: Path, say: Callable[[str], None] = lambda line: None) -> Killing:
    """Reach `points` points below the empty folder `root`."""
    killing = Killing(root, seed)
    while (done := killing.points.total()) < points:
        killing.round(min(ROUND, points - done))
        say(
            f"{killing.points.total()} points, {len(killing.faults)} faults{checks.told(killing.faults[-3:])}"
        )
    return killing


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the app at random points of its work.")
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder, to look at it")
    chosen = parser.parse_args(argv)
    root = Path(tempfile.mkdtemp(prefix="faceswap-kills-"))
    killing = prove(chosen.points, chosen.seed, root, lambda line: print(line, flush=True))
    by_step: Counter[str] = Counter()
    by_action: Counter[str] = Counter()
    for (step, action), count in killing.points.items():
        by_step[step] += count
        by_action["engine killed" if step == "engine" else action] += count
    print(f"points: {killing.points.total()}; {dict(by_action)}; {dict(by_step)}")
    facts = killing.acknowledged
    print(
        f"acknowledged: {len(facts.submitted)} submitted, {len(facts.cancelled)} cancelled, "
        f"{len(facts.deleted)} deleted; the clock moved by {killing.clock.offset_s:.0f} s in the end"
    )
    print(f"broken promises: {len(killing.faults)}{checks.told(killing.faults)}")
    if not chosen.keep:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if killing.faults else 0


if __name__ == "__main__":
    sys.exit(main())
