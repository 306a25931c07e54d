"""A video that is cut, swapped part by part and joined is the same as one that is swapped in one go."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.engine.parting import WHOLE, cut_for_swap, join_swapped
from faceswap.engine.swap import swap_video
from faceswap.errors import InvalidRequest, NoFaceFound, ResultDamaged, ResultMissing
from faceswap.media import Coding, Cut, Limits, PartWriter, VideoReader, cutting, keep_part, read_aigc
from tests import judge
from tests.downloads import recogniser_path
from tests.integration.test_engine_swap import track
from tests.media import transcode

LIMITS = Limits()
ENCODER_NOISE = 2.5
"""Two encodings of the same frame differ by less than this on average, in steps of 255."""
MARKING = Marking(label=Label(opening_s=1.5), aigc='{"Label": "1"}')


@pytest.fixture(autouse=True)
def short_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "WARM_UP_S", 0.5)


def swapped_in_parts(
    sources: dict[str, Path], clip: Path, folder: Path, model: Path, options: Options, recogniser: Path | None
) -> tuple[Path, list[Cut]]:
    """Each part is swapped as a worker does that has its cut and the file about the whole video only."""
    folder.mkdir()
    cuts = cut_for_swap(clip, folder, sources, model, LIMITS, options, None, recogniser, part_s=0.7)
    for number, cut in enumerate(cuts):
        part = folder / f"part-{number}.mp4"
        done = swap_video(
            *(sources, folder / cut.file, part, model, LIMITS, options),
            marking=MARKING,
            recogniser=recogniser,
            span=cut.span,
            whole=folder / WHOLE,
        )
        assert done.frames == cut.frames
        keep_part(folder, number, cut, part.name, done.frames, done.swapped_frames or 0)
    result = folder / "result.mp4"
    joined = join_swapped(clip, folder, len(cuts), result, LIMITS, options, MARKING.aigc)
    assert joined.frames == sum(cut.frames for cut in cuts)
    return result, cuts


def apart(one: Path, other: Path) -> list[float]:
    pairs = zip(judge.pictures(one), judge.pictures(other), strict=True)
    return [float(np.abs(ours.astype(int) - theirs).mean()) for ours, theirs in pairs]


@pytest.mark.parametrize("options", [Options(), Options(start_s=0.2)], ids=["all of it", "its end"])
def test_there_is_no_seam(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path, options: Options
) -> None:
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=72, audio=("aac",), g="10")
    whole = tmp_path / "whole.mp4"
    done = swap_video({"": portrait}, clip, whole, landmark_model, LIMITS, options, marking=MARKING)
    assert done.swapped_frames == done.frames
    result, cuts = swapped_in_parts({"": portrait}, clip, tmp_path / "parts", landmark_model, options, None)
    assert len(cuts) >= 3
    assert track(result, "video").times == track(whole, "video").times
    assert track(result, "audio").payloads == track(whole, "audio").payloads
    assert read_aigc(result, LIMITS) == read_aigc(whole, LIMITS)
    differences = apart(result, whole)
    borders = list(itertools.accumulate(cut.frames for cut in cuts))[:-1]
    near = [one for number, one in enumerate(differences) if any(-5 <= number - at < 5 for at in borders)]
    assert max(differences) < ENCODER_NOISE
    assert np.mean(near) < 1.3 * np.mean(differences) + 0.05


def test_each_of_two_people_gets_their_source_in_every_part(
    portrait: Path,
    other_portrait: Path,
    crossing_video: Path,
    landmark_model: Path,
    tmp_path: Path,
) -> None:
    clip = transcode(crossing_video, tmp_path / "clip.mp4", frames=None, g="8")
    sources = {"face_0": portrait, "face_1": other_portrait}
    whole = tmp_path / "whole.mp4"
    swap_video(sources, clip, whole, landmark_model, LIMITS, recogniser=recogniser_path(), marking=MARKING)
    result, cuts = swapped_in_parts(
        sources, clip, tmp_path / "parts", landmark_model, Options(), recogniser_path()
    )
    assert len(cuts) >= 2
    differences = apart(result, whole)
    assert max(differences) < ENCODER_NOISE, "also where the label's long words end"


def test_what_cannot_be_joined_is_told(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path
) -> None:
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=72, g="10")
    folder = tmp_path / "parts"
    folder.mkdir()
    options = Options()
    cuts = cut_for_swap(clip, folder, {"": portrait}, landmark_model, LIMITS, options, None, None, part_s=0.7)
    join = (clip, folder, len(cuts), tmp_path / "result.mp4", LIMITS, options, None)
    with pytest.raises(ResultMissing):
        join_swapped(*join)
    for number, cut in enumerate(cuts):
        encoder = Coding(encoder="libx264" if number else "libx265")
        with VideoReader(folder / cut.file, LIMITS) as reader:
            writer = PartWriter(folder / f"{number}.mp4", reader, encoder, cut.span)
            for frame in reader.frames():
                writer.write(frame)
            writer.close()
        keep_part(folder, number, cut, f"{number}.mp4", cut.frames, 0)
    with pytest.raises(NoFaceFound):
        join_swapped(*join)
    keep_part(folder, 0, cuts[0], "0.mp4", cuts[0].frames, 5)
    with pytest.raises(ResultDamaged):
        join_swapped(*join)
    assert not (tmp_path / "result.mp4").exists()


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"format": 1, "most": 1, "shapes": [[1]], "selection": null}']
)
def test_a_damaged_file_about_the_whole_video_is_refused(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path, damage: str
) -> None:
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=72, g="10")
    cuts = cut_for_swap(
        clip, tmp_path, {"": portrait}, landmark_model, LIMITS, Options(), None, None, part_s=0.7
    )
    said = json.loads((tmp_path / WHOLE).read_text())
    assert said["shapes"]
    (tmp_path / WHOLE).write_text(damage)
    with pytest.raises(InvalidRequest):
        swap_video(
            *({"": portrait}, tmp_path / cuts[0].file, tmp_path / "part.mp4", landmark_model),
            span=cuts[0].span,
            whole=tmp_path / WHOLE,
        )


def test_a_video_that_need_not_keep_its_rate_is_swapped_in_one_go(
    portrait: Path, face_video: Path, landmark_model: Path, tmp_path: Path
) -> None:
    clip = transcode(face_video, tmp_path / "clip.mp4", frames=72, g="10")
    reduced = Options(keep_fps=False)
    assert not cut_for_swap(
        clip, tmp_path, {"": portrait}, landmark_model, LIMITS, reduced, None, None, part_s=0.7
    )
    assert not list(tmp_path.glob("cut-*"))
