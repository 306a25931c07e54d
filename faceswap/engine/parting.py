"""Cuts a video into parts that several machines swap, and joins what they swapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.recognition import Recogniser
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.options import Options
from faceswap.engine.whole import Whole
from faceswap.errors import NoFaceFound, ResultMissing
from faceswap.media import Cut, Limits, cut_video, join_parts, kept_parts, open_part
from faceswap.media.kept import WHOLE
from faceswap.source_keys import by_face
from faceswap.swap_result import SwapResult


def cut_for_swap(
    target: Path,
    folder: Path,
    sources: Mapping[str, Path],
    model: Path,
    limits: Limits,
    options: Options,
    people: Path | None,
    recogniser: Path | None,
    part_s: float,
) -> list[Cut]:
    """Cut what `options` names of a video into files in `folder`, with parts of about `part_s`. Write `WHOLE`
    beside them.

    The list is empty if the video is swapped in one go, see `cut_video`. Raises: see `Whole.find`.
    """
    if not options.keep_fps:
        return []
    cuts = cut_video(target, limits, folder, options.start_s, options.end_s, part_s)
    if cuts:
        mesh, landmarker = FaceMesh(model), Landmarker(model)
        describe = Recogniser(recogniser) if recogniser else Appearance(mesh)
        files = target, limits, landmarker, mesh, describe, by_face(sources), options, people
        Whole.find(*files).save(folder / WHOLE)
    return cuts


def join_swapped(
    target: Path, folder: Path, count: int, result: Path, limits: Limits, options: Options, aigc: str | None
) -> SwapResult:
    """Join the `count` swapped parts in `folder`, with the sound of the target.

    Raises:
        NoFaceFound: no part has a frame that was swapped; role "target".
        ResultMissing: a part is not there.
        ResultDamaged: the parts were not encoded in the same way.
    """
    parts = kept_parts(folder, count).values()
    if len(parts) < count:
        raise ResultMissing()
    frames, swapped = (sum(part[index] for part in parts) for index in (0, 1))
    if not swapped:
        raise NoFaceFound(role="target")
    with (
        open_part(target, limits, options.start_s, options.end_s) as reader,
        whole_or_not_at_all(result) as part,
    ):
        reencoded = join_parts(folder, reader, part, aigc)
        notes = (*reader.notes, *(["audio_reencoded"] if reencoded else []))
    return SwapResult(frames=frames, swapped_frames=swapped, notes=notes)
