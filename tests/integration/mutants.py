"""Inspects thousands of damaged files in one process with the engine's limits.

    python -m tests.integration.mutants SEEDS WORK IMAGES VIDEOS

SEEDS is a folder with valid files. Each damaged copy is written to WORK, inspected as the engine inspects an
upload, and deleted. If it is a video, some of its frames and sound are read, too. Prints one JSON object.
Each run makes the same copies, because the number of a copy determines its damage.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import threading
import time
from collections import Counter
from pathlib import Path

MEMORY_MB = 4096
FRAMES = 20
_SIGNATURE = 16
"""How many bytes at the start most mutants keep. A file without its signature never reaches a decoder."""
_EXTREMES = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\1",
    b"\xff\xff\xff\x7f",
]


def _peak_mb() -> int:
    """Return the peak memory of this program. getrusage would include the size of its parent.

    Source: proc(5).
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1000


def mutant(seeds: list[bytes], number: int) -> bytes:
    """Return one of the seeds with one to six changes."""
    dice = random.Random(number)
    data = bytearray(dice.choice(seeds))
    first = 0 if dice.random() < 0.05 else _SIGNATURE
    for _ in range(dice.randint(1, 6)):
        if len(data) <= first + 8:
            break
        at = dice.randrange(first, len(data) - 4)
        span = min(len(data) - at, 1 << dice.randrange(0, 12))
        match dice.randrange(8):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at : at + 4] = dice.choice(_EXTREMES)
            case 2:
                data[at : at + span] = dice.randbytes(span)
            case 3:
                del data[at : at + span]
            case 4:
                data[at:at] = data[at : at + span]
            case 5:
                del data[at:]
            case 6:
                other = dice.choice(seeds)
                data[at:] = other[min(at, len(other)) :]
            case _:
                data[at : at + 8] = bytes(8)
    return bytes(data)


def _stay_in(work: Path) -> None:
    """Stop this process from opening sockets, from starting processes, and from writing outside `work`."""

    def judge(event: str, details: tuple[object, ...]) -> None:
        if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")):
            raise AssertionError(f"reached for {event}")
        if (
            event == "open"
            and isinstance(details[2], int)
            and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            path = Path(os.fsdecode(str(details[0]))).resolve()
            if not path.is_relative_to(work):
                raise AssertionError(f"opened {path} for writing")

    sys.addaudithook(judge)


def main(seeds_dir: str, work: str, images: str, videos: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB * 10**6,) * 2)
    from faceswap.engine.face.inspect import inspect
    from faceswap.errors import BadMedia
    from faceswap.media import Limits, VideoReader

    limits = Limits()
    seeds = {"image": [], "video": []}
    for path in sorted(Path(seeds_dir).iterdir()):
        kind = "image" if path.suffix in (".png", ".jpg", ".webp") else "video"
        seeds[kind].append(path.read_bytes())
    upload, normalised = Path(work) / "raw", Path(work) / "media.png"
    _stay_in(Path(work).resolve())
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    wrong: list[str] = []

    def look() -> str:
        info, _ = inspect(upload, limits, normalised)
        if info.kind == "video":
            with VideoReader(upload, limits) as reader:
                for count, _ in enumerate(reader):
                    if count >= FRAMES:
                        break
        return info.kind

    for kind, amount in (("image", int(images)), ("video", int(videos))):
        for number in range(amount):
            upload.write_bytes(mutant(seeds[kind], number))
            started = time.monotonic()
            try:
                outcomes[look()] += 1
            except BadMedia as error:
                outcomes[error.code] += 1
            except BaseException as error:  # noqa: BLE001 - the test looks for these
                wrong.append(f"{kind} {number}: {type(error).__name__}: {error}")
            slowest = max(slowest, time.monotonic() - started)
            upload.unlink()
            normalised.unlink(missing_ok=True)
    report = {
        "outcomes": outcomes,
        "wrong": wrong,
        "slowest_s": round(slowest, 2),
        "peak_mb": _peak_mb(),
        "left": sorted(path.name for path in Path(work).iterdir()),
        "threads": threading.active_count(),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
