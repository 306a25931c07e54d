"""Every route is called by the owner, by another owner, without a token, and with a forged token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from faceswap.jobs import Job, Status
from faceswap.store import Upload
from tests.integration.serving import PIXEL, Serving
from tests.waiting import PATIENCE

NOT_SIGNED_IN = "Your session is missing or no longer valid. Reload the page to start a new one."


@dataclass
class Shared:
    """A server with several users. One of them owns a job in each state, and an upload."""

    serving: Serving
    token: str
    owner: str
    live: Job
    done: Job
    picture: Upload

    @property
    def video(self) -> str:
        return self.done.target_file

    def visitors(self) -> dict[str, httpx.Client]:
        """Callers who are not the owner. For them, the owner's jobs and files do not seem to exist."""
        other, _ = self.serving.sign_in()
        signature = self.token.partition(".")[2]
        forger = f"{self.owner}.{other.partition('.')[2]}"
        return {
            "other": self.serving.client(other),
            "nobody": self.serving.client(),
            "forger": self.serving.client(forger),
            "signature only": self.serving.client(f".{signature}"),
            "owner id only": self.serving.client(self.owner),
            "local": self.serving.client("local"),
            "basic": self.serving.client(Authorization=f"Basic {self.token}"),
            "cookie": self.serving.client(Cookie=f"token={self.token}"),
        }


@pytest.fixture
def shared(serve: Callable[..., Serving]) -> Shared:
    serving = serve(multi_user=True)
    token, owner = serving.sign_in()
    done = serving.add_job(owner, Status.COMPLETED, batch="A" * 22)
    live = serving.add_job(owner, batch="B" * 22)
    return Shared(serving, token, owner, live, done, serving.add_upload(owner))


@dataclass
class Request:
    """A request on one route for a job or file of the owner, and the status that the owner gets."""

    method: str
    route: str
    path: Callable[[Shared], str]
    json: Callable[[Shared], object] | None = None
    code: int = 200
    missing: str = "Job not found"

    def send(self, client: httpx.Client, shared: Shared) -> httpx.Response:
        body = self.json(shared) if self.json else None
        return client.request(self.method, self.path(shared), json=body)


NO_FILE = "File not found. Upload it again."
PRIVATE = [
    Request("GET", "/api/status/{jobId}", lambda s: f"/api/status/{s.live.id}"),
    Request("GET", "/api/download/{fileId}", lambda s: f"/api/download/{s.done.id}", missing=NO_FILE),
    Request("GET", "/api/download/{fileId}", lambda s: f"/api/download/{s.picture.id}", missing=NO_FILE),
    Request("GET", "/api/download/{fileId}", lambda s: f"/api/download/{s.live.id}", None, 404, NO_FILE),
    Request(
        "POST",
        "/api/process/{type}",
        lambda _: "/api/process/single-video",
        lambda s: {"source_file": s.picture.id, "target_file": s.video, "consent": True},
        missing=NO_FILE,
    ),
    Request(
        "POST",
        "/api/detect-faces",
        lambda _: "/api/detect-faces",
        lambda s: {"fileId": s.picture.id},
        missing=NO_FILE,
    ),
    Request(
        "POST",
        "/api/preview",
        lambda _: "/api/preview",
        lambda s: {
            "type": "single-video",
            "source_file": s.picture.id,
            "target_file": s.picture.id,
            "consent": True,
        },
        400,  # The target is a picture, so the owner gets an error before any engine starts.
        NO_FILE,
    ),
    Request("GET", "/api/thumbnail/{fileId}", lambda s: f"/api/thumbnail/{s.picture.id}", missing=NO_FILE),
    Request(
        "POST", "/api/jobs/{jobId}/title", lambda s: f"/api/jobs/{s.done.id}/title", lambda _: {"title": "x"}
    ),
    Request(
        "POST",
        "/api/jobs/{jobId}/move",
        lambda s: f"/api/jobs/{s.done.id}/move",
        lambda _: {"place": 1},
        400,  # It does not wait any more.
    ),
    Request("POST", "/api/cancel/{jobId}", lambda s: f"/api/cancel/{s.live.id}"),
    Request("GET", "/api/receipt/{jobId}", lambda s: f"/api/receipt/{s.done.id}"),
    Request("POST", "/api/jobs/{jobId}/revoke", lambda s: f"/api/jobs/{s.done.id}/revoke"),
    Request("DELETE", "/api/jobs/{jobId}", lambda s: f"/api/jobs/{s.live.id}"),
    Request(
        "GET",
        "/api/jobs/{jobId}/thumbnail",
        lambda s: f"/api/jobs/{s.live.id}/thumbnail?of=latest",
        code=204,
    ),
    Request("GET", "/api/batches/{batchId}", lambda s: f"/api/batches/{s.done.batch}"),
    Request("GET", "/api/batches/{batchId}/download", lambda s: f"/api/batches/{s.done.batch}/download"),
    Request("POST", "/api/batches/{batchId}/cancel", lambda s: f"/api/batches/{s.live.batch}/cancel"),
    Request(
        "POST",
        "/api/batches/{batchId}/retry",
        lambda s: f"/api/batches/{s.done.batch}/retry",
        lambda _: {"consent": True},
        400,  # None of its tasks failed.
    ),
]
OPEN = {"/api/session", "/api/health"}
OWN = {
    *("/api/tasks", "/api/upload", "/api/single-image-swap", "/api/batches"),
    *("/api/queue/stop-after-current", "/api/queue/resume"),
}
"""These routes take no id. Each signed-in caller sees or makes only their own jobs and files."""


def test_every_route_of_the_document_is_judged_here(shared: Shared) -> None:
    documented = shared.serving.client().get("/api/openapi.json").json()["paths"]
    assert set(documented) == {request.route for request in PRIVATE} | OPEN | OWN
    for path, methods in documented.items():
        for operation in methods.values():
            assert ("security" in operation) is (path not in OPEN), path


@pytest.mark.parametrize(
    "request_",
    [pytest.param(r, marks=pytest.mark.engine if r.route == "/api/detect-faces" else ()) for r in PRIVATE],
    ids=lambda r: f"{r.method} {r.route}",
)
def test_what_is_anothers_is_as_unknown_as_nothing(shared: Shared, request_: Request) -> None:
    before = [shared.serving.store.get(job.id) for job in (shared.live, shared.done)]
    for who, client in shared.visitors().items():
        answer = request_.send(client, shared)
        code, words = (404, request_.missing) if who == "other" else (401, NOT_SIGNED_IN)
        assert (answer.status_code, answer.json()) == (code, {"success": False, "error": words}), who
    assert [shared.serving.store.get(job.id) for job in (shared.live, shared.done)] == before
    answer = request_.send(shared.serving.client(shared.token), shared)
    assert answer.status_code == request_.code


def test_tasks_and_uploads_are_ones_own(shared: Shared) -> None:
    for who, client in shared.visitors().items():
        listed = client.get("/api/tasks?scope=all")
        sent = client.post("/api/upload", files={"file": ("a.txt", b"no picture")})
        form = dict.fromkeys(("source_image", "target_image"), ("a.txt", b"no picture"))
        both = client.post("/api/single-image-swap", files=form, data={"consent": "true"})
        batches = client.get("/api/batches")
        files = {"sources": [shared.picture.id], "targets": [shared.video], "consent": True}
        batch = client.post("/api/batches", json=files)
        if who == "other":
            assert listed.json() == batches.json() == {"success": True, "data": []}
            assert (sent.status_code, both.status_code, batch.status_code) == (415, 415, 404)
        else:
            codes = [answer.status_code for answer in (listed, sent, both, batches, batch)]
            assert codes == [401] * 5, who
            assert listed.headers["WWW-Authenticate"] == "Bearer"
    mine = shared.serving.client(shared.token).get("/api/tasks?scope=all").json()["data"]
    assert {job["id"] for job in mine} == {shared.live.id, shared.done.id}


def test_the_etag_of_one_owner_is_no_answer_to_another(shared: Shared) -> None:
    tag = shared.serving.client(shared.token).get("/api/tasks").headers["ETag"]
    other = shared.visitors()["other"].get("/api/tasks", headers={"If-None-Match": tag})
    assert other.status_code == 200
    assert "Authorization" in other.headers["Vary"]


def test_each_session_is_another_owner(shared: Shared) -> None:
    tokens = [shared.serving.client().post("/api/session").json()["data"]["token"] for _ in range(2)]
    assert len({shared.serving.owners.owner_of(token) for token in tokens}) == 2
    assert shared.serving.client(tokens[0]).get("/api/tasks").status_code == 200


def test_a_signed_link_needs_no_header_and_opens_one_file_only(shared: Shared) -> None:
    nobody = shared.serving.client()
    link = (
        shared.serving.client(shared.token).get(f"/api/status/{shared.done.id}").json()["data"]["result_url"]
    )
    assert nobody.get(link).content == b"the result"
    assert nobody.get(link, headers={"Range": "bytes=0-2"}).content == b"the"
    ticket = link.partition("?")[2]
    for path in (
        f"/api/download/{shared.picture.id}?{ticket}",
        f"/api/download/{shared.done.id}?{ticket}x",
        f"/api/download/{shared.done.id}?t=",
        f"/api/status/{shared.done.id}?{ticket}",
        f"/api/thumbnail/{shared.done.target_file}?{ticket}",
        f"/api/tasks?{ticket}",
    ):
        assert nobody.get(path).status_code == 401, path
    other = shared.visitors()["other"].get(f"/api/download/{shared.picture.id}?{ticket}")
    assert other.status_code == 401


def test_the_small_pictures_of_a_task_are_links_for_its_owner(shared: Shared) -> None:
    job = shared.serving.client(shared.token).get(f"/api/status/{shared.done.id}").json()["data"]
    nobody = shared.serving.client()
    assert (job["source"]["name"], job["target"]["name"]) == ("me.png", "clip.mp4")
    for file in (job["source"], job["target"]):
        assert nobody.get(file["thumbnail"]).content == b"a small picture"
        path, _, ticket = file["thumbnail"].partition("?")
        assert nobody.get(path).status_code == 401
        assert nobody.get(f"{path.replace('thumbnail', 'download')}?{ticket}").status_code == 401


def test_a_link_signed_for_another_owner_opens_nothing(shared: Shared) -> None:
    """Anyone with a session can get signed links for ids that belong to others."""
    _, other = shared.serving.sign_in()
    link = shared.serving.owners.signed_url(f"/api/download/{shared.done.id}", other)
    assert shared.serving.client().get(link).status_code == 404


def test_a_token_in_the_address_is_not_looked_at(shared: Shared) -> None:
    assert shared.serving.client().get("/api/tasks", params={"token": shared.token}).status_code == 401


SECRET = "the secret beside the folder"
TRAVERSALS = [
    "../secret.txt",
    "../../secret.txt",
    "..%2f..%2fsecret.txt",
    "..%252f..%252fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "....//....//secret.txt",
    "..\\..\\secret.txt",
    "..%5c..%5csecret.txt",
    "..%c0%af..%c0%afsecret.txt",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "file:///etc/passwd",
    "jobs.sqlite3",
    "server.key",
    "..%2fserver.key",
    "%00",
    "a%00.png",
    "%0d%0aSet-Cookie:%20a=b",
    "~root",
    "{id}/../{id}",
    "{id}%2f..%2f..%2fserver.key",
    "{id}%00",
    "{id}/",
    "{id}.png",
    "%ff%fe",
    "%f0%9f%92%a9",
    "A" * 8000,
    "' OR 1=1 --",
    "%25s%25n",
    "con",
    "__proto__",
]


@pytest.fixture
def house(serving: Serving) -> Iterator[Serving]:
    (serving.folders.root.parent / "secret.txt").write_text(SECRET)
    (serving.folders.root / "uploads").mkdir()
    (serving.folders.root / "uploads" / "secret.txt").write_text(SECRET)
    yield serving


def raw(serving: Serving, method: str, path: str) -> tuple[int, bytes]:
    """Send the path unchanged. Other clients would normalise it."""
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30 * PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/api/status/"),
        ("POST", "/api/cancel/"),
        ("GET", "/api/download/"),
        ("GET", "/api/receipt/"),
        ("DELETE", "/api/jobs/"),
        ("POST", "/api/process/"),
    ],
)
def test_an_id_in_a_path_reaches_nothing_but_the_store(house: Serving, method: str, route: str) -> None:
    upload = house.add_upload()
    for traversal in TRAVERSALS:
        path = route + quote(traversal.replace("{id}", upload.id), safe="/%:~'")
        code, body = raw(house, method, path)
        assert code in (400, 404, 405), path
        answer = json.loads(body)
        assert set(answer) == {"success", "error"}, path
        assert str(house.folders.root) not in body.decode()
        assert SECRET not in body.decode()
    assert house.folders.media(upload).read_bytes() == PIXEL


@pytest.mark.parametrize("field", ["source_file", "target_file", "fileId"])
def test_an_id_in_a_body_reaches_nothing_but_the_store(house: Serving, field: str) -> None:
    upload = house.add_upload()
    client = house.client()
    mine = {"source_file": upload.id, "target_file": upload.id, "consent": True}
    bodies = [t.replace("{id}", upload.id) for t in TRAVERSALS] + ["\x00", "\ud800", "a\nb", "", "..", "/"]
    for wrong in bodies:
        route = "/api/detect-faces" if field == "fileId" else "/api/process/single-image"
        content = json.dumps({**mine, field: wrong}).encode()
        answer = client.post(route, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 404), wrong
        assert set(answer.json()) == {"success", "error"}
        assert str(house.folders.root) not in answer.text
    assert house.service.history() == []


@pytest.mark.engine
@pytest.mark.parametrize(
    "name",
    [
        "../../evil.png",
        "/etc/cron.d/evil",
        "..\\evil.png",
        "a\x00b",
        ".",
        "..",
        "",
        "é" * 300,
        "con",
        "a\nb.png",
    ],
)
def test_the_name_of_an_upload_is_for_display_only(house: Serving, name: str) -> None:
    upload = house.add_upload(name=name)
    answer = house.client().get(f"/api/download/{upload.id}")
    assert answer.content == PIXEL
    assert "\n" not in answer.headers["Content-Disposition"]
