"""Makes tasks over the API for tests that need one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.app import App
from tests.waiting import wait_until


def queue(
    app: App,
    source: Path,
    target: Path,
    title: str | None = None,
    kind: str = "video",
    options: dict[str, Any] | None = None,
) -> str:
    """Queue a task over the API. Returns its id."""
    ids: list[str] = []
    for name, path in ((source.name, source), (title or target.name, target)):
        answer = app.api.post("/api/upload", files={"file": (name, path.read_bytes())})
        ids.append(answer.raise_for_status().json()["data"]["fileId"])
    body = {"source_file": ids[0], "target_file": ids[1], "consent": True, "options": options or {}}
    answer = app.api.post(f"/api/process/single-{kind}", json=body)
    return answer.raise_for_status().json()["data"]["jobId"]


def finish(app: App, job_id: str) -> dict[str, Any]:
    """Wait until the task has ended. Returns it."""

    def over() -> dict[str, Any] | None:
        job = app.api.get(f"/api/status/{job_id}").json()["data"]
        return job if job["status"] in ("completed", "failed") else None

    return wait_until(over, "the task is over", 60)
