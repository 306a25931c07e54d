"""The weights of the neural engine: the user's own files, told apart by their graphs, known by their SHA-256.

Nothing is fetched. `*.onnx` files in one folder are looked at; a file `NAME.onnx.sha256` beside one, as
`sha256sum` writes it, pins its content.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from faceswap.engine.neural.onnx_file import NotOnnx, Shape, Signature, read_signature
from faceswap.errors import (
    NeuralWeightsDamaged,
    NeuralWeightsMissing,
    NeuralWeightsUnsuitable,
    NeuralWeightsWrong,
)

log = logging.getLogger(__name__)

EMBEDDING = 512
"""Length of what identifies a face."""


class Role(StrEnum):
    """The values are the words of `NeuralWeightsMissing`."""

    SWAPPER = "swap model"
    EMBEDDER = "face embedding model"
    CONVERTER = "embedding converter"
    ENHANCER = "face enhancer"


Model = Literal["inswapper_128", "ghost_256", "hyperswap_256", "arcface_112", "crossface", "enhancer_512"]
Licence = Literal["insightface", "researchrail-ms", "apache-2.0", "unknown"]

ROLES: Mapping[Model, Role] = {
    "hyperswap_256": Role.SWAPPER,
    "inswapper_128": Role.SWAPPER,
    "ghost_256": Role.SWAPPER,
    "arcface_112": Role.EMBEDDER,
    "crossface": Role.CONVERTER,
    "enhancer_512": Role.ENHANCER,
}
"""Where several files can play the same role, the model named first here does."""


@dataclass(frozen=True, slots=True)
class Known:
    """A published file."""

    name: str
    licence: Licence


KNOWN: Mapping[str, Known] = {
    "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af": Known("inswapper_128", "insightface"),
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43": Known("w600k_r50", "insightface"),
    "f1f79dc3b0b79a69f94799af1fffebff09fbd78fd96a275fd8f0cbbea23270d1": Known(
        "arcface_w600k_r50", "insightface"
    ),
    "c0e98a8a03a238f461ed3d2570e426b49f46745ee400854a60dceeb70c246add": Known(
        "hyperswap_1a_256", "researchrail-ms"
    ),
    "5124031789c42f71b9558fb71954ef7aedb6da7ed9fac79293e23c61a792a73e": Known(
        "hyperswap_1b_256", "researchrail-ms"
    ),
    "5528c2d76fe9986c99d829278987ef9f3a630cb606db7628d02b57b330f406a5": Known(
        "hyperswap_1c_256", "researchrail-ms"
    ),
    "6548e54cbcf248af385248f0c1193b359c37a0f98b836282b09cf48af4fd2b73": Known("GFPGANv1.4", "apache-2.0"),
}
"""By SHA-256. Source: digests that several public projects state for the files of InsightFace (v0.7),
FaceFusion (models 3.0.0 and 3.3.0) and GFPGAN; licences as InsightFace, FaceFusion and TencentARC state them.
GHOST's files are under Apache-2.0, but no digest of them is stated by its publisher: they work, and are not
claimed to be known."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    path: Path
    model: Model
    signature: Signature

    @property
    def role(self) -> Role:
        return ROLES[self.model]


@dataclass(frozen=True, slots=True)
class Fact:
    """What is recorded of a file that was used, and shown before."""

    role: str
    name: str
    """Of the published file, or of the kind of graph."""
    file: str
    sha256: str
    recognised: bool
    licence: Licence


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """What lies in a models folder."""

    files: tuple[WeightsFile, ...] = ()
    damaged: tuple[str, ...] = ()
    unsuitable: tuple[str, ...] = ()

    def find(self, role: Role) -> WeightsFile | None:
        order = list(ROLES)
        fit = [file for file in self.files if file.role is role]
        return min(fit, key=lambda file: (order.index(file.model), file.path.name), default=None)

    def need(self, role: Role) -> WeightsFile:
        """Raises: NeuralWeightsMissing; or, where a file could be meant, what is wrong with it."""
        found = self.find(role)
        if found is not None:
            return found
        if self.damaged:
            raise NeuralWeightsDamaged(file=self.damaged[0])
        if self.unsuitable:
            raise NeuralWeightsUnsuitable(file=self.unsuitable[0])
        raise NeuralWeightsMissing(missing=role.value)

    @property
    def worth_a_try(self) -> bool:
        """Whether all is there, or a file that could be what is missing and can not be used: then a try says
        why."""
        return not self.missing or bool(self.damaged or self.unsuitable)

    @property
    def missing(self) -> tuple[Role, ...]:
        """What the neural engine cannot do without."""
        swapper = self.find(Role.SWAPPER)
        needed = [Role.SWAPPER, Role.EMBEDDER]
        if swapper is not None and swapper.model == "ghost_256":
            needed.append(Role.CONVERTER)
        return tuple(role for role in needed if self.find(role) is None)


def read_weights_folder(folder: Path | None) -> WeightsFolder:
    """Takes milliseconds: weights are stepped over. A folder that is not there is empty."""
    files: list[WeightsFile] = []
    damaged: list[str] = []
    unsuitable: list[str] = []
    for path in sorted(folder.glob("*.onnx")) if folder is not None else ():
        try:
            signature = read_signature(path)
        except (NotOnnx, OSError) as error:
            log.warning("%s: %s", path.name, error if isinstance(error, NotOnnx) else type(error).__name__)
            damaged.append(path.name)
            continue
        model = model_of(signature)
        if model is None:
            unsuitable.append(path.name)
        else:
            files.append(WeightsFile(path, model, signature))
    return WeightsFolder(tuple(files), tuple(damaged), tuple(unsuitable))


def model_of(signature: Signature) -> Model | None:
    """What a graph is, by its inputs and outputs: pictures are (N, 3, S, S), embeddings (N, 512)."""
    pictures = [side for side in map(_side, signature.inputs.values()) if side]
    embeddings = [shape for shape in signature.inputs.values() if _is_embedding(shape)]
    outputs = list(signature.outputs.values())
    if len(pictures) + len(embeddings) != len(signature.inputs):
        return None
    match pictures, len(embeddings):
        case [112], 0:
            return "arcface_112" if len(outputs[0]) == 2 and outputs[0][1] in (EMBEDDING, None) else None
        case [512], 0:
            return "enhancer_512" if len(outputs[0]) == 4 and outputs[0][1] in (3, None) else None
        case [], 1:
            return "crossface" if _is_embedding(outputs[0]) else None
        case [128], 1:
            constant = signature.last_constant
            projects = constant is not None and constant.shape == (EMBEDDING, EMBEDDING)
            return "inswapper_128" if projects else None
        case [256], 1:  # HyperSwap says where its face is, too
            return "hyperswap_256" if len(outputs) > 1 and outputs[1][1:2] == (1,) else "ghost_256"
        case _:
            return None


def _side(shape: Shape) -> int | None:
    return shape[2] if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] else None


def _is_embedding(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == EMBEDDING


def fact_of(weights: WeightsFile) -> Fact:
    """Reads the whole file, a second for half a gigabyte.

    Raises:
        NeuralWeightsWrong: it is not the file that `NAME.sha256` beside it states.
        NeuralWeightsDamaged: it cannot be read.
    """
    try:
        with weights.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NeuralWeightsDamaged(file=weights.path.name) from error
    stated = _stated(weights.path)
    if stated is not None and stated != digest:
        raise NeuralWeightsWrong(file=weights.path.name)
    known = KNOWN.get(digest)
    return Fact(
        role=weights.role.value,
        name=known.name if known else weights.model,
        file=weights.path.name,
        sha256=digest,
        recognised=known is not None,
        licence=known.licence if known else "unknown",
    )


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a page says of a models folder."""

    facts: tuple[Fact, ...]
    missing: tuple[Role, ...]
    unusable: tuple[str, ...]
    """Names of files that are damaged, unknown, or not what their `.sha256` states."""


class WeightsCache:
    """Takes inventory of a models folder, and reads each file for its SHA-256 once only. Any thread may
    ask."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Path, int, int], Fact] = {}

    def inventory(self, folder: Path) -> Inventory:
        """Takes a second for each half gigabyte that is new."""
        weights = read_weights_folder(folder)
        facts: list[Fact] = []
        unusable = [*weights.damaged, *weights.unsuitable]
        for file in weights.files:
            try:
                facts.append(self._fact(file))
            except (NeuralWeightsWrong, NeuralWeightsDamaged):
                unusable.append(file.path.name)
        return Inventory(tuple(facts), weights.missing, tuple(unusable))

    def _fact(self, file: WeightsFile) -> Fact:
        try:
            known_by = file.path.stat()
        except OSError as error:
            raise NeuralWeightsDamaged(file=file.path.name) from error
        key = (file.path, known_by.st_size, known_by.st_mtime_ns)
        if key not in self._facts:
            self._facts[key] = fact_of(file)
        return self._facts[key]


def _stated(path: Path) -> str | None:
    """The digest in the file beside it; "" when that holds none."""
    beside = path.with_name(path.name + ".sha256")
    try:
        words = beside.read_text(errors="replace").split()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    return words[0].lower() if words else ""
