"""Unusual videos that people really have, and that a simple reader does not read correctly."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from faceswap.errors import BadMedia, TooLong
from faceswap.media import Frame, Limits, VideoReader, VideoWriter
from tests import awkward

pytestmark = pytest.mark.long

LIMITS = Limits()
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


def copied(source: Path, target: Path) -> tuple[int, tuple[str, ...], bool]:
    """Read and write a video. Returns its frames, its notes, and whether sound was encoded again."""
    frames = 0
    with VideoReader(source, LIMITS) as reader, VideoWriter(target, reader) as writer:
        for item in reader:
            if isinstance(item, Frame):
                frames += 1
                writer.write(item)
            else:
                writer.write_audio(item)
        writer.close()
        return frames, reader.notes, writer.audio_reencoded


def times(path: Path, kind: str, number: int = 0) -> list[Fraction]:
    """Return the presentation times of a track's packets, in seconds."""
    with av.open(str(path)) as clip:
        stream = [one for one in clip.streams if one.type == kind][number]
        return sorted(packet.pts * packet.time_base for packet in clip.demux(stream) if packet.size)


@pytest.fixture
def clip(silent_video: Path, tmp_path: Path) -> Callable[..., Path]:
    """`clip("name.mp4", …)` makes a video of one second, see `awkward.write`."""

    def make(name: str, **options: Any) -> Path:
        return awkward.write(tmp_path / name, awkward.pictures(silent_video), **options)

    return make


class TestTracks:
    @pytest.mark.parametrize("name", ["two.mov", "two.mp4"])
    def test_sound_that_nothing_can_read_is_left_out_with_a_note(
        self, clip: Callable[..., Path], tmp_path: Path, name: str
    ) -> None:
        phone = awkward.renamed_track(clip(name, sounds=("aac", "aac")), tmp_path / "phone", 2, b"apac")
        assert copied(phone, tmp_path / "result.mp4") == (30, ("tracks_dropped",), False)
        assert len(times(tmp_path / "result.mp4", "audio")) == len(times(phone, "audio"))
        with av.open(str(tmp_path / "result.mp4")) as result:
            assert [stream.type for stream in result.streams] == ["video", "audio"]

    def test_the_only_sound_may_be_one_that_nothing_can_read(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        phone = awkward.renamed_track(clip("one.mov", sounds=("aac",)), tmp_path / "phone", 1, b"apac")
        assert copied(phone, tmp_path / "result.mp4") == (30, ("tracks_dropped",), False)
        with VideoReader(phone, LIMITS) as reader:
            assert not reader.info().has_audio

    def test_sound_that_browsers_cannot_play_becomes_aac(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        for name, sound in (("a.mkv", "ac3"), ("b.mp4", "eac3"), ("c.mov", "alac"), ("d.mkv", "pcm_s16le")):
            source = clip(name, sounds=(sound,))
            assert copied(source, tmp_path / "result.mp4") == (30, (), True)
            with av.open(str(tmp_path / "result.mp4")) as result:
                assert result.streams.audio[0].codec_context.name == "aac"
            assert times(tmp_path / "result.mp4", "audio")[-1] == pytest.approx(1, abs=0.05)

    def test_the_default_track_stays_the_default_track(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        source = clip("a.mkv", sounds=("aac", "ac3", "aac"), default_sound=1)
        copied(source, tmp_path / "result.mp4")
        with av.open(str(tmp_path / "result.mp4")) as result:
            marked = [bool(stream.disposition & 1) for stream in result.streams.audio]
        assert marked == [False, True, False]


class TestPictureSize:
    @pytest.mark.parametrize(
        "sizes", [((640, 360), (480, 270)), ((480, 270), (640, 360)), ((322, 181), (160, 90))]
    )
    def test_a_size_that_changes_is_scaled_to_the_first(
        self, silent_video: Path, tmp_path: Path, sizes: tuple[tuple[int, int], ...]
    ) -> None:
        call = awkward.size_changing(tmp_path / "call.webm", silent_video, sizes)
        assert copied(call, tmp_path / "result.mp4") == (30, ("size_changed",), False)
        with av.open(str(tmp_path / "result.mp4")) as result:
            frames = [frame.to_ndarray(format="gray") for frame in result.decode(video=0)]
        assert {frame.shape[::-1] for frame in frames} == {(sizes[0][0] & ~1, sizes[0][1] & ~1)}
        # The clip hardly moves, so a cropped or stretched frame would look quite different.
        first, last = frames[14].astype(int), frames[15].astype(int)
        assert np.abs(first - last).mean() < 8


class TestClock:
    def test_a_length_that_no_header_states_is_measured(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        live = clip("live.webm", codec="libvpx", muxer={"live": "1"}, sounds=("libopus",))
        with VideoReader(live, LIMITS) as reader:
            info = reader.info()
        assert info.duration_s == pytest.approx(1, abs=0.04)
        assert (info.frames, info.fps) == (30, 30)
        with pytest.raises(TooLong):
            VideoReader(live, Limits(max_duration_s=0.5))

    def test_a_live_recording_can_be_seeked(self, clip: Callable[..., Path]) -> None:
        live = clip("live.webm", codec="libvpx", muxer={"live": "1"}, encoder={"g": "5", "keyint_min": "5"})
        with VideoReader(live, LIMITS) as reader:
            for time_s in (0.9, 0.4, 0.6):
                reader.seek(time_s)
                assert any(frame.time_s >= time_s - 0.02 for frame in reader.frames())

    @pytest.mark.parametrize(
        ("name", "muxer"),
        [("a.mkv", None), ("a.mp4", None), ("a.mp4", FRAGMENTED), ("a.webm", {"live": "1"})],
    )
    def test_a_clock_that_starts_late_starts_at_zero_in_the_result(
        self, clip: Callable[..., Path], tmp_path: Path, name: str, muxer: dict[str, str] | None
    ) -> None:
        webm = name.endswith("webm")
        late = clip(
            name,
            start_s=700,
            codec="libvpx" if webm else "libx264",
            sounds=("libopus",) if webm else ("aac",),
            muxer=muxer,
        )
        with VideoReader(late, LIMITS) as reader:
            assert reader.duration_s == pytest.approx(1, abs=0.07)
            assert next(reader.frames()).time_s == pytest.approx(0, abs=0.001)
        assert copied(late, tmp_path / "result.mp4")[0] == 30
        video, sound = times(tmp_path / "result.mp4", "video"), times(tmp_path / "result.mp4", "audio")
        assert abs(min(video[0], sound[0])) < 0.05  # Audio encoders begin with a little silence.
        assert video[0] - sound[0] == pytest.approx(
            times(late, "video")[0] - times(late, "audio")[0], abs=0.002
        )
        with VideoReader(tmp_path / "result.mp4", LIMITS) as reader:
            assert reader.duration_s == pytest.approx(1, abs=0.07)


class TestCutFiles:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("a.mp4", {"muxer": {"movflags": "faststart"}}),
            ("a.mp4", {"muxer": FRAGMENTED, "encoder": {"g": "8"}}),
            ("a.mkv", {}),
            ("a.webm", {"codec": "libvpx"}),
            ("a.avi", {"codec": "mpeg4"}),
        ],
        ids=["faststart", "fragmented", "mkv", "webm", "avi"],
    )
    def test_what_is_there_is_taken_with_a_note(
        self, clip: Callable[..., Path], tmp_path: Path, name: str, options: dict[str, Any]
    ) -> None:
        whole = clip(name, sounds=("libopus",) if name == "a.webm" else ("mp3",), **options)
        half = awkward.cut(whole, tmp_path / "half", 0.9)
        frames, notes, _ = copied(half, tmp_path / "result.mp4")
        assert 22 <= frames <= 30
        assert notes == ("cut_off",)
        with VideoReader(half, LIMITS) as reader:
            assert reader.duration_s == pytest.approx(frames / 30, abs=0.15)
        assert copied(whole, tmp_path / "result.mp4") == (30, (), False)

    def test_a_file_cut_before_its_first_frame_is_bad(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        whole = clip("a.mp4", muxer={"movflags": "faststart"})
        for size in (40, whole.read_bytes().index(b"mdat") + 100):
            (tmp_path / "stub").write_bytes(whole.read_bytes()[:size])
            with pytest.raises(BadMedia):
                VideoReader(tmp_path / "stub", LIMITS)


def test_fields_are_told(clip: Callable[..., Path], tmp_path: Path) -> None:
    assert copied(clip("tv.mp4", fields=True), tmp_path / "result.mp4") == (30, ("interlaced",), False)


class TestAnAvi:
    """It counts frames and packets of sound in the order in which they are stored."""

    def test_frames_that_are_stored_in_another_order_keep_their_times(
        self, clip: Callable[..., Path], tmp_path: Path
    ) -> None:
        avi = clip("a.avi", encoder={"bf": "3"}, clock=Fraction(1, awkward.FPS))
        with VideoReader(avi, LIMITS) as reader:
            for _ in range(2):
                found = [round(frame.time_s * awkward.FPS, 3) for frame in reader.frames()]
                assert found == list(range(30))
                reader.seek(0)
        assert copied(avi, tmp_path / "result.mp4")[0] == 30
        assert times(tmp_path / "result.mp4", "video") == [
            Fraction(index, awkward.FPS) for index in range(30)
        ]

    @pytest.mark.parametrize("sound", ["ac3", "mp2", "pcm_s16le"])
    def test_its_sound_becomes_aac(self, clip: Callable[..., Path], tmp_path: Path, sound: str) -> None:
        avi = clip("a.avi", sounds=[sound], clock=Fraction(1, awkward.FPS))
        assert copied(avi, tmp_path / "result.mp4") == (30, (), True)
        sound_times = times(tmp_path / "result.mp4", "audio")
        assert abs(sound_times[0]) < 0.03
        assert sound_times[-1] == pytest.approx(1, abs=0.06)
