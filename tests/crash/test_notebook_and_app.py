"""A notebook's kernel and the app share a store, and one of them is killed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from faceswap.store import JobStore
from tests.browser.app import REPOSITORY, App
from tests.browser.tasks import finish, queue
from tests.waiting import PATIENCE, wait_until

ANSWER_S = 60 * PATIENCE


class Kernel:
    """A new kernel, started as Jupyter does, with a service over the app's data folder."""

    def __init__(self, data_dir: Path, landmark_model: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        environment = {
            **os.environ,
            "FACESWAP_DATA_DIR": str(data_dir),
            "FACESWAP_FACE_LANDMARKER": str(landmark_model),
            "FACESWAP_LOCAL_WORKERS": "1",
        }
        self._manager.start_kernel(cwd=str(REPOSITORY), env=environment)
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(ANSWER_S)
        self.pid = int(self.run("import os; print(os.getpid())")[0])

    def run(self, code: str) -> list[str]:
        """Run code. Returns what it shows, in order; a table counts each time it is drawn."""
        sent = self._client.execute(code)
        told: list[str] = []
        while True:
            message = self._client.get_iopub_msg(timeout=ANSWER_S)
            if message["parent_header"].get("msg_id") != sent:
                continue
            content: dict[str, Any] = message["content"]
            match message["msg_type"]:
                case "stream":
                    told.append(content["text"].strip())
                case "execute_result" | "display_data" | "update_display_data":
                    told.append(content["data"]["text/plain"])
                case "error":
                    raise AssertionError("\n".join(content["traceback"]))
                case "status" if content["execution_state"] == "idle":
                    return told
                case _:
                    pass

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not self._manager.is_alive(), "the kernel is dead", 10)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def app(tmp_path: Path, landmark_model: Path) -> Iterator[App]:
    with closing(App(tmp_path, FACESWAP_FACE_LANDMARKER=str(landmark_model))) as made:
        made.start()
        yield made


@pytest.fixture
def kernel(app: App, landmark_model: Path) -> Iterator[Kernel]:
    with closing(Kernel(app.data_dir, landmark_model)) as made:
        made.run("from faceswap import Service\nservice = Service()")
        yield made


def cell(begin: str) -> str:
    """The notebook's cell that contains this text."""
    cells = nbformat.read(REPOSITORY / "notebooks" / "demo.ipynb", as_version=4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code" and begin in cell.source)


def running_in(app: App, job_id: str) -> int:
    """Id of the process that runs a job, once the job has progressed; 0 before."""
    with closing(JobStore(app.data_dir / "jobs.sqlite3")) as store:
        job = store.get(job_id)
        return int((job.worker or "::").split(":")[1] or 0) if job.progress > 1 else 0


def status(app: App, job_id: str) -> dict[str, Any]:
    return app.api.get(f"/api/status/{job_id}").json()["data"]


def test_each_sees_and_cancels_what_the_other_started_and_takes_over_when_it_is_killed(
    app: App, kernel: Kernel, portrait: Path, occluded_video: Path
) -> None:
    kernel.run(f"source, target = {str(portrait)!r}, {str(occluded_video)!r}")

    # Each sees and cancels what the other started.
    theirs = queue(app, portrait, occluded_video)
    assert theirs in "\n".join(kernel.run("service.active_frame()['id'].item()"))
    kernel.run(f"service.cancel({theirs!r})")
    assert status(app, theirs)["error_message"] == "任务已被用户取消"
    (ours,) = kernel.run("job = service.submit('single-video', source, target, consent=True); print(job.id)")
    assert status(app, ours)["status"] in ("pending", "processing")
    app.api.post(f"/api/cancel/{ours}").raise_for_status()
    assert kernel.run(f"print(service.get({ours!r}).error_code)") == ["cancelled"]

    # The app is killed in the middle of a job: the kernel finishes it and shows it in its live table.
    kernel.run("service.close()")
    job_id = queue(app, portrait, occluded_video)
    wait_until(lambda: running_in(app, job_id) == app.pid, "it runs in the app", 60)
    kernel.run("service = Service()")
    app.stop(signal.SIGKILL)
    kernel.run(f"first = service.get({job_id!r})")
    drawn = kernel.run(cell("def show_while_active"))
    percents = [float(found[1]) for table in drawn if (found := re.search(r"processing\s+([\d.]+)\s", table))]
    assert len(set(percents)) >= 3, "the table was redrawn while the job ran"
    assert drawn[-1] == "completed 100.0"
    assert kernel.run(f"print(service.get({job_id!r}).attempt)") == ["2"]

    # The kernel is killed in the middle of a job: the app finishes it.
    (last,) = kernel.run("job = service.submit('single-video', source, target, consent=True); print(job.id)")
    wait_until(lambda: running_in(app, last) == kernel.pid, "it runs in the kernel", 60)
    kernel.kill()
    app.start()
    done = finish(app, last)
    assert (done["status"], done["attempt"]) == ("completed", 2)
    assert app.api.get(done["result_url"]).content[4:8] == b"ftyp"
    assert [task["status"] for task in app.tasks()] == ["completed", "completed", "failed", "failed"]
