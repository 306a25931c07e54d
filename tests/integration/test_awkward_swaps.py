"""Faces are swapped in videos whose headers are missing or wrong."""

from pathlib import Path

import pytest

from faceswap.engine.face.faces import numbered_faces
from faceswap.engine.preview import preview
from faceswap.engine.swap import swap_video
from faceswap.media import Limits, VideoReader, sniff
from tests import awkward

LIMITS = Limits()


@pytest.fixture(scope="module")
def live_video(face_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video as a browser records it, without length and index."""
    return awkward.write(
        tmp_path_factory.mktemp("live") / "live.webm",
        awkward.pictures(face_video, 45),
        codec="libvpx",
        muxer={"live": "1"},
        sounds=("libopus",),
        seconds=1.5,
        encoder={"deadline": "realtime", "b": "2M"},
    )


def test_a_recording_without_a_length_shows_its_faces(live_video: Path, landmark_model: Path) -> None:
    (face,) = numbered_faces(live_video, LIMITS, landmark_model)
    assert face.confidence > 0.8


def test_a_recording_without_a_length_has_a_preview(
    live_video: Path, portrait: Path, landmark_model: Path
) -> None:
    for at_s in (None, 1.2):
        assert preview("video", {"": portrait}, live_video, landmark_model, at_s=at_s).startswith(b"\xff\xd8")


def test_the_clock_of_a_late_video_counts_from_its_first_frame(
    face_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    late = awkward.write(
        tmp_path / "late.mkv", awkward.pictures(face_video, 20), sounds=("aac",), start_s=700
    )
    shares: list[float] = []
    done = swap_video(
        {"": portrait},
        late,
        tmp_path / "result.mp4",
        landmark_model,
        on_progress=lambda share, _: shares.append(share),
    )
    assert done.frames == 20
    assert shares[10] == pytest.approx(10 / 20, abs=0.2)
    assert sniff(tmp_path / "result.mp4") == ("video", "mp4")
    with VideoReader(tmp_path / "result.mp4", LIMITS) as reader:
        assert reader.start_s == pytest.approx(0, abs=0.1)


def test_a_size_that_changes_does_not_lose_the_face(
    face_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    call = awkward.size_changing(tmp_path / "call.webm", face_video, [(640, 360), (480, 270)])
    done = swap_video({"": portrait}, call, tmp_path / "result.mp4", landmark_model)
    assert (done.frames, done.swapped_frames, done.notes) == (30, 30, ("size_changed",))
