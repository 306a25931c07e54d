"""Finds what lies before a face, such as a hand, and keeps it before the swapped face, with any engine."""

from __future__ import annotations

from pathlib import Path

from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.occlusion.glasses import Glasses
from faceswap.engine.occlusion.hand_model import HandModel
from faceswap.engine.occlusion.hands import Hands
from faceswap.engine.occlusion.keeping import KeepingOccluders
from faceswap.engine.occlusion.skin import OtherThanSkin
from faceswap.engine.occlusion.view import FaceView, Occluder

__all__ = ["FaceView", "KeepingOccluders", "Occluder", "find_occluders"]


def find_occluders(mesh: FaceMesh, hand_model: Path | None) -> list[Occluder]:
    """The finders of all kinds of occluders. Without `hand_model`, hands are not found."""
    found: list[Occluder] = [OtherThanSkin(mesh), Glasses()]
    if hand_model:
        found.append(Hands(HandModel(hand_model)))
    return found
