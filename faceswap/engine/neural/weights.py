"""Finds the weights files of the neural engine, which the user brings.

This module looks at the `*.onnx` files in one folder and downloads nothing. It tells the files apart by the
inputs and outputs of their graphs, and recognises published files by their SHA-256. A file `NAME.onnx.sha256`
in the format of `sha256sum` pins the content of `NAME.onnx`. A graph that fits several models is used only if
a file `NAME.toml` says which model it is, see `sidecar.py`.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from faceswap.engine.neural.contracts import ENHANCERS, MASKS, ROLES, SWAPPERS, Contract, MaskContract, Role
from faceswap.engine.neural.fitting import Fit, fit_of, projects
from faceswap.engine.neural.onnx_file import NotOnnx, Signature, read_signature
from faceswap.engine.neural.published import KNOWN
from faceswap.engine.neural.sidecar import Sidecar, WrongSidecar, read_sidecar, sidecar_path
from faceswap.errors import (
    NeuralModelUnknown,
    NeuralUnavailable,
    NeuralWeightsAmbiguous,
    NeuralWeightsDamaged,
    NeuralWeightsMissing,
    NeuralWeightsUnsuitable,
    NeuralWeightsWrong,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    path: Path
    model: str
    role: Role
    signature: Signature
    contract: Contract | None = None
    """Only swappers and enhancers have one."""
    mask: MaskContract | None = None
    """Only face parsers and occluder models have one."""
    stated: bool = False
    """Whether a sidecar says which model it is."""

    @property
    def name(self) -> str:
        """The name by which a task chooses this file: its file name without `.onnx`."""
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Fact:
    """What receipts and pages say about a weights file."""

    role: str
    name: str
    """Name of the published file; for any other file, name of its model."""
    file: str
    sha256: str
    recognised: bool
    licence: str
    """A `published.Licence`, or what the file's sidecar says."""


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

    @property
    def swappers(self) -> tuple[WeightsFile, ...]:
        """The swap models; the first one is used unless a task chooses another."""
        return self._in_order(Role.SWAPPER)

    def with_swapper(self, wanted: str) -> Self:
        """The folder without the swap models that a task did not choose.

        `wanted` is the name of a file, with or without `.onnx`, or the name of a model; "" chooses none.

        Raises: NeuralModelUnknown.
        """
        if not wanted:
            return self
        named = wanted.casefold().removesuffix(".onnx")
        fit = [file for file in self.swappers if file.name.casefold() == named]
        fit = fit or [file for file in self.swappers if file.model.casefold() == named]
        if not fit:
            raise NeuralModelUnknown(model=wanted)
        return replace(
            self, files=tuple(file for file in self.files if file is fit[0] or file.role is not Role.SWAPPER)
        )

    def find(self, role: Role) -> WeightsFile | None:
        """The file to use in this role, or None. Use `embedder` and `converter` for those two roles."""
        return next(iter(self._in_order(role)), None)

    def _in_order(self, role: Role) -> tuple[WeightsFile, ...]:
        order = list(ROLES)
        return tuple(
            sorted(
                (file for file in self.files if file.role is role),
                key=lambda file: (order.index(file.model) if file.model in order else -1, file.path.name),
            )
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
    return _weights_file(path, model, fit.role, signature)


def _weights_file(path: Path, model: str, role: Role, signature: Signature) -> WeightsFile:
    return WeightsFile(
        path, model, role, signature, SWAPPERS.get(model) or ENHANCERS.get(model), MASKS.get(model)
    )


def _as_stated(path: Path, signature: Signature, fit: Fit, sidecar: Sidecar) -> WeightsFile:
    """Raises: WrongSidecar."""
    if sidecar.model in ROLES and sidecar.model not in fit.models:
        raise WrongSidecar(f"the graph is no {sidecar.model}: its inputs and outputs do not fit")
    if fit.role is Role.SWAPPER:
        contract = sidecar.contract(fit.side)
        if contract.identity == "projected" and not projects(signature):
            raise WrongSidecar("the graph holds no matrix to project the embedding with")
        return WeightsFile(path, sidecar.model, fit.role, signature, contract, stated=True)
    if sidecar.model not in ROLES:
        raise WrongSidecar(f"{sidecar.model!r} is not known")
    return replace(_weights_file(path, sidecar.model, fit.role, signature), stated=True)


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
        licence=known.licence if known else _licence(weights.path) or "unknown",
    )


def _licence(path: Path) -> str | None:
    """What the sidecar says of the terms of a file."""
    try:
        sidecar = read_sidecar(path)
    except WrongSidecar:
        return None
    return sidecar.licence if sidecar else None


def _digest(path: Path) -> str:
    """Raises: NeuralWeightsDamaged."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NeuralWeightsDamaged(file=path.name) from error


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
