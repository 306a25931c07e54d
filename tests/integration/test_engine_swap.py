"""What a swap changes in real media, and what it leaves unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from faceswap.engine.face.faces import detect_faces
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.topology import OVAL
from faceswap.engine.face.tracking import Tracker
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.mesh.blend import Blender
from faceswap.engine.mesh.source import SourceFace, find_source_photo
from faceswap.engine.options import Options
from faceswap.engine.planes import Planes
from faceswap.engine.swap import swap_image, swap_video
from faceswap.errors import NoFaceFound, OutsideVideo
from faceswap.media import Limits, VideoReader, read_picture
from faceswap.media import parts as media_parts
from tests import judge, puppet
from tests.media import transcode

LIMITS = Limits()


@dataclass(frozen=True)
class Track:
    """The packets of one stream: their bytes and their times in seconds."""

    codec: str
    payloads: list[bytes]
    times: list[Fraction]


def track(path: Path, kind: str, number: int = 0) -> Track:
    with av.open(str(path)) as clip:
        stream = [one for one in clip.streams if one.type == kind][number]
        packets = sorted((p for p in clip.demux(stream) if p.size), key=lambda packet: packet.pts)
        times = [packet.pts * packet.time_base for packet in packets]
        return Track(stream.codec_context.codec.canonical_name, [bytes(p) for p in packets], times)


def shape(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as clip:
        video = clip.streams.video[0]
        frame = next(clip.decode(video))
        return {
            "size": (frame.width, frame.height),
            "rotation": frame.rotation,
            "pix_fmt": frame.format.name,
            "codec": video.codec_context.name,
            "duration_s": float(video.duration * video.time_base) if video.duration else None,
        }


def milliseconds(times: list[Fraction]) -> list[int]:
    return [round(1000 * time) for time in times]


@pytest.fixture(scope="module")
def swapped(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Put the portrait's face into the real video."""
    result = tmp_path_factory.mktemp("swap") / "result.mp4"
    done = swap_video({"": portrait}, face_video, result, landmark_model)
    assert (done.frames, done.swapped_frames, done.notes) == (72, 72, ())
    return result


class TestARealVideo:
    def test_the_identity_moves_to_the_source(self, portrait: Path, face_video: Path, swapped: Path) -> None:
        figures = judge.identity(portrait, face_video, swapped, step=9)
        assert figures.frames == 8
        assert figures.target_to_source > 0.75
        assert figures.to_source < 0.5
        assert figures.same_as_source >= 0.95
        assert figures.nearer_to_source >= 0.95
        assert figures.to_target > 0.6

    def test_expression_and_pose_stay(self, face_video: Path, swapped: Path) -> None:
        assert judge.landmark_error(face_video, swapped, step=18) < 5

    def test_the_face_flickers_little_more_than_the_original(self, face_video: Path, swapped: Path) -> None:
        assert judge.flicker(face_video, swapped, step=12) < 1.4

    def test_the_background_differs_by_the_encoder_alone(self, face_video: Path, swapped: Path) -> None:
        assert judge.background_psnr(face_video, swapped, step=24) > 40

    def test_every_byte_of_the_sound_is_kept(self, face_video: Path, swapped: Path) -> None:
        assert track(swapped, "audio") == track(face_video, "audio")

    def test_the_clock_is_kept(self, face_video: Path, swapped: Path) -> None:
        assert track(swapped, "video").times == track(face_video, "video").times
        assert shape(swapped)["duration_s"] == pytest.approx(shape(face_video)["duration_s"], abs=0.001)

    def test_browsers_play_it(self, swapped: Path) -> None:
        made = shape(swapped)
        assert (made["codec"], made["pix_fmt"], made["size"]) == ("h264", "yuv420p", (640, 360))
        content = swapped.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")


class TestBeforeTheEncoder:
    def test_no_pixel_outside_the_face_changes(
        self, other_portrait: Path, puppet_video: Path, landmark_model: Path
    ) -> None:
        mesh, landmarker = FaceMesh(landmark_model), Landmarker(landmark_model)
        photo = find_source_photo(read_picture(other_portrait, LIMITS), landmarker)
        source = SourceFace(photo.picture, photo.found, mesh)
        blender = Blender(source, mesh)
        with VideoReader(puppet_video, LIMITS) as reader:
            tracker = Tracker(landmarker)
            for frame in (next(reader.frames()) for _ in range(3)):
                faces, _ = tracker(Planes(*frame.planes(), reader.colour))
                landmarks = faces[0].found.landmarks
                if not blender.knows(0):
                    blender.meet(0, mesh.pose(landmarks).to_neutral(landmarks))
                before = [plane.copy() for plane in frame.planes()]
                frame.make_writable()
                assert blender.swap(Planes(*frame.planes(), reader.colour), 0, landmarks)
                face = np.zeros(before[0].shape, np.uint8)
                cv2.fillConvexPoly(face, cv2.convexHull(landmarks[list(OVAL), :2].astype(np.int32)), 1)
                face = cv2.dilate(face, np.ones((13, 13), np.uint8))
                for old, new in zip(before, frame.planes(), strict=True):
                    inside = cv2.resize(face, old.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
                    assert (old == new)[~inside].all()
                    assert (old != new)[inside].mean() > 0.4

    def test_landmarks_follow_the_known_motion(self, puppet_video: Path, landmark_model: Path) -> None:
        model = puppet.Puppet()
        tracker = Tracker(Landmarker(landmark_model))
        rigid = [
            6,
            197,
            4,
            33,
            133,
            263,
            362,
            234,
            454,
        ]  # Nose, eye corners and cheeks; jaw and lids move on their own.
        errors: list[float] = []
        with VideoReader(puppet_video, LIMITS) as reader:
            for number, frame in enumerate(reader.frames()):
                faces, _ = tracker(Planes(*frame.planes(), reader.colour))
                assert [face.track for face in faces] == [0]
                points = faces[0].found.landmarks[:, :2]
                if number == 0:
                    rest = points[rigid].copy()
                expected = model.place(rest, puppet.motion(number))
                eyes = np.linalg.norm(points[33] - points[263])
                errors.append(float(np.linalg.norm(points[rigid] - expected, axis=1).mean() / eyes))
        assert np.mean(errors) < 0.05


@pytest.mark.parametrize(
    ("fixture", "notes"),
    [
        ("silent_video", ()),
        ("rotated_video", ()),
        ("odd_video", ()),
        ("uneven_video", ()),
        ("two_track_video", ()),
        ("ten_bit_video", ("hdr_lost",)),
        ("webm_video", ()),
        ("avi_video", ("audio_reencoded",)),
        ("offset_video", ()),
    ],
)
def test_each_kind_of_video_keeps_what_makes_it(
    fixture: str,
    notes: tuple[str, ...],
    request: pytest.FixtureRequest,
    other_portrait: Path,
    landmark_model: Path,
    tmp_path: Path,
) -> None:
    target: Path = request.getfixturevalue(fixture)
    result = tmp_path / "result.mp4"
    done = swap_video({"": other_portrait}, target, result, landmark_model)
    assert (done.frames, done.swapped_frames, done.notes) == (30, 30, notes)
    old, new = shape(target), shape(result)
    assert new["size"] == tuple(side & ~1 for side in old["size"])
    assert new["rotation"] == old["rotation"]
    assert (new["codec"], new["pix_fmt"]) == ("h264", "yuv420p")
    assert milliseconds(track(result, "video").times) == milliseconds(track(target, "video").times)
    with av.open(str(target)) as before, av.open(str(result)) as after:
        tracks = len(before.streams.audio)
        assert len(after.streams.audio) == tracks
    for number in range(tracks):
        sound = track(target, "audio", number)
        kept = track(result, "audio", number)
        assert abs(kept.times[0] - sound.times[0]) < Fraction(1, 40)
        if "audio_reencoded" not in notes:
            assert kept.payloads == sound.payloads
            assert milliseconds(kept.times) == pytest.approx(milliseconds(sound.times), abs=1)


def test_a_part_of_a_video_is_swapped_alone(
    puppet_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "part.mp4"
    part = Options(start_s=0.5, end_s=1.0)
    done = swap_video({"": portrait}, puppet_video, result, landmark_model, LIMITS, part)
    with VideoReader(puppet_video, LIMITS) as whole, VideoReader(result, LIMITS) as made:
        wanted = [frame.time_s for frame in whole.frames() if 0.499 <= frame.time_s < 0.999]
        times = [frame.time_s for frame in made.frames()]
        assert made.start_s == pytest.approx(0, abs=0.05)
    assert (done.frames, done.swapped_frames) == (len(wanted), len(wanted))
    assert times == pytest.approx([time - wanted[0] for time in wanted], abs=0.002)
    with pytest.raises(OutsideVideo):
        swap_video({"": portrait}, puppet_video, result, landmark_model, LIMITS, Options(start_s=99))


def test_a_killed_run_of_a_long_video_goes_on_after_its_finished_parts(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("PART_S", 1.0), ("WORTHWHILE_S", 2.0), ("WARM_UP_S", 0.5)):
        monkeypatch.setattr(media_parts, name, seconds)
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=72, audio=("aac",), g="10")
    marking = Marking(label=Label(opening_s=1.5), aigc="{}")
    folder, undisturbed = tmp_path / "parts", tmp_path / "undisturbed"
    for empty in (folder, undisturbed):
        empty.mkdir()
    files = {"": portrait}, clip
    whole = swap_video(*files, tmp_path / "whole.mp4", landmark_model, marking=marking, parts=undisturbed)

    class Killed(Exception):
        pass

    seen: list[int] = []

    def killed_late(share: float, count: int) -> None:
        if count == 70:
            raise Killed

    def count_frames(share: float, count: int) -> None:
        seen.append(count)

    result = tmp_path / "result.mp4"
    run = partial(swap_video, *files, result, landmark_model, marking=marking, parts=folder)
    with pytest.raises(Killed):
        run(on_progress=killed_late)
    assert not result.exists()
    done = run(on_progress=count_frames)
    assert (done.frames, done.swapped_frames) == (whole.frames, whole.swapped_frames) == (72, 72)
    assert max(seen) < 40, "only the last part, and its way"
    assert track(result, "video").times == track(tmp_path / "whole.mp4", "video").times
    assert track(result, "audio").payloads == track(clip, "audio").payloads
    apart = [
        float(np.abs(ours.astype(int) - theirs).mean())
        for ours, theirs in zip(judge.pictures(result), judge.pictures(tmp_path / "whole.mp4"), strict=True)
    ]
    assert max(apart[:60]) == 0
    assert max(apart[60:]) < 1.5


def test_a_video_lying_on_its_side_is_swapped_upright(
    rotated_video: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.mp4"
    swap_video({"": other_portrait}, rotated_video, result, landmark_model)
    shown = [np.rot90(judge.pictures(path)[15]).copy() for path in (rotated_video, result)]
    before, after = (judge.look(picture) for picture in shown)
    source = judge.look_at(other_portrait)
    assert before and after and source
    assert after.distance(source) < 0.5 < before.distance(source)


def test_the_latest_frame_is_kept_as_it_is_shown(
    rotated_video: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    result, latest = tmp_path / "result.mp4", tmp_path / "latest.jpg"
    swap_video({"": other_portrait}, rotated_video, result, landmark_model, latest=latest)
    kept = np.asarray(Image.open(latest)).astype(int)
    assert max(kept.shape) == 320
    size = (kept.shape[1], kept.shape[0])
    apart = [
        np.abs(cv2.resize(np.rot90(picture).copy(), size, interpolation=cv2.INTER_AREA) - kept).mean()
        for picture in judge.pictures(result)
    ]
    assert min(apart) < 6
    assert {path.name for path in tmp_path.iterdir()} == {"result.mp4", "latest.jpg"}


def test_turned_ten_bit_video_keeps_its_rotation(
    puppet_video: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    from tests.media import transcode, turn_pixels

    turn_pixels(puppet_video, tmp_path / "lying.mp4")
    deep = transcode(
        tmp_path / "lying.mp4",
        tmp_path / "deep.mp4",
        frames=5,
        rotation=90,
        video="libx265",
        pix_fmt="yuv420p10le",
        **{"x265-params": "log-level=error"},
    )
    swap_video({"": other_portrait}, deep, tmp_path / "result.mp4", landmark_model)
    assert shape(tmp_path / "result.mp4")["rotation"] == 90


@pytest.mark.parametrize("fixture", ["entering_video", "leaving_video"])
def test_a_face_that_comes_or_goes_is_swapped_while_it_is_there(
    fixture: str, request: pytest.FixtureRequest, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    target: Path = request.getfixturevalue(fixture)
    result = tmp_path / "result.mp4"
    done = swap_video({"": portrait}, target, result, landmark_model)
    assert done.frames == 169
    assert 60 < done.swapped_frames < 110
    assert milliseconds(track(result, "video").times) == milliseconds(track(target, "video").times)
    assert track(result, "audio") == track(target, "audio")


class TestPictures:
    def test_the_largest_face_becomes_the_source(
        self, portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        done = swap_image({"": portrait}, group_photo, tmp_path / "one.png", landmark_model)
        assert (done.frames, done.swapped_frames, done.notes) == (1, 1, ())
        before = read_picture(group_photo, LIMITS)
        after = read_picture(tmp_path / "one.png", LIMITS)
        rows, columns = np.nonzero((before != after).any(2))
        # The woman on the right has the largest face. No other pixel changes.
        assert 670 < columns.min() < columns.max() < 810
        assert 290 < rows.min() < rows.max() < 435
        wanted = judge.look_at(portrait)
        crop = (slice(240, 480), slice(620, 860))
        old, new = (judge.look(np.ascontiguousarray(picture[crop])) for picture in (before, after))
        assert wanted and old and new
        assert new.distance(wanted) < 0.55 < old.distance(wanted)

    def test_all_five_faces_can_be_swapped(
        self, portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        swap_image(
            {"": portrait},
            group_photo,
            tmp_path / "all.png",
            landmark_model,
            options=Options(many_faces=True),
        )
        before = read_picture(group_photo, LIMITS)
        changed = (before != read_picture(tmp_path / "all.png", LIMITS)).any(2).astype(np.uint8)
        count, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(changed, np.ones((9, 9), np.uint8)))
        assert sum(box[cv2.CC_STAT_AREA] > 2000 for box in boxes[1:count]) == 5

    def test_all_six_faces_of_another_group_are_found(self, six_people: Path, landmark_model: Path) -> None:
        faces = detect_faces(read_picture(six_people, LIMITS), landmark_model)
        assert sorted(round(face.x + face.width / 2, -2) for face in faces) == [
            100,
            300,
            500,
            800,
            1000,
            1200,
        ]

    def test_the_largest_of_several_source_faces_is_taken_and_told(
        self, portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        done = swap_image({"": group_photo}, portrait, tmp_path / "result.png", landmark_model)
        assert done.notes == ("several_faces_in_source",)

    def test_a_picture_of_odd_size_keeps_it(
        self, portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        odd = tmp_path / "odd.png"
        with Image.open(other_portrait) as image:
            image.crop((0, 0, 561, 571)).save(odd)
        swap_image({"": portrait}, odd, tmp_path / "result.png", landmark_model)
        assert read_picture(tmp_path / "result.png", LIMITS).shape == (571, 561, 3)

    def test_a_source_photo_lying_on_its_side_is_found(
        self, portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        lying = tmp_path / "lying.png"
        with Image.open(portrait) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(lying)
        done = swap_image({"": lying}, other_portrait, tmp_path / "result.png", landmark_model)
        assert done.swapped_frames == 1


class TestNoFace:
    def test_in_the_source(
        self, no_face_picture: Path, face_video: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(NoFaceFound) as raised:
            swap_video({"": no_face_picture}, face_video, tmp_path / "result.mp4", landmark_model)
        assert raised.value.details == {"role": "source"}
        assert not list(tmp_path.iterdir())

    def test_in_the_target_video(
        self, portrait: Path, no_face_video: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(NoFaceFound) as raised:
            swap_video({"": portrait}, no_face_video, tmp_path / "result.mp4", landmark_model)
        assert raised.value.details == {"role": "target"}
        assert not list(tmp_path.iterdir())

    def test_in_the_target_picture(
        self, portrait: Path, no_face_picture: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(NoFaceFound) as raised:
            swap_image({"": portrait}, no_face_picture, tmp_path / "result.png", landmark_model)
        assert raised.value.details == {"role": "target"}
        assert not list(tmp_path.iterdir())
