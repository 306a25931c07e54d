"""A long video that is written in parts is the same as one that is written in one go."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from faceswap.media import (
    Coding,
    Frame,
    Limits,
    PartsWriter,
    VideoWriter,
    join_parts,
    open_part,
    parts,
    worth_parts,
)
from tests import awkward

LIMITS = Limits()
CODING = Coding()
Span = tuple[float, float | None]
WHOLE: Span = (0, None)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_S", 1.0)
    monkeypatch.setattr(parts, "WARM_UP_S", 0.3)
    monkeypatch.setattr(parts, "WORTHWHILE_S", 2.5)


@pytest.fixture(scope="module")
def clip(puppet_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with sound, B-frames, and a key frame every second."""
    return awkward.write(
        tmp_path_factory.mktemp("parts") / "clip.mp4",
        awkward.pictures(puppet_video, 90),
        sounds=("aac",),
        seconds=3,
        encoder={"g": "30", "bf": "2"},
    )


def write_parts(
    clip: Path,
    folder: Path,
    made_by: str = "us",
    most: int | None = None,
    part: Span = WHOLE,
) -> int:
    """Write the parts of a clip, as a run that is killed after `most` frames. Returns how many it read."""
    count = 0
    folder.mkdir(exist_ok=True)
    with open_part(clip, LIMITS, *part) as reader:
        writer = PartsWriter(folder, reader, CODING, made_by)
        if writer.resume_s is not None:
            reader.seek(writer.resume_s)
        frames = (item for item in reader if isinstance(item, Frame))
        for frame in islice(frames, most):
            writer.write(frame)
            count += 1
        if most is None:
            writer.close()
    return count


def joined(clip: Path, folder: Path, path: Path, part: Span = WHOLE) -> Path:
    with open_part(clip, LIMITS, *part) as reader:
        assert not join_parts(folder, reader, path, "a label")
    return path


def written_at_once(clip: Path, path: Path, part: Span = WHOLE) -> Path:
    with open_part(clip, LIMITS, *part) as reader, VideoWriter(path, reader, CODING, "a label") as writer:
        for item in reader:
            writer.write(item) if isinstance(item, Frame) else writer.write_audio(item)
        writer.close()
    return path


def packets(path: Path, kind: str) -> Iterator[Any]:
    with av.open(str(path)) as container:
        yield from (packet for packet in container.demux(**{kind: 0}) if packet.size)


def assert_alike(ours: Path, whole: Path, kinds: Sequence[str] = ("video", "audio")) -> None:
    """The same times, sound and headers, and pictures that differ by no more than two encodings do."""
    for kind in kinds:
        times = [sorted(one.pts for one in packets(path, kind)) for path in (ours, whole)]
        assert times[0] == times[1]
    if "audio" in kinds:
        assert [bytes(one) for one in packets(ours, "audio")] == [
            bytes(one) for one in packets(whole, "audio")
        ]
    with av.open(str(ours)) as first, av.open(str(whole)) as second:
        assert first.metadata == second.metadata
        one, other = first.streams.video[0], second.streams.video[0]
        assert (one.time_base, one.start_time) == (other.time_base, other.start_time)
        assert float(one.duration * one.time_base) == pytest.approx(
            float(other.duration * other.time_base), abs=0.05
        ), "counted in decoding order"
        for name in ("extradata", "color_range", "colorspace", "color_primaries"):
            assert getattr(one.codec_context, name) == getattr(other.codec_context, name), name
        for shown, theirs in zip(first.decode(video=0), second.decode(video=0), strict=True):
            apart = np.abs(shown.to_ndarray().astype(int) - theirs.to_ndarray())
            assert apart.mean() < 1.5


def test_joined_parts_are_as_if_written_at_once(clip: Path, tmp_path: Path) -> None:
    write_parts(clip, tmp_path / "parts")
    assert len(list((tmp_path / "parts").glob("*.mp4"))) == 3
    assert_alike(
        joined(clip, tmp_path / "parts", tmp_path / "ours.mp4"), written_at_once(clip, tmp_path / "whole.mp4")
    )


def test_a_run_goes_on_after_the_finished_parts(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write_parts(clip, folder, most=70)
    finished = sorted(path.name for path in folder.glob("*.json"))
    assert finished == ["00000.json", "00001.json", "plan.json"]
    before = {path.name: path.read_bytes() for path in folder.glob("0*.json")}
    assert write_parts(clip, folder) <= 30 + 30, "the last part, and its way from the key frame before"
    assert before.items() <= {path.name: path.read_bytes() for path in folder.glob("0*.json")}.items()
    assert len(list(folder.glob("*.mp4"))) == 3, "the unfinished part is gone"
    assert_alike(joined(clip, folder, tmp_path / "ours.mp4"), written_at_once(clip, tmp_path / "whole.mp4"))


def test_nothing_is_written_twice_when_every_part_is_there(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write_parts(clip, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    write_parts(clip, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_part_of_a_video_is_written_in_parts_too(clip: Path, tmp_path: Path) -> None:
    folder, part = tmp_path / "parts", (0.5, 2.8)
    write_parts(clip, folder, most=50, part=part)
    write_parts(clip, folder, part=part)
    assert_alike(
        joined(clip, folder, tmp_path / "ours.mp4", part), written_at_once(clip, tmp_path / "whole.mp4", part)
    )


def test_parts_that_were_made_in_another_way_are_not_used(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write_parts(clip, folder, "an older version", most=70)
    old = {path.name for path in folder.glob("*.mp4")}
    assert write_parts(clip, folder) == 90
    assert not old & {path.name for path in folder.glob("*.mp4")}


@pytest.mark.parametrize("damage", ["missing", "half", "not json"])
def test_a_damaged_part_is_written_again(clip: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "parts"
    write_parts(clip, folder)
    second = folder / "00001.json"
    if damage == "missing":
        (folder / json.loads(second.read_text())["file"]).unlink()
    else:
        second.write_text('{"file": "x"}' if damage == "half" else "")
    write_parts(clip, folder)
    assert_alike(joined(clip, folder, tmp_path / "ours.mp4"), written_at_once(clip, tmp_path / "whole.mp4"))


def test_frames_with_a_face_are_counted_over_all_runs(clip: Path, tmp_path: Path) -> None:
    write_parts(clip, tmp_path, most=70)
    with open_part(clip, LIMITS) as reader:
        writer = PartsWriter(tmp_path, reader, CODING, "us")
        assert (writer.frames, writer.swapped) == (60, 0)


def test_a_short_video_is_written_at_once(clip: Path) -> None:
    with open_part(clip, LIMITS) as reader:
        assert worth_parts(reader)
    with open_part(clip, LIMITS, 0, 2.4) as reader:
        assert not worth_parts(reader)


@pytest.mark.parametrize(
    "kind", ["uneven", "offset", "two_track", "rotated", "ten_bit", "silent", "avi", "webm"]
)
def test_awkward_videos_are_joined_as_if_written_at_once(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    clip: Path = request.getfixturevalue(f"{kind}_video")
    write_parts(clip, tmp_path / "parts")
    with open_part(clip, LIMITS) as reader:
        reencoded = join_parts(tmp_path / "parts", reader, tmp_path / "ours.mp4", "a label")
        has_sound = bool(reader.audio)
    whole = written_at_once(clip, tmp_path / "whole.mp4")
    kinds = ("video", "audio") if has_sound and not reencoded else ("video",)
    assert_alike(tmp_path / "ours.mp4", whole, kinds)
