"""Starts `app.py` in a process that has already imported the app, because Gradio takes seconds to import.

A server process imports it once for each process of pytest, and each app is a fork of that server. Apart from
that, an app starts as with `python app.py`. Tests in which the start itself matters use `App.launch`.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["faceswap.ui.serving"])


class PreloadedApp:
    """A running app, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, code: Path, environment: Mapping[str, str], log: Path) -> None:
        self._process = _context.Process(target=_run, args=(code, dict(environment), log), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("app.py", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(code: Path, environment: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(code)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sys.argv = ["app.py"]
    runpy.run_path("app.py", run_name="__main__")
