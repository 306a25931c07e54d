"""What many requests of one visitor do to others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap.engine.child.contract import FacesSpec, InspectSpec, PreviewSpec, Spec
from faceswap.uploads import MOST_WAITING, MOST_WAITING_OF_OWNER, Intake
from tests.integration.serving import Serving
from tests.waiting import wait_until

pytestmark = pytest.mark.engine
PLACES = 1
SENT = 60

Serve = Callable[..., Serving]


class Held:
    """Engine processes that look at a target do not end until the test says so. Probes of uploads do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.end = threading.Event()
        self.running = 0
        ask = Intake._ask_engine

        def held(intake: Intake, spec: Spec[Any]) -> Any:
            if isinstance(spec, InspectSpec):
                return ask(intake, spec)
            assert isinstance(spec, FacesSpec | PreviewSpec)
            self.running += 1
            self.end.wait()
            return type("Nothing", (), {"faces": (), "jpeg": b""})()

        monkeypatch.setattr(Intake, "_ask_engine", held)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.end.set()


@pytest.fixture
def senders(held: Held) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(200) as pool:
        yield pool
        held.end.set()  # leaving the pool waits for all answers


def done(answers: list[Future[httpx.Response]]) -> list[httpx.Response]:
    return [answer.result() for answer in answers if answer.done()]


@pytest.mark.parametrize("what", ["detect-faces", "preview"])
def test_sixty_requests_of_one_owner_do_not_delay_another(
    serve: Serve, held: Held, senders: ThreadPoolExecutor, portrait: Path, what: str
) -> None:
    serving = serve(multi_user=True, local_workers=PLACES, max_active=5)
    token, greedy = serving.sign_in()
    other, honest = serving.sign_in()
    target = serving.add_upload(greedy)
    body: dict[str, Any] = {"fileId": target.id}
    if what == "preview":
        names = {"source_file": target.id, "target_file": target.id}
        body = {"type": "single-image", "consent": True, **names}
    client = serving.client(token)
    answers = [senders.submit(client.post, f"/api/{what}", json=body) for _ in range(SENT)]
    refused = SENT - PLACES - MOST_WAITING_OF_OWNER
    wait_until(lambda: len(done(answers)) == refused, "all but a few are refused at once")
    for answer in done(answers):
        assert (answer.status_code, answer.headers["X-FaceSwap-Error"]) == (429, "too_busy")
        assert int(answer.headers["Retry-After"]) > 0
    mine = serving.client(other)
    upload = mine.post("/api/upload", files={"file": ("me.png", portrait.read_bytes())})
    assert upload.status_code == 200, upload.text
    job = serving.add_job(honest)
    assert mine.get(f"/api/status/{job.id}").json()["data"]["status"] == "pending"
    assert mine.get("/api/tasks").status_code == 200
    assert mine.post(f"/api/cancel/{job.id}").status_code == 200
    assert len(done(answers)) == refused, "the others still wait"
    assert held.running == PLACES
    detected = senders.submit(mine.post, "/api/detect-faces", json={"fileId": serving.add_upload(honest).id})
    held.end.set()
    assert detected.result().status_code == 200
    assert (
        sorted(answer.result().status_code for answer in answers)
        == [200] * (SENT - refused) + [429] * refused
    )


def test_a_crowd_of_owners_gets_answers_or_429_and_cancel_stays_free(
    serve: Serve, held: Held, senders: ThreadPoolExecutor
) -> None:
    serving = serve(multi_user=True, local_workers=PLACES)
    answers: list[Future[httpx.Response]] = []
    for _ in range(SENT):
        token, owner = serving.sign_in()
        body = {"fileId": serving.add_upload(owner).id}
        answers.append(senders.submit(serving.client(token).post, "/api/detect-faces", json=body))
    wait_until(lambda: len(done(answers)) == SENT - PLACES - MOST_WAITING, "the queue is full")
    assert {answer.status_code for answer in done(answers)} == {429}
    token, owner = serving.sign_in()
    job = serving.add_job(owner)
    assert serving.client(token).post(f"/api/cancel/{job.id}").status_code == 200
