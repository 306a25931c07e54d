"""Running the engine's child process as its parent does, and reading what it says."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE

LIMITS: dict[str, Any] = {
    "memory_mb": 4096,
    "cpu_s": 600,
    "max_megapixels": 50,
    "max_video_megapixels": 9,
    "max_duration_s": 600,
}
TIMEOUT_S = 120 * PATIENCE
CORES = os.cpu_count() or 1


@dataclass
class Answer:
    status: int
    events: list[dict[str, Any]]
    stderr: str = field(repr=False)

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def error(self) -> tuple[str, dict[str, Any]]:
        assert self.last["event"] == "error", self.last
        return self.last["code"], self.last["details"]


def start(spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The process with its spec sent; its standard input stays open."""
    child = subprocess.Popen(
        [sys.executable, "-m", "faceswap.engine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin
    child.stdin.write(json.dumps(spec).encode() + b"\n")
    child.stdin.flush()
    return child


def run(spec: dict[str, Any]) -> Answer:
    with start(spec) as child:
        assert child.stdin and child.stdout and child.stderr
        try:
            # communicate() would close standard input, which the child takes for the death of its parent.
            stdout = child.stdout.read()
            status = child.wait(TIMEOUT_S)
        finally:
            child.kill()
        stderr = child.stderr.read().decode()
    return Answer(status, [json.loads(line) for line in stdout.splitlines()], stderr)


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has used. Other programs add nothing to it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_s_of_ended_children() -> float:
    """What the children of this process had used that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def swap_spec(
    kind: str, source: Path, target: Path, result: Path, weights_dir: Path, **changes: Any
) -> dict[str, Any]:
    """`changes` go to the limits or options that have their name."""
    limits = {name: changes.pop(name, value) for name, value in LIMITS.items()}
    return {
        "task": "swap",
        "kind": kind,
        "sources": {"": str(source)},
        "target": str(target),
        "result": str(result),
        "options": {"many_faces": False, "crf": 20} | changes,
        "weights_dir": str(weights_dir),
        "limits": limits,
    }


def inspect_spec(
    path: Path, weights_dir: Path, detect_faces: bool = False, normalised: Path | None = None, **limits: Any
) -> dict[str, Any]:
    return {
        "task": "inspect",
        "path": str(path),
        "detect_faces": detect_faces,
        "normalised": str(normalised) if normalised else None,
        "weights_dir": str(weights_dir),
        "limits": LIMITS | limits,
    }
