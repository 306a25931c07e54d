"""Each proof runs with a small count. `docs/reliability.md` has the figures of the large counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.browser.app import REPOSITORY
from tests.waiting import PATIENCE

SMALL = {
    "kills": ["--points", "12", "--seed", "3"],
    "races": ["--races", "60"],
    "faults": ["--every", "60"],
    "soak": ["--minutes", "0.08", "--every", "1.5"],
    "parts": ["--kills", "3"],
}


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SMALL)
def test_a_proof_finds_no_broken_promise(name: str) -> None:
    assert "broken promises: 0" in run(f"proofs.{name}", *SMALL[name])


def test_each_way_to_keep_tasks_is_measured() -> None:
    rows = run("compare", "--finished", "5", "--times", "5").splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["faceswap", "JSON", "diskcache", "huey"]
