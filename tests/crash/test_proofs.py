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
}


@pytest.mark.parametrize("name", SMALL)
def test_a_proof_finds_no_broken_promise(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.proofs.{name}", *SMALL[name]]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken promises: 0" in done.stdout
