"""The real worker: `python -m faceswap.worker.handler`, the real SDK, and what its image has installed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

from faceswap.engine.face.models import landmarker_path
from tests.emulator.server import Emulator

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "faceswap" / "worker" / "requirements.txt"
RUNTIME = "onnxruntime>=1.21,<1.27"
"""Instead of the onnxruntime-gpu of `requirements-gpu.txt`, the same without 3 GB for GPUs."""
CACHE = platformdirs.user_cache_path("faceswap-tests", appauthor=False)


def worker_python() -> Path:
    """A Python with exactly what `worker/requirements.txt` lists, and `RUNTIME`, made once and kept in the
    user's cache.

    The SDK cannot be installed beside gradio, and the image has no more than this either.
    """
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + f"{sys.version} {RUNTIME}".encode()).hexdigest()[:16]
    home = CACHE / f"worker-{key}"
    python, done = home / "bin" / "python", home / "complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            venv.create(home, clear=True, with_pip=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command += ["--requirement", str(REQUIREMENTS), RUNTIME]
            made = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
            assert made.returncode == 0, made.stderr[-2000:]
            done.touch()
    return python


def weights_dir() -> Path:
    return landmarker_path(CACHE / "weights").parent


class SdkWorker:
    """One worker process. `log` is what it wrote so far."""

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
            "FACESWAP_WORKER_WEIGHTS_DIR": str(weights_dir()),
            "FACESWAP_WORKER_ALLOW_HOSTS": "127.0.0.1",
            **extra,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(worker_python()), "-m", "faceswap.worker.handler"],
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
        """Process ids of the engines that compute for this worker right now."""
        return engines_of(self.pid)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def engines_of(pid: int | None = None) -> list[int]:
    """Process ids of the engines whose parent is that process; ours when none is given."""
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


if __name__ == "__main__":
    print(worker_python())
