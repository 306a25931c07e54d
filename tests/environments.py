"""The virtual environments that tests need besides their own. `scripts/setup` makes them, no test does.

    python -m tests.environments

| name   | what is in it                                                                                   |
|--------|-------------------------------------------------------------------------------------------------|
| worker | `faceswap/worker/requirements.txt` and onnxruntime, as in the worker's image: RunPod's SDK cannot |
|        | be installed beside gradio                                                                      |
| space  | `requirements.txt` alone, in the newest versions it allows, as on a Hugging Face Space            |
| zero   | the same and `spaces`, as on a Space with ZeroGPU                                               |

They are kept in the user's cache, each under a name that says which requirements it was made from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock
from uv import find_uv_bin

from tests.downloads import CACHE

ROOT = Path(__file__).parents[1]
RUNTIME = "onnxruntime>=1.21,<1.27"
"""Instead of the onnxruntime-gpu of `requirements-gpu.txt`, the same without 3 GB for GPUs."""


@dataclass(frozen=True)
class Environment:
    name: str
    requirements: Path
    packages: tuple[str, ...] = ()
    """What is installed besides."""
    on_space_python: bool = False
    """On the Python of a Space where this machine has one, else on ours."""
    compiled: bool = False
    """With bytecode for everything, for programs that may not write it themselves."""

    @property
    def folder(self) -> Path:
        made_from = [self.requirements.read_text(), *self.packages, str(self._interpreter())]
        key = hashlib.sha256("\n".join(made_from).encode()).hexdigest()[:16]
        return CACHE / f"{self.name}-{key}"

    def _interpreter(self) -> Path:
        return python_of_a_space() if self.on_space_python else Path(sys.executable).resolve()

    def python(self) -> Path:
        """Fails where `scripts/setup` has not run."""
        assert self._complete.exists(), (
            f"the environment {self.name} is missing: run scripts/setup requirements-dev.txt"
        )
        return self.folder / "bin" / "python"

    @property
    def _complete(self) -> Path:
        return self.folder / "complete"

    def make(self) -> None:
        """Does nothing when it is there. Several processes may do this at once: they take turns."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(CACHE / f"{self.name}.lock"):
            if self._complete.exists():
                return
            python = self.folder / "bin" / "python"
            _uv("venv", "--clear", "--python", str(self._interpreter()), str(self.folder))
            needs = ["--requirement", str(self.requirements), *self.packages]
            needs += ["--compile-bytecode"] if self.compiled else []
            _uv("pip", "install", "--python", str(python), *needs)
            self._complete.touch()


def _uv(*arguments: str) -> None:
    subprocess.run(
        [find_uv_bin(), "--quiet", "--no-config", *arguments],
        env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        check=True,
    )


@cache
def python_of_a_space() -> Path:
    """Python 3.12 where this machine has one, else the one that runs the tests. Nothing is downloaded."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which("python3.12"), *sorted(versions.glob("3.12.*/bin/python"))]
    for candidate in filter(None, found):
        told = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True
        )
        if told.stdout.strip() == b"(3, 12)":
            return Path(candidate)
    return Path(sys.executable).resolve()


WORKER = Environment("worker", ROOT / "faceswap" / "worker" / "requirements.txt", (RUNTIME,), compiled=True)
SPACE = Environment("space", ROOT / "requirements.txt", on_space_python=True)
ZERO_GPU_SPACE = Environment("zero", ROOT / "requirements.txt", ("spaces",), on_space_python=True)


def main() -> None:
    for environment in (WORKER, SPACE, ZERO_GPU_SPACE):
        environment.make()


if __name__ == "__main__":
    main()
