"""The files of the worker's image do a job with only the packages of its requirements."""

from __future__ import annotations

import base64
import re
import struct
import subprocess
from pathlib import Path

import pytest

from tests.downloads import landmark_model_path
from tests.environments import WORKER
from tests.waiting import PATIENCE
from tests.worker_image import HUB, OWN, Image


@pytest.mark.cloud
@pytest.mark.parametrize("image", [OWN, HUB], ids=["own", "hub"])
def test_the_image_swaps_its_own_test_input(image: Image, tmp_path: Path) -> None:
    """The SDK can try a worker: outside RunPod the worker runs `test_input.json` and ends."""
    app, home = tmp_path / "app", tmp_path / "home"
    home.mkdir()
    image.lay_out(app)
    python, *arguments = image.command()
    assert python == "python"
    done = subprocess.run(
        [str(WORKER.python()), *arguments],
        cwd=app,
        env={
            **image.environment(),
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "FACESWAP_WORKER_WEIGHTS_DIR": str(landmark_model_path().parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        },
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed successfully" in done.stdout
    said = re.search(r"'result': '([A-Za-z0-9+/]{44})", done.stdout)  # The SDK's log does not show the rest.
    assert said, done.stdout[-2000:]
    signature, width, height = struct.unpack(">8s8xII", base64.b64decode(said[1])[:24])
    assert (signature, width, height) == (b"\x89PNG\r\n\x1a\n", 160, 160)
