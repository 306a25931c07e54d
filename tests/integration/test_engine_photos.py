"""Several photos of one person as the source."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.mesh.photos import BestPhoto, mouth_width, view_of
from faceswap.engine.mesh.source import SourceFace, around_face, find_source_photo
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, U8, Planes, even, to_rgb
from faceswap.engine.sources import Sources
from faceswap.engine.swap import swap_image, swap_video
from faceswap.errors import InvalidRequest, NoFaceFound
from faceswap.media import Limits, read_picture
from faceswap.orders import _photos  # pyright: ignore[reportPrivateUsage]
from tests import judge
from tests.media import transcode

pytestmark = pytest.mark.engine
LIMITS = Limits()
RED, BLUE = np.array([1.25, 0.8, 0.8]), np.array([0.8, 0.8, 1.25])


@pytest.fixture(scope="session")
def puppet_frames(puppet_video: Path) -> list[U8]:
    """The astronaut, who turns, talks and blinks."""
    return [np.asarray(picture, np.uint8) for picture in judge.pictures(puppet_video)]


class Faces:
    def __init__(self, model: Path) -> None:
        self.mesh, self.landmarker = FaceMesh(model), Landmarker(model)

    def look(self, picture: U8) -> F32:
        return self.landmarker.find_all(Planes.from_rgb(even(picture)))[0].landmarks

    def source(self, picture: U8) -> SourceFace:
        photo = find_source_photo(picture, self.landmarker)
        return SourceFace(photo.picture, photo.found, self.mesh)

    def mouth(self, picture: U8) -> float:
        landmarks = self.look(picture)
        return float(view_of(landmarks, self.mesh.pose(landmarks), 1.0)[2])

    def yaw(self, picture: U8) -> float:
        return self.mesh.pose(self.look(picture)).yaw


@pytest.fixture(scope="session")
def seen(landmark_model: Path) -> Faces:
    return Faces(landmark_model)


def tinted(picture: U8, tint: F32) -> U8:
    return np.asarray((picture * tint).clip(0, 255), np.uint8)


def test_each_moment_gets_the_photo_that_fits_it_and_they_fade_into_each_other(
    seen: Faces, puppet_frames: list[U8]
) -> None:
    """Two photos, one turned to each side."""
    yaws = [seen.yaw(picture) for picture in puppet_frames[::6]]
    left, right = int(np.argmin(yaws)), int(np.argmax(yaws))
    assert yaws[right] - yaws[left] > 12
    pictures = [puppet_frames[6 * left], puppet_frames[6 * right]]
    both = BestPhoto([seen.source(picture) for picture in pictures], seen.mesh)
    shapes = [seen.mesh.pose(seen.look(each)).to_neutral(seen.look(each)) for each in puppet_frames[::24]]
    rest = np.median(shapes, 0).astype(np.float32)
    both.meet(0, rest)
    shown: list[int] = []
    shares: list[float] = []
    way = puppet_frames[6 * min(left, right) : 6 * max(left, right) + 1]
    for picture in [*way, *way[-1:] * 5]:  # a photo that comes late has time to fade in
        planes = Planes.from_rgb(picture)
        assert both.swap(planes, 0, seen.look(picture))
        state = both._tracks[0]  # pyright: ignore[reportPrivateUsage]
        assert state.shown is not None
        assert state.shares is not None
        shown.append(state.shown)
        shares.append(float(state.shares[0]))
    assert {shown[0], shown[-1]} == {0, 1}
    assert np.abs(np.diff(shares)).max() <= 0.21
    assert max(shares) == 1
    assert min(shares) == 0


def test_a_mix_of_two_photos_lies_between_them(
    seen: Faces, puppet_frames: list[U8], portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [seen.source(tinted(read_picture(portrait, LIMITS), tint)) for tint in (RED, BLUE)]
    target = puppet_frames[0]
    landmarks = seen.look(target)
    rest = seen.mesh.pose(landmarks).to_neutral(landmarks)
    pixels: list[F32] = []
    for shares in ([1, 0], [0, 1], [0.5, 0.5]):
        both = BestPhoto(sources, seen.mesh)
        both.meet(0, rest)
        shown = np.array(shares, np.float32)
        monkeypatch.setattr(both, "_shares", lambda track, points, shown=shown: shown)
        planes = Planes.from_rgb(target)
        assert both.swap(planes, 0, landmarks)
        pixels.append(to_rgb(planes).astype(np.float32))
    one, other, mixed = pixels
    assert np.abs(one - other).mean() > 0.02
    assert np.abs(mixed - (one + other) / 2).max() < 3


def test_one_photo_twice_is_as_that_photo_once(
    portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    for name, sources in (
        ("once", {"": portrait}),
        ("twice", {"": portrait, "#2": portrait}),
    ):
        swap_image(sources, other_portrait, tmp_path / f"{name}.png", landmark_model)
    once, twice = (read_picture(tmp_path / f"{name}.png", LIMITS).astype(int) for name in ("once", "twice"))
    assert np.abs(once - twice).max() <= 2


def test_the_expression_of_the_photos_follows_the_target(
    seen: Faces, puppet_frames: list[U8], face_video: Path, landmark_model: Path, tmp_path: Path
) -> None:
    """With an open and a closed mouth as photos, the result is as like the person as with the better one of
    them alone, and its mouth moves as the target's does.
    """
    mouths = [seen.mouth(picture) for picture in puppet_frames[::3]]
    photos: list[Path] = []
    for name, number in (("shut", int(np.argmin(mouths))), ("open", int(np.argmax(mouths)))):
        photos.append(tmp_path / f"{name}.png")
        Image.fromarray(puppet_frames[3 * number]).save(photos[-1])
    identities: dict[str, float] = {}
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=24)
    for name, sources in (
        ("shut", {"": photos[0]}),
        ("open", {"": photos[1]}),
        ("both", {"": photos[0], "#2": photos[1]}),
    ):
        result = tmp_path / f"{name}.mp4"
        swap_video(sources, clip, result, landmark_model)
        identities[name] = judge.identity(photos[0], clip, result).to_source
        assert judge.landmark_error(clip, result) < 5
    assert identities["both"] < max(identities["shut"], identities["open"]) + 0.02


def test_a_clip_of_the_person_gives_photos_that_differ(
    puppet_video: Path, seen: Faces, landmark_model: Path
) -> None:
    sources = Sources({"": puppet_video}, landmark_model, LIMITS, Options())
    photos = sources._photos([puppet_video], LIMITS)  # pyright: ignore[reportPrivateUsage]
    assert 4 <= len(photos) <= 8
    yaws = [seen.mesh.pose(photo.found.landmarks).yaw for photo in photos]
    assert max(yaws) - min(yaws) > 10


def test_clips_and_photos_together_are_no_more_than_eight(
    puppet_video: Path, face_video: Path, portrait: Path, landmark_model: Path
) -> None:
    sources = Sources({"": portrait}, landmark_model, LIMITS, Options())
    paths = [puppet_video, face_video, portrait]
    photos = sources._photos(paths, LIMITS)  # pyright: ignore[reportPrivateUsage]
    assert len(photos) == 8


def test_a_photo_is_cut_down_to_the_surroundings_of_its_face(seen: Faces, portrait: Path) -> None:
    whole = find_source_photo(read_picture(portrait, LIMITS), seen.landmarker)
    cut = around_face(whole)
    assert cut.picture.size < whole.picture.size / 2
    assert all(side % 2 == 0 for side in cut.picture.shape[:2])
    faces = [SourceFace(photo.picture, photo.found, seen.mesh) for photo in (whole, cut)]
    assert faces[0].landmarks == pytest.approx(faces[1].landmarks, abs=1e-3)
    textures = [face.texture(100.0, Planes.from_rgb(whole.picture).colour) for face in faces]
    assert np.abs(textures[0].luma.astype(int) - textures[1].luma).max() <= 1


def test_a_turned_clip_is_upright(rotated_video: Path, landmark_model: Path) -> None:
    sources = Sources({"": rotated_video}, landmark_model, LIMITS, Options())
    (photo, *_) = sources._photos([rotated_video], LIMITS)  # pyright: ignore[reportPrivateUsage]
    eyes = photo.found.landmarks[263, :2] - photo.found.landmarks[33, :2]
    assert abs(np.degrees(np.arctan2(eyes[1], eyes[0]))) < 25


def test_a_clip_is_swapped_into_a_picture(
    puppet_video: Path, portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    swap_image({"": puppet_video}, other_portrait, tmp_path / "r.png", landmark_model)
    result, source = judge.look_at(tmp_path / "r.png"), judge.look_at(portrait)
    before = judge.look_at(other_portrait)
    assert result
    assert source
    assert before
    assert result.distance(source) < before.distance(source) - 0.1


def test_a_clip_without_a_face_is_refused(
    no_face_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(NoFaceFound) as refused:
        swap_image({"": no_face_video}, portrait, tmp_path / "r.png", landmark_model)
    assert refused.value.details["role"] == "source"


def test_two_faces_of_a_picture_each_get_photos_of_their_own(
    group_photo: Path, portrait: Path, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    sources = {"face_0": portrait, "face_0#2": portrait, "face_2": other_portrait}
    swap_image(sources, group_photo, tmp_path / "r.png", landmark_model)
    before, after = (read_picture(path, LIMITS).astype(int) for path in (group_photo, tmp_path / "r.png"))
    changed = (np.abs(before - after).max(2) > 12).astype(np.uint8)
    joined = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    assert sum(area > 400 for area in stats[1:, cv2.CC_STAT_AREA]) == 2


def test_more_photos_than_eight_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        _photos(["a.png"] * 9)


def test_mouth_width_does_not_depend_on_the_size_of_the_face(seen: Faces, puppet_frames: list[U8]) -> None:
    shape = seen.mesh.pose(seen.look(puppet_frames[0])).to_neutral(seen.look(puppet_frames[0]))
    assert mouth_width(shape) == pytest.approx(mouth_width(2 * shape))
