"""The engine's child process: `python -m faceswap.engine`.

Reads one line of JSON, the spec, from standard input and writes lines of JSON to standard output: `progress`
events, then one `done` or `error`. Exit status 0 after `done`, 1 after `error`. When standard input ends, the
parent is gone: partial output is removed and the process ends at once.

    {"task": "swap", "kind": "image" | "video", "sources": {face: path}, "target": path, "result": path,
     "options": {see `Options`}, "people": path | null, "marking": {see `Marking`} | null,
     "weights_dir": path | null, "models_dir": path | null, "limits": {…}}
    {"task": "preview", as "swap" without "result", "label": {see `Label`} | null,
     "at_s": float | null}
    {"task": "inspect", "path": path, "detect_faces": bool, "normalised": path | null,
     "weights_dir": path | null, "limits": {…}}
    {"task": "gate", "gate": name, "path": path, "limits": {…}}
    {"task": "faces", "path": path, "people": path | null, "weights_dir": path | null, "limits": {…}}
    {"task": "seal", "path": path, "result": path, "manifest": {…}, "key": PEM, "chain": PEM, "anchors": PEM,
     "label": {see `Label`} | null, "limits": {…}}
    {"task": "marks", "path": path, "anchors": PEM, "limits": {…}}
    sources: {"": path} for the largest face, or for all with many_faces; {"face_0": path, …} for each face
    that is to be swapped, by the ids that "faces" gives them
    people: where "faces" leaves what it learned about a video's faces, and the others look for it
    {"task": "neural", "models_dir": path | null, "limits": {…}}
    models_dir: the user's weights for the neural engine
    limits: memory_mb, cpu_s (or null), max_megapixels, max_video_megapixels, max_duration_s

Native libraries are imported after the limits are in force and standard output is out of their reach.
"""

from __future__ import annotations

import base64
import ctypes
import dataclasses
import errno
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from faceswap.engine.marks.marking import Label, Marking
from faceswap.errors import BadMedia, DiskFull, FaceSwapError, TooManyPixels

_REPORT_EVERY_S = 0.2
_MALLOC_OPTIONS = {-8: 1, -3: 256 << 20, -1: 512 << 20}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD

Spec = dict[str, Any]
Event = dict[str, Any]


class _Reporter:
    """Writes events; `progress` at most five times a second and only when it rises. Any thread may call."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._shown = -1.0
        self._last_s = -_REPORT_EVERY_S

    def progress(self, share: float, frames: int) -> None:
        percent, now_s = round(100 * share, 2), time.monotonic()
        if percent > self._shown and now_s - self._last_s >= _REPORT_EVERY_S:
            self._shown, self._last_s = percent, now_s
            self.event({"event": "progress", "progress": percent, "frames": frames})

    def event(self, event: Event) -> None:
        with self._lock:
            self._out.write(json.dumps(event) + "\n")
            self._out.flush()


def main() -> int:
    reporter = _Reporter(_take_stdout())
    line = sys.stdin.buffer.readline()
    try:
        spec: Spec = json.loads(line)
        threading.Thread(target=_end_with_parent, args=(spec,), name="parent", daemon=True).start()
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
        )
        limit_resources(spec["limits"], lambda: _may_use_gpu(spec))
        reporter.event({"event": "done", **_TASKS[spec["task"]](spec, reporter)})
    except Exception as error:  # noqa: BLE001 - this is where every error becomes an event
        traceback.print_exc()
        reason = _as_ours(error, locals().get("spec"))
        reporter.event({"event": "error", "code": reason.code, "details": reason.details})
        return 1
    return 0


def _take_stdout() -> TextIO:
    """Keep standard output for events: whatever native code prints goes to standard error."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def _end_with_parent(spec: Spec) -> None:
    while os.read(0, 4096):
        pass
    from faceswap.engine.files import partial_path

    for name in ("result", "normalised", "people"):
        if spec.get(name):
            partial_path(Path(spec[name])).unlink(missing_ok=True)
    os._exit(1)


def _may_use_gpu(spec: Spec) -> bool:
    """Asked before anything is loaded."""
    options, folder = spec.get("options", {}), spec.get("models_dir")
    asked = options.get("engine", "auto") != "mesh" or options.get("use_face_enhancer", False)
    if spec["task"] not in ("swap", "preview", "neural") or not asked or not folder:
        return False
    from faceswap.engine.neural.providers import CPU, provider_for

    return any(Path(folder).glob("*.onnx")) and provider_for(options.get("execution_provider", "")) != CPU


def limit_resources(limits: Spec, uses_gpu: Callable[[], bool] = lambda: False) -> None:
    """Hold this process to its limits where the platform can.

    Address space counts reserved memory too: glibc would reserve 64 MB for the heap of each thread, and BLAS
    more for each core, which is not used in parallel. And glibc would give every large array back to the
    system, whose pages cost more to get anew for each frame than all that is computed in them.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if sys.platform == "win32":
        return
    import resource

    if sys.platform == "linux":
        mallopt: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for option, value in _MALLOC_OPTIONS.items():
                mallopt(option, value)
    if not uses_gpu():  # CUDA reserves addresses for all memory of all devices
        memory = int(limits["memory_mb"]) * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.get("cpu_s"):
        cpu_s = max(1, int(limits["cpu_s"]))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))


def _media_limits(spec: Spec) -> Any:
    from faceswap.media import Limits

    given = spec["limits"]
    return Limits(**{field.name: given[field.name] for field in dataclasses.fields(Limits)})


def _model(spec: Spec) -> Path:
    from faceswap.engine.face.models import landmarker_path

    weights_dir = spec.get("weights_dir")
    return landmarker_path(
        Path(weights_dir) if weights_dir else None, lambda line: print(line, file=sys.stderr)
    )


def _swap(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.engines import Engine, EngineRequest, with_engine
    from faceswap.engine.options import Options
    from faceswap.engine.swap import SwapResult, swap_image, swap_video

    sources = {face: Path(path) for face, path in spec["sources"].items()}
    options = Options.of(spec["options"])
    target, result = Path(spec["target"]), Path(spec["result"])
    model, limits, people = _model(spec), _media_limits(spec), _path(spec, "people")
    marking = Marking.of(spec["marking"]) if spec.get("marking") else None

    def run(engine: Engine) -> SwapResult:
        if spec["kind"] == "image":
            return swap_image(sources, target, result, model, limits, options, engine, marking=marking)
        progress = reporter.progress
        return swap_video(
            sources, target, result, model, limits, options, progress, people, engine, marking=marking
        )

    done = with_engine(EngineRequest.of(options, _path(spec, "models_dir")), run)
    return {
        "frames": done.result.frames,
        "swapped_frames": done.result.swapped_frames,
        "notes": [*done.result.notes, *done.notes],
        "engine": done.engine,
        "provider": done.provider,
        "weights": [dataclasses.asdict(fact) for fact in done.facts],
    }


def _seal(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.marks.seal import seal

    label = Label.of(spec["label"]) if spec["label"] else None
    paths, words = (Path(spec["path"]), Path(spec["result"])), (spec["key"], spec["chain"], spec["anchors"])
    return {"marks": seal(*paths, spec["manifest"], *words, label, _media_limits(spec))}


def _marks(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.marks.seal import read_marks

    return {"marks": read_marks(Path(spec["path"]), spec["anchors"], _media_limits(spec))}


def _path(spec: Spec, name: str) -> Path | None:
    return Path(spec[name]) if spec.get(name) else None


def _neural(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.engines import check

    done = check(_path(spec, "models_dir"))
    facts = [dataclasses.asdict(fact) for fact in done.facts]
    return {"engine": done.engine, "provider": done.provider, "weights": facts}


def _preview(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.engines import EngineRequest, with_engine
    from faceswap.engine.options import Options
    from faceswap.engine.preview import preview

    sources = {face: Path(path) for face, path in spec["sources"].items()}
    options, model, limits = Options.of(spec["options"]), _model(spec), _media_limits(spec)
    done = with_engine(
        EngineRequest.of(options, _path(spec, "models_dir")),
        lambda engine: preview(
            spec["kind"],
            sources,
            Path(spec["target"]),
            model,
            limits,
            options,
            spec.get("at_s"),
            _path(spec, "people"),
            engine,
            Label.of(spec["label"]) if spec.get("label") else None,
        ),
    )
    return {"jpeg": base64.b64encode(done.result).decode()}


def _inspect(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.face.inspect import inspect

    normalised = Path(spec["normalised"]) if spec.get("normalised") else None
    path, limits = Path(spec["path"]), _media_limits(spec)
    info, faces = inspect(path, limits, normalised, (lambda: _model(spec)) if spec["detect_faces"] else None)
    return {"media": dataclasses.asdict(info), "faces": [dataclasses.asdict(face) for face in faces]}


def _faces(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.face.faces import numbered_faces

    faces = numbered_faces(Path(spec["path"]), _media_limits(spec), _model(spec), _path(spec, "people"))
    return {"faces": [dataclasses.asdict(face) for face in faces]}


def _gate(spec: Spec, reporter: _Reporter) -> Event:
    from faceswap.engine.gate import judge

    return {"refused": judge(spec["gate"], Path(spec["path"]), _media_limits(spec))}


_TASKS: dict[str, Callable[[Spec, _Reporter], Event]] = {
    "swap": _swap,
    "preview": _preview,
    "neural": _neural,
    "inspect": _inspect,
    "faces": _faces,
    "gate": _gate,
    "seal": _seal,
    "marks": _marks,
}


def _as_ours(error: Exception, spec: Spec | None) -> FaceSwapError:
    if isinstance(error, FaceSwapError):
        return error
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull()
    if spec and _ran_out_of_memory(error):
        return _too_large(spec)
    return FaceSwapError()


def _ran_out_of_memory(error: Exception) -> bool:
    """Python, OpenCV and thread creation each say it in their own way."""
    words = str(error).lower()
    return (
        isinstance(error, MemoryError) or "insufficient memory" in words or "can't start new thread" in words
    )


def _too_large(spec: Spec) -> FaceSwapError:
    """The size of the file on which memory ran out."""
    from faceswap.media import picture_info, sniff, video_size

    path = Path(spec.get("path") or spec["target"])
    limits = _media_limits(spec)
    try:
        if sniff(path)[0] == "image":
            info = picture_info(path, limits)
            return TooManyPixels(width=info.width, height=info.height, limit_megapixels=limits.max_megapixels)
        width, height = video_size(path, limits)
        return TooManyPixels(width=width, height=height, limit_megapixels=limits.max_video_megapixels)
    except (FaceSwapError, MemoryError, OSError):
        return BadMedia()
