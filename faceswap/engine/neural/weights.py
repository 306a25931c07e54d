"""Finds the weights files of the neural engine, which the user brings.

This module looks at the `*.onnx` files in one folder and downloads nothing. It tells the files apart by the
inputs and outputs of their graphs, and recognises published files by their SHA-256. A file `NAME.onnx.sha256`
in the format of `sha256sum` pins the content of `NAME.onnx`. A graph that fits several models is used only if
a file `NAME.toml` says which model it is, see `sidecar.py`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceswap.engine.neural.contracts import (
    CONVERTERS,
    EMBEDDER,
    ENHANCERS,
    ROLES,
    SWAPPERS,
    Contract,
    Role,
)
from faceswap.engine.neural.onnx_file import NotOnnx, Shape, Signature, read_signature
from faceswap.engine.neural.sidecar import Sidecar, WrongSidecar, read_sidecar, sidecar_path
from faceswap.errors import (
    NeuralUnavailable,
    NeuralWeightsAmbiguous,
    NeuralWeightsDamaged,
    NeuralWeightsMissing,
    NeuralWeightsUnsuitable,
    NeuralWeightsWrong,
)

log = logging.getLogger(__name__)

EMBEDDING = 512
"""Number of values in a face embedding."""
_LIKE_GHOST = ("ghost_256", "simswap_256", "hififace_unofficial_256", "reswapper_256")
"""Models that take one picture of 256 px and one embedding, and return one picture."""


Licence = Literal["insightface", "researchrail-ms", "gfpgan", "unknown"]


@dataclass(frozen=True, slots=True)
class Known:
    """A published weights file."""

    name: str
    licence: Licence


KNOWN: Mapping[str, Known] = {
    "e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af": Known("inswapper_128", "insightface"),
    "6d51a9278a1f650cffefc18ba53f38bf2769bf4bbff89267822cf72945f8a38b": Known(
        "inswapper_128_fp16", "insightface"
    ),
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
    "6548e54cbcf248af385248f0c1193b359c37a0f98b836282b09cf48af4fd2b73": Known("GFPGANv1.4", "gfpgan"),
}
"""By SHA-256. Source: digests that several public projects state for the files of InsightFace (v0.7),
FaceFusion (models 3.0.0 and 3.3.0) and GFPGAN; licences as InsightFace, FaceFusion and TencentARC state them.
GFPGAN is under Apache-2.0, but has parts for non-commercial use only. GHOST's files are under Apache-2.0, but
its publisher states no digests. They work, but the app does not recognise them."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    path: Path
    model: str
    role: Role
    signature: Signature
    contract: Contract | None = None
    """Only swappers and enhancers have a contract."""
    stated: bool = False
    """Whether a sidecar says which model it is."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What receipts and pages say about a weights file."""

    role: str
    name: str
    """Name of the published file; for any other file, name of its model."""
    file: str
    sha256: str
    recognised: bool
    licence: Licence


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A file whose graph fits several models, and whose sidecar is missing or wrong."""

    path: Path
    role: Role

    def error(self) -> NeuralWeightsAmbiguous:
        return NeuralWeightsAmbiguous(file=self.path.name, sidecar=sidecar_path(self.path).name)


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """The weights files in a models folder. `damaged` and `unsuitable` are names of files."""

    files: tuple[WeightsFile, ...] = ()
    damaged: tuple[str, ...] = ()
    unsuitable: tuple[str, ...] = ()
    ambiguous: tuple[Ambiguous, ...] = ()

    def find(self, role: Role) -> WeightsFile | None:
        """The file to use in this role, or None. Use `embedder` and `converter` for those two roles."""
        order = list(ROLES)
        fit = [file for file in self.files if file.role is role]
        return min(
            fit,
            key=lambda file: (order.index(file.model) if file.model in order else -1, file.path.name),
            default=None,
        )

    def need(self, role: Role) -> WeightsFile:
        """The file to use in this role.

        Raises: NeuralWeightsMissing; or, if a file in the folder cannot be used and may be the one that was
        meant: NeuralWeightsDamaged, NeuralWeightsAmbiguous or NeuralWeightsUnsuitable.
        """
        found = self.find(role)
        if found is None:
            raise self._why_not(role)
        return found

    def embedder(self) -> WeightsFile:
        """The face embedding model that the swappers were trained with.

        This is a published file, or else the one that a sidecar names. Other embedders have the same inputs
        and outputs, but with their embeddings a swapper paints another person.

        Raises: NeuralWeightsAmbiguous when a sidecar must name the file; otherwise as `need`.
        """
        fit = [file for file in self.files if file.role is Role.EMBEDDER] or [self.need(Role.EMBEDDER)]
        named = [file for file in fit if _digest(file.path) in KNOWN][:1] or [f for f in fit if f.stated]
        if len(named) != 1:
            raise Ambiguous((named or fit)[0].path, Role.EMBEDDER).error()
        return named[0]

    def converter(self, swapper: WeightsFile) -> WeightsFile | None:
        """The converter of a swapper; None when the swapper needs no converter. Raises: as `need`."""
        wanted = swapper.contract.converter if swapper.contract else None
        if wanted is None:
            return None
        found = next((file for file in self.files if file.model == wanted), None)
        if found is None:
            raise self._why_not(Role.CONVERTER)
        return found

    def _why_not(self, role: Role) -> NeuralUnavailable:
        if self.damaged:
            return NeuralWeightsDamaged(file=self.damaged[0])
        for one in self.ambiguous:
            if one.role is role:
                return one.error()
        if self.unsuitable:
            return NeuralWeightsUnsuitable(file=self.unsuitable[0])
        return NeuralWeightsMissing(missing=role.value)

    @property
    def worth_a_try(self) -> bool:
        """Whether to try the neural engine.

        True when all files are there, and also when a file cannot be used: then the attempt raises an error
        that tells the user why.
        """
        return not self.missing or bool(self.damaged or self.unsuitable or self.ambiguous)

    @property
    def missing(self) -> tuple[Role, ...]:
        """Roles that the neural engine needs and no file has."""
        swapper = self.find(Role.SWAPPER)
        missing = [role for role in (Role.SWAPPER, Role.EMBEDDER) if self.find(role) is None]
        wanted = swapper.contract.converter if swapper is not None and swapper.contract else None
        if wanted is not None and all(file.model != wanted for file in self.files):
            missing.append(Role.CONVERTER)
        return tuple(missing)


def read_weights_folder(folder: Path | None) -> WeightsFolder:
    """Look at the weights files in a folder. A missing folder counts as empty.

    This takes milliseconds, because it skips the weights themselves.
    """
    files: list[WeightsFile] = []
    damaged: list[str] = []
    unsuitable: list[str] = []
    ambiguous: list[Ambiguous] = []
    for path in sorted(folder.glob("*.onnx")) if folder is not None else ():
        try:
            signature = read_signature(path)
        except (NotOnnx, OSError) as error:
            log.warning("%s: %s", path.name, error if isinstance(error, NotOnnx) else type(error).__name__)
            damaged.append(path.name)
            continue
        found = _told_apart(path, signature)
        if found is None:
            unsuitable.append(path.name)
        elif isinstance(found, Ambiguous):
            ambiguous.append(found)
        else:
            files.append(found)
    return WeightsFolder(tuple(files), tuple(damaged), tuple(unsuitable), tuple(ambiguous))


@dataclass(frozen=True, slots=True)
class Fit:
    """The models that fit the inputs and outputs of a graph."""

    role: Role
    models: tuple[str, ...]
    sure: bool
    """Whether the first model is the only published one of this form."""
    side: int = 0
    """Side of its pictures of the target, in pixels; 0 for embedders and converters."""


def _told_apart(path: Path, signature: Signature) -> WeightsFile | Ambiguous | None:
    fit = fit_of(signature)
    if fit is None:
        return None
    try:
        sidecar = read_sidecar(path)
        if sidecar is not None:
            return _as_stated(path, signature, fit, sidecar)
    except WrongSidecar as error:
        log.warning("%s: %s", sidecar_path(path).name, error)
        return Ambiguous(path, fit.role)
    if not fit.sure:
        return Ambiguous(path, fit.role)
    model = fit.models[0]
    return WeightsFile(path, model, fit.role, signature, SWAPPERS.get(model) or ENHANCERS.get(model))


def _as_stated(path: Path, signature: Signature, fit: Fit, sidecar: Sidecar) -> WeightsFile:
    """Raises: WrongSidecar."""
    if sidecar.model in ROLES and sidecar.model not in fit.models:
        raise WrongSidecar(f"the graph is no {sidecar.model}: its inputs and outputs do not fit")
    if fit.role is Role.SWAPPER:
        contract = sidecar.contract(fit.side)
        if contract.identity == "projected" and not _projects(signature):
            raise WrongSidecar("the graph holds no matrix to project the embedding with")
        return WeightsFile(path, sidecar.model, fit.role, signature, contract, stated=True)
    if sidecar.model not in ROLES:
        raise WrongSidecar(f"{sidecar.model!r} is not known")
    return WeightsFile(path, sidecar.model, fit.role, signature, ENHANCERS.get(sidecar.model), stated=True)


def fit_of(signature: Signature) -> Fit | None:
    """The models that a graph can be, or None when it fits no known model.

    An input (N, 3, S, S) is a picture, an input (N, 512) is an embedding.
    """
    pictures = {name: side for name, shape in signature.inputs.items() if (side := _side(shape))}
    embeddings = [shape for shape in signature.inputs.values() if _is_embedding(shape)]
    outputs = list(signature.outputs.values())
    if len(pictures) + len(embeddings) != len(signature.inputs):
        return None
    match sorted(pictures.values()), len(embeddings):
        case [112], 0:
            right = len(outputs[0]) == 2 and outputs[0][1] in (EMBEDDING, None)
            return Fit(Role.EMBEDDER, (EMBEDDER,), True) if right else None
        case [512], 0:
            right = len(outputs[0]) == 4 and outputs[0][1] in (3, None)
            return Fit(Role.ENHANCER, tuple(ENHANCERS), True, 512) if right else None
        case [], 1:
            return Fit(Role.CONVERTER, CONVERTERS, False) if _is_embedding(outputs[0]) else None
        case [128], 1:
            return Fit(Role.SWAPPER, ("inswapper_128",), True, 128) if _projects(signature) else None
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


def _projects(signature: Signature) -> bool:
    constant = signature.last_constant
    return constant is not None and constant.shape == (EMBEDDING, EMBEDDING)


def _side(shape: Shape) -> int | None:
    return shape[2] if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] else None


def _is_embedding(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == EMBEDDING


def fact_of(weights: WeightsFile) -> Fact:
    """What receipts and pages say about a file. Reads the whole file: one second for half a gigabyte.

    Raises:
        NeuralWeightsWrong: its SHA-256 is not the one in `NAME.onnx.sha256`.
        NeuralWeightsDamaged: it cannot be read.
    """
    digest = _digest(weights.path)
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


def _digest(path: Path) -> str:
    """Raises: NeuralWeightsDamaged."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NeuralWeightsDamaged(file=path.name) from error


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a page says about a models folder."""

    facts: tuple[Fact, ...]
    missing: tuple[Role, ...]
    unusable: tuple[str, ...]
    """Names of files that are damaged, unknown, or not what their `.sha256` states."""


class WeightsCache:
    """Makes the inventory of a models folder. It computes the SHA-256 of each file only once. Any thread may
    call it."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Path, int, int], Fact] = {}

    def inventory(self, folder: Path) -> Inventory:
        """Takes one second for each half gigabyte of new or changed files."""
        weights = read_weights_folder(folder)
        facts: list[Fact] = []
        unusable = [*weights.damaged, *weights.unsuitable, *(one.path.name for one in weights.ambiguous)]
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
    """The digest in `NAME.onnx.sha256`: None when there is no such file, "" when it holds no digest."""
    beside = path.with_name(path.name + ".sha256")
    try:
        words = beside.read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    return words[0].lower() if words else ""
