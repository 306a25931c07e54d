"""Where the cells of a mask lie in an aligned crop of the face."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.mesh.paste import Box
from faceswap.engine.planes import F32, Region, as_f32


def cells_in_crop(box: Box, region: Region, grid: tuple[int, int], size: int, shown: int) -> tuple[F32, F32]:
    """For each cell of the box, x and y in the region's picture, each (h, w) float32 in pixels.

    The picture has `size` pixels a side and is scaled down to `shown`. Centres of pixels and cells are at
    whole numbers.
    """
    columns, rows = grid
    inverse = cv2.invertAffineTransform(region.to_picture(size)) * (shown / size)
    inverse[:, 2] += (shown / size - 1) / 2
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (box.width / columns) + (box.x - 0.5)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * (box.height / rows) + (box.y - 0.5)
    across, down = np.meshgrid(x, y)
    return (
        as_f32(inverse[0, 0] * across + inverse[0, 1] * down + inverse[0, 2]),
        as_f32(inverse[1, 0] * across + inverse[1, 1] * down + inverse[1, 2]),
    )
