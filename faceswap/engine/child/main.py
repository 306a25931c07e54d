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
from typing import Any

from faceswap.engine.child.contract import Spec, spec_from_json
from faceswap.engine.child.limits import limit_resources, may_use_gpu
from faceswap.engine.child.reporting import Reporter, reportable, take_stdout


def main() -> int:
    reporter = Reporter(take_stdout())
    spec: Spec[Any] | None = None
    try:
        spec = request = spec_from_json(json.loads(sys.stdin.buffer.readline()))
        threading.Thread(target=_end_with_parent, args=(request,), name="parent", daemon=True).start()
        logging.basicConfig(
            stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
        )
        limit_resources(request.limits, lambda: may_use_gpu(request))
        from faceswap.engine.child.tasks import carry_out

        reporter.done(carry_out(request, reporter.progress))
    except Exception as error:  # noqa: BLE001 - this is where every error becomes an event
        traceback.print_exc()
        reporter.error(reportable(error, spec))
        return 1
    return 0


def _end_with_parent(spec: Spec[Any]) -> None:
    """Wait for the end of standard input, remove this process's unfinished files, and end it."""
    while os.read(0, 4096):
        pass
    from faceswap.engine.files import partial_path

    for path in spec.written_paths:
        partial_path(path).unlink(missing_ok=True)
    os._exit(1)
