"""Every route of the running server, with every method, as its owner, as another owner and as nobody.

The routes come from the server itself, so a new one is tested without being named here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from faceswap.jobs import Job, Status
from tests.integration.serving import Serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = {"POST /api/session", "GET /api/health", "GET /api/openapi.json", "GET /api/docs"}
"""What nobody needs a token for. None of it tells anything about an owner."""
BELONGS_TO_NOBODY_ELSE = {
    "POST /api/upload",
    "POST /api/single-image-swap",
    "GET /api/tasks",
    "GET /api/batches",
    "POST /api/queue/stop-after-current",
    "POST /api/queue/resume",
}
"""What names nothing that could be another owner's."""


@dataclass(frozen=True)
class House:
    serving: Serving
    token: str
    job: Job

    def client(self, token: str | None) -> httpx.Client:
        return self.serving.client(token)

    def call(self, client: httpx.Client, method: str, path: str, known: bool) -> httpx.Response:
        """Call a route with ids of the owner's job and files, or with ids that do not exist."""
        names = {
            "jobId": self.job.id,
            "batchId": self.job.batch or "",
            "fileId": self.job.id,
            "source_file": self.job.source_file,
            "target_file": self.job.target_file,
        }
        if not known:
            names = dict.fromkeys(names, secrets.token_urlsafe(16))
        filled = re.sub(r"\{(\w+)(:path)?\}", lambda found: names.get(found[1], "single-video"), path)
        body: dict[str, Any] = {
            "fileId": names["target_file"],
            "type": "single-video",
            "title": "another title",
            "place": 1,
            "consent": True,
            "source_file": names["source_file"],
            "target_file": names["target_file"],
            "sources": [names["source_file"]],
            "targets": [names["target_file"]],
        }
        return client.request(method, filled, json=None if method in ("GET", "HEAD") else body)


def ours(serving: Serving) -> Iterator[tuple[str, set[str]]]:
    """Our own routes of the live table, with their methods. Includes those of routers within routers."""

    def walk(routes: Any) -> Iterator[Any]:
        for route in routes:
            if hasattr(route, "original_router"):
                yield from walk(route.effective_candidates())
            else:
                yield route

    for route in walk(serving.app.routes):
        path = str(getattr(route, "path", ""))
        if path.startswith("/api/") and "{rest" not in path:
            yield path, set(route.methods or ())


@pytest.fixture
def house(serve: Callable[..., Serving]) -> House:
    serving = serve(multi_user=True)
    token, owner = serving.sign_in()
    return House(
        serving, token, serving.add_job(owner, Status.PENDING, title="a private title", batch="B" * 22)
    )


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, re.sub(r"[A-Za-z0-9_-]{22}", "ID", answer.text)


def test_the_live_table_is_read(house: House) -> None:
    found = {path for path, _ in ours(house.serving)}
    assert {"/api/upload", "/api/cancel/{jobId}", "/api/jobs/{jobId}", "/api/download/{fileId}"} <= found
    assert len(found) >= 15


def test_nobody_and_who_forges_a_token_get_in_nowhere(house: House) -> None:
    owner = house.token.partition(".")[0]
    callers = [None, "local", f"{owner}.{'A' * 43}", f"{owner}.", house.token[:-1] + "!"]
    for token in callers:
        client = house.client(token)
        for path, methods in ours(house.serving):
            for method in sorted(methods & set(METHODS)):
                answer = house.call(client, method, path, known=True)
                if f"{method} {path}" not in OPEN and f"GET {path}" not in OPEN:
                    assert answer.status_code == 401, (method, path, answer.text)
                assert house.job.title not in answer.text
    assert house.serving.store.get(house.job.id) == house.job


def test_what_is_another_owners_answers_as_what_does_not_exist(house: House) -> None:
    stranger = house.client(house.serving.sign_in()[0])
    named: set[str] = set()
    for path, methods in ours(house.serving):
        for method in sorted(methods & set(METHODS)):
            route = f"{method} {path}"
            if route in OPEN | BELONGS_TO_NOBODY_ELSE or f"GET {path}" in OPEN:
                continue
            theirs = house.call(stranger, method, path, known=True)
            none = house.call(stranger, method, path, known=False)
            assert said(theirs) == said(none), route
            assert theirs.status_code == 404, (route, theirs.text)
            named.add(route)
    assert {"DELETE /api/jobs/{jobId}", "POST /api/detect-faces", "POST /api/process/{type}"} <= named
    assert house.job.id not in stranger.get("/api/tasks", params={"scope": "all"}).text
    assert house.serving.store.get(house.job.id) == house.job


def test_no_method_opens_what_the_documented_one_keeps_closed(house: House) -> None:
    for token in (None, house.serving.sign_in()[0]):
        client = house.client(token)
        documented: dict[str, set[str]] = {}
        for path, methods in ours(house.serving):
            documented[path] = documented.get(path, set()) | methods
        for path, methods in documented.items():
            for method in set(METHODS) - methods:
                answer = house.call(client, method, path, known=True)
                assert answer.status_code in (200, 400, 401, 404, 405), (method, path)
                assert house.job.title not in answer.text
                if answer.status_code == 200:
                    assert method in ("OPTIONS", "HEAD"), (method, path)
    assert house.serving.store.get(house.job.id) == house.job


def test_its_owner_reaches_it_by_the_same_calls(house: House) -> None:
    """So the 404 of the others comes from the owner, and not from a mistake in the calls."""
    mine = house.client(house.token)
    for path in ("/api/status/{jobId}", "/api/receipt/{jobId}"):
        assert house.call(mine, "GET", path, known=True).status_code == 200
    refused = house.call(mine, "POST", "/api/process/{type}", known=True)
    assert refused.status_code != 404
    assert house.call(mine, "POST", "/api/cancel/{jobId}", known=True).status_code == 200
    assert house.call(mine, "DELETE", "/api/jobs/{jobId}", known=True).status_code == 200
