"""Tells which models fit the inputs and outputs of a graph."""

from __future__ import annotations

from dataclasses import dataclass

from faceswap.engine.neural.contracts import CLASSES, CONVERTERS, EMBEDDER, EMBEDDING, Role
from faceswap.engine.neural.onnx_file import Shape, Signature

_LIKE_GHOST = ("ghost_256", "simswap_256", "hififace_unofficial_256", "reswapper_256")
"""Models that take one picture of 256 px and one embedding, and return one picture."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The models that fit the inputs and outputs of a graph."""

    role: Role
    models: tuple[str, ...]
    sure: bool
    """Whether the first model is the only published one of this form."""
    side: int = 0
    """Side of its pictures of the target, in pixels; 0 for embedders and converters."""


def fit_of(signature: Signature) -> Fit | None:
    """The models that a graph can be, or None when it fits no known model.

    An input (N, 3, S, S) is a picture, an input (N, 512) is an embedding.
    """
    inputs = dict(signature.inputs)
    weighed = "weight" in inputs and len(inputs.pop("weight")) <= 1
    pictures = {name: side for name, shape in inputs.items() if (side := _side(shape))}
    embeddings = [shape for shape in inputs.values() if _is_embedding(shape)]
    outputs = list(signature.outputs.values())
    if [shape[1:] for shape in inputs.values()] == [(256, 256, 3)] and not weighed:
        return Fit(Role.OCCLUDER, ("xseg_256",), True, 256) if outputs[0][1:] == (256, 256, 1) else None
    if len(pictures) + len(embeddings) != len(inputs):
        return None
    if not embeddings and len(pictures) == 1 and not set(pictures.values()) & {112}:
        return _fit_of_one_picture(next(iter(pictures.values())), outputs[0], weighed)
    if weighed:
        return None
    match sorted(pictures.values()), len(embeddings):
        case [112], 0:
            right = len(outputs[0]) == 2 and outputs[0][1] in (EMBEDDING, None)
            return Fit(Role.EMBEDDER, (EMBEDDER,), True) if right else None
        case [], 1:
            return Fit(Role.CONVERTER, CONVERTERS, False) if _is_embedding(outputs[0]) else None
        case [128], 1:
            return Fit(Role.SWAPPER, ("inswapper_128",), True, 128) if projects(signature) else None
        case [256], 1:
            masked = len(outputs) > 1 and outputs[1][1:2] == (1,)  # HyperSwap also returns a mask of the face
            return Fit(Role.SWAPPER, (("hyperswap_256",) if masked else _LIKE_GHOST), masked, 256)
        case [512], 1:
            return Fit(Role.SWAPPER, ("simswap_unofficial_512",), False, 512)
        case [112, 256], 0 if pictures == {"source": 112, "target": 256}:
            return Fit(Role.SWAPPER, ("blendswap_256",), True, 256)
        case [256, 256], 0 if set(pictures) == {"source", "target"}:
            return Fit(Role.SWAPPER, ("uniface_256",), False, 256)
        case _:
            return None


def _fit_of_one_picture(side: int, output: Shape, weighed: bool) -> Fit | None:
    """The models that take one picture of a face and nothing else, except perhaps a weight."""
    if len(output) != 4:
        return None
    if output[1] == CLASSES:
        return Fit(Role.PARSER, ("bisenet_512",), True, side) if side == 512 and not weighed else None
    enlarged = (side, output[2]) == (512, 1024)
    if output[1] not in (3, None) or not (enlarged or output[2] in (side, None)):
        return None
    match side, weighed, enlarged:
        case 512, True, False:
            return Fit(Role.ENHANCER, ("codeformer",), True, side)
        case 512, False, False:
            return Fit(Role.ENHANCER, ("enhancer_512",), True, side)
        case 512, False, True:
            return Fit(Role.ENHANCER, ("gfpgan_1024",), True, side)
        case ((1024 | 2048), False, False):
            return Fit(Role.ENHANCER, (f"gpen_bfr_{side}",), True, side)
        case 256, False, False:  # networks that colour or enlarge pictures have this form, too
            return Fit(Role.ENHANCER, ("gpen_bfr_256",), False, side)
        case _:
            return None


def projects(signature: Signature) -> bool:
    """Whether the graph holds the matrix with which inswapper projects an embedding."""
    constant = signature.last_constant
    return constant is not None and constant.shape == (EMBEDDING, EMBEDDING)


def _side(shape: Shape) -> int | None:
    return shape[2] if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] else None


def _is_embedding(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == EMBEDDING
