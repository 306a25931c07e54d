"""A hand before a face stays there with every engine, and without the option it is swapped over."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from faceswap.engine.face.align import ARCFACE_128
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.models import FACE
from faceswap.engine.face.topology import OVAL
from faceswap.engine.neural.contracts import Contract
from faceswap.engine.neural.repainting import Repainter
from faceswap.engine.occlusion import KeepingOccluders, find_occluders
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, Planes
from faceswap.engine.swap import Sources, swap_image
from faceswap.media import Limits
from tests import child
from tests.downloads import hand_model_path
from tests.judge import pictures
from tests.unit.test_engine_occlusion import HAND, HAND_AT

KEPT_LUMA = 6


@pytest.fixture(scope="module")
def shown(occluded_video: Path) -> Any:
    """(360, 640, 3): a woman with a hand before her face."""
    return np.ascontiguousarray(pictures(occluded_video)[HAND_AT])


@pytest.fixture(scope="module")
def target(shown: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hand") / "target.png"
    Image.fromarray(shown).save(path)
    return path


@pytest.fixture(scope="module")
def landmarks(shown: Any, landmark_model: Path) -> F32:
    return Landmarker(landmark_model).find_all(Planes.from_rgb(shown))[0].landmarks


def kept(before: Any, after: Any, landmarks: F32) -> float:
    """Share of the hand's pixels within the face whose luma is still the same."""
    hand, face = (np.zeros(before.shape[:2], np.uint8) for _ in range(2))
    cv2.fillPoly(hand, [np.array(HAND, np.int32)], 1)
    cv2.fillConvexPoly(face, cv2.convexHull(landmarks[list(OVAL), :2].round().astype(np.int32)), 1)
    inner = (cv2.erode(hand, np.ones((5, 5), np.uint8)) > 0) & (face > 0)
    before, after = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (before, after))
    return float((cv2.absdiff(before, after)[inner] <= KEPT_LUMA).mean())


def test_the_mesh_engine_keeps_a_hand_and_swaps_over_it_without_the_option(
    shown: Any, target: Path, landmarks: F32, other_portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    shares: list[float] = []
    for mask in (True, False):
        swap_image(
            {"": other_portrait},
            target,
            tmp_path / "result.png",
            landmark_model,
            options=Options(occlusion_mask=mask),
            hand_model=hand_model_path(),
        )
        with Image.open(tmp_path / "result.png") as result:
            shares.append(kept(shown, np.array(result.convert("RGB")), landmarks))
    assert shares[0] >= 0.95
    assert shares[1] < 0.5


def test_without_the_option_nothing_looks_for_occluders(other_portrait: Path, landmark_model: Path) -> None:
    wrapped = [
        isinstance(
            Sources(
                {"": other_portrait},
                landmark_model,
                Limits(),
                Options(occlusion_mask=mask),
                hand_model=hand_model_path(),
            ).swapper(str),
            KeepingOccluders,
        )
        for mask in (True, False)
    ]
    assert wrapped == [True, False]


class Inverting:
    """A network that answers with the negative of each picture."""

    contract = Contract(256, ARCFACE_128)
    at_once = 1

    def __call__(self, shown: Sequence[Any], identity: F32 | None) -> list[Any]:
        return [255 - picture for picture in shown]


def test_networks_keep_a_hand(shown: Any, landmarks: F32, landmark_model: Path) -> None:
    mesh = FaceMesh(landmark_model)
    shares: list[float] = []
    for occluders in (find_occluders(mesh, hand_model_path()), []):
        planes = Planes.from_rgb(shown)
        before = planes.y.copy()
        swapper = KeepingOccluders(Repainter(Inverting(), mesh), occluders)
        swapper.meet(0, landmarks[:468])
        assert swapper.swap(planes, 0, landmarks)
        shares.append(kept(*(np.dstack([one] * 3) for one in (before, planes.y)), landmarks))
    assert shares[0] >= 0.95
    assert shares[1] < 0.6


def test_a_swap_without_the_hand_model_says_so(
    monkeypatch: pytest.MonkeyPatch,
    portrait: Path,
    other_portrait: Path,
    landmark_model: Path,
    tmp_path: Path,
) -> None:
    alone = tmp_path / "alone" / FACE.name
    alone.parent.mkdir()
    shutil.copy(landmark_model, alone)
    monkeypatch.setenv("FACESWAP_FACE_LANDMARKER", str(alone))
    result = tmp_path / "result.png"
    notes = [
        child.run(
            child.swap_spec("image", portrait, other_portrait, result, tmp_path, occlusion_mask=mask)
        ).last["notes"]
        for mask in (True, False)
    ]
    assert notes == [["hand_model_missing"], []]
