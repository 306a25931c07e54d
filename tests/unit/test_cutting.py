"""A long video is cut without encoding it anew, and its parts know what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from faceswap.media import (
    Coding,
    Cut,
    Frame,
    Limits,
    PartWriter,
    VideoReader,
    cut_video,
    cutting,
    join_parts,
    keep_part,
    kept_parts,
    open_part,
)
from tests import awkward, media
from tests.unit.test_parts import CODING, LIMITS, WHOLE, Span, packets, written_at_once


@pytest.fixture(autouse=True)
def short_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "WARM_UP_S", 0.3)
    monkeypatch.setattr(cutting, "_AFTER_S", 0.2)
    monkeypatch.setattr(cutting, "_AFTER_FRAMES", 5)


@pytest.fixture(scope="module")
def clip(puppet_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with sound, B-frames, and a key frame every 0.6 s."""
    return awkward.write(
        tmp_path_factory.mktemp("cutting") / "clip.mp4",
        awkward.pictures(puppet_video, 90),
        sounds=("aac",),
        seconds=3,
        encoder={"g": "18", "bf": "2"},
    )


def cuts_of(clip: Path, folder: Path, part: Span = WHOLE) -> list[Cut]:
    folder.mkdir()
    return cut_video(clip, LIMITS, folder, *part, part_s=0.8)


def pictures(reader: VideoReader) -> list[np.ndarray]:
    return [item.video.to_ndarray() for item in reader.frames()]


def write_parts(cuts: Sequence[Cut], folder: Path, coding: Coding = CODING) -> None:
    """Write the part of each cut, as a worker does that gets the cut only."""
    for number, cut in enumerate(cuts):
        with VideoReader(folder / cut.file, Limits()) as reader:
            writer = PartWriter(folder / f"part-{number}.mp4", reader, coding, cut.span)
            for item in reader:
                if isinstance(item, Frame):
                    writer.write(item)
            writer.close()
        keep_part(folder, number, cut, f"part-{number}.mp4", writer.frames, writer.swapped)


@pytest.mark.parametrize("part", [WHOLE, (0.3, 2.9), (0.25, None)])
def test_each_frame_is_in_one_part_and_unchanged(clip: Path, tmp_path: Path, part: Span) -> None:
    cuts = cuts_of(clip, tmp_path / "cuts", part)
    assert len(cuts) >= 3
    with open_part(clip, LIMITS, *part) as reader:
        whole = pictures(reader)
    found: list[np.ndarray] = []
    for cut in cuts:
        with VideoReader(tmp_path / "cuts" / cut.file, LIMITS) as reader:
            frames = [(one.time_s, one.video.to_ndarray()) for one in reader.frames()]
        mine = [picture for time_s, picture in frames if time_s in cut.span]
        assert len(mine) == cut.frames
        found += mine
    assert len(found) == len(whole)
    assert all(np.array_equal(one, other) for one, other in zip(found, whole, strict=True))


def test_a_part_has_what_is_around_it_and_not_much_more(clip: Path, tmp_path: Path) -> None:
    cuts = cuts_of(clip, tmp_path / "cuts")
    for cut in cuts[1:]:
        assert 0.3 <= cut.span.from_s <= 0.3 + 0.6 + 0.05
    for cut in cuts[:-1]:
        with VideoReader(tmp_path / "cuts" / cut.file, LIMITS) as reader:
            after = [one for one in reader.frames() if one.time_s >= (cut.span.to_s or 0) - 0.001]
        assert 5 <= len(after) <= 10
    weight = sum((tmp_path / "cuts" / cut.file).stat().st_size for cut in cuts)
    assert weight < 2.5 * clip.stat().st_size


@pytest.mark.parametrize("part", [WHOLE, (0.3, 2.9)])
def test_joined_parts_are_as_if_written_at_once(clip: Path, tmp_path: Path, part: Span) -> None:
    cuts = cuts_of(clip, tmp_path / "cuts", part)
    write_parts(cuts, tmp_path / "cuts")
    with open_part(clip, LIMITS, *part) as reader:
        assert not join_parts(tmp_path / "cuts", reader, tmp_path / "ours.mp4", "a label")
    whole = written_at_once(clip, tmp_path / "whole.mp4", part)
    for kind in ("video", "audio"):
        ours, theirs = (
            sorted(one.pts for one in packets(path, kind)) for path in (tmp_path / "ours.mp4", whole)
        )
        assert ours == theirs
    assert [bytes(one) for one in packets(tmp_path / "ours.mp4", "audio")] == [
        bytes(one) for one in packets(whole, "audio")
    ]
    with av.open(str(tmp_path / "ours.mp4")) as first, av.open(str(whole)) as second:
        for shown, theirs in zip(first.decode(video=0), second.decode(video=0), strict=True):
            assert np.abs(shown.to_ndarray().astype(int) - theirs.to_ndarray()).mean() < 1.5


AWKWARD: dict[str, dict[str, Any]] = {
    "open groups of pictures": {"encoder": {"g": "18", "bf": "3", "x264-params": "open-gop=1"}},
    "it starts late": {"start_s": 2.0},
    "ten bit": {"pix_fmt": "yuv420p10le"},
    "a coarse clock": {"clock": Fraction(1, 30)},
    "HEVC": {"codec": "libx265", "encoder": {"x265-params": "keyint=18:bframes=2:log-level=error"}},
    "VP9 in WebM": {"codec": "libvpx-vp9", "format": "webm", "encoder": {"g": "18", "cpu-used": "8"}},
    "Matroska": {"format": "matroska"},
    "VP8": {"codec": "libvpx", "format": "webm", "encoder": {"g": "18"}},
    "AVI with B-frames": {"format": "avi"},
}
NOT_CUT = ("VP8", "AVI with B-frames")
"""An MP4 cannot hold VP8, and an AVI does not say when a frame is shown."""


@pytest.mark.parametrize("kind", AWKWARD)
def test_an_awkward_video_is_cut_rightly_or_not_at_all(kind: str, puppet_video: Path, tmp_path: Path) -> None:
    how = {"encoder": {"g": "18", "bf": "2"}, **AWKWARD[kind]}
    clip = awkward.write(
        tmp_path / "clip", awkward.pictures(puppet_video, 90), seconds=3, **{"format": "mp4", **how}
    )
    cuts = cuts_of(clip, tmp_path / "cuts")
    assert (cuts == []) == (kind in NOT_CUT)
    if not cuts:
        return
    with VideoReader(clip, LIMITS) as reader:
        whole = pictures(reader)
    found: list[np.ndarray] = []
    for cut in cuts:
        with VideoReader(tmp_path / "cuts" / cut.file, LIMITS) as reader:
            found += [one.video.to_ndarray() for one in reader.frames() if one.time_s in cut.span]
    assert len(found) == len(whole)
    assert all(np.array_equal(one, other) for one, other in zip(found, whole, strict=True))
    write_parts(cuts, tmp_path / "cuts")
    with VideoReader(clip, LIMITS) as reader:
        join_parts(tmp_path / "cuts", reader, tmp_path / "ours.mp4")
    times = [
        sorted(one.pts * one.time_base for one in packets(path, "video"))
        for path in (tmp_path / "ours.mp4", written_at_once(clip, tmp_path / "whole.mp4"))
    ]
    assert times[0] == times[1]


def test_a_turned_video_is_turned_in_its_parts(clip: Path, tmp_path: Path) -> None:
    turned = media.transcode(clip, tmp_path / "turned.mp4", rotation=90, frames=None, g="18")
    cuts = cuts_of(turned, tmp_path / "cuts")
    assert len(cuts) >= 3
    for cut in cuts:
        with (
            VideoReader(tmp_path / "cuts" / cut.file, LIMITS) as reader,
            VideoReader(turned, LIMITS) as whole,
        ):
            assert (reader.rotation, reader.display_matrix) == (whole.rotation, whole.display_matrix)
            assert reader.rotation


def test_a_variable_frame_rate_is_kept(clip: Path, tmp_path: Path) -> None:
    uneven = media.transcode(
        clip, tmp_path / "uneven.mp4", frames=None, pts=lambda n: Fraction(3 * n + n % 3 % 2, 90), g="9"
    )
    cuts = cuts_of(uneven, tmp_path / "cuts")
    assert len(cuts) >= 3
    write_parts(cuts, tmp_path / "cuts")
    with VideoReader(uneven, LIMITS) as reader:
        join_parts(tmp_path / "cuts", reader, tmp_path / "ours.mp4")
    times = [
        sorted(one.pts * one.time_base for one in packets(path, "video"))
        for path in (uneven, tmp_path / "ours.mp4")
    ]
    assert times[0] == times[1]


def test_a_short_video_is_not_cut(clip: Path, tmp_path: Path) -> None:
    assert cuts_of(clip, tmp_path / "cuts", (0, 2.4)) == []


def test_a_video_with_one_key_frame_is_not_cut(puppet_video: Path, tmp_path: Path) -> None:
    one_key = media.transcode(
        puppet_video, tmp_path / "one.mp4", frames=None, loops=4, g="1000", sc_threshold="0"
    )
    assert cuts_of(one_key, tmp_path / "cuts") == []


def test_parts_that_are_missing_are_not_counted(clip: Path, tmp_path: Path) -> None:
    cuts = cuts_of(clip, tmp_path / "cuts")
    write_parts(cuts, tmp_path / "cuts")
    (tmp_path / "cuts" / "part-1.mp4").unlink()
    assert sorted(kept_parts(tmp_path / "cuts", len(cuts))) == [0, *range(2, len(cuts))]
