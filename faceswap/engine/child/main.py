"""The engine's child process: `python -m faceswap.engine`.

It reads one line of JSON, a spec of `contract`, from standard input. It writes lines of JSON to standard
output: `progress` events, then one `done` with the fields of the spec's result type, or one `error` with code
and details. Its exit status is 0 after `done` and 1 after `error`. When standard input ends, the parent has
ended; the child then removes its unfinished files and ends at once.

The child imports native libraries only after its limits apply and after it has moved standard output, so that
these libraries cannot write to it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

from faceswap.engine.child.confinement import confine, lower_priority
from faceswap.engine.child.contract import (
    CutSpec,
    FacesSpec,
    InspectSpec,
    PreviewSpec,
    Spec,
    SwapSpec,
    spec_from_json,
)
from faceswap.engine.child.limits import limit_resources, may_use_gpu
from faceswap.engine.child.reporting import Reporter, reportable, take_stdout
from faceswap.errors import WeightsMissing

log = logging.getLogger(__name__)


def main() -> int:
    reporter = Reporter(take_stdout())
    spec: Spec[Any] | None = None
    try:
        spec = request = spec_from_json(json.loads(sys.stdin.buffer.readline()))
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
        )
        gpu = may_use_gpu(request)
        limit_resources(request.limits, lambda: gpu)
        lower_priority()
        if request.confined and not gpu:  # a GPU's driver opens its own devices and files
            _confine(request)
        threading.Thread(target=_end_with_parent, args=(request,), name="parent", daemon=True).start()
        from faceswap.engine.child.tasks import carry_out

        reporter.done(carry_out(request, reporter.progress))
    except Exception as error:  # noqa: BLE001 - every error becomes an event here
        traceback.print_exc()
        reporter.error(reportable(error, spec))
        return 1
    return 0


def _confine(spec: Spec[Any]) -> None:
    """Limit this process to its own files and no network. Before that, download the models that are
    missing, because the process cannot do so later."""
    from faceswap.engine.face.models import hand_model_path, landmarker_path, recogniser_path

    readable = [spec.media_path, *spec.read_paths]
    if isinstance(spec, (SwapSpec, PreviewSpec, InspectSpec, FacesSpec, CutSpec)):
        with suppress(WeightsMissing):  # the task raises it again when it needs the model
            readable.append(landmarker_path(spec.weights_dir))
    if isinstance(spec, (SwapSpec, PreviewSpec)) and spec.options.occlusion_mask:
        with suppress(WeightsMissing):  # hands are not kept then, and a note says so
            readable.append(hand_model_path(spec.weights_dir))
    if isinstance(spec, (SwapSpec, PreviewSpec, FacesSpec, CutSpec)) and spec.tells_people_apart:
        with suppress(WeightsMissing):  # people are told apart less well then
            readable.append(recogniser_path(spec.weights_dir))
    for folder in spec.read_paths:  # a weights file is often a link to another folder
        readable += [path.resolve() for path in folder.glob("*.onnx*") if path.is_symlink()]
    held = confine([path for path in readable if path is not None], spec.written_paths)
    log.debug("confined: %s", held)


def _end_with_parent(spec: Spec[Any]) -> None:
    """Wait until standard input ends, then remove this process's unfinished files and end the process."""
    while os.read(0, 4096):
        pass
    from faceswap.engine.files import partial_path

    for path in spec.written_paths:
        partial_path(path).unlink(missing_ok=True)
    os._exit(1)
