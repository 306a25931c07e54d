"""Measures how real the mesh engine's swaps look, frame by frame.

    python -m benchmarks.quality                      on packaged and generated media
    python -m benchmarks.quality --media DIR          on your own clips and photos
    python -m benchmarks.quality --only hand,pan      some of the pairs
    python -m benchmarks.quality --sheets DIR         folder for the contact sheets

It prints one row for each pair of a photo and a clip. It also makes one contact sheet for each pair. Look at
it, because no figure shows everything. The results are encoded without loss, so that each changed pixel was
changed by the engine. In your own folder, `pairs.txt` says which photo goes with which clip ("photo clip" on
each line). Without that file, each clip gets a photo in turn.

dlib's recogniser judges identity. MediaPipe's models judge landmarks, pose, gaze and expression. They run on
each frame anew, without the engine's tracking and smoothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

from benchmarks.hard_clips import Pair, packaged_pairs, pairs_of
from benchmarks.judging import Judge, Verdict
from faceswap.engine.options import Options
from faceswap.engine.swap import swap_video
from faceswap.errors import NoFaceFound
from faceswap.media import writing
from tests import downloads

_COLUMNS = (
    *("identity", "same", "unswapped", "flicker", "still", "landmarks_pct", "pose_deg", "blendshapes"),
    *(
        "gaze",
        "gaze_error",
        "sharpness",
        "luma_step",
        "chroma_step",
        "luma_shift",
        "kept",
        "outside",
        "cpu_ms",
    ),
)
_DIGITS = {
    "same": 2,
    "unswapped": 0,
    "outside": 0,
    "cpu_ms": 0,
    "luma_shift": 1,
    "luma_step": 1,
    "chroma_step": 1,
}


# The app makes nothing without loss, because browsers do not play that.
_LOSSLESS = {"libx264": writing._Encoder(lambda crf: 0, ({"preset": "veryfast"},))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--media", type=Path, help="a folder of clips and photos of your own")
    parser.add_argument("--only", default="", help="names of pairs, separated by commas")
    parser.add_argument("--sheets", type=Path, default=Path("quality-sheets"))
    parser.add_argument("--frames", type=int, default=100, help="judged at most of each clip")
    parser.add_argument("--no-occlusion-mask", action="store_true", help="swap over hands, hair and glasses")
    parser.add_argument("--json", type=Path, help="where to write the figures besides")
    options = parser.parse_args()
    options.sheets.mkdir(parents=True, exist_ok=True)
    model = downloads.landmark_model_path()
    judge = Judge(model)
    how = Options(crf=0, occlusion_mask=not options.no_occlusion_mask)
    wanted = set(filter(None, options.only.split(",")))
    with tempfile.TemporaryDirectory(prefix="faceswap-quality-") as scratch:
        folder = Path(scratch)
        if options.media:
            pairs = pairs_of(options.media, folder, options.frames, wanted)
        else:
            pairs = packaged_pairs(folder, wanted)
        verdicts: dict[str, Verdict] = {}
        print("| pair | " + " | ".join(_COLUMNS) + " |\n|---|" + "---|" * len(_COLUMNS))
        for pair in pairs:
            verdicts[pair.name] = measured(pair, folder, model, judge, options.sheets, how)
            print(_row(pair.name, [getattr(verdicts[pair.name], name) for name in _COLUMNS]), flush=True)
    for name, pick in (("mean", _mean), ("worst", _worst)):
        print(
            _row(
                name,
                [pick(column, [getattr(one, column) for one in verdicts.values()]) for column in _COLUMNS],
            )
        )
    if options.json:
        report = json.dumps({name: asdict(one) for name, one in verdicts.items()}, indent=1)
        options.json.write_text(report, "utf-8")


def measured(pair: Pair, folder: Path, model: Path, judge: Judge, sheets: Path, how: Options) -> Verdict:
    result, hands = folder / "result.mp4", downloads.hand_model_path()
    begun = time.process_time()
    try:
        with patch.dict(writing._ENCODERS, _LOSSLESS):
            swap_video({"": pair.photo}, pair.clip, result, model, options=how, hand_model=hands)
    except NoFaceFound:
        result = pair.clip
    cpu_s = time.process_time() - begun
    return judge.verdict(pair, result, sheets / f"{pair.name}.png", cpu_s)


def _mean(_: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _worst(column: str, values: Sequence[float | None]) -> float | None:
    """The worst value of a column. Most columns measure faults, so it is the largest value. Where more is
    better it is the smallest, for `sharpness` the one furthest from 1, and for `luma_shift` from 0.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    if column == "sharpness":
        return max(known, key=lambda value: max(value, 1 / max(value, 1e-3)))
    if column == "luma_shift":
        return max(known, key=abs)
    return min(known) if column in ("same", "gaze", "kept") else max(known)


def _row(name: str, values: Sequence[float | None]) -> str:
    cells = [
        "-" if value is None else f"{value:.{_DIGITS.get(column, 3 if column in _FINE else 2)}f}"
        for column, value in zip(_COLUMNS, values, strict=True)
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


_FINE = ("identity", "blendshapes", "gaze_error")

if __name__ == "__main__":
    main()
