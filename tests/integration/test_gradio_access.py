"""A caller who is not the owner tries each Gradio event and each file address of the real app."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap.owners import Owners
from tests.browser.app import App
from tests.browser.tasks import finish, queue

PUBLIC = "someone-faceswap.hf.space"
EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
PRIVATE_NAME = "private-name-of-a-picture.png"


@dataclass
class Victim:
    """An owner with one completed job in an app for several users."""

    app: App
    token: str
    job: dict[str, Any]
    marks: list[str] = field(default_factory=list)
    """Texts that an answer to any other caller must not contain, unless the caller sent them."""

    def visitors(self) -> dict[str, object]:
        other = Owners.load(self.app.data_dir, True).new_token()
        owner, _, signature = self.token.partition(".")
        return {
            "other": other,
            "nobody": "",
            "null": None,
            "forger": f"{owner}.{other.partition('.')[2]}",
            "cut": f"{owner}.{signature[:-1]}",
            "owner id": owner,
            "local": "local",
            "object": {"owner": owner},
        }


@pytest.fixture(scope="module")
def victim(
    start_app: Callable[..., App],
    tmp_path_factory: pytest.TempPathFactory,
    portrait: Path,
    other_portrait: Path,
) -> Victim:
    app = start_app(FACESWAP_MULTI_USER="1")
    token: str = app.api.post("/api/session").json()["data"]["token"]
    app.api.headers["Authorization"] = f"Bearer {token}"
    picture = tmp_path_factory.mktemp("private") / PRIVATE_NAME
    picture.write_bytes(portrait.read_bytes())
    job = finish(app, queue(app, other_portrait, picture, kind="image"))
    assert job["status"] == "completed"
    del app.api.headers["Authorization"]
    owner = token.partition(".")[0]
    marks = [
        PRIVATE_NAME,
        owner,
        *(f"download/{job[name]}" for name in ("id", "source_file", "target_file")),
    ]
    return Victim(app, token, job, marks)


def called(app: App, event: dict[str, Any], data: list[Any], event_data: object) -> str:
    """Call an event over plain HTTP, as its page does. Returns its whole answer."""
    session = secrets.token_hex(8)
    body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": event_data}
    if not event["queue"]:
        return app.api.post("/gradio_api/run/predict", json=body).text
    joined = app.api.post("/gradio_api/queue/join", json=body)
    if not joined.is_success:
        return joined.text
    said: list[str] = []
    with app.api.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            said.append(line)
            if '"process_completed"' in line or '"unexpected_error"' in line:
                break
    return "\n".join(said)


def events(app: App) -> list[dict[str, Any]]:
    """Return the events of all pages that run Python."""
    return [event for event in app.api.get("/config").json()["dependencies"] if event["backend_fn"]]


def test_no_event_tells_anything_to_somebody_else(victim: Victim) -> None:
    """Every event is called with the victim's ids in every argument that could take them."""
    config = victim.app.api.get("/config").json()
    tokens = {
        part["id"]
        for part in config["components"]
        if part["type"] == "browserstate" and part["props"]["storage_key"] == "faceswap-token"
    }

    def tells(event: dict[str, Any], token: object, name: str) -> bool:
        thing = victim.job[name]
        data = [token if part in tokens else thing for part in event["inputs"]]
        event_data = {"job": thing, "value": thing, "index": 0, "selected": True, "row_value": [thing]}
        said = called(victim.app, event, data, event_data)
        return any(mark in said for mark in victim.marks)

    names = ("id", "target_file", "source_file")
    visitors = victim.visitors()
    attempts = [(event, "other", name) for event in events(victim.app) for name in names]
    attempts += [(event, who, "id") for event in events(victim.app) for who in visitors if who != "other"]
    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda attempt: tells(attempt[0], visitors[attempt[1]], attempt[2]), attempts)
        assert [attempt for attempt, was_told in zip(attempts, told, strict=True) if was_told] == []
        own = [(event, name) for event in events(victim.app) for name in names]
        assert any(pool.map(lambda attempt: tells(attempt[0], victim.token, attempt[1]), own)), (
            "the probe works"
        )
    assert victim.app.api.get("/api/health").is_success


def test_a_private_event_has_no_name_to_call_it_by(victim: Victim) -> None:
    """Only the tools have a name. `test_tools.py` lists them."""
    for path in ("/gradio_api/info", "/gradio_api/openapi.json"):
        document = victim.app.api.get(path)
        if document.is_success:
            described = document.json()
            assert set(described.get("named_endpoints", ())) <= {"/submit", "/status", "/cancel", "/list"}
            assert not described.get("unnamed_endpoints"), path


def test_no_file_of_ours_is_served_by_gradio(victim: Victim) -> None:
    """It does not serve one by its path, by traversal, or as a static file, even with the owner's token."""
    data_dir, repository = victim.app.data_dir, Path(__file__).parents[2]
    upload = next(data_dir.glob("uploads/*/media.png"))
    upload.with_name("people.json").write_text("whom a video shows, as detection leaves it beside the upload")
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert any(path.name == "server.key" for path in files)
    assert any(path.match("jobs/*/result-*.png") for path in files)
    files += [
        repository / "app.py",
        repository / "pyproject.toml",
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
    ]
    uploads = victim.app.temporary
    for path in files:
        contents = path.read_bytes()
        for address in (
            f"/gradio_api/file={path}",
            f"/gradio_api/file=/{path}",
            f"/gradio_api/file={uploads}/../{path.relative_to('/')}",
            f"/gradio_api/file={uploads}/..%2f..%2f{path.relative_to('/')}",
            f"/gradio_api/file={path.relative_to(repository)}" if path.is_relative_to(repository) else "",
            f"/file={path}",
            f"/gradio_api/file/{path}",
            f"/gradio_api/download={path}",
            f"/static/..%2f..{path}",
            f"/assets/..%2f..%2f..{path}",
            f"/svelte/../..{path}",
            f"/custom_component/x/server/../..{path}",
            f"/gradio_api/proxy=file://{path}",
            f"/gradio_api/proxy={victim.app.url}/api/download/{victim.job['id']}",
            f"/api/download/{path.parent.name}/{path.name}",
            f"/api/download/{path.parent.name}%2f{path.name}",
            f"/api/download/{path.name}",
        ):
            if not address:
                continue
            for headers in ({}, {"Authorization": f"Bearer {victim.token}"}):
                answer = victim.app.api.get(address, headers=headers)
                assert not contents or contents not in answer.content, address
                assert answer.status_code != 500, address


def test_a_result_comes_from_its_route_only(victim: Victim) -> None:
    """A page shows a signed link to a route that checks the owner. It never shows a Gradio cache address."""
    for event in events(victim.app):
        said = called(victim.app, event, [victim.token] * len(event["inputs"]), {"job": victim.job["id"]})
        assert "gradio_api/file=" not in said


@pytest.mark.parametrize("host", [PUBLIC, None])
def test_gradios_routes_stand_behind_the_same_door(victim: Victim, host: str | None) -> None:
    headers = EVIL | ({"Host": host} if host else {})
    api = victim.app.api
    for path in ("/", "/video", "/config", "/gradio_api/info", "/theme.css", "/api/health"):
        answer = api.get(path, headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers, path
        assert "Access-Control-Allow-Credentials" not in answer.headers, path
        preflight = api.options(path, headers=headers | {"Access-Control-Request-Method": "POST"})
        assert "Access-Control-Allow-Origin" not in preflight.headers, path
    event = events(victim.app)[0]["id"]
    join = {"data": [], "fn_index": event, "session_hash": "x"}
    assert api.post("/gradio_api/queue/join", json=join, headers=headers).status_code == 403
    assert api.post("/gradio_api/run/predict", json=join, headers=headers).status_code == 403
    sent: httpx.Response = api.post("/gradio_api/upload", files={"files": ("a.png", b"x")}, headers=headers)
    assert sent.status_code == 403
    assert not list(victim.app.temporary.rglob("a.png"))


def test_a_loopback_page_may_use_the_api_and_gradio(victim: Victim) -> None:
    answer = victim.app.api.get("/api/health", headers={"Origin": "http://localhost:5173"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert json.loads(answer.text)["success"] is True
    own = {"Origin": victim.app.url, "Sec-Fetch-Site": "same-origin"}
    assert victim.app.api.get("/config", headers=own).is_success
