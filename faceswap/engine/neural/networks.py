"""Networks that take and return pictures of faces, with the values that their contracts state."""

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
"""Number of faces in one run of a graph that can take several."""


class Network:
    """A graph that turns pictures of faces into pictures of faces, and its contract."""

    def __init__(self, graph: Graph, contract: Contract) -> None:
        self.graph, self.contract = graph, contract

    @property
    def at_once(self) -> int:
        return AT_ONCE if self.graph.takes_many else 1

    def try_out(self, identity: F32 | None) -> None:
        """Run the network once on grey pictures, to find errors early. Raises: NeuralUnavailable."""
        grey = np.full((self.contract.size, self.contract.size, 3), 128, np.uint8)
        self([grey] * self.at_once, identity)

    def __call__(self, pictures: Sequence[U8], identity: F32 | None) -> list[U8]:
        """Run the network on `pictures`, each (S, S, 3) uint8 RGB, and return one such picture for each.

        `identity` describes the source and is the same for all pictures: (512,), or (3, S, S) for a network
        that takes a picture of the source; None for an enhancer.
        """
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
    """Turn (N, S, S, 3) uint8 RGB into (N, 3, S, S) float32 in the range `values`."""
    scaled = (pictures / np.float32(255) - np.array(values.mean, np.float32)) / np.array(
        values.spread, np.float32
    )
    return as_f32(scaled.transpose(0, 3, 1, 2))


@dataclass(frozen=True, slots=True)
class Identity:
    """Makes a swapper's input that describes the source."""

    kind: IdentityKind
    embedder: Graph | None = None
    """None when the swapper takes a picture."""
    converter: Graph | None = None
    projection: F32 | None = None
    """(512, 512) float32, a constant in the graph of inswapper."""
    picture: SourcePicture | None = None

    def of(self, photo: SourcePhoto) -> F32:
        """The input for this source: (512,), or (3, S, S) for a swapper that takes a picture."""
        if self.picture is not None:
            return source_picture(self.picture, photo)
        assert self.embedder is not None
        return self.from_embedding(embedding(self.embedder, photo))

    def from_embedding(self, face: F32) -> F32:
        """The input (512,) for an embedding (512,). The length of the embedding does not matter."""
        if self.converter is not None:
            converted = self.converter([face[None]], (1, EMBEDDING))[0]
            return converted if self.kind == "converted" else _unit(converted)
        direction = _unit(face)
        return direction if self.projection is None else _unit(as_f32(direction @ self.projection))

    def example(self) -> F32:
        """An input that describes no person, for a trial run: (512,) or (3, S, S)."""
        if self.picture is not None:
            return np.zeros((3, self.picture.size, self.picture.size), np.float32)
        return self.from_embedding(np.ones(EMBEDDING, np.float32))


def source_picture(wanted: SourcePicture, photo: SourcePhoto) -> F32:
    """The aligned source, (3, S, S) float32 RGB, in the range that the swapper takes."""
    planes = Planes.from_rgb(photo.picture)
    picture = planes.crop_colours(aligned(photo.found.landmarks, wanted.template), wanted.size)
    return _planar(picture[None], wanted.values)[0]


def embedding(embedder: Graph, photo: SourcePhoto) -> F32:
    """The face embedding of a source, (512,) float32, not scaled to length 1."""
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
