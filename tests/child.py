"""Running the engine's child process as its parent does, and reading what it says."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from faceswap.engine.child.contract import EngineLimits, InspectSpec, Spec, SwapSpec, spec_to_json
from faceswap.engine.options import Options
from faceswap.media import Limits
from tests.waiting import PATIENCE

LIMITS = EngineLimits(memory_mb=4096, cpu_s=600, media=Limits(50, 9, 600))
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


def start(spec: Spec[Any]) -> subprocess.Popen[bytes]:
    """The process with its spec sent; its standard input stays open."""
    child = subprocess.Popen(
        [sys.executable, "-m", "faceswap.engine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin
    child.stdin.write(json.dumps(spec_to_json(spec)).encode() + b"\n")
    child.stdin.flush()
    return child


def run(spec: Spec[Any]) -> Answer:
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
    ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def processor_s_of_ended_children() -> float:
    """What the children of this process had used that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def limits(**changes: float) -> EngineLimits:
    """`LIMITS`, with `changes` to the fields of that name in it or in its `media`."""
    names = {each.name for each in fields(Limits)}
    media = replace(LIMITS.media, **{name: value for name, value in changes.items() if name in names})
    rest: dict[str, Any] = {name: value for name, value in changes.items() if name not in names}
    return replace(LIMITS, media=media, **rest)


def swap_spec(
    kind: Literal["image", "video"],
    source: Path,
    target: Path,
    result: Path,
    weights_dir: Path,
    **options: Any,
) -> SwapSpec:
    return SwapSpec(
        limits=LIMITS,
        kind=kind,
        sources={"": source},
        target=target,
        result=result,
        options=Options(**options),
        weights_dir=weights_dir,
    )


def inspect_spec(
    path: Path,
    weights_dir: Path,
    detect_faces: bool = False,
    normalised: Path | None = None,
    **changes: float,
) -> InspectSpec:
    """`changes` go to the limits."""
    return InspectSpec(
        limits=limits(**changes),
        path=path,
        detect_faces=detect_faces,
        normalised=normalised,
        weights_dir=weights_dir,
    )
