"""Carries out each spec in the child process. Each task imports the native libraries that it needs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceswap.engine.child.contract import (
    CutResult,
    CutSpec,
    FacesResult,
    FacesSpec,
    GateResult,
    GateSpec,
    InspectResult,
    InspectSpec,
    JoinSpec,
    MarksResult,
    MarksSpec,
    ModelsResult,
    ModelsSpec,
    PreviewResult,
    PreviewSpec,
    SealResult,
    SealSpec,
    Spec,
    SwapSpec,
)
from faceswap.errors import WeightsMissing
from faceswap.swap_result import SwapResult

if TYPE_CHECKING:
    from faceswap.engine.neural.weights import Fact
    from faceswap.engine.planes import U8

Progress = Callable[[float, int], None]
"""Called with the finished share, 0..1, and the number of finished frames."""


def carry_out(spec: Spec[Any], progress: Progress) -> object:
    """Carry out one request. Returns a result of the type `spec.result_type()`."""
    match spec:
        case SwapSpec():
            return _swap(spec, progress)
        case CutSpec():
            return _cut(spec)
        case JoinSpec():
            return _join(spec)
        case PreviewSpec():
            return _preview(spec)
        case InspectSpec():
            return _inspect(spec)
        case FacesSpec():
            return _faces(spec)
        case GateSpec():
            return _gate(spec)
        case SealSpec():
            return _seal(spec)
        case MarksSpec():
            return _marks(spec)
        case ModelsSpec():
            return _models(spec)
        case _:
            raise TypeError(f"no task for {type(spec).__name__}")


def _swap(spec: SwapSpec, progress: Progress) -> SwapResult:
    from faceswap.engine.engines import Engine, EngineRequest, with_engine
    from faceswap.engine.swap import swap_image, swap_video

    files = spec.sources, spec.target, spec.result, _landmark_model(spec.weights_dir)
    limits, options, marking = spec.limits.media, spec.options, spec.marking
    hands, recogniser = _hand_model(spec), _recogniser(spec)

    def run(engine: Engine) -> SwapResult:
        if spec.kind == "image":
            return swap_image(
                *files, limits, options, engine, marking=marking, hand_model=hands, latest=spec.latest
            )
        return swap_video(
            *files,
            limits,
            options,
            progress,
            spec.people,
            engine,
            marking=marking,
            hand_model=hands,
            recogniser=recogniser,
            parts=spec.parts,
            latest=spec.latest,
            span=spec.span,
            whole=spec.whole,
        )

    done = with_engine(EngineRequest.of(options, spec.models_dir), run)
    unknown_hands = ("hand_model_missing",) if options.occlusion_mask and hands is None else ()
    return dataclasses.replace(
        done.result,
        notes=(*done.result.notes, *done.notes, *unknown_hands),
        engine=done.engine,
        provider=done.provider,
        weights=_weights(done.facts),
    )


def _cut(spec: CutSpec) -> CutResult:
    from faceswap.engine.parting import cut_for_swap

    model, limits = _landmark_model(spec.weights_dir), spec.limits.media
    about = model, limits, spec.options, spec.people, _recogniser(spec), spec.part_s
    return CutResult(tuple(cut_for_swap(spec.target, spec.folder, spec.sources, *about)))


def _join(spec: JoinSpec) -> SwapResult:
    from faceswap.engine.parting import join_swapped

    files = spec.target, spec.folder, spec.count, spec.result
    aigc = spec.marking.aigc if spec.marking else None
    return join_swapped(*files, spec.limits.media, spec.options, aigc)


def _preview(spec: PreviewSpec) -> PreviewResult:
    from faceswap.engine.engines import Engine, EngineRequest, with_engine
    from faceswap.engine.preview import preview

    files = spec.sources, spec.target, _landmark_model(spec.weights_dir)
    limits, options, hands = spec.limits.media, spec.options, _hand_model(spec)

    def run(engine: Engine) -> bytes:
        about = spec.at_s, spec.people, engine, spec.label, hands, _recogniser(spec)
        return preview(spec.kind, *files, limits, options, *about)

    return PreviewResult(with_engine(EngineRequest.of(options, spec.models_dir), run).result)


def _inspect(spec: InspectSpec) -> InspectResult:
    from faceswap.engine.face.inspect import inspect
    from faceswap.engine.mesh.portrait import Portrait, look_at

    def look(picture: U8) -> Portrait:
        return look_at(picture, _landmark_model(spec.weights_dir))

    look_if_asked = look if spec.detect_faces else None
    files = spec.normalised, look_if_asked, spec.clip, spec.thumbnail
    info, seen = inspect(spec.path, spec.limits.media, *files)
    if seen is None:
        return InspectResult(info)
    return InspectResult(info, seen.faces, seen.notes if info.kind == "image" else ())


def _faces(spec: FacesSpec) -> FacesResult:
    from faceswap.engine.face.faces import numbered_faces

    model = _landmark_model(spec.weights_dir)
    files = model, spec.people, _recogniser(spec)
    return FacesResult(tuple(numbered_faces(spec.path, spec.limits.media, *files)))


def _gate(spec: GateSpec) -> GateResult:
    from faceswap.engine.gate import judge

    return GateResult(judge(spec.gate, spec.path, spec.limits.media))


def _seal(spec: SealSpec) -> SealResult:
    from faceswap.engine.marks.seal import seal

    return SealResult(
        seal(
            spec.path,
            spec.result,
            spec.manifest,
            spec.key,
            spec.chain,
            spec.anchors,
            spec.label,
            spec.limits.media,
        )
    )


def _marks(spec: MarksSpec) -> MarksResult:
    from faceswap.engine.marks.seal import read_marks

    return MarksResult(read_marks(spec.path, spec.anchors, spec.limits.media))


def _models(spec: ModelsSpec) -> ModelsResult:
    from faceswap.engine.engines import check

    done = check(spec.models_dir)
    return ModelsResult(done.engine, done.provider, _weights(done.facts))


def _landmark_model(weights_dir: Path | None) -> Path:
    """The path of the face landmark model, which is downloaded if it is missing. Raises: WeightsMissing."""
    from faceswap.engine.face.models import landmarker_path

    return landmarker_path(weights_dir, lambda line: print(line, file=sys.stderr))


def _hand_model(spec: SwapSpec | PreviewSpec) -> Path | None:
    """The path of the hand model; None if it is not needed, or missing and cannot be downloaded."""
    from faceswap.engine.face.models import hand_model_path

    return _optional(hand_model_path, spec.weights_dir) if spec.options.occlusion_mask else None


def _recogniser(spec: SwapSpec | PreviewSpec | FacesSpec | CutSpec) -> Path | None:
    """The path of the model that tells people apart; None if it is not needed, or missing and cannot be
    downloaded."""
    from faceswap.engine.face.models import recogniser_path

    return _optional(recogniser_path, spec.weights_dir) if spec.tells_people_apart else None


def _optional(find: Callable[[Path | None, Callable[[str], None]], Path], folder: Path | None) -> Path | None:
    try:
        return find(folder, lambda line: print(line, file=sys.stderr))
    except WeightsMissing:
        return None


def _weights(facts: Sequence[Fact]) -> tuple[dict[str, str | bool], ...]:
    return tuple(dataclasses.asdict(fact) for fact in facts)
