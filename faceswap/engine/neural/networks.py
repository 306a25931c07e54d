"""Networks that make pictures of faces, run as their contracts say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from faceswap.engine.face.align import ARCFACE_112, aligned
from faceswap.engine.mesh.source import SourcePhoto
from faceswap.engine.neural.contracts import Contract, SourcePicture, Values
from faceswap.engine.neural.contracts import Identity as IdentityKind
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.weights import EMBEDDING
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8

AT_ONCE = 8
"""Faces in one run of a graph that takes several."""


class Network:
    """A graph from pictures to pictures, under its contract."""

    def __init__(self, graph: Graph, contract: Contract) -> None:
        self.graph, self.contract = graph, contract

    @property
    def at_once(self) -> int:
        return AT_ONCE if self.graph.takes_many else 1

    def try_out(self, identity: F32 | None) -> None:
        """Run it as it will be run, on grey. Raises: NeuralUnavailable."""
        grey = np.full((self.contract.size, self.contract.size, 3), 128, np.uint8)
        self([grey] * self.at_once, identity)

    def __call__(self, pictures: Sequence[U8], identity: F32 | None) -> list[U8]:
        """(S, S, 3) RGB each; `identity` is the same for all: (512,), or (3, S, S) of a picture."""
        results: list[U8] = []
        for some in _chunks(pictures, self.at_once):
            inputs = [_planar(np.stack(some), self.contract.values_in)]
            if identity is not None:
                inputs.append(np.repeat(identity[None], len(some), 0))
            found = self.graph(inputs, inputs[0].shape).transpose(0, 2, 3, 1)
            values = self.contract.values_out
            shown = (found * np.array(values.spread, np.float32) + np.array(values.mean, np.float32)) * 255
            results += [as_u8(np.rint(one).clip(0, 255)) for one in shown]
        return results


def _planar(pictures: U8, values: Values) -> F32:
    """(N, 3, S, S) in the range that a network wants, of (N, S, S, 3) RGB."""
    scaled = (pictures / np.float32(255) - np.array(values.mean, np.float32)) / np.array(
        values.spread, np.float32
    )
    return as_f32(scaled.transpose(0, 3, 1, 2))


@dataclass(frozen=True, slots=True)
class Identity:
    """How a swapper is told who the source is."""

    kind: IdentityKind
    embedder: Graph | None = None
    """None where the swapper takes a picture."""
    converter: Graph | None = None
    projection: F32 | None = None
    """(512, 512), a constant of inswapper's graph."""
    picture: SourcePicture | None = None

    def of(self, photo: SourcePhoto) -> F32:
        """(512,), or (3, S, S) of a picture."""
        if self.picture is not None:
            return source_picture(self.picture, photo)
        assert self.embedder is not None
        return self.from_embedding(embedding(self.embedder, photo))

    def from_embedding(self, face: F32) -> F32:
        """(512,) of the (512,) embedding, whatever its length."""
        if self.converter is not None:
            converted = self.converter([face[None]], (1, EMBEDDING))[0]
            return converted if self.kind == "converted" else _unit(converted)
        direction = _unit(face)
        return direction if self.projection is None else _unit(as_f32(direction @ self.projection))

    def example(self) -> F32:
        """One of nobody, to try a network out."""
        if self.picture is not None:
            return np.zeros((3, self.picture.size, self.picture.size), np.float32)
        return self.from_embedding(np.ones(EMBEDDING, np.float32))


def source_picture(wanted: SourcePicture, photo: SourcePhoto) -> F32:
    """(3, S, S) the aligned source in the range that a swapper wants."""
    planes = Planes.from_rgb(photo.picture)
    picture = planes.crop_colours(aligned(photo.found.landmarks, wanted.template), wanted.size)
    return _planar(picture[None], wanted.values)[0]


def embedding(embedder: Graph, photo: SourcePhoto) -> F32:
    """(512,) what tells a face from others, of any length."""
    planes = Planes.from_rgb(photo.picture)
    picture = planes.crop_colours(aligned(photo.found.landmarks, ARCFACE_112), 112)
    values = (picture.astype(np.float32) - 127.5) / 127.5
    return embedder([values.transpose(2, 0, 1)[None]], (1, EMBEDDING))[0]


def _unit(vector: F32) -> F32:
    return as_f32(vector / (np.linalg.norm(vector) or 1))


def _chunks(pictures: Sequence[U8], count: int) -> Iterator[tuple[U8, ...]]:
    rest = iter(pictures)
    while some := tuple(itertools.islice(rest, count)):
        yield some
