"""The real worker: `python -m faceswap.worker.handler` under the real SDK, with what its image installs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.downloads import landmark_model_path
from tests.emulator.server import Emulator
from tests.environments import WORKER

ROOT = Path(__file__).parents[2]


class SdkWorker:
    """One worker process. `log` is what it has written so far."""

    def __init__(self, emulator: Emulator, folder: Path, **extra: str) -> None:
        self.name = f"worker-{os.urandom(3).hex()}"
        self._log = folder / f"{self.name}.log"
        base, endpoint = emulator.url, emulator.endpoint
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(folder),
            "HOME": str(folder),  # a ~/.runpod/config.toml would replace the key
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/{endpoint}/job-take/$ID?gpu=test",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/{endpoint}/job-done/$RUNPOD_POD_ID/$ID?gpu=test",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/{endpoint}/job-stream/$RUNPOD_POD_ID/$ID?gpu=test",
            "RUNPOD_WEBHOOK_PING": f"{base}/{endpoint}/ping/$RUNPOD_POD_ID?gpu=test",
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_AI_API_KEY": "worker-key",
            "RUNPOD_POD_ID": self.name,
            "RUNPOD_ENDPOINT_ID": endpoint,
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
            "FACESWAP_WORKER_WEIGHTS_DIR": str(landmark_model_path().parent),
            "FACESWAP_WORKER_ALLOW_HOSTS": "127.0.0.1",
            **extra,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(WORKER.python()), "-m", "faceswap.worker.handler"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def alive(self) -> bool:
        return self._process.poll() is None

    def engines(self) -> list[int]:
        """Process ids of this worker's engines."""
        return engines_of(self.pid)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for line in self.log.splitlines()[-200:]:  # shown when the test failed
            print(line[:400])


def engines_of(pid: int | None = None) -> list[int]:
    """Process ids of the engines that process `pid` started; those of this process by default."""
    return [child for child in children_of(pid or os.getpid()) if b"faceswap.engine" in _cmdline(child)]


def children_of(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
