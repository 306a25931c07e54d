"""The engine's child process: `python -m faceswap.engine`.

Reads one line of JSON, a spec of `contract`, from standard input and writes lines of JSON to standard
output: `progress` events, then one `done` with the fields of the spec's result type, or one `error` with code
and details. Exit status 0 after `done`, 1 after `error`. When standard input ends, the parent is gone: the
child removes its unfinished files and ends at once.

Native libraries are imported only after the limits are in force and standard output is out of their reach.
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
        if request.confined and not gpu:  # a GPU's driver opens devices and files of its own
            _confine(request)
        threading.Thread(target=_end_with_parent, args=(request,), name="parent", daemon=True).start()
        from faceswap.engine.child.tasks import carry_out

        reporter.done(carry_out(request, reporter.progress))
    except Exception as error:  # noqa: BLE001 - this is where every error becomes an event
        traceback.print_exc()
        reporter.error(reportable(error, spec))
        return 1
    return 0


def _confine(spec: Spec[Any]) -> None:
    """Leave this process its own files and no network. The face landmark model is fetched before, if it is
    nowhere yet."""
    from faceswap.engine.face.models import landmarker_path

    readable = [spec.media_path, *spec.read_paths]
    if isinstance(spec, (SwapSpec, PreviewSpec, InspectSpec, FacesSpec)):
        with suppress(WeightsMissing):  # raised again, once it is needed
            readable.append(landmarker_path(spec.weights_dir))
    for folder in spec.read_paths:  # weights files are often links into a store of downloads
        readable += [path.resolve() for path in folder.glob("*.onnx*") if path.is_symlink()]
    held = confine([path for path in readable if path is not None], spec.written_paths)
    log.debug("confined: %s", held)


def _end_with_parent(spec: Spec[Any]) -> None:
    """Wait for the end of standard input, remove this process's unfinished files, and end it."""
    while os.read(0, 4096):
        pass
    from faceswap.engine.files import partial_path

    for path in spec.written_paths:
        partial_path(path).unlink(missing_ok=True)
    os._exit(1)
