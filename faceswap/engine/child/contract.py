"""The requests that the engine's child process accepts, and its answers.

The caller that starts an engine builds one of the specs. `process.EngineProcess` writes the spec as one line
of JSON, and turns the last line of the answer into the spec's result type. To pass a new value, add a field
here; the code between the two processes stays the same.

This module uses dataclasses and `faceswap.codec` instead of pydantic, because every child loads it and reads
a spec before its limits apply. This module and its imports take 65 ms of processor time to load; pydantic
with one model takes 140 ms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

from faceswap import codec
from faceswap.engine.face.found import DetectedFace, Face, SourceNote
from faceswap.engine.marks.found import FoundMarks
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.media.kinds import Cut, Kind, Limits, MediaInfo, Span
from faceswap.swap_result import SwapResult

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of one child process."""

    memory_mb: int
    """Address space in 10**6 bytes. Not enforced when the child may use a GPU: CUDA reserves far more."""
    cpu_s: float | None = None
    """Processor time of all its threads together, in seconds. None sets no limit."""
    media: Limits = field(default_factory=Limits)
    """The largest media that it may decode."""


class Spec(ABC, Generic[R]):
    """One request to a child process. Its answer has the type `R`."""

    task: ClassVar[str]
    """Name of the request in the JSON line."""
    limits: EngineLimits

    @staticmethod
    @abstractmethod
    def result_type() -> type[R]: ...

    confined: ClassVar[bool] = True
    """Whether the child gives up access to the network and to all other files before it opens a file."""

    @property
    def media_path(self) -> Path | None:
        """The media file of the request. A confined child may read it. When the child runs out of memory, the
        error reports this file's size in pixels."""
        return None

    @property
    def read_paths(self) -> tuple[Path, ...]:
        """Other files and folders that a confined child may read, besides those of installed programs."""
        return ()

    @property
    def written_paths(self) -> tuple[Path, ...]:
        """The files that the child writes. When the parent dies, the child removes unfinished ones."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapSpec(Spec[SwapResult]):
    """Swap the faces of a picture or video and write the result to a file."""

    task: ClassVar[str] = "swap"
    limits: EngineLimits
    kind: Kind
    sources: Mapping[str, Path]
    """Pictures of the faces to put in. The only key `""` means the largest face of the target, or all its
    faces with `options.many_faces`. Otherwise each key is the id of a face to be swapped, as `FacesSpec`
    returns it."""
    target: Path
    result: Path
    options: Options = field(default_factory=Options)
    marking: Marking | None = None
    """The labels of the result. None in tests and benchmarks only."""
    people: Path | None = None
    """The file that `FacesSpec` wrote about the people of a video. A missing file counts as None."""
    weights_dir: Path | None = None
    """Folder of the face landmark model."""
    models_dir: Path | None = None
    """Folder of the user's weights files for the neural engine."""
    parts: Path | None = None
    """An existing folder for the parts of a long video. It outlives the run, so that the next run of the job
    goes on after the parts that are finished. With None the next run starts anew."""
    latest: Path | None = None
    """Where to keep a small JPEG of the latest frame, or of the picture, beside `result`. None keeps none."""
    span: Span | None = None
    """With it, `target` is one cut of a video, see `CutSpec`, and the result has the frames of this span and
    no sound."""
    whole: Path | None = None
    """The file about the whole video that belongs to the cut."""

    @staticmethod
    def result_type() -> type[SwapResult]:
        return SwapResult

    @property
    def tells_people_apart(self) -> bool:
        return _tells_people_apart(self.kind, self.sources, self.options)

    @property
    def media_path(self) -> Path:
        return self.target

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(*self.sources.values(), self.people, self.whole, self.weights_dir, self.models_dir)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return _present(self.result, self.parts and self.parts / "part")


@dataclass(frozen=True, slots=True)
class CutResult:
    cuts: tuple[Cut, ...]
    """Empty when the video is to be swapped in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSpec(Spec[CutResult]):
    """Cut a long video into files that are swapped apart from each other. The fields are as in `SwapSpec`."""

    task: ClassVar[str] = "cut"
    limits: EngineLimits
    sources: Mapping[str, Path]
    target: Path
    folder: Path
    """An existing folder for the cuts and the file about the whole video."""
    part_s: float
    """The usual length of a part."""
    options: Options = field(default_factory=Options)
    people: Path | None = None
    weights_dir: Path | None = None

    @staticmethod
    def result_type() -> type[CutResult]:
        return CutResult

    @property
    def tells_people_apart(self) -> bool:
        return _tells_people_apart("video", self.sources, self.options)

    @property
    def media_path(self) -> Path:
        return self.target

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(self.people, self.weights_dir)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return (self.folder / "cut",)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinSpec(Spec[SwapResult]):
    """Join the swapped parts of a video, and add the sound of the target."""

    task: ClassVar[str] = "join"
    limits: EngineLimits
    target: Path
    folder: Path
    """The folder of the swapped parts, see `media.keep_part`."""
    count: int
    result: Path
    options: Options = field(default_factory=Options)
    marking: Marking | None = None

    @staticmethod
    def result_type() -> type[SwapResult]:
        return SwapResult

    @property
    def media_path(self) -> Path:
        return self.target

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return (self.folder,)

    @property
    def written_paths(self) -> tuple[Path, ...]:
        return (self.result,)


@dataclass(frozen=True, slots=True)
class PreviewResult:
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSpec(Spec[PreviewResult]):
    """Swap one picture or one frame of a video, and write no file. The fields are those of `SwapSpec`."""

    task: ClassVar[str] = "preview"
    limits: EngineLimits
    kind: Kind
    sources: Mapping[str, Path]
    target: Path
    options: Options = field(default_factory=Options)
    label: Label | None = None
    """The visible label of the preview."""
    at_s: float | None = None
    """Time of the frame in seconds. With None the engine looks for a frame that shows a face, first in the
    middle of the video."""
    people: Path | None = None
    weights_dir: Path | None = None
    models_dir: Path | None = None

    @staticmethod
    def result_type() -> type[PreviewResult]:
        return PreviewResult

    @property
    def tells_people_apart(self) -> bool:
        return _tells_people_apart(self.kind, self.sources, self.options)

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
    """The faces, largest first. Empty when `detect_faces` is False."""
    notes: tuple[SourceNote, ...] = ()
    """What about a picture's largest face will show in a swap with it as the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectSpec(Spec[InspectResult]):
    """Check a file by its content. The child decodes the whole picture, or the first frame of a video."""

    task: ClassVar[str] = "inspect"
    limits: EngineLimits
    path: Path
    detect_faces: bool = False
    normalised: Path | None = None
    """Where to write a copy of a picture: PNG, upright, RGB, without metadata."""
    clip: Path | None = None
    """Where to write an animation as MP4; the child then checks it as a video. With None the child uses the
    animation's first picture."""
    thumbnail: Path | None = None
    """Where to write a small WebP of the picture, or of the first frame."""
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
        return _present(self.normalised, self.clip, self.thumbnail)


@dataclass(frozen=True, slots=True)
class FacesResult:
    faces: tuple[DetectedFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSpec(Spec[FacesResult]):
    """Give an id to each face of a picture, or to each person in a whole video."""

    task: ClassVar[str] = "faces"
    limits: EngineLimits
    path: Path
    people: Path | None = None
    """Where to write what detection learns about the people of a video. `SwapSpec.people` reads this file.
    None for a picture."""
    weights_dir: Path | None = None

    @staticmethod
    def result_type() -> type[FacesResult]:
        return FacesResult

    @property
    def tells_people_apart(self) -> bool:
        return self.people is not None

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
    """The gate's reason for a refusal, for the log. None when the gate accepts the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec(Spec[GateResult]):
    """Ask a content gate about a picture or video, see `engine.gate`.

    The child is not confined: a gate is the operator's own code and may load any file and use the network.
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
    """The marks that the child read back from the signed file."""


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
    """The private key, PEM. `chain` and `anchors` are PEM, too."""
    chain: str
    anchors: str
    label: Label | None
    """The visible label to look for. None when the result has none."""

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
    """The trusted certificates, PEM."""

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
    """Load each weights file that the neural engine would use, and run each one once."""

    task: ClassVar[str] = "models"
    limits: EngineLimits
    models_dir: Path | None = None

    @staticmethod
    def result_type() -> type[ModelsResult]:
        return ModelsResult

    @property
    def read_paths(self) -> tuple[Path, ...]:
        return _present(self.models_dir)


def _tells_people_apart(kind: Kind, sources: Mapping[str, Path], options: Options) -> bool:
    return kind == "video" and ("" not in sources or not options.every_face)


def _present(*paths: Path | None) -> tuple[Path, ...]:
    return tuple(path for path in paths if path is not None)


SPECS: Mapping[str, type[Spec[Any]]] = {
    spec.task: spec
    for spec in (
        *(SwapSpec, CutSpec, JoinSpec, PreviewSpec, InspectSpec),
        *(FacesSpec, GateSpec, SealSpec, MarksSpec, ModelsSpec),
    )
}


def spec_to_json(spec: Spec[Any]) -> dict[str, Any]:
    return {"task": spec.task, **codec.encode(spec)}


def spec_from_json(raw: object) -> Spec[Any]:
    """Read a spec from JSON. Raises: codec.Malformed when it is no spec, or one of another version."""
    fields = dict(cast("dict[str, object]", raw)) if isinstance(raw, dict) else {}
    kind = SPECS.get(str(fields.pop("task", "")))
    if kind is None:
        raise codec.Malformed("task must be one of " + ", ".join(SPECS))
    return codec.decode(kind, fields)
