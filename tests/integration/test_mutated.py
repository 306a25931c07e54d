"""A few damaged files go through every step under strace. `benchmarks/mutated.py` sends thousands."""

from __future__ import annotations

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from benchmarks.mutated import Report, Witness, damaged, examine, seeds

pytestmark = pytest.mark.engine
COUNT = 3
FIRST = 3
"""From here on, one copy is refused, one is swapped, and one shows no face."""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is the witness")
def test_damaged_files_reach_no_socket_and_no_foreign_file_in_any_step(tmp_path: Path) -> None:
    # In a process of its own, so that the peak of memory is that of its children and of no other test's.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        report = process.submit(examine, COUNT, FIRST, tmp_path).result()
    assert report.wrong == []
    assert report.reached == []
    assert report.processes >= COUNT
    assert report.peak_mb < 1000
    steps = {name.partition(" ")[0] for name in report.outcomes}
    assert steps == {"upload", "detect", "preview", "swap"}


def test_the_witness_sees_what_an_engine_may_not_do(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    data = tmp_path / "data"
    witness, report = Witness(tmp_path / "work", data), Report()
    record = tmp_path / "work" / "records" / "1"
    opened = 'openat(AT_FDCWD, "{}", O_RDONLY|O_CLOEXEC) = 3'
    for harmless in (
        opened.format(data / "uploads/one/raw"),
        opened.format(data / "jobs/mine/attempt-1/result.mp4"),
        opened.format("/usr/lib/libc.so.6"),
        'openat(AT_FDCWD, "/root/.ssh/id", O_RDONLY) = -1 EACCES (Permission denied)',
        "socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = -1 EACCES (Permission denied)",
    ):
        record.write_text(f"7 {harmless}\n")
        witness.read(report)
        assert report.reached == [], harmless
    for wrong in (
        opened.format("/root/.ssh/id"),
        opened.format(data / "server.key"),
        "\n7 ".join(opened.format(data / f"uploads/{name}/raw") for name in "abc"),
        "socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3",
    ):
        record.write_text(f"7 {wrong}\n")
        report.reached.clear()
        witness.read(report)
        assert report.reached, wrong


def test_half_of_the_damage_keeps_the_structure(tmp_path: Path) -> None:
    files = [path.read_bytes() for path in seeds(tmp_path / "seeds")]
    copies = {damaged(files, number) for number in range(40)}
    assert len(copies) == 40
    assert damaged(files, 8) == damaged(files, 8)
    assert not copies & set(files)
