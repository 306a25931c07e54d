"""Lets each statement of the store and each system call on the data folder fail, one at a time.

    python -m benchmarks.proofs.faults [--every 1]        about six minutes on 2 cores

The scenario opens a service, submits, claims, drives, seals, completes, cancels and deletes tasks, and takes
a snapshot, all in one thread. It is played again and again. Each time another statement fails as if the store
were locked, full, read-only or damaged by its disk, or another system call fails as on a full, read-only or
vanished disk. Whatever fails, the caller must get an error of `faceswap.errors`, the next try without a
fault must work, and in the end nothing may be half done (`checks.py`).

System calls are those that Python names to its audit hooks: opening, making, renaming and removing files and
folders. Source: https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.proofs import checks
from benchmarks.proofs.stepped import Cloud, SteppedDispatcher
from faceswap import Service, Settings, Status, SwapOptions
from faceswap.errors import FaceSwapError
from faceswap.folders import Folders
from faceswap.leftovers import Leftovers
from tests.factories import Clock, make_upload

STATEMENT_ERRORS = {
    "locked": sqlite3.SQLITE_BUSY,
    "full": sqlite3.SQLITE_FULL,
    "read-only": sqlite3.SQLITE_READONLY,
    "failing disk": sqlite3.SQLITE_IOERR,
}
CALL_ERRORS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "failing disk": errno.EIO}
CALLS = frozenset(
    {
        *("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.utime"),
        *("os.scandir", "os.listdir", "shutil.copyfile", "shutil.move"),
    }
)


@dataclass
class Fault:
    """Fails the `nth` statement or call that it counts. With `nth` 0 it only counts."""

    kind: str
    nth: int = 0
    counted: int = 0
    hit: str | None = None
    root: str = ""

    def due(self, what: str) -> bool:
        self.counted += 1
        if self.counted != self.nth:
            return False
        self.hit = what
        return True


_fault: Fault | None = None
"""The fault of the scenario that is played now."""


class FailingConnection(sqlite3.Connection):
    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        code = STATEMENT_ERRORS.get(_fault.kind) if _fault and not _fault.root else None
        if code is not None and _fault and sql != "ROLLBACK" and _fault.due(sql):
            error = sqlite3.OperationalError(f"injected: {_fault.kind}")
            error.sqlite_errorcode = code
            raise error
        return super().execute(sql, *values)


def _listen(name: str, details: tuple[Any, ...]) -> None:
    if _fault is None or not _fault.root or name not in CALLS or not details:
        return
    path = details[0]
    if not isinstance(path, (str, bytes, os.PathLike)) or not os.fsdecode(path).startswith(_fault.root):
        return
    if _fault.due(f"{name} {Path(os.fsdecode(path)).name}"):
        number = CALL_ERRORS[_fault.kind]
        raise OSError(number, os.strerror(number))


@contextmanager
def injected(fault: Fault | None) -> Iterator[None]:
    global _fault
    _fault = fault
    try:
        yield
    finally:
        _fault = None


@dataclass
class Scenario:
    """One life of a data folder. Each action is done until it works, the first time with the fault."""

    root: Path
    fault: Fault
    broken: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.clock, self.monotonic, self.cloud = Clock(), Clock(0.0), Cloud()
        self.folders = Folders(self.root / "data")
        self.settings = Settings(
            data_dir=self.folders.root,
            snapshot_dir=self.root / "snapshot",
            backend="local",
            min_free_mb=0,
            multi_user=False,
        )

    def do(self, name: str, action: Callable[[], Any], undone: Callable[[], bool] = lambda: True) -> Any:
        """Do an action. `undone` tells, after an error, whether nothing was changed."""
        with injected(self.fault):
            try:
                return action()
            except FaceSwapError:
                with injected(None):
                    if not undone():
                        self.broken.append(f"{self.where(name)}: it was refused, and yet done")
            except Exception as error:  # noqa: BLE001 - this is what the proof looks for
                self.broken.append(f"{self.where(name)}: {type(error).__name__}: {error}")
        try:
            return action()
        except FaceSwapError as error:
            self.broken.append(f"{self.where(name)}: it does not heal: {type(error).__name__}: {error}")
            raise

    def where(self, name: str) -> str:
        return f"{name}, {self.fault.kind} at {self.fault.nth} ({self.fault.hit})"

    def play(self) -> None:
        service: Service = self.do("open", self._open)
        try:
            self._tasks(service)
        finally:
            service.close()

    def _open(self) -> Service:
        return Service(self.settings, clock=self.clock, dispatch=False)

    def _submit(self, service: Service, *, labelled: bool) -> str:
        uploads = [make_upload(), make_upload()]
        for upload in uploads:
            self.folders.media(upload).parent.mkdir(parents=True)
            self.folders.media(upload).write_bytes(b"picture")
            service._store.add_upload(upload)
        with injected(self.fault):
            options = SwapOptions(visible_label=labelled)
            return service.submit("single-image", *uploads, consent=True, options=options).id

    def _tasks(self, service: Service) -> None:
        store = service._store
        for number in range(3):
            self.do(
                "submit",
                lambda n=number: self._undisturbed(lambda: self._submit(service, labelled=n > 0)),
                lambda n=number: len(store.active()) == n,
            )
        done, dropped, waiting = (job.id for job in store.active())
        dispatcher = SteppedDispatcher(self.folders, self.settings, self.clock, self.monotonic, self.cloud)
        self.do("cancel", lambda: service.cancel(waiting), lambda: store.get(waiting).status.live)
        for _ in range(8):
            self.clock.now_s += 6
            self.monotonic.now_s += 6
            self.do("claim", dispatcher._claim)
            for what in ("progress", "progress", "finish"):
                for key, run in dispatcher.driven:
                    self.do(what, lambda k=key, r=run, w=what: dispatcher.guarded_step(k, r, w))
        dispatcher.store.close()
        self.do("list", lambda: service.history() and service.active() is not None)
        self.do("health", service.health)
        self.do("delete", lambda: service.delete(dropped), lambda: store.has_job(dropped))
        assert service._parts.snapshots
        self.do("snapshot", service._parts.snapshots.take)
        self._check(service, done)

    def _undisturbed(self, action: Callable[[], Any]) -> Any:
        """Do the scenario's own part without the fault. `action` injects it where it may hit the app."""
        global _fault
        _fault = None
        return action()

    def _check(self, service: Service, done: str) -> None:
        store = service._store
        service._parts.eraser.step()
        Leftovers(store, self.folders).remove()
        service._parts.intake.remove_unused(-86_400 * 365)
        assert service._parts.snapshots and service._parts.snapshots.take()
        faults = [*checks.folder_faults(store, self.folders), *checks.store_faults(store)]
        faults += checks.file_faults(self.folders.store)
        faults += checks.snapshot_faults(self.folders, self.root / "snapshot")
        if store.get(done).status is Status.PENDING:
            faults.append("the first task was not driven")
        self.broken += [f"{self.where('in the end')}: {fault}" for fault in faults]


def play(kind: str, nth: int, *, calls: bool) -> Scenario:
    with tempfile.TemporaryDirectory(prefix="faceswap-faults-") as folder:
        root = Path(folder)
        scenario = Scenario(root, Fault(kind, nth, root=folder if calls else ""))
        try:
            scenario.play()
        except Exception as error:  # noqa: BLE001 - told with the others
            scenario.broken.append(f"{scenario.where('play')}: {type(error).__name__}: {error}")
        return scenario


def prove(every: int) -> list[str]:
    """Play the scenario with each `every`-th fault. Returns the broken promises."""
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **named: connect(*args, **{"factory": FailingConnection} | named)
    sys.addaudithook(_listen)
    broken: list[str] = []
    played: Counter[str] = Counter()
    try:
        for calls, kinds in ((False, STATEMENT_ERRORS), (True, CALL_ERRORS)):
            what = "system calls" if calls else "statements"
            bare = play(next(iter(kinds)), 0, calls=calls)
            broken += bare.broken
            for kind in kinds:
                for nth in range(1, bare.fault.counted + 1, every):
                    broken += play(kind, nth, calls=calls).broken
                    played[what] += 1
            print(f"{bare.fault.counted} {what} in the scenario, {played[what]} faults: broken {len(broken)}")
    finally:
        sqlite3.connect = connect
    return broken


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Let each statement and system call fail.")
    parser.add_argument("--every", type=int, default=1, help="play only every n-th fault")
    logging.getLogger("faceswap").setLevel(logging.CRITICAL)  # it tells every fault that was injected
    broken = prove(parser.parse_args(argv).every)
    print(f"broken promises: {len(broken)}{checks.told(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
