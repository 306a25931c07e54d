"""Starts the engine's child process, sends it a spec and reads its reports. Runs in the parent.

The child decodes untrusted files with native codecs. It therefore has its own process group, its own limits
and none of our secrets. A crash of the child ends only one run.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import site
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from faceswap import codec
from faceswap.engine.child.contract import Spec, spec_to_json
from faceswap.errors import EngineCrashed, EngineOutOfMemory, FaceSwapError, JobTimeout, from_code

log = logging.getLogger(__name__)

R = TypeVar("R")
T = TypeVar("T")

_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "PWD", "VIRTUAL_ENV"),
        *("TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA"),
        *("LOCALAPPDATA", "PROGRAMDATA", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("FACESWAP_FACE_LANDMARKER", "FACESWAP_LOG_LEVEL"),
    }
)
"""The environment variables that the child gets, in capitals. Any other one may hold a secret."""
_PASSED_ON_PREFIXES = (
    *("LC_", "PYTHON", "XDG_", "PIP_", "UV_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "ORT_"),
    *("COV_CORE_", "COVERAGE_", "FACESWAP_GATE_"),
)
"""Prefixes of further variables that the child gets. `FACESWAP_GATE_*` are settings of a content gate."""


@dataclass(frozen=True, slots=True)
class EngineReport(Generic[R]):
    """The state of a run. When it is `done`, exactly one of `result` and `error` is set."""

    done: bool
    progress: float = 0.0
    """0..100."""
    frames: int | None = None
    """How many frames of a video are finished."""
    result: R | None = None
    error: FaceSwapError | None = None

    def result_or_raise(self) -> R:
        """Return the result of a run that is done. Raises: the run's error."""
        if self.error:
            raise self.error
        if self.result is None:
            raise EngineCrashed()
        return self.result


class EngineProcess(Generic[R]):
    """One run of `python -m faceswap.engine`. The child ends when this process ends, even after a crash,
    because it watches the pipe on its standard input.
    """

    def __init__(self, spec: Spec[R]) -> None:
        self._result_type = spec.result_type()
        self._killed_by_us = False
        self._report: EngineReport[R] = EngineReport(done=False)
        self._last_words: deque[str] = deque(maxlen=40)
        self._process = subprocess.Popen(
            # -P: Python imports no module from the current folder
            [sys.executable, "-P", "-m", "faceswap.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(spec_to_json(spec)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            log.warning("engine %d did not take its spec", self.pid)
        self._readers = [
            threading.Thread(target=reader, name=f"engine-{self.pid}-{reader.__name__}", daemon=True)
            for reader in (self._read_report, self._read_stderr)
        ]
        for reader in reversed(self._readers):  # the first one waits for the second one
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> EngineReport[R]:
        """Return the newest report without waiting. When it is `done`, the process has ended."""
        return self._report

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the process, for at most `timeout_s`. Returns whether it has ended; `poll` then
        returns the final report."""
        self._readers[0].join(timeout_s)
        return self._report.done

    def wait(self, timeout_s: float) -> EngineReport[R]:
        """Wait for the final report and return it. After `timeout_s` the run is killed, and the report has
        the error `JobTimeout`."""
        self._readers[0].join(timeout_s)
        if not self._report.done:
            self.kill()
            return EngineReport(done=True, error=JobTimeout(limit_s=timeout_s))
        return self._report

    def kill(self) -> None:
        """Kill the process group and wait for its end. Does no harm when the process has already ended."""
        if self._process.poll() is None:
            self._killed_by_us = True
            if hasattr(os, "killpg"):
                try:
                    os.killpg(self.pid, signal.SIGKILL)  # the child's pid is also its group's id
                except ProcessLookupError:
                    log.debug("engine %d was gone already", self.pid)
            else:
                self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    log.debug("engine %d closed its input first", self.pid)

    def _read_report(self) -> None:
        assert self._process.stdout
        final: EngineReport[R] | None = None
        for line in self._process.stdout:
            event = _parse(line)
            match event.get("event"):
                case "progress":
                    self._report = EngineReport(
                        done=False, progress=float(event["progress"]), frames=int(event.get("frames") or 0)
                    )
                case "done":
                    final = self._done(event)
                case "error":
                    details = cast("dict[str, object]", event.get("details") or {})
                    final = EngineReport(done=True, error=from_code(str(event.get("code")), details))
                case _:
                    log.warning("engine %d wrote an unknown line: %.200r", self.pid, line)
        status = self._process.wait()
        if final is None or (status != 0 and final.error is None):
            self._readers[1].join()
            # A run that was cancelled ends in this way, so that is no error.
            level = logging.DEBUG if self._killed_by_us else logging.ERROR
            last_words = " | ".join(self._last_words)
            log.log(level, "engine %d ended with status %s: %s", self.pid, status, last_words)
            final = EngineReport(done=True, error=self._crash(status))
        self._report = final

    def _crash(self, status: int) -> FaceSwapError:
        """The error for a child that ended without a final event. A SIGKILL that we did not send means that
        the system ran out of memory; the file may be fine.
        """
        if not self._killed_by_us and hasattr(signal, "SIGKILL") and status == -signal.SIGKILL:
            return EngineOutOfMemory()
        return EngineCrashed()

    def _done(self, event: dict[str, Any]) -> EngineReport[R]:
        """The report of a `done` event. The child has read an untrusted file, so the event is checked."""
        fields = {name: value for name, value in event.items() if name != "event"}
        try:
            result = codec.decode(self._result_type, fields)
        except codec.Malformed as error:
            log.error("engine %d answered with a malformed result: %s", self.pid, error)
            return EngineReport(done=True, error=EngineCrashed())
        return EngineReport(done=True, progress=100.0, result=result)

    def _read_stderr(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            words = line.decode(errors="replace").rstrip()
            self._last_words.append(words)
            log.debug("engine %d: %s", self.pid, words)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", event) if isinstance(event, dict) else {}


def _environment() -> dict[str, str]:
    """The environment of the child. It makes this package importable from any working directory.

    The engine decodes untrusted files, and our environment may hold secrets that we do not know. The child
    therefore gets only the variables in a list.

    When this package is installed, PYTHONPATH is left out. It would put the folder of all installed packages
    before the standard library, and a package there could hide one of its modules.
    """
    home = str(Path(__file__).parents[3])
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED_ON or name.upper().startswith(_PASSED_ON_PREFIXES)
    }
    if home not in {*site.getsitepackages(), site.getusersitepackages()}:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return kept


def retried_without_memory(ask: Callable[[], T]) -> T:
    """Call `ask`. After `EngineOutOfMemory` call it once more, because more memory may be free by then.

    Raises: as `ask`.
    """
    try:
        return ask()
    except EngineOutOfMemory:
        log.warning("the system ended an engine for want of memory; it is started once more")
        return ask()
