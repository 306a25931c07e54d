"""Which hosts and origins may call the app: DNS rebinding, cross-site requests, CORS."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from faceswap.jobs import Status
from tests.integration.serving import Serving

PUBLIC = "someone-faceswap.hf.space"
CONFIGURED = "https://studio.example"
MODES = ["local", "public", "configured", "anyone"]
Serve = Callable[..., Serving]


@pytest.fixture
def door(serve: Serve, request: pytest.FixtureRequest) -> Serving:
    mode = request.param
    origins = {"configured": (CONFIGURED,), "anyone": ("*",)}.get(mode, ())
    return serve(multi_user=mode == "public", cors_origins=origins)


def host_of(serving: Serving) -> str:
    return PUBLIC if serving.settings.multi_user else f"127.0.0.1:{serving.port}"


LOOPBACK = [
    "http://localhost:5173",
    "http://127.0.0.1:8080",
    "http://[::1]:3000",
    "https://localhost",
    "http://localhost",
]
FOREIGN = [
    "https://evil.example",
    "http://evil.example:3001",
    "https://studio.example.evil.example",
    "https://studio.example:8443",
    "http://studio.example",
    "http://localhost.evil.example",
    "http://localhost:5173.evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.2:80",
    "http://localhost:3001@evil.example",
    "http://evil.example/localhost",
    "file://",
    "null",
    "chrome-extension://abcdef",
    "https://huggingface.co",
    "localhost",
    "",
]


@pytest.mark.parametrize("door", MODES, indirect=True)
def test_only_allowed_origins_read_answers_and_change_things(door: Serving) -> None:
    token, owner = door.sign_in()
    client = door.client(token, Host=host_of(door))
    own = f"{'https' if door.settings.multi_user else 'http'}://{host_of(door)}"
    anyone = "*" in door.settings.cors_origins
    for origin in [*LOOPBACK, *FOREIGN, CONFIGURED, own]:
        allowed = anyone or origin in LOOPBACK or origin in door.settings.cors_origins
        mirrored = ("*" if anyone else origin) if allowed else None
        read = client.get("/api/tasks", headers={"Origin": origin})
        local = origin == own and not door.settings.multi_user  # This is a loopback origin, too.
        assert read.headers.get("Access-Control-Allow-Origin") == (own if local and not anyone else mirrored)
        assert "Access-Control-Allow-Credentials" not in read.headers
        job = door.add_job(owner)
        changed = client.post(f"/api/cancel/{job.id}", headers={"Origin": origin})
        assert changed.status_code == (200 if allowed or origin == own else 403), origin
        live = door.store.get(job.id).status is Status.PENDING
        assert live is (changed.status_code == 403)
        door.service.delete(job.id, owner=owner)


@pytest.mark.parametrize("door", MODES, indirect=True)
def test_a_preflight_promises_no_more_than_the_request_gets(door: Serving) -> None:
    client = door.client(Host=host_of(door))
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for origin in [*LOOPBACK, *FOREIGN, CONFIGURED]:
        allowed = "*" in door.settings.cors_origins or origin in (*LOOPBACK, *door.settings.cors_origins)
        answer = client.options("/api/process/video", headers={"Origin": origin, **asked})
        assert ("Access-Control-Allow-Origin" in answer.headers) is allowed, origin
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (answer.status_code == 200) is allowed


@pytest.mark.parametrize(
    ("site", "origin", "allowed"),
    [
        ("same-origin", None, True),
        ("none", None, True),
        ("cross-site", None, False),
        ("same-site", None, False),
        (None, None, True),  # Not a browser: it sends no user's cookies.
        ("cross-site", "https://evil.example", False),
        ("same-site", "https://evil.example", False),
        ("same-site", "http://localhost:5173", True),
        ("cross-site", "http://localhost:5173", True),
        ("cross-site", "null", False),
        ("nonsense", None, False),
    ],
)
@pytest.mark.parametrize("door", ["local", "public"], indirect=True)
def test_what_a_browser_says_of_the_page_that_asks_is_heeded(
    door: Serving, site: str | None, origin: str | None, allowed: bool
) -> None:
    token, owner = door.sign_in()
    headers = {"Sec-Fetch-Site": site, "Origin": origin}
    client = door.client(token, Host=host_of(door), **{k: v for k, v in headers.items() if v is not None})
    for method, path in (("POST", "/api/cancel/{}"), ("DELETE", "/api/jobs/{}")):
        job = door.add_job(owner)
        assert client.request(method, path.format(job.id)).status_code == (200 if allowed else 403)
    assert client.post("/api/session").status_code == (200 if allowed else 403)
    assert client.get("/api/tasks").status_code == 200


def test_behind_a_proxy_that_changes_the_host_our_own_page_still_works(serve: Serve) -> None:
    client = serve(multi_user=True).client(Host="10.0.0.7:7860")
    own = {"Origin": f"https://{PUBLIC}", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/session", headers=own).status_code == 200


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:3001", True),
        ("127.0.0.1:3001", True),
        ("[::1]:3001", True),
        ("192.168.1.20:3001", True),
        ("workstation:3001", False),
        ("router", False),
        ("faceswap.localhost", True),
        ("LOCALHOST", True),
        ("evil.example", False),
        ("evil.example:3001", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("localhost@evil.example", False),
        ("evil.local", False),
        ("studio.example", False),
        ("[evil.example]", False),
        ("[::1", False),
    ],
)
def test_a_local_app_answers_only_to_names_no_stranger_can_own(
    serving: Serving, host: str, known: bool
) -> None:
    job = serving.add_job()
    client = serving.client(Host=host)
    assert client.get("/api/tasks").status_code == (200 if known else 403)
    assert client.post(f"/api/cancel/{job.id}").status_code == (200 if known else 403)
    if not known:
        assert job.id not in client.get("/api/tasks").text


@pytest.mark.parametrize("name", ["workstation", "workstation.local:3001"])
def test_this_machines_own_name_counts_where_other_machines_were_asked_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Workstation")
    for server_name, status in (("0.0.0.0", 200), ("127.0.0.1", 403)):
        client = serve(server_name=server_name).client(Host=name)
        assert client.get("/api/tasks").status_code == status


def test_a_configured_origin_names_a_host_of_this_app_too(serve: Serve) -> None:
    serving = serve(cors_origins=(CONFIGURED,))
    assert serving.client(Host="studio.example").get("/api/tasks").status_code == 200


def test_an_app_for_several_users_answers_to_any_name(serve: Serve) -> None:
    assert serve(multi_user=True).client(Host=PUBLIC).get("/api/health").status_code == 200


def test_every_answer_forbids_guessing_types_and_leaking_links(serving: Serving) -> None:
    for path in ("/api/tasks", "/api/docs", "/api/nothing"):
        headers = serving.client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'self'" in serving.client().get("/api/tasks").headers["Content-Security-Policy"]


def test_a_space_may_be_shown_in_a_frame(serve: Serve) -> None:
    assert "Content-Security-Policy" not in serve(multi_user=True).client().get("/api/health").headers


def test_a_page_of_another_site_cannot_start_an_upload(serving: Serving) -> None:
    """A browser sends a form with a file without a preflight, so only the guard can refuse it."""
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer: httpx.Response = serving.client().post(
        "/api/upload", files={"file": ("a", b"x")}, headers=headers
    )
    assert answer.status_code == 403
    assert answer.json()["success"] is False
