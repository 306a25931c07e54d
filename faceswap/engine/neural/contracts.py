"""Contracts of published networks: alignment, value ranges, and the form in which they take the source.

Two graphs with the same inputs can need different values. With the wrong values a graph gives a wrong face
and no error. So every model has a contract here. A graph that fits several models needs a sidecar file that
names its model, see `sidecar.py`.

Source: the models' repositories, and the templates and ranges in FaceFusion 3.8 and VisoMaster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from faceswap.engine.face.align import ARCFACE_112, ARCFACE_128, FFHQ, GHOST, MTCNN, Template

Triple = tuple[float, float, float]


class Role(StrEnum):
    """What a network is used for. The message of `NeuralWeightsMissing` shows these values."""

    SWAPPER = "swap model"
    EMBEDDER = "face embedding model"
    CONVERTER = "embedding converter"
    ENHANCER = "face enhancer"
    PARSER = "face parser"
    OCCLUDER = "occluder model"


@dataclass(frozen=True, slots=True)
class Values:
    """A range of colour values: `(value / 255 - mean) / spread`, for red, green and blue."""

    mean: Triple
    spread: Triple


UNIT = Values((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""0..1"""
SIGNED = Values((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""-1..1"""
IMAGENET = Values((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

VALUES: Mapping[str, Values] = {"0..1": UNIT, "-1..1": SIGNED, "imagenet": IMAGENET}
TEMPLATES: Mapping[str, Template] = {
    "arcface_112_v1": GHOST,
    "arcface_112_v2": ARCFACE_112,
    "arcface_128": ARCFACE_128,
    "ffhq_512": FFHQ,
    "mtcnn_512": MTCNN,
}
"""Alignment templates by the names that FaceFusion uses."""

Identity = Literal["none", "normalised", "projected", "converted", "converted_normalised", "picture"]
"""The form in which a network takes the source.

`none`: the network takes no source. `normalised`: the embedding, scaled to length 1. `projected`: the
normalised embedding times a matrix from the graph, scaled to length 1 again. `converted`: the output of the
converter for the embedding. `converted_normalised`: that output, scaled to length 1. `picture`: the aligned
source picture.
"""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """The aligned source picture that some swappers take in place of an embedding."""

    size: int
    template: Template
    values: Values


@dataclass(frozen=True, slots=True)
class Contract:
    """The form of a network's pictures of the target's face, for input and output."""

    size: int
    """Side in pixels."""
    template: Template
    values_in: Values = SIGNED
    values_out: Values = SIGNED
    identity: Identity = "normalised"
    converter: str | None = None
    """Name of the model that converts embeddings for this network."""
    source: SourcePicture | None = None
    size_out: int | None = None
    """Side of the pictures that the network returns; None if it is `size`."""
    weighed: bool = False
    """Whether the network has an input `weight`, 0..1: how close it stays to what it is given."""

    @property
    def result_size(self) -> int:
        return self.size_out or self.size


@dataclass(frozen=True, slots=True)
class MaskContract:
    """The form of a network that says for each pixel of a crop whether the face is visible there."""

    size: int
    template: Template
    values: Values
    channels_last: bool = False
    """Whether its pictures are (N, S, S, 3) and its result is (N, S, S, 1)."""
    face_classes: tuple[int, ...] = ()
    """The classes that are parts of the face, for a network that gives a value for each class. Empty if the
    network gives one value, which is 1 where the face is visible."""


SWAPPERS: Mapping[str, Contract] = {
    "hyperswap_256": Contract(256, ARCFACE_128),
    "inswapper_128": Contract(128, ARCFACE_128, UNIT, UNIT, "projected"),
    "reswapper_256": Contract(256, ARCFACE_128, UNIT, UNIT, "projected"),
    "ghost_256": Contract(256, GHOST, identity="converted", converter="crossface_ghost"),
    "hififace_unofficial_256": Contract(
        256, MTCNN, identity="converted_normalised", converter="crossface_hififace"
    ),
    "simswap_256": Contract(256, GHOST, IMAGENET, UNIT, "converted_normalised", "crossface_simswap"),
    "simswap_unofficial_512": Contract(512, GHOST, UNIT, UNIT, "converted_normalised", "crossface_simswap"),
    "blendswap_256": Contract(256, FFHQ, UNIT, UNIT, "picture", source=SourcePicture(112, ARCFACE_112, UNIT)),
    "uniface_256": Contract(256, FFHQ, SIGNED, SIGNED, "picture", source=SourcePicture(256, FFHQ, UNIT)),
}
"""Swap models by name. If the models folder holds several, the app uses the one that comes first here."""

ENHANCERS: Mapping[str, Contract] = {
    "enhancer_512": Contract(512, FFHQ, identity="none"),
    "codeformer": Contract(512, FFHQ, identity="none", weighed=True),
    "gfpgan_1024": Contract(512, FFHQ, identity="none", size_out=1024),
    "gpen_bfr_1024": Contract(1024, FFHQ, identity="none"),
    "gpen_bfr_2048": Contract(2048, FFHQ, identity="none"),
    "gpen_bfr_256": Contract(256, ARCFACE_128, identity="none"),
}
"""Face enhancers by name. If there are several in the models folder, the app uses the first of these.
`enhancer_512` stands for GFPGAN 1.2 to 1.4, RestoreFormer++ and GPEN-BFR-512: one contract fits all."""

MASKS: Mapping[str, MaskContract] = {
    "bisenet_512": MaskContract(512, FFHQ, IMAGENET, face_classes=(1, 2, 3, 4, 5, 10, 11, 12, 13)),
    "xseg_256": MaskContract(256, FFHQ, UNIT, channels_last=True),
}
"""Networks that find what lies before a face. The classes are those of CelebAMask-HQ: skin, brows, eyes,
nose, mouth and lips are the face; glasses, hair, hats, and all that is no part of a person lie before it.
Both networks were trained on crops that show the whole head, as `ffhq_512` does."""

CLASSES = 19
"""Number of classes of a face parser."""
EMBEDDING = 512
"""Number of values in a face embedding."""
EMBEDDER = "arcface_112"
CONVERTERS = ("crossface_ghost", "crossface_hififace", "crossface_simswap")

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(SWAPPERS, Role.SWAPPER),
    **dict.fromkeys(ENHANCERS, Role.ENHANCER),
    **dict.fromkeys(CONVERTERS, Role.CONVERTER),
    EMBEDDER: Role.EMBEDDER,
    "bisenet_512": Role.PARSER,
    "xseg_256": Role.OCCLUDER,
}
