"""An app without pages in a process of its own, which is killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping


class KilledApp:
    """Runs `code`, which prints something once the app is up, and then never ends."""

    def __init__(self, environment: Mapping[str, str], code: str) -> None:
        self._environment = os.environ | environment
        self._code = code
        self.kills = 0
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self._code],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.ready_at: float | None = None

    def look(self) -> None:
        """Note whether it is up. Never blocks."""
        assert self._process.stdout
        os.set_blocking(self._process.stdout.fileno(), False)
        if self.ready_at is None and self._process.stdout.read():
            self.ready_at = time.monotonic()

    def kill_and_restart(self) -> None:
        self.close()
        self.kills += 1
        self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
