"""A part of a video is read as if it were a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceswap.errors import OutsideVideo
from faceswap.media import AudioPacket, Frame, Limits, VideoReader, VideoWriter, open_part
from tests import awkward

LIMITS = Limits()
FPS = 30


@pytest.fixture(scope="module")
def clip(puppet_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with sound and a key frame every second."""
    return awkward.write(
        tmp_path_factory.mktemp("part") / "clip.mp4",
        awkward.pictures(puppet_video, 90),
        sounds=("aac",),
        seconds=3,
        encoder={"g": "30", "bf": "2"},
    )


def read(reader: VideoReader) -> tuple[list[Frame], list[float]]:
    """The frames, and the times of the audio packets in seconds of the file's clock."""
    items = list(reader)
    frames = [item for item in items if isinstance(item, Frame)]
    sounds = [
        float(item.packet.pts * item.packet.time_base) for item in items if isinstance(item, AudioPacket)
    ]
    return frames, sounds


@pytest.mark.parametrize(
    ("start_s", "end_s", "count"), [(1.5, 2.5, 30), (0.5, None, 75), (0.0, 1.0, 30), (2.0, 99.0, 30)]
)
def test_it_has_the_frames_and_the_sound_of_that_part(
    clip: Path, start_s: float, end_s: float | None, count: int
) -> None:
    with open_part(clip, LIMITS) as whole:
        all_frames, all_sounds = read(whole)
    with open_part(clip, LIMITS, start_s, end_s) as reader:
        assert reader.duration_s == pytest.approx(count / FPS, abs=0.02)
        frames, sounds = read(reader)
    first = round(start_s * FPS)
    assert [frame.time_s for frame in frames] == pytest.approx([n / FPS for n in range(count)], abs=0.001)
    for ours, theirs in zip(frames, all_frames[first : first + count], strict=True):
        assert bytes(ours.video.planes[0]) == bytes(theirs.video.planes[0])
    until_s = start_s + count / FPS
    assert sounds == [time for time in all_sounds if start_s - 0.001 <= time < until_s]


def test_a_part_that_is_written_begins_at_zero_and_keeps_its_sound_in_time(
    clip: Path, tmp_path: Path
) -> None:
    with open_part(clip, LIMITS, 1.5, 2.5) as reader, VideoWriter(tmp_path / "part.mp4", reader) as writer:
        for item in reader:
            if isinstance(item, Frame):
                writer.write(item)
            else:
                writer.write_audio(item)
        writer.close()
    with open_part(tmp_path / "part.mp4", LIMITS) as written:
        assert written.start_s == pytest.approx(0, abs=0.03)
        frames, sounds = read(written)
    assert [frame.time_s for frame in frames] == pytest.approx([n / FPS for n in range(30)], abs=0.001)
    assert sounds[0] == pytest.approx(0, abs=0.03)
    assert sounds[-1] == pytest.approx(1, abs=0.05)


def test_a_look_into_it_stays_within_it(clip: Path) -> None:
    with open_part(clip, LIMITS, 1.5, 2.5) as reader:
        assert reader.key_times() == pytest.approx([0, 0.5], abs=0.1)  # an index has decoding times
        reader.seek(0.5)
        assert next(reader.frames()).time_s == pytest.approx(0.5, abs=0.001)
        reader.seek(0)
        assert [frame.time_s for frame in reader.frames()] == pytest.approx(
            [n / FPS for n in range(30)], abs=0.001
        )


def test_a_part_after_the_end_is_refused(clip: Path) -> None:
    with pytest.raises(OutsideVideo, match=r"3\.0 s"):
        open_part(clip, LIMITS, 3.5)
