"""What a bad file can do: which decoders it can start, and what the child process that runs them can do."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from faceswap.api.answers import status_of
from faceswap.engine.child import confinement
from faceswap.engine.child.contract import spec_to_json
from faceswap.engine.child.process import EngineProcess, retried_without_memory
from faceswap.errors import EngineCrashed, EngineOutOfMemory, StoreUnavailable, UnsupportedCodec
from faceswap.media import Limits, VideoReader
from faceswap.store import database
from tests.child import inspect_spec, swap_spec
from tests.waiting import wait_until


def encoded(path: Path, codec: str, pixels: str) -> Path:
    """Make a video of ten frames of noise."""
    chance = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for _ in range(10):
            picture = chance.integers(0, 255, (48, 64, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        *(("cinepak", "rgb24"), ("msvideo1", "rgb555le"), ("magicyuv", "gbrp"), ("ffv1", "yuv420p")),
        *(("utvideo", "yuv420p"), ("huffyuv", "yuv422p"), ("snow", "yuv420p"), ("zmbv", "bgr0")),
    ],
)
def test_a_codec_that_nobody_brings_is_refused_by_name(tmp_path: Path, codec: str, pixels: str) -> None:
    path = encoded(tmp_path / "video.avi", codec, pixels)
    with pytest.raises(UnsupportedCodec, match=codec):
        VideoReader(path, Limits())


def test_probing_a_file_starts_no_decoder_that_is_not_listed(tmp_path: Path) -> None:
    from faceswap.media.container import opened

    with opened(encoded(tmp_path / "video.avi", "magicyuv", "gbrp")) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None, "its decoder was asked"


@pytest.mark.parametrize(
    ("codec", "pixels", "name"),
    [
        *(("mjpeg", "yuvj420p", "avi"), ("qtrle", "rgb24", "mov"), ("prores", "yuv422p10le", "mov")),
        *(("rawvideo", "yuv420p", "avi"), ("mpeg2video", "yuv420p", "mp4"), ("mpeg4", "yuv420p", "avi")),
    ],
)
def test_a_codec_that_people_bring_is_read(tmp_path: Path, codec: str, pixels: str, name: str) -> None:
    with VideoReader(encoded(tmp_path / f"video.{name}", codec, pixels), Limits()) as reader:
        assert sum(1 for _ in reader.frames()) == 10


TRY_EVERYTHING = """
import json, socket, sys
from faceswap.engine.child import main, tasks

def probe(spec, progress):
    said = {}
    for name, place in json.loads(sys.argv[1]).items():
        try:
            open(place, "rb").read(1)
            said[name] = "read"
        except OSError as error:
            said[name] = type(error).__name__
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        try:
            socket.socket(family).close()
            said[family.name] = "open"
        except OSError as error:
            said[family.name] = type(error).__name__
    print(json.dumps(said), file=sys.stderr)
    raise SystemExit(0)

tasks.carry_out = probe
main.main()
"""


@pytest.mark.skipif(
    confinement.available() != confinement.Confinement(files=True, network=True),
    reason="needs a Linux kernel with Landlock and seccomp",
)
def test_a_decoder_reads_its_own_files_only_and_opens_no_socket(
    portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    secret, own = tmp_path / "other" / "result.mp4", tmp_path / "own"
    secret.parent.mkdir()
    secret.write_bytes(b"another owner's")
    own.mkdir()
    spec = swap_spec("image", portrait, portrait, own / "result.png", landmark_model.parent)
    places = {
        "secret": str(secret),
        "passwords": "/etc/passwd",
        "parent": f"/proc/{os.getpid()}/environ",
        "target": str(portrait),
    }
    done = subprocess.Popen(
        [sys.executable, "-c", TRY_EVERYTHING, json.dumps(places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert done.stdin and done.stderr
    done.stdin.write(json.dumps(spec_to_json(spec)).encode() + b"\n")
    done.stdin.flush()
    said = json.loads(done.stderr.read().splitlines()[-1])
    done.stdin.close()
    done.stderr.close()
    done.wait(10)
    denied = "PermissionError"
    assert said == {
        **{"secret": denied, "passwords": denied, "parent": denied, "target": "read"},
        **{"AF_INET": denied, "AF_INET6": denied, "AF_UNIX": denied},
    }


@pytest.mark.engine
def test_a_child_that_ends_at_once_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def start_and_wait(thread: threading.Thread) -> None:  # as when the machine is busy
        start(thread)
        thread.join(2)

    monkeypatch.setattr(threading.Thread, "start", start_and_wait)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    child = EngineProcess(inspect_spec(tmp_path / "portrait.png", tmp_path, detect_faces=True))
    report = child.wait(10)
    child.kill()
    assert isinstance(report.error, EngineCrashed)


def test_a_child_killed_by_the_system_ran_out_of_memory(portrait: Path, landmark_model: Path) -> None:
    child = EngineProcess(inspect_spec(portrait, landmark_model.parent, detect_faces=True))
    os.kill(child.pid, signal.SIGKILL)
    report = child.wait(30)
    child.kill()
    assert isinstance(report.error, EngineOutOfMemory)


def test_a_child_that_we_killed_did_not_run_out_of_memory(portrait: Path, landmark_model: Path) -> None:
    child = EngineProcess(inspect_spec(portrait, landmark_model.parent, detect_faces=True))
    child.kill()
    wait_until(lambda: child.poll().done, "the report is there", 10)
    error = child.poll().error
    assert error is not None and not isinstance(error, EngineOutOfMemory)


def test_what_was_killed_for_memory_is_asked_once_more_and_then_said() -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        if len(asked) in (1, 3, 4):
            raise EngineOutOfMemory
        return "done"

    assert retried_without_memory(ask) == "done"
    with pytest.raises(EngineOutOfMemory):
        retried_without_memory(ask)
    assert len(asked) == 4


def test_a_store_that_stays_locked_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_WAIT_S", 0.1)
    store = database.Database(tmp_path / "jobs.sqlite3")
    other = sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as raised, store.write():
        pass
    assert status_of(raised.value) == 503
    other.close()
    with store.write():
        pass
    store.close()
