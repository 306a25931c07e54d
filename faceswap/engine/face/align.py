"""Finds the square crop in which a face's eyes, nose and mouth lie where a network expects them."""

from __future__ import annotations

import cmath
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from faceswap.engine.face.topology import EYE_INNER_CORNER, LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE
from faceswap.engine.planes import F32, Region

C128 = npt.NDArray[np.complex128]

_EYES = [(RIGHT_EYE[0], RIGHT_EYE[EYE_INNER_CORNER]), (LEFT_EYE[EYE_INNER_CORNER], LEFT_EYE[0])]
"""The corners of each eye. The one on the left of the picture comes first."""
_OTHERS = [NOSE_TIP, *MOUTH_CORNERS]
_RAISED = 0.065
"""The middle of an open eye lies above that of its corners by this share of its width. It is how far the iris
lay above them on average, in four clips with every gaze."""


@dataclass(frozen=True, slots=True)
class Template:
    """Where five points of a face lie in a square picture: the middles of the eyes, the tip of the nose, and
    the two corners of the mouth. Each point is x + iy, as shares of the side. Of each pair, the point on the
    left of the picture comes first.
    """

    points: tuple[complex, complex, complex, complex, complex]


def _template(side: float, *points: tuple[float, float], right: float = 0.0) -> Template:
    a, b, c, d, e = (complex(x + right, y) / side for x, y in points)
    return Template((a, b, c, d, e))


_ARCFACE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
ARCFACE_112 = _template(112, *_ARCFACE)
"""Source: `face_align.py` of InsightFace."""
ARCFACE_128 = _template(128, *_ARCFACE, right=8)
"""The same points in a picture of 128 px, moved 8 px to the right."""
GHOST = _template(
    112, (39.730, 51.138), (72.270, 51.138), (56.000, 68.493), (42.463, 87.010), (69.537, 87.010)
)
"""Source: the alignment that GHOST was trained with (SimSwap's, frontal)."""
FFHQ = _template(
    512,
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
"""Source: `face_restoration_helper.py` of facexlib, as GFPGAN uses it."""
MTCNN = _template(
    1,
    (0.36562865, 0.46733799),
    (0.63305391, 0.46585885),
    (0.50019127, 0.61942959),
    (0.39032951, 0.77598822),
    (0.61178945, 0.77476328),
)
"""Source: `face_helper.py` of FaceFusion, `mtcnn_512`, as HifiFace uses it."""


def five_points(landmarks: F32) -> C128:
    """The points of a template in a picture with a face, (478, 3) landmarks: (5,), each x + iy in pixels.

    The middle of an eye comes from its corners: with the iris, a face that looks aside would be aligned
    otherwise than one that looks ahead.
    """
    points = landmarks[:, 0] + 1j * landmarks[:, 1].astype(np.complex128)
    eyes = [(points[a] + points[b]) / 2 - _RAISED * 1j * (points[b] - points[a]) for a, b in _EYES]
    return np.array([*eyes, *points[_OTHERS]])


def aligned(landmarks: F32, template: Template) -> Region:
    """The rotated square of the picture that shows a face, (478, 3) landmarks, as the template has it.

    It comes from the similarity transform that maps the face's five points to those of the template with the
    least squared error. With points as complex numbers, such a transform without reflection is
    z -> a z + b, and the least-squares solution for a is one line.
    """
    face = five_points(landmarks)
    wanted = np.array(template.points)
    face_middle, wanted_middle = complex(face.mean()), complex(wanted.mean())
    around = face - face_middle
    turn = complex(np.vdot(around, wanted - wanted_middle)) / float((np.abs(around) ** 2).sum() or 1.0)
    if not turn:
        return Region(face_middle.real, face_middle.imag, 1.0)
    centre = (0.5 + 0.5j - wanted_middle) / turn + face_middle
    return Region(centre.real, centre.imag, 1 / abs(turn), -cmath.phase(turn))
