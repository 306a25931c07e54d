"""Works for a long time while a second process is killed every 5 s: nothing gets stuck, and nothing grows.

    python -m benchmarks.proofs.soak [--minutes 30] [--every 5]

Two processes share one data folder, as in `kills.py`. The first one lives from beginning to end. The second
one is killed again and again, and replaced. In the end all work comes to rest, and everything in `checks.py`
must hold. The memory and the open files of the first process are compared between the second and the last
fifth of the time; the first fifth fills caches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.proofs import checks
from benchmarks.proofs.kills import Killing, Plan, come_to_rest, observe, run_app

MOST_GROWTH_MB, MOST_GROWTH_FILES = 16.0, 20
"""What is no leak: an engine that runs at that moment has three pipes, and three may run."""
_NEVER = Plan("never", 0, 0.0, "kill")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def use_of(pid: int) -> tuple[float, int]:
    """Return the memory in MB and the number of open files. Source: proc_pid_statm(5), proc_pid_fd(5)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE / 1e6, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only


class Soak(Killing):
    """Kills the second process, and measures the first one at each kill."""

    def run(self, minutes: float, every_s: float) -> None:
        self.kills = 0
        self.uses: list[tuple[float, int]] = []
        observer = self.fork(lambda tell: observe(self.root, tell))
        first = self.fork(lambda tell: run_app(self.root, _NEVER, self.clock, tell, 1))
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            seed = self.chance.randrange(1 << 30)
            second = self.fork(lambda tell, s=seed: run_app(self.root, _NEVER, self.clock, tell, s))
            dies = time.monotonic() + every_s
            while time.monotonic() < dies:
                self._step(limit=False)
            self._kill(second)
            self._until_gone([second])
            self.kills += 1
            self.uses.append(use_of(first.pid))
        for process in (first, observer):
            self._kill(process)
        self._until_gone([first, observer])
        rest = self.fork(lambda tell: come_to_rest(self.root, self.clock, self.acknowledged, tell, 2))
        self._until_gone([rest])
        if not self.told["rested"]:
            self.faults.append("the last start ended before it had checked everything")

    def growth(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return memory in MB and open files, each in the second and in the last fifth of the time."""
        fifth = max(1, len(self.uses) // 5)
        early, late = self.uses[fifth : 2 * fifth] or self.uses, self.uses[-fifth:]
        memory = tuple(statistics.median(use[0] for use in uses) for uses in (early, late))
        files = tuple(statistics.median(use[1] for use in uses) for uses in (early, late))
        return (memory[0], memory[1]), (files[0], files[1])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Work for long while a process is killed again and again.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=5, help="seconds between two kills")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="faceswap-soak-") as folder:
        soak = Soak(Path(folder), 1)
        soak.run(chosen.minutes, chosen.every)
    memory, files = soak.growth()
    if memory[1] > memory[0] + MOST_GROWTH_MB:
        soak.faults.append(f"memory grew from {memory[0]:.0f} to {memory[1]:.0f} MB")
    if files[1] > files[0] + MOST_GROWTH_FILES:
        soak.faults.append(f"open files grew from {files[0]:.0f} to {files[1]:.0f}")
    facts = soak.acknowledged
    print(
        f"{chosen.minutes:g} minutes, {soak.kills} kills, {len(facts.submitted)} tasks, "
        f"memory {memory[0]:.0f} to {memory[1]:.0f} MB, open files {files[0]:.0f} to {files[1]:.0f}"
    )
    print(f"broken promises: {len(soak.faults)}{checks.told(soak.faults)}")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
