"""Networks that take and return pictures of faces, with the values that their contracts state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from faceswap.engine.face.align import ARCFACE_112, aligned
from faceswap.engine.mesh.source import SourcePhoto
from faceswap.engine.neural.contracts import EMBEDDING, Contract, SourcePicture, Values
from faceswap.engine.neural.contracts import Identity as IdentityKind
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8
from faceswap.errors import NeuralOutOfMemory

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Number of faces in one run of a graph that can take several."""


class Network:
    """A graph that turns pictures of faces into pictures of faces, and its contract.

    With `boost` the pictures are that many times as wide as the graph takes them. Each is taken apart into
    boost x boost pictures of every boost-th pixel, and their results are put together again.
    """

    def __init__(self, graph: Graph, contract: Contract, *, boost: int = 1, weight: float = 0.5) -> None:
        """`weight` goes to a network that has such an input."""
        self.graph, self._own, self._boost = graph, contract, boost
        self.contract = replace(
            contract,
            size=boost * contract.size,
            size_out=contract.size_out and boost * contract.size_out,
        )
        self._weight = weight if contract.weighed else None
        self._together = AT_ONCE if graph.takes_many else 1

    @property
    def at_once(self) -> int:
        """Number of faces that are worth collecting for one call."""
        return max(1, self._together // self._boost**2)

    def try_out(self, identity: F32 | None) -> None:
        """Run the network once on grey pictures, to find errors early. Raises: NeuralUnavailable."""
        grey = np.full((self.contract.size, self.contract.size, 3), 128, np.uint8)
        self([grey] * self.at_once, identity)

    def __call__(self, pictures: Sequence[U8], identity: F32 | Sequence[F32] | None) -> list[U8]:
        """Run the network on `pictures`, each (S, S, 3) uint8 RGB, and return one such picture for each.

        `identity` describes the source, for all pictures or for each: (512,), or (3, S, S) for a network that
        takes a picture of the source; None for an enhancer.
        """
        step = self._boost
        tiles = [picture[y::step, x::step] for picture in pictures for y in range(step) for x in range(step)]
        each: Sequence[F32] | None = None
        if identity is not None:
            given = [identity] * len(pictures) if isinstance(identity, np.ndarray) else identity
            each = [one for one in given for _ in range(step**2)]
        results: list[U8] = []
        while len(results) < len(tiles):
            part = slice(len(results), len(results) + self._together)
            some = tiles[part]
            try:
                results += self._run(some, each and each[part])
            except NeuralOutOfMemory:
                if len(some) == 1:
                    raise
                self._together = len(some) // 2
                log.warning("%s: not enough memory for %d faces at once", self.graph.file, len(some))
        if step == 1:
            return results
        return [_woven(results[at : at + step**2], step) for at in range(0, len(results), step**2)]

    def _run(self, pictures: Sequence[U8], identities: Sequence[F32] | None) -> list[U8]:
        """Run the graph once, on pictures of its own size."""
        inputs = [planar(np.stack(pictures), self._own.values_in)]
        if identities is not None:
            inputs.append(as_f32(np.stack(identities)))
        side = self._own.result_size
        found = self.graph(inputs, (len(pictures), 3, side, side), self._weight).transpose(0, 2, 3, 1)
        values = self._own.values_out
        shown = (found * np.array(values.spread, np.float32) + np.array(values.mean, np.float32)) * 255
        return [as_u8(np.rint(one).clip(0, 255)) for one in shown]


def _woven(tiles: Sequence[U8], step: int) -> U8:
    """Put together the pictures of every `step`-th pixel, which come row by row."""
    side = step * len(tiles[0])
    picture = np.empty((side, side, 3), np.uint8)
    for index, tile in enumerate(tiles):
        picture[index // step :: step, index % step :: step] = tile
    return picture


def planar(pictures: U8, values: Values) -> F32:
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

    def of(self, photos: Sequence[SourcePhoto]) -> F32:
        """The input for the person of these photos: (512,), from the mean of their embeddings, or (3, S, S),
        the first photo, for a swapper that takes a picture.
        """
        if self.picture is not None:
            return source_picture(self.picture, photos[0])
        return self.from_embedding(self._embedding_of(photos))

    def mixed(self, photos: Sequence[SourcePhoto], weight: float) -> Callable[[Planes, F32], F32] | None:
        """Returns what makes the input for a face, from its planes and landmarks: `weight` of these photos,
        0..1, and the rest of the face itself. None for a swapper that takes a picture.
        """
        if self.picture is not None:
            return None
        source = self._embedding_of(photos)
        length = float(np.linalg.norm(source))

        def mix(planes: Planes, landmarks: F32) -> F32:
            assert self.embedder is not None
            own = _unit(_embedding(self.embedder, planes, landmarks))
            direction = _unit(as_f32(weight * _unit(source) + (1 - weight) * own))
            return self.from_embedding(as_f32(length * direction))

        return mix

    def _embedding_of(self, photos: Sequence[SourcePhoto]) -> F32:
        assert self.embedder is not None
        return as_f32(np.mean([embedding(self.embedder, photo) for photo in photos], 0))

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
    return planar(picture[None], wanted.values)[0]


def embedding(embedder: Graph, photo: SourcePhoto) -> F32:
    """The face embedding of a source, (512,) float32, not scaled to length 1."""
    return _embedding(embedder, Planes.from_rgb(photo.picture), photo.found.landmarks)


def _embedding(embedder: Graph, planes: Planes, landmarks: F32) -> F32:
    picture = planes.crop_colours(aligned(landmarks, ARCFACE_112), 112)
    values = (picture.astype(np.float32) - 127.5) / 127.5
    return embedder([values.transpose(2, 0, 1)[None]], (1, EMBEDDING))[0]


def _unit(vector: F32) -> F32:
    return as_f32(vector / (np.linalg.norm(vector) or 1))
