"""The notebook runs from top to bottom on a new kernel, on this machine and with a cloud endpoint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from faceswap.store import JobStore
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import KEY, Emulator
from tests.waiting import PATIENCE

REPOSITORY = Path(__file__).parents[2]
NOTEBOOK = REPOSITORY / "notebooks" / "demo.ipynb"


def test_no_outputs_are_kept_in_git() -> None:
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert not cell.outputs, path.name
                assert cell.execution_count is None, path.name


def run(folder: Path, landmark_model: Path, *, done: bool = False, **environment: str) -> list[Any]:
    """Run a copy of the notebook with `pytest --nbmake`. Returns its code cells with their outputs.

    With `done`, its last cell deletes what the notebook made.
    """
    copy = folder / "notebooks" / NOTEBOOK.name
    copy.parent.mkdir()
    written = NOTEBOOK.read_text(encoding="utf-8")
    assert written.count('"done = False\\n"') == 1
    copy.write_text(written.replace('"done = False\\n"', f'"done = {done}\\n"'), encoding="utf-8")
    for name in ("faceswap", "tests", "requirements.txt"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "pytest.ini").write_text("[pytest]\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbmake", "--overwrite", copy.name],
        cwd=copy.parent,
        env={
            **inherited,
            "FACESWAP_DATA_DIR": str(folder / "data"),
            "FACESWAP_FACE_LANDMARKER": str(landmark_model),
            "FACESWAP_LOCAL_WORKERS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=240 * PATIENCE,
    )
    assert told.returncode == 0, told.stdout[-4000:]
    return [cell for cell in nbformat.read(copy, as_version=4).cells if cell.cell_type == "code"]


def shown(cells: list[Any], begin: str) -> str:
    """Return everything that the cell which contains `begin` shows."""
    cell = next(cell for cell in cells if begin in cell.source)
    parts: list[str] = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    return "\n".join(parts)


def judge(cells: list[Any], backend: str) -> None:
    assert f"new tasks run on: {backend}" in shown(cells, "settings = Settings()")
    assert re.search(r"kept.*\n.*cancelled", shown(cells, "first = service.submit"))
    assert "cancelled" not in shown(cells, "service.cancel(second.id)")
    watched = shown(cells, "def show_while_active")
    assert "completed 100.0" in watched
    assert re.search(r"kept\s+completed\s+100", watched), "the table ends with the finished task"
    history = shown(cells, "service.history")
    assert re.search(r"kept\s+completed\s+100", history)
    assert re.search(r"cancelled\s+failed\s.*任务已被用户取消", history)
    assert shown(cells, "def beside").count("data:video/mp4;base64,") == 2
    assert shown(cells, "def beside").count("data:image/png;base64,") == 1
    assert '<iframe src="http://' in shown(cells, "launch(app")


@pytest.mark.notebook
def test_it_runs_from_top_to_bottom(tmp_path: Path, landmark_model: Path) -> None:
    cells = run(tmp_path, landmark_model, done=True)
    judge(cells, "local")
    assert "RunPod is not configured." in shown(cells, "runpod_configured")
    store = JobStore(tmp_path / "data" / "jobs.sqlite3")
    assert store.history("local") == []
    assert not list((tmp_path / "data" / "uploads").iterdir()), "what it deleted is gone with its media"
    store.close()


@pytest.mark.notebook
def test_it_runs_on_a_cloud_endpoint_where_one_is_configured(
    tmp_path: Path, landmark_model: Path, emulator: Emulator, sdk_worker: SdkWorker
) -> None:
    cells = run(
        tmp_path,
        landmark_model,
        RUNPOD_API_KEY=KEY,
        RUNPOD_ENDPOINT_ID=emulator.endpoint,
        RUNPOD_BASE_URL=emulator.url,
    )
    judge(cells, "runpod")
    told = shown(cells, "runpod_configured")
    (remote_id,) = re.findall(r"completed (\S+)", told)
    assert emulator.jobs[remote_id].state == "COMPLETED"
    assert KEY not in NOTEBOOK.read_text(encoding="utf-8") + "".join(
        shown(cells, cell.source) for cell in cells
    )
    store = JobStore(tmp_path / "data" / "jobs.sqlite3")
    titles = {job.title for job in store.history("local")}
    store.close()
    assert titles == {"kept", "cancelled", "in the cloud"}, "nothing is deleted unless that is asked for"
