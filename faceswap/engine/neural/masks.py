"""Networks that say where a face is visible: face parsers and occluder models."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.face.align import aligned
from faceswap.engine.neural.cells import cells_in_crop
from faceswap.engine.neural.contracts import CLASSES, MaskContract
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.networks import planar
from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, U8, as_f32

_SOFT = 1 / 170
"""Blur of the mask, as a share of the crop's side: its cells are larger than the network's pixels."""


class MaskNetwork:
    """An `Occluder` that asks a network. It remembers nothing from frame to frame."""

    def __init__(self, graph: Graph, contract: MaskContract) -> None:
        self._graph, self._contract = graph, contract

    def cover(self, view: FaceView) -> F32 | None:
        size = self._contract.size
        region = aligned(view.landmarks, self._contract.template)
        covered = as_f32(1 - self.visible(view.planes.crop_colours(region, size)))
        soft = as_f32(cv2.GaussianBlur(covered, (0, 0), _SOFT * size))
        x, y = cells_in_crop(view.box, region, view.grid, size, size)
        # Outside the crop nothing is known, so nothing is kept there.
        mask = as_f32(cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0))
        return mask if mask.any() else None

    def visible(self, picture: U8) -> F32:
        """(S, S), 0..1: where the face of a crop, (S, S, 3) uint8 RGB, is visible."""
        contract = self._contract
        inputs = planar(picture[None], contract.values)
        side = contract.size
        if contract.channels_last:
            found = self._graph([as_f32(inputs.transpose(0, 2, 3, 1))], (1, side, side, 1))[0, ..., 0]
            return as_f32(found.clip(0, 1))
        classes = self._graph([inputs], (1, CLASSES, side, side))[0].argmax(0)
        return as_f32(np.isin(classes, contract.face_classes))

    def try_out(self) -> None:
        """Run the network once on a grey picture, to find errors early. Raises: NeuralUnavailable."""
        self.visible(np.full((self._contract.size, self._contract.size, 3), 128, np.uint8))

    def drop_tracks(self, tracks: set[int]) -> None:
        pass
