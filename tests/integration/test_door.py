"""Which of Gradio's own routes answer, which callers they answer, and what may be sent to them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap.errors import UploadNotFound
from faceswap.incoming import Incoming, sweep
from faceswap.owners import Owners
from faceswap.ui.door import EVENT_BYTES, OURS
from tests.browser.app import App

pytestmark = pytest.mark.engine

ANSWERED = {
    "GET /",
    "HEAD /",
    *(f"GET /{page}" for page in ("video", "image", "multi", "tasks", "receipt", "verify", "diagnostics")),
    *(f"GET /{page}/" for page in ("video", "image", "multi", "tasks", "receipt", "verify", "diagnostics")),
    "GET /config",
    "GET /config/",
    "GET /static/{path:path}",
    "GET /assets/{path:path}",
    "GET /favicon.ico",
    "GET /theme.css",
    "GET /robots.txt",
    "GET /pwa_icon",
    "GET /pwa_icon/{size}",
    "GET /manifest.json",
    "GET /gradio_api/info",
    "GET /gradio_api/info/",
    "GET /gradio_api/theme.css",
    "GET /gradio_api/startup-events",
    "GET /gradio_api/app_id",
    "GET /gradio_api/app_id/",
    "GET /gradio_api/heartbeat/{session_hash}",
    "GET /gradio_api/queue/data",
    "GET /gradio_api/call/{api_name}/{event_id}",
    "GET /gradio_api/upload_progress",
    "POST /gradio_api/run/{api_name}",
    "POST /gradio_api/run/{api_name}/",
    "POST /gradio_api/call/{api_name}",
    "POST /gradio_api/call/{api_name}/",
    "POST /gradio_api/call/v2/{api_name}",
    "POST /gradio_api/call/v2/{api_name}/",
    "POST /gradio_api/queue/join",
    "POST /gradio_api/upload",
}
"""The routes that our pages and `gradio_client` use, see `test_browser_and_client_need_no_other_route`."""

REFUSED = {
    "POST /login",
    "POST /login/",
    "GET /logout",
    "GET /svelte/{path:path}",
    "GET /gradio_api/deep_link",
    "GET /monitoring",
    "GET /monitoring/summary",
    "GET /monitoring/{key}",
    "GET /gradio_api/user",
    "GET /gradio_api/user/",
    "GET /gradio_api/login_check",
    "GET /gradio_api/login_check/",
    "GET /gradio_api/token",
    "GET /gradio_api/token/",
    "GET /gradio_api/dev/reload",
    "GET /gradio_api/runs",
    "GET /gradio_api/runs/",
    "GET /gradio_api/openapi.json",
    "GET /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "GET /gradio_api/proxy={url_path:path}",
    "HEAD /gradio_api/proxy={url_path:path}",
    "GET /gradio_api/file={path_or_url:path}",
    "HEAD /gradio_api/file={path_or_url:path}",
    "GET /gradio_api/file/{path:path}",
    "POST /gradio_api/stream/{event_id}",
    "POST /gradio_api/stream/{event_id}/close",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "POST /gradio_api/reset",
    "POST /gradio_api/reset/",
    "POST /gradio_api/api/{api_name}",
    "POST /gradio_api/api/{api_name}/",
    "POST /gradio_api/cancel",
    "GET /gradio_api/call/v2/{api_name}/{event_id}",
    "POST /gradio_api/component_server",
    "POST /gradio_api/component_server/",
    "GET /gradio_api/queue/status",
    "POST /gradio_api/process_recording",
    "POST /gradio_api/vibe-edit",
    "POST /gradio_api/vibe-edit/",
    "POST /gradio_api/undo-vibe-edit",
    "POST /gradio_api/undo-vibe-edit/",
    "GET /gradio_api/vibe-code",
    "GET /gradio_api/vibe-code/",
    "POST /gradio_api/vibe-code",
    "POST /gradio_api/vibe-code/",
    "POST /gradio_api/vibe-starter-queries",
    "POST /gradio_api/vibe-starter-queries/",
}
"""The other routes of Gradio."""


LIST_ROUTES = """
import json
from faceswap.incoming import Incoming, sweep
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.ui.pages import build, launch

def walk(some):
    for route in some:
        if hasattr(route, "original_router"):
            yield from walk(route.effective_candidates())
        else:
            yield from (f"{method} {route.path}" for method in route.methods)

with Service(Settings(), dispatch=False) as service:
    owners = Owners.load(service.settings.data_dir, service.settings.multi_user)
    demo = build(service, owners)
    launch(demo, service, owners, prevent_thread_lock=True)
    print(json.dumps(list(walk(demo.app.routes))))
    demo.close(verbose=False)
"""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


class Running:
    """The app as its user starts it, and its key, with which the test makes tokens."""

    def __init__(self, folder: Path, *, multi_user: bool) -> None:
        self.app = App(
            folder,
            FACESWAP_MULTI_USER=str(int(multi_user)),
            FACESWAP_BEHIND_PROXY=str(int(multi_user)),
            FACESWAP_MAX_UNUSED_UPLOADS="12",
            FACESWAP_MAX_UPLOAD_MB="1",
        )
        self.app.start()
        self.api = self.app.api
        self.owners = Owners.load(self.app.data_dir, multi_user)
        self.incoming = Incoming(self.app.temporary, self.owners)

    def token(self) -> str:
        return self.owners.new_token() if self.owners.multi_user else ""

    def routes(self) -> set[str]:
        """Return all routes of the live app except ours, as `METHOD path`."""
        listed = self.app.run_python(LIST_ROUTES)
        return {route for route in json.loads(listed) if not route.partition(" ")[2].startswith(OURS)}

    def upload(self, token: str, name: str = "a.png", address: str = "") -> httpx.Response:
        headers = bearer(token) | ({"X-Forwarded-For": address} if address else {})
        return self.api.post("/gradio_api/upload", files={"files": (name, b"not a picture")}, headers=headers)

    def event(self, element: str) -> int:
        """Return the number of the upload event of a component."""
        config = self.api.get("/config").json()
        part = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == element)
        return next(
            one["id"]
            for one in config["dependencies"]
            if [part, "upload"] in [list(t) for t in one["targets"]]
        )

    def call(self, body: dict[str, Any], token: str = "") -> str:
        """Call an event. Returns its status if it was refused, otherwise its whole answer."""
        headers = bearer(token)
        session = secrets.token_hex(6)
        joined = self.api.post(
            "/gradio_api/queue/join", json={"session_hash": session, **body}, headers=headers
        )
        if not joined.is_success:
            return str(joined.status_code)
        said = ""
        with self.api.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                said += line
                if '"process_completed"' in line:
                    break
        return said


on_a_server = pytest.mark.parametrize("running", [True], ids=["several users"], indirect=True)
"""For tests that need several owners. With one user there is one owner only."""


@pytest.fixture(scope="module", params=[False, True], ids=["own machine", "several users"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    app = Running(tmp_path_factory.mktemp("door"), multi_user=request.param)
    yield app
    app.app.close()


def filled(path: str) -> str:
    return re.sub(r"\{\w+(:path)?\}", "x", path)


def test_every_route_that_gradio_has_is_known_here(running: Running) -> None:
    found = running.routes()
    known = ANSWERED | REFUSED
    assert found - known == set(), "Gradio brings a route that nobody has judged"
    missing = known - found
    assert all("diagnostics" in route for route in missing), missing


def test_only_listed_routes_pass(running: Running) -> None:
    token = running.token()
    for headers in ({}, bearer(token)):
        for route in sorted(REFUSED):
            method, _, path = route.partition(" ")
            answer = running.api.request(method, filled(path), json={}, headers=headers)
            assert answer.status_code == 404, route
        for path in ("/gradio_api/brand-new", "/brand-new", "/gradio_api/file=/etc/passwd", "/docs"):
            for method in ("GET", "POST", "PUT", "DELETE"):
                assert running.api.request(method, path, headers=headers).status_code == 404, path


def test_listed_routes_answer(running: Running) -> None:
    for route in sorted(ANSWERED):
        method, _, path = route.partition(" ")
        if "diagnostics" in path and running.owners.multi_user:
            assert running.api.get(path).status_code == 404, route
            continue
        if method == "GET" and not re.search(
            r"\{|upload_progress|queue/data|manifest|favicon|pwa_icon", path
        ):
            assert running.api.get(path, follow_redirects=True).status_code == 200, route


@on_a_server
def test_an_upload_answers_no_path_and_only_its_owner_can_name_it(running: Running) -> None:
    token = running.token()
    [reference] = running.upload(token).json()
    assert not reference.startswith("/")
    assert str(running.app.temporary) not in reference
    assert running.api.get(f"/gradio_api/file={reference}").status_code == 404
    owner = running.owners.owner_of(token)
    assert running.incoming.find(reference, owner).read_bytes() == b"not a picture"
    event, other = running.event("fs-verify-file"), running.token()
    sent = {"path": reference, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}
    said = running.call({"fn_index": event, "data": [sent, other]}, other)
    assert "process_completed" in said
    assert running.incoming.find(reference, owner).exists(), "another's call takes nothing"
    said = running.call({"fn_index": event, "data": [sent, token]}, token)
    assert "fs-message" in said
    with pytest.raises(UploadNotFound):  # it reached the intake, and is not a picture
        running.incoming.find(reference, owner)


def test_a_browser_at_a_wrong_address_gets_a_page(running: Running) -> None:
    for language, words in (("zh-CN", "没有这个页面"), ("en", "There is no such page")):
        headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
        answer = running.api.get("/vidoe", headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert words in answer.text
        assert 'href="/"' in answer.text


@on_a_server
def test_uploads_and_events_need_a_token(running: Running) -> None:
    event = running.event("fs-verify-file")
    assert running.upload("", "b.png").status_code == 401
    assert running.upload("u" + "A" * 22 + "." + "B" * 43).status_code == 401
    assert running.call({"fn_index": event, "data": [None, ""]}) == "401"
    assert running.call({"fn_index": event, "data": [None, "local"]}) == "401"
    assert not list(running.app.temporary.rglob("b.png"))


@pytest.mark.parametrize(
    "path",
    [
        "http://127.0.0.1:1/me.png",
        "/etc/passwd",
        "/",
        "",
        ".",
        "..",
        "FOLDER",
        "FOLDER/..",
        "file:///etc/passwd",
        7,
    ],
)
def test_nothing_but_an_upload_passes_as_a_file(running: Running, path: object) -> None:
    """An address, which Gradio would fetch, is refused. So is a path or a folder of this machine."""
    token = running.token()
    if isinstance(path, str) and path.startswith("FOLDER"):
        [reference] = running.upload(token).json()
        path = path.replace("FOLDER", reference.partition("/")[0])
    sent = {"path": path, "url": path, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}
    said = running.call({"fn_index": running.event("fs-verify-file"), "data": [sent, token]}, token)
    assert "process_completed" in said
    assert '"success": true' in said or '"success":true' in said
    assert "passwd" not in said
    assert "fs-media" not in said


def test_a_large_event_is_refused_before_it_is_parsed(running: Running) -> None:
    token = running.token()
    headers = {"Content-Type": "application/json", **bearer(token)}
    large = b'{"data": ["' + b"x" * EVENT_BYTES + b'"]}'

    def parts() -> Iterator[bytes]:
        yield from (large[start : start + 65536] for start in range(0, len(large), 65536))

    for path in ("/gradio_api/queue/join", "/gradio_api/run/submit", "/gradio_api/call/submit"):
        assert running.api.post(path, content=large, headers=headers).status_code == 413
        assert running.api.post(path, content=parts(), headers=headers).status_code == 413
    nested = b"[" * 100_000
    assert running.api.post("/gradio_api/queue/join", content=nested, headers=headers).status_code == 400


@on_a_server
def test_files_that_wait_to_be_taken_in_count_for_their_owner_and_address(running: Running) -> None:
    tokens = [running.token() for _ in range(4)]
    for token in tokens[:3]:
        for _ in range(12):
            assert running.upload(token, address="8.8.8.8").status_code == 200
    assert running.upload(tokens[0], address="9.9.9.9").status_code == 429, "this owner has twelve"
    full = running.upload(tokens[3], address="8.8.8.8")
    assert (full.status_code, full.headers["X-FaceSwap-Error"]) == (429, "too_many_uploads")
    assert running.upload(tokens[3], address="9.9.9.9").status_code == 200


def test_an_upload_is_refused_as_soon_as_it_is_too_large(running: Running) -> None:
    large, headers = bytes(2_000_000), bearer(running.token())

    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        yield from (large[start : start + 65536] for start in range(0, len(large), 65536))
        yield b"\r\n--x--\r\n"

    answer = running.api.post("/gradio_api/upload", files={"files": ("a.png", large)}, headers=headers)
    assert answer.status_code == 413
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert running.api.post("/gradio_api/upload", content=parts(), headers=headers | kind).status_code == 413
    several = [("files", (f"{number}.png", bytes(600_000))) for number in range(2)]
    assert running.api.post("/gradio_api/upload", files=several, headers=headers).status_code == 413


def test_what_was_never_taken_in_is_swept_from_the_folder_itself(tmp_path: Path) -> None:
    owners = Owners(secrets.token_bytes(32), multi_user=True)
    incoming = Incoming(tmp_path, owners)
    (tmp_path / "fresh").mkdir()
    received = tmp_path / "fresh" / "a.png"
    received.write_bytes(b"x")
    reference = incoming.keep(received, "u" + "A" * 22, "")
    (tmp_path / "folder of a killed process").mkdir()
    (tmp_path / "tmp1234").write_bytes(b"half an upload")
    assert sweep(tmp_path, 3600) == 0
    assert incoming.find(reference, "u" + "A" * 22).exists()
    assert sweep(tmp_path, -1) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "host", ["evil:3302", "evil", "router", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_name_that_is_not_this_machine_is_refused(running: Running, host: str) -> None:
    answer = running.api.get("/api/health", headers={"Host": host})
    assert answer.status_code == (200 if running.owners.multi_user else 403)


def test_no_answer_of_the_config_names_a_path(running: Running) -> None:
    assert str(running.app.data_dir) not in json.dumps(running.api.get("/config").json())
