"""Chooses the engine of a job: the mesh engine, which always works, or the neural engine, which needs the
user's weights and onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.mesh.blend import Blender
from faceswap.engine.mesh.mouth import OwnMouth
from faceswap.engine.mesh.photos import BestPhoto
from faceswap.engine.mesh.shape import MOUTH_OPEN, mouth_openness
from faceswap.engine.mesh.source import SourceFace, SourcePhoto
from faceswap.engine.neural.contracts import Role
from faceswap.engine.neural.graphs import Graph
from faceswap.engine.neural.masks import MaskNetwork
from faceswap.engine.neural.networks import Identity, Network
from faceswap.engine.neural.onnx_file import NotOnnx
from faceswap.engine.neural.providers import installed, is_gpu, provider_for
from faceswap.engine.neural.repainting import Enhancing, Repainter
from faceswap.engine.neural.weights import (
    Fact,
    WeightsFile,
    WeightsFolder,
    fact_of,
    read_weights_folder,
)
from faceswap.engine.occlusion.view import Occluder
from faceswap.engine.options import Options
from faceswap.engine.swapper import FaceSwapper
from faceswap.errors import (
    NeuralNotInstalled,
    NeuralUnavailable,
    NeuralWeightsDamaged,
    NeuralWeightsUnsuitable,
    NeuralWithoutGpu,
)

log = logging.getLogger(__name__)

EngineChoice = Literal["auto", "mesh", "neural"]


class Engine(Protocol):
    name: str
    """`mesh`, or `neural:` and the name of the swap model."""
    facts: Sequence[Fact]
    """The weights files that it uses."""
    provider: str | None
    """The onnxruntime provider that computes its networks; None if it has none."""
    samples_shapes: bool
    """Whether `meet` needs the resting shapes of a video's faces, sampled beforehand."""
    occluders: Sequence[Occluder]
    """Networks that find what lies before a face."""
    weighs: bool
    """Whether it can mix the person of the source with the target's own."""

    def swapper(self, photos: Sequence[SourcePhoto], mesh: FaceMesh) -> FaceSwapper:
        """Make a swapper that puts the face of these photos, which show one person, onto others. Swappers of
        one engine share its networks.
        """
        ...


class MeshEngine:
    name = "mesh"
    facts: Sequence[Fact] = ()
    provider: str | None = None
    samples_shapes = True
    occluders: Sequence[Occluder] = ()
    weighs = False

    def swapper(self, photos: Sequence[SourcePhoto], mesh: FaceMesh) -> FaceSwapper:
        """If the mouth is wide open in each photo, none shows how it looks closed. Then that of the target is
        kept.
        """
        faces = [SourceFace(photo.picture, photo.found, mesh) for photo in photos]
        swapper = Blender(faces[0], mesh) if len(faces) == 1 else BestPhoto(faces, mesh)
        wide = all(mouth_openness(photo.found.landmarks) > MOUTH_OPEN for photo in photos)
        return OwnMouth(swapper) if wide else swapper


class NeuralEngine:
    samples_shapes = False

    def __init__(
        self,
        weights: WeightsFolder,
        provider: str,
        *,
        pixels: int = 0,
        occlusion: bool = True,
        weight: float = 1.0,
    ) -> None:
        """Load the networks that swapping needs. `pixels` is the side at which faces are computed; 0 is that
        of the model. Without `occlusion`, no network looks for what lies before a face. `weight` is how much
        of the source the person gets, 0..1.

        Raises: NeuralUnavailable.
        """
        if not installed():
            raise NeuralNotInstalled
        swap = weights.need(Role.SWAPPER)
        contract = swap.contract
        if contract is None:
            raise NeuralWeightsUnsuitable(file=swap.path.name)
        embed = weights.embedder() if contract.source is None else None
        convert = weights.converter(swap)
        helpers = [weights.find(role) for role in (Role.PARSER, Role.OCCLUDER)] if occlusion else []
        self.facts: Sequence[Fact] = [
            fact_of(file) for file in (swap, embed, convert, *helpers) if file is not None
        ]
        self.name = f"neural:{self.facts[0].name}"
        for fact in self.facts:
            log.info("%s: %s, SHA-256 %s, licence: %s", fact.file, fact.name, fact.sha256, fact.licence)
        self._network = Network(Graph(swap, provider), contract, boost=max(1, pixels // contract.size))
        self._masks = [
            MaskNetwork(Graph(file, provider), file.mask) for file in helpers if file and file.mask
        ]
        self.occluders: Sequence[Occluder] = self._masks
        self._identity = Identity(
            contract.identity,
            Graph(embed, provider) if embed else None,
            Graph(convert, provider) if convert else None,
            _projection(swap) if contract.identity == "projected" else None,
            contract.source,
        )
        self._weight = weight
        self.weighs = contract.source is None
        self.provider: str | None = self._network.graph.provider

    def swapper(self, photos: Sequence[SourcePhoto], mesh: FaceMesh) -> FaceSwapper:
        mixed = self._identity.mixed(photos, self._weight) if self._weight < 1 else None
        return Repainter(self._network, mesh, mixed or self._identity.of(photos))

    def try_out(self) -> None:
        """Run the swap network and its helpers once on a grey picture. Raises: NeuralUnavailable."""
        self._network.try_out(self._identity.example())
        for mask in self._masks:
            mask.try_out()


class EnhancingEngine:
    """Runs another engine, and then a face enhancer on each face that it swapped."""

    def __init__(
        self, engine: Engine, enhancer: WeightsFile, provider: str, *, share: float = 0.8, weight: float = 0.5
    ) -> None:
        """Load the enhancer. `share` is that of its picture in the result, `weight` is for CodeFormer; both
        are 0..1.

        Raises: NeuralUnavailable.
        """
        self.name, self.samples_shapes, self.weighs = engine.name, engine.samples_shapes, engine.weighs
        self.occluders: Sequence[Occluder] = engine.occluders
        self.facts: Sequence[Fact] = [*engine.facts, fact_of(enhancer)]
        self._engine = engine
        if enhancer.contract is None:
            raise NeuralWeightsUnsuitable(file=enhancer.path.name)
        self._share = share
        self._network = Network(Graph(enhancer, provider), enhancer.contract, weight=weight)
        self.provider: str | None = self._network.graph.provider

    def swapper(self, photos: Sequence[SourcePhoto], mesh: FaceMesh) -> FaceSwapper:
        enhancer = Repainter(self._network, mesh, share=self._share)
        return Enhancing(self._engine.swapper(photos, mesh), enhancer)

    def try_out(self) -> None:
        """Run only the enhancer once on a grey picture. Raises: NeuralUnavailable."""
        self._network.try_out(None)


def _projection(swap: WeightsFile) -> Any:
    constant = swap.signature.last_constant
    try:
        return constant.read(swap.path) if constant else None
    except (NotOnnx, OSError) as error:
        raise NeuralWeightsDamaged(file=swap.path.name) from error


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """The engine that a job asked for."""

    engine: EngineChoice = "auto"
    enhance: bool = False
    provider: str = ""
    """Where the client wants to compute, such as `cpu` or `cuda`. "" means the best device that there is."""
    models_dir: Path | None = None
    options: Options = field(default_factory=Options)
    """What the networks are told."""

    @classmethod
    def of(cls, options: Options, models_dir: Path | None) -> EngineRequest:
        engine: EngineChoice = "mesh" if options.engine == "mesh" else "auto"
        if options.engine == "neural" or (options.engine == "auto" and options.engine_model):
            engine = "neural"
        return cls(engine, options.use_face_enhancer, options.execution_provider, models_dir, options)


R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EngineOutcome(Generic[R]):
    """The result of a run, the engine that made it, and `notes` about parts of the request that it could not
    fulfil.
    """

    result: R
    engine: str
    facts: Sequence[Fact]
    notes: tuple[str, ...]
    provider: str | None = None
    """The onnxruntime provider that computed the networks; None if there were none."""


def with_engine(request: EngineRequest, run: Callable[[Engine], R]) -> EngineOutcome[R]:
    """Call `run` with the engine that was asked for.

    `auto` means the neural engine if weights and a GPU are there. If it raises `NeuralUnavailable`, the mesh
    engine does the work, and a note says why. A missing enhancer adds a note. If the enhancer fails with the
    mesh engine, the faces are not enhanced, and a note says so.

    Raises:
        NeuralUnavailable: `neural` was asked for and cannot be used.
    """
    weights, provider = read_weights_folder(request.models_dir), provider_for(request.provider)
    options = request.options
    notes: list[str] = []
    enhancer = weights.find(Role.ENHANCER) if request.enhance and installed() else None
    if request.enhance and enhancer is None:
        notes.append("enhancer_missing")

    def attempt(make: Callable[[], Engine]) -> EngineOutcome[R]:
        engine = make()
        if enhancer is not None:
            share, weight = options.enhancer_blend, options.enhancer_weight
            engine = EnhancingEngine(engine, enhancer, provider, share=share, weight=weight)
        unweighed = ("swap_weight_unused",) if options.swap_weight < 1 and not engine.weighs else ()
        return EngineOutcome(run(engine), engine.name, engine.facts, (*notes, *unweighed), engine.provider)

    def neural() -> NeuralEngine:
        return NeuralEngine(
            weights.with_swapper(options.engine_model),
            provider,
            pixels=options.pixel_boost,
            occlusion=options.occlusion_mask,
            weight=options.swap_weight,
        )

    try:
        if request.engine == "neural":
            return attempt(neural)
        if request.engine == "auto" and is_gpu(provider) and weights.worth_a_try:
            return attempt(lambda: _on_gpu(neural()))
    except NeuralUnavailable as error:
        if request.engine == "neural":
            raise
        log.warning("the mesh engine takes over: %s", error)
        notes.append(f"mesh_instead_{error.code}")
        return EngineOutcome(run(MeshEngine()), MeshEngine.name, (), tuple(notes))
    try:
        return attempt(MeshEngine)
    except NeuralUnavailable as error:
        log.warning("the face is not enhanced: %s", error)
        return EngineOutcome(run(MeshEngine()), MeshEngine.name, (), (*notes, "enhancer_failed"))


def _on_gpu(engine: NeuralEngine) -> NeuralEngine:
    if not is_gpu(engine.provider or ""):
        raise NeuralWithoutGpu
    return engine


def check(models_dir: Path | None) -> EngineOutcome[None]:
    """Load every graph that a job would use, and run each once on a grey picture.

    Raises: NeuralUnavailable.
    """
    weights, provider = read_weights_folder(models_dir), provider_for("")
    enhancer = weights.find(Role.ENHANCER)
    engine: NeuralEngine | MeshEngine | EnhancingEngine = MeshEngine()
    if enhancer is None or weights.worth_a_try:
        engine = NeuralEngine(weights, provider)
        engine.try_out()
    if enhancer is not None:
        engine = EnhancingEngine(engine, enhancer, provider)
        engine.try_out()
    return EngineOutcome(None, engine.name, engine.facts, (), engine.provider)
