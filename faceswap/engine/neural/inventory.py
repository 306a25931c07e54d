"""What pages say about the files in a models folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceswap.engine.neural.contracts import Role
from faceswap.engine.neural.sidecar import sidecar_path
from faceswap.engine.neural.weights import Fact, WeightsFile, WeightsFolder, fact_of, read_weights_folder
from faceswap.errors import NeuralUnavailable, NeuralWeightsDamaged, NeuralWeightsWrong

Use = Literal[
    "used", "choice", "spare", "unneeded", "damaged", "wrong_digest", "unsuitable", "ambiguous", "unnamed"
]
"""Whether a file is used, or why not.

`used`: by a task that chooses no model. `choice`: by a task that chooses this swap model, or the swap model
that needs this converter. `spare`: another file is used in its role. `unneeded`: no swap model in the folder
needs this converter. `damaged`: it is no ONNX file, or cut off. `wrong_digest`: its SHA-256 is not the
stated one. `unsuitable`: its graph fits no known model. `ambiguous`: its graph fits several models, and no
sidecar says which. `unnamed`: an embedding model which may not be the one that the swap models were trained
with, and no sidecar names it.
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the models folder."""

    file: str
    use: Use
    role: str = ""
    """"" if the file has no role."""
    model: str = ""
    recognised: bool = False
    licence: str = "unknown"

    @property
    def sidecar(self) -> str:
        """Name of the file that can say which model it is."""
        return sidecar_path(Path(self.file)).name


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a page says about a models folder."""

    facts: tuple[Fact, ...]
    missing: tuple[Role, ...]
    files: tuple[Listed, ...]
    """Every file, in the order of names."""
    swappers: tuple[str, ...] = ()
    """Names of the swap models that a task can choose; the first one is used when it chooses none."""

    @property
    def unusable(self) -> tuple[str, ...]:
        """Names of files that are damaged, unknown, or not what their `.sha256` states."""
        bad = ("damaged", "wrong_digest", "unsuitable", "ambiguous")
        return tuple(one.file for one in self.files if one.use in bad)


class WeightsCache:
    """Makes the inventory of a models folder. It computes the SHA-256 of each file only once. Any thread may
    call it."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Path, int, int], Fact] = {}

    def inventory(self, folder: Path) -> Inventory:
        """Takes one second for each half gigabyte of new or changed files."""
        weights = read_weights_folder(folder)
        facts: list[Fact] = []
        files = [Listed(name, "damaged") for name in weights.damaged]
        files += [Listed(name, "unsuitable") for name in weights.unsuitable]
        files += [Listed(one.path.name, "ambiguous", one.role.value) for one in weights.ambiguous]
        used = _used(weights)
        for file in weights.files:
            try:
                fact = self._fact(file)
            except (NeuralWeightsWrong, NeuralWeightsDamaged) as error:
                use: Use = "wrong_digest" if isinstance(error, NeuralWeightsWrong) else "damaged"
                files.append(Listed(file.path.name, use, file.role.value, file.model))
                continue
            facts.append(fact)
            use = "used" if file.path in used else _why_not(file, weights, used)
            files.append(
                Listed(file.path.name, use, file.role.value, fact.name, fact.recognised, fact.licence)
            )
        return Inventory(
            tuple(facts),
            weights.missing,
            tuple(sorted(files, key=lambda one: one.file)),
            tuple(file.name for file in weights.swappers),
        )

    def _fact(self, file: WeightsFile) -> Fact:
        try:
            known_by = file.path.stat()
        except OSError as error:
            raise NeuralWeightsDamaged(file=file.path.name) from error
        key = (file.path, known_by.st_size, known_by.st_mtime_ns)
        if key not in self._facts:
            self._facts[key] = fact_of(file)
        return self._facts[key]


def _used(weights: WeightsFolder) -> set[Path]:
    """The files that a task uses which chooses no model."""
    swapper = weights.find(Role.SWAPPER)
    found = [swapper, *(weights.find(role) for role in (Role.ENHANCER, Role.PARSER, Role.OCCLUDER))]
    with suppress(NeuralUnavailable):
        found.append(weights.embedder())
    with suppress(NeuralUnavailable):
        found.append(weights.converter(swapper) if swapper is not None else None)
    return {file.path for file in found if file is not None}


def _why_not(file: WeightsFile, weights: WeightsFolder, used: set[Path]) -> Use:
    if file.role is Role.SWAPPER:
        return "choice"
    if file.role is Role.CONVERTER:
        wanted = {one.contract.converter for one in weights.swappers if one.contract}
        return "choice" if file.model in wanted else "unneeded"
    others = any(one.role is file.role and one.path in used for one in weights.files)
    return "spare" if others else "unnamed"
