"""What the engine's child process can be asked to do, and what it answers.

Whoever starts an engine builds one of the specs. `process.EngineProcess` writes it as one line of JSON and
turns the closing line back into the spec's result type. A field is added here, and nowhere else between the
two ends.

Dataclasses and `faceswap.codec` rather than pydantic: every child reads a spec before its limits are in
force. This module with all it imports takes 65 ms of processor time to load, pydantic with one model 140 ms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from faceswap import codec
from faceswap.engine.face.found import DetectedFace, Face
from faceswap.engine.marks.found import FoundMarks
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.media.kinds import Kind, Limits, MediaInfo
from faceswap.swap_result import SwapResult

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one child process may use."""

    memory_mb: int
    """Address space in 10**6 bytes. Not enforced where a GPU may be used: CUDA reserves far more."""
    cpu_s: float | None = None
    """Processor time of all its threads; None is without limit."""
    media: Limits = field(default_factory=Limits)
    """What it may decode."""


class Spec(ABC, Generic[R]):
    """One request to a child process; the answer is an `R`."""

    task: ClassVar[str]
    """Its name in the JSON line."""
    limits: EngineLimits

    @staticmethod
    @abstractmethod
    def result_type() -> type[R]: ...

    confined: ClassVar[bool] = True
    """Whether the child gives up every file but its own, and the network, before it opens one."""

    @property
    def media_path(self) -> Path | None:
        """The file whose size is reported when the child runs out of memory."""
        return None

    @property
    def read_paths(self) -> tuple[Path, ...]:
        """The files and folders that a confined child may read beside `media_path` and what is installed."""
        return ()

    @property
    def written_paths(self) -> tuple[Path, ...]:
        """The files that the child writes. When the parent dies, it removes their unfinished versions."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapSpec(Spec[SwapResult]):
    """Swap the faces of a picture or video and write the result to a file."""

    task: ClassVar[str] = "swap"
    limits: EngineLimits
    kind: Kind
    sources: Mapping[str, Path]
    """Photos of the faces to put in: `""` for the largest face of the target, or for all of them with
    `options.many_faces`; or one for each face that is to be swapped, by the ids that `FacesSpec` gives."""
    target: Path
    result: Path
    options: Options = field(default_factory=Options)
    marking: Marking | None = None
    """What the result is marked with; None only in tests and benchmarks."""
    people: Path | None = None
    """What `FacesSpec` left about the people of a video. A missing file is as good as None."""
    weights_dir: Path | None = None
    """Folder of the face landmark model."""
    models_dir: Path | None = None
    """Folder of the user's weights files for the neural engine."""

    @staticmethod
    def result_type() -> type[SwapResult]:
        return SwapResult

    @property
    def media_path(self) -> Path:
        return self.target

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(*self.sources.values(), self.people, self.weights_dir, self.models_dir)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return (self.result,)


@dataclass(frozen=True, slots=True)
class PreviewResult:
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSpec(Spec[PreviewResult]):
    """Swap one picture, or one frame of a video, and write no file. Fields as in `SwapSpec`."""

    task: ClassVar[str] = "preview"
    limits: EngineLimits
    kind: Kind
    sources: Mapping[str, Path]
    target: Path
    options: Options = field(default_factory=Options)
    label: Label | None = None
    """The visible label, put onto the picture."""
    at_s: float | None = None
    """Time of the frame in seconds; None takes one near the middle that shows a face."""
    people: Path | None = None
    weights_dir: Path | None = None
    models_dir: Path | None = None

    @staticmethod
    def result_type() -> type[PreviewResult]:
        return PreviewResult

    @property
    def media_path(self) -> Path:
        return self.target

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(*self.sources.values(), self.people, self.weights_dir, self.models_dir)


@dataclass(frozen=True, slots=True)
class InspectResult:
    media: MediaInfo
    faces: tuple[Face, ...] = ()
    """Largest first; empty when they were not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectSpec(Spec[InspectResult]):
    """Judge a picture or video by its content: a picture is decoded in full, of a video the first frame."""

    task: ClassVar[str] = "inspect"
    limits: EngineLimits
    path: Path
    detect_faces: bool = False
    normalised: Path | None = None
    """Where a picture is written again: upright, RGB, without metadata, as PNG."""
    clip: Path | None = None
    """Where an animation is written as MP4 and judged as a video; None takes its first picture."""
    weights_dir: Path | None = None

    @staticmethod
    def result_type() -> type[InspectResult]:
        return InspectResult

    @property
    def media_path(self) -> Path:
        return self.path

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(self.weights_dir)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return _present(self.normalised, self.clip)


@dataclass(frozen=True, slots=True)
class FacesResult:
    faces: tuple[DetectedFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSpec(Spec[FacesResult]):
    """Number the faces of a picture, or the people of a video over its whole length."""

    task: ClassVar[str] = "faces"
    limits: EngineLimits
    path: Path
    people: Path | None = None
    """Where to write what is learned about the people of a video, for `SwapSpec.people`."""
    weights_dir: Path | None = None

    @staticmethod
    def result_type() -> type[FacesResult]:
        return FacesResult

    @property
    def media_path(self) -> Path:
        return self.path

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(self.weights_dir)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return _present(self.people)


@dataclass(frozen=True, slots=True)
class GateResult:
    refused: str | None
    """The gate's reason, for the log; None when it lets the file pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec(Spec[GateResult]):
    """Ask a content gate about a picture or video, see `engine.gate`.

    Not confined: a gate is the operator's own code, and loads and asks whom it likes.
    """

    task: ClassVar[str] = "gate"
    confined: ClassVar[bool] = False
    limits: EngineLimits
    gate: str
    path: Path

    @staticmethod
    def result_type() -> type[GateResult]:
        return GateResult

    @property
    def media_path(self) -> Path:
        return self.path


@dataclass(frozen=True, slots=True)
class SealResult:
    marks: FoundMarks
    """As they were read back from the sealed file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSpec(Spec[SealResult]):
    """Sign a result, write the signed file, and read all its marks back."""

    task: ClassVar[str] = "seal"
    limits: EngineLimits
    path: Path
    result: Path
    manifest: Mapping[str, object]
    """The definition of a C2PA manifest."""
    key: str = field(repr=False)
    """PEM, as are the next two."""
    chain: str
    anchors: str
    label: Label | None
    """The visible label to look for; None when there is none."""

    @staticmethod
    def result_type() -> type[SealResult]:
        return SealResult

    @property
    def media_path(self) -> Path:
        return self.path

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return (self.result,)


@dataclass(frozen=True, slots=True)
class MarksResult:
    marks: FoundMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksSpec(Spec[MarksResult]):
    """Read the marks of any picture or video."""

    task: ClassVar[str] = "marks"
    limits: EngineLimits
    path: Path
    anchors: str
    """Certificates whose signatures are trusted, PEM."""

    @staticmethod
    def result_type() -> type[MarksResult]:
        return MarksResult

    @property
    def media_path(self) -> Path:
        return self.path


@dataclass(frozen=True, slots=True)
class ModelsResult:
    engine: str
    provider: str | None
    weights: tuple[Mapping[str, str | bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsSpec(Spec[ModelsResult]):
    """Load each weights file of the neural engine that would be used, and run it once."""

    task: ClassVar[str] = "models"
    limits: EngineLimits
    models_dir: Path | None = None

    @staticmethod
    def result_type() -> type[ModelsResult]:
        return ModelsResult

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(self.models_dir)


def _present(*paths: Path | None) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


SPECS: Mapping[str, type[Spec[Any]]] = {
    spec.task: spec
    for spec in (SwapSpec, PreviewSpec, InspectSpec, FacesSpec, GateSpec, SealSpec, MarksSpec, ModelsSpec)
}


def spec_to_json(spec: Spec[Any]) -> dict[str, Any]:
    return {"task": spec.task, **codec.encode(spec)}


def spec_from_json(raw: object) -> Spec[Any]:
    """Raises: codec.Malformed: not a spec, or not of this version."""
    fields = dict(cast("dict[str, object]", raw)) if isinstance(raw, dict) else {}
    kind = SPECS.get(str(fields.pop("task", "")))
    if kind is None:
        raise codec.Malformed("task must be one of " + ", ".join(SPECS))
    return codec.decode(kind, fields)
