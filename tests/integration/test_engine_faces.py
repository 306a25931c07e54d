"""Each face gets its source, in pictures and videos, and each option does what it says to real frames."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from faceswap.engine.face.faces import numbered_faces
from faceswap.engine.face.found import DetectedFace, Face
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mapping import reading_order
from faceswap.engine.mesh.source import find_source_photo
from faceswap.engine.options import Options
from faceswap.engine.planes import U8
from faceswap.engine.preview import LONGEST_PX, preview
from faceswap.engine.swap import swap_image, swap_video
from faceswap.errors import UnknownFace
from faceswap.media import Limits, read_picture
from tests import judge, turned
from tests.media import STRIP, crossing_places, cut_places, transcode

LIMITS = Limits()


def strip(picture: Any, left: int) -> Any:
    return np.ascontiguousarray(picture[:, max(0, left) : left + STRIP[0]])


def strip_of(face: DetectedFace, places: list[tuple[int, int]]) -> int:
    middle = face.x + face.width / 2
    return next(number for number, left in reversed(places) if left <= middle < left + STRIP[0])


def test_heads_in_a_row_are_numbered_from_left_to_right() -> None:
    boxes = [Face(300, 12, 50, 50, 1), Face(200, 100, 50, 50, 1), Face(10, 20, 50, 50, 1)]
    assert reading_order(boxes) == [2, 0, 1]


class TestAPicture:
    def test_each_face_gets_its_own_source_and_all_else_keeps_every_bit(
        self,
        portrait: Path,
        other_portrait: Path,
        group_photo: Path,
        landmark_model: Path,
        tmp_path: Path,
    ) -> None:
        faces = numbered_faces(group_photo, LIMITS, landmark_model)
        assert [face.id for face in faces] == [f"face_{number}" for number in range(5)]
        sources = {"face_4": portrait, "face_1": other_portrait}
        swap_image(sources, group_photo, tmp_path / "result.png", landmark_model)
        before, after = read_picture(group_photo, LIMITS), read_picture(tmp_path / "result.png", LIMITS)
        wanted = {face: judge.look_at(path) for face, path in sources.items()}
        untouched = np.ones(before.shape[:2], bool)
        for face in faces:
            box = (slice(face.y, face.y + face.height), slice(face.x, face.x + face.width))
            if face.id not in sources:
                assert (before[box] == after[box]).all(), face.id
                continue
            reach = face.height // 2
            untouched[max(0, face.y - reach) : face.y + 3 * reach, face.x - reach : face.x + 3 * reach] = (
                False
            )
            crop = (
                slice(max(0, face.y - reach), face.y + 3 * reach),
                slice(max(0, face.x - reach), face.x + 3 * reach),
            )
            untouched[crop] = False
            new = judge.look(np.ascontiguousarray(after[crop]))
            mine, others = wanted[face.id], [wanted[other] for other in sources if other != face.id]
            assert new and mine and others[0]
            assert new.distance(mine) < min(0.6, new.distance(others[0])), face.id
        assert (before == after)[untouched].all()

    def test_a_face_that_is_not_there_is_named(
        self, portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(UnknownFace, match="face_1"):
            swap_image({"face_1": portrait}, portrait, tmp_path / "result.png", landmark_model)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fixture", "places"), [("crossing_video", crossing_places), ("cut_video", cut_places)]
)
def test_people_keep_their_source_through_crossings_and_cuts(
    fixture: str,
    places: Any,
    request: pytest.FixtureRequest,
    portrait: Path,
    other_portrait: Path,
    landmark_model: Path,
    tmp_path: Path,
) -> None:
    clip: Path = request.getfixturevalue(fixture)
    faces = numbered_faces(clip, LIMITS, landmark_model, tmp_path / "people.json")
    strips = {strip_of(face, places(round(30 * (face.at_s or 0)))): face.id for face in faces}
    assert sorted(strips) == list(range(len(faces)))
    assert len(faces) == len(places(0))
    # The man gets the face of the woman in the portrait, and she gets another man's. All others stay.
    photos = {strips[0]: portrait, strips[1]: other_portrait}
    result = tmp_path / "result.mp4"
    swap_video(photos, clip, result, landmark_model, people=tmp_path / "people.json")
    wanted = {face: judge.look_at(path) for face, path in photos.items()}
    judged = 0
    for index, (before, after) in enumerate(
        zip(judge.pictures(clip, 10), judge.pictures(result, 10), strict=True)
    ):
        shown = places(10 * index)
        if abs(shown[0][1] - shown[1][1]) < STRIP[0]:
            continue  # One person is in front of the other.
        for number, left in shown:
            old, new = (judge.look(strip(picture, left)) for picture in (before, after))
            if old is None or new is None:
                continue
            judged += 1
            source = wanted.get(strips[number])
            if source is None:
                assert new.distance(old) < 0.35, (index, number)
            else:
                assert new.distance(source) < new.distance(old), (index, number)
    assert judged >= 12


def test_the_people_of_a_video_are_the_same_each_time(cut_video: Path, landmark_model: Path) -> None:
    once, again = (numbered_faces(cut_video, LIMITS, landmark_model) for _ in range(2))
    assert once == again


def lips_of(portrait: Path) -> U8:
    """(H, W) mask of the picture's size: 1 on the lips and between them."""
    seen = judge.look_at(portrait)
    assert seen
    mouth = np.zeros(read_picture(portrait, LIMITS).shape[:2], np.uint8)
    cv2.fillConvexPoly(mouth, cv2.convexHull(seen.landmarks[48:60].astype(np.int32)), 1)
    return mouth


class TestOptions:
    def test_own_mouth_keeps_the_lips_and_nothing_but_them(
        self, other_portrait: Path, portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        pictures = [read_picture(portrait, LIMITS)]
        for kept in (False, True):
            swap_image(
                {"": other_portrait},
                portrait,
                tmp_path / "result.png",
                landmark_model,
                options=Options(mouth_mask=kept),
            )
            pictures.append(read_picture(tmp_path / "result.png", LIMITS))
        before, swapped, own = (picture.astype(int) for picture in pictures)
        mouth = lips_of(portrait)
        lips = mouth > 0
        assert np.abs(own - before)[lips].mean() < 0.2 * np.abs(swapped - before)[lips].mean()
        far = cv2.dilate(mouth, np.ones((31, 31), np.uint8)) == 0
        assert (own == swapped)[far].all()

    def test_a_source_with_a_wide_open_mouth_keeps_the_lips_too(
        self, other_portrait: Path, portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        photo = find_source_photo(read_picture(other_portrait, LIMITS), Landmarker(landmark_model))
        open_mouth = tmp_path / "open.png"
        picture = turned.with_open_mouth(turned.Face(photo.picture, photo.found.landmarks))
        cv2.imwrite(str(open_mouth), picture[..., ::-1])
        pictures = [read_picture(portrait, LIMITS)]
        for source in (other_portrait, open_mouth):
            swap_image({"": source}, portrait, tmp_path / "result.png", landmark_model)
            pictures.append(read_picture(tmp_path / "result.png", LIMITS))
        before, closed, opened = (picture.astype(int) for picture in pictures)
        lips = lips_of(portrait) > 0
        assert np.abs(opened - before)[lips].mean() < 0.2 * np.abs(closed - before)[lips].mean()

    def test_a_reduced_rate_drops_every_other_frame_of_sixty_and_keeps_the_length(
        self, puppet_video: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        fast = transcode(
            puppet_video,
            tmp_path / "fast.mp4",
            frames=40,
            pts=lambda index: Fraction(index, 60),
            audio=("aac",),
        )
        for keep, frames in ((True, 40), (False, 20)):
            result = tmp_path / f"{keep}.mp4"
            done = swap_video(
                {"": other_portrait}, fast, result, landmark_model, options=Options(keep_fps=keep)
            )
            assert done.frames == frames
            with av.open(str(result)) as clip:
                video = clip.streams.video[0]
                assert float(video.duration * video.time_base) == pytest.approx(2 / 3, abs=0.02)
                times = [frame.pts * video.time_base for frame in clip.decode(video)]
            steps = {round(1000 * float(b - a)) for a, b in pairwise(times)}
            assert steps <= ({16, 17} if keep else {33, 34})
            with av.open(str(result)) as clip, av.open(str(fast)) as original:
                sound = [bytes(packet) for packet in clip.demux(audio=0)]
                assert sound == [bytes(packet) for packet in original.demux(audio=0)]

    @pytest.mark.parametrize(
        ("asked", "codec", "tag", "notes"),
        [
            ("libx264", "h264", "avc1", ()),
            ("libx265", "hevc", "hvc1", ()),
            ("libvpx_vp9", "vp9", "vp09", ()),
            ("h264_nvenc", "h264", "avc1", ("encoder_replaced",)),
        ],
    )
    def test_the_encoder_is_the_one_asked_for_or_h264(
        self,
        asked: str,
        codec: str,
        tag: str,
        notes: tuple[str, ...],
        other_portrait: Path,
        silent_video: Path,
        landmark_model: Path,
        tmp_path: Path,
    ) -> None:
        result = tmp_path / "result.mp4"
        options = Options(video_encoder=asked)
        done = swap_video({"": other_portrait}, silent_video, result, landmark_model, options=options)
        assert (done.frames, done.notes) == (30, notes)
        with av.open(str(result)) as clip:
            made = clip.streams.video[0].codec_context
            assert (made.name, made.codec_tag) == (codec, tag)
        assert judge.background_psnr(silent_video, result, step=29) > 33


class TestPreview:
    def test_it_is_one_frame_with_the_source_in_it(
        self, portrait: Path, face_video: Path, landmark_model: Path
    ) -> None:
        source = judge.look_at(portrait)
        jpeg = preview("video", {"": portrait}, face_video, landmark_model, at_s=1.0)
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        shown = judge.look(np.ascontiguousarray(pixels[:, :, ::-1]))
        assert pixels.shape == (360, 640, 3)
        assert shown and source and shown.distance(source) < 0.55

    def test_a_late_face_is_found_and_a_turned_video_shown_upright(
        self,
        portrait: Path,
        other_portrait: Path,
        entering_video: Path,
        rotated_video: Path,
        landmark_model: Path,
    ) -> None:
        assert preview("video", {"": portrait}, entering_video, landmark_model).startswith(b"\xff\xd8")
        jpeg = preview("video", {"": other_portrait}, rotated_video, landmark_model)
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert judge.look(np.ascontiguousarray(pixels[:, :, ::-1]))

    def test_a_large_picture_is_scaled_down(
        self, portrait: Path, group_photo: Path, landmark_model: Path, tmp_path: Path
    ) -> None:
        large = cv2.resize(cv2.imread(str(group_photo)), None, fx=2, fy=2)
        cv2.imwrite(str(tmp_path / "large.png"), large)
        jpeg = preview("image", {"face_2": portrait}, tmp_path / "large.png", landmark_model)
        assert max(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape) == LONGEST_PX
