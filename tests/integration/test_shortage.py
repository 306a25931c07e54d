"""Open connections keep nobody out, and what this machine lacks is no verdict on a task or a file."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from faceswap import driving
from faceswap.backends import RunState
from faceswap.driving import SHORTAGE_PAUSE_S
from faceswap.errors import BadMedia, SigningKeyUnusable
from faceswap.folders import Folders
from faceswap.jobs import Job, Status
from faceswap.provenance import Marks
from faceswap.shortage import is_shortage
from faceswap.signing import SigningKey
from faceswap.store import JobStore
from faceswap.ui import connections
from faceswap.uploads import Intake
from tests.integration.serving import Serving
from tests.integration.test_dispatcher import House, Report, ScriptedBackend, unsealed
from tests.waiting import PATIENCE, wait_until

HALF = b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(sockets: ExitStack, serving: Serving, sent: bytes = b"") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", serving.port), timeout=20 * PATIENCE)
    sockets.callback(opened.close)
    opened.sendall(sent)
    return opened


def ended(opened: socket.socket) -> bool:
    """Wait for what the server sends. Returns whether it closed the connection."""
    try:
        return opened.recv(1) == b""
    except ConnectionResetError:
        return True


def test_half_a_request_is_given_up_however_slowly_the_rest_comes(tmp_path: Path, sockets: ExitStack) -> None:
    with Serving(tmp_path, head_s=0.3) as serving:
        silent, half = connect(sockets, serving), connect(sockets, serving, HALF)
        assert ended(silent)
        assert ended(half)
        dripping = connect(sockets, serving, HALF)
        with pytest.raises(OSError):
            while True:
                dripping.sendall(b"x")
        again = connect(sockets, serving, b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HALF)
        content = b""
        while received := again.recv(65536):
            content += received
        assert content.startswith(b"HTTP/1.1 200")
        assert serving.client().get("/api/health").status_code == 200


@pytest.mark.long
@pytest.mark.parametrize("path", ["/api/upload", "/gradio_api/upload"])
def test_a_body_that_stands_still_or_only_drips_is_given_up(
    tmp_path: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(connections, "LEAST_BYTES", 10**9)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    ).encode()
    with Serving(tmp_path, body_s=0.3) as serving:
        still = connect(sockets, serving, head + b"--x\r\n")
        dripping = connect(sockets, serving, head + b"--x\r\n")
        with pytest.raises(OSError):
            while True:
                dripping.sendall(b"y")
        while not ended(still):
            pass
        assert serving.client().get("/api/health").status_code == 200


@pytest.mark.parametrize(
    ("received", "read_paused", "more_body", "closed"),
    [
        (connections.LEAST_BYTES, False, True, False),
        (connections.LEAST_BYTES - 1, False, True, True),
        (0, True, True, False),  # the app does not read: no fault of the client's
        (0, False, False, False),
    ],
)
def test_a_body_that_goes_on_or_waits_for_the_app_is_not_given_up(
    received: int, read_paused: bool, more_body: bool, closed: bool
) -> None:
    aborted: list[bool] = []
    waited: list[bool] = []
    connection: Any = SimpleNamespace(
        transport=SimpleNamespace(is_closing=lambda: False, abort=lambda: aborted.append(True)),
        cycle=SimpleNamespace(more_body=more_body, response_complete=False),
        flow=SimpleNamespace(read_paused=read_paused),
        _received=received,
        _await_body=lambda: waited.append(True),
    )
    connections.LimitedProtocol._check_body(connection)  # pyright: ignore[reportPrivateUsage]
    assert (bool(aborted), bool(waited)) == (closed, more_body and not closed)


def test_an_answer_may_take_longer_than_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Serving(tmp_path, head_s=0.2) as serving:
        loop_passed: list[bool] = []

        def slow(*_: object, **__: object) -> list[Any]:
            with Serving(tmp_path / "other", head_s=0.2) as other, ExitStack() as stack:
                loop_passed.append(ended(connect(stack, other)))  # longer than the limit
            return []

        monkeypatch.setattr(Intake, "find_faces", slow)
        upload = serving.add_upload()
        answer = serving.client().post("/api/detect-faces", json={"fileId": upload.id})
        assert (answer.status_code, loop_passed) == (200, [True])


def test_one_address_cannot_take_all_connections(
    tmp_path: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand and three hundred half-open connections leave descriptors for files and for others."""
    monkeypatch.setattr(connections, "_descriptors", lambda: 1024)
    with Serving(tmp_path) as serving:
        opened = [connect(sockets, serving, HALF) for _ in range(300)]
        most = (1024 - connections.RESERVE) // 3
        assert all(ended(refused) for refused in opened[most:])
        opened[0].close()
        wait_until(lambda: answers(serving), "there is room again")
        elsewhere = socket.create_connection(
            ("127.0.0.1", serving.port), timeout=20 * PATIENCE, source_address=("127.0.0.2", 0)
        )
        sockets.callback(elsewhere.close)
        elsewhere.sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert elsewhere.recv(65536).startswith(b"HTTP/1.1 200")


def answers(serving: Serving) -> bool:
    try:
        with httpx.Client(base_url=serving.url, trust_env=False) as client:
            return client.get("/api/health").is_success
    except httpx.TransportError:
        return False


def test_connections_leave_a_reserve_of_descriptors() -> None:
    few = connections.Connections(2, None)
    assert [few.enter("a"), few.enter("b"), few.enter("c")] == [True, True, False]
    for address in "abc":
        few.leave(address)
    assert few.enter("d")
    each = connections.Connections(100, 1)
    assert [each.enter("a"), each.enter("a"), each.enter("b")] == [True, False, True]


def lacking(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_run_for_which_descriptors_or_memory_are_missing_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(driving, "SHORTAGE_PAUSE_S", 0.0)
    assert SHORTAGE_PAUSE_S > 1, "a real one does not try again at once"
    house, backend, short = House(tmp_path), ScriptedBackend(), [True] * 4
    backend.report = Report(RunState.SUCCEEDED, 100.0)

    def seal(job: Job, result: Path, sealed: Path, *_: object, **__: object) -> Marks:
        if short:
            short.pop()
            if len(short) % 2:
                raise lacking(number)
            try:
                raise lacking(number)
            except OSError as error:
                raise SigningKeyUnusable(reason="OSError") from error
        return unsealed(job, result, sealed)

    job = house.add_job()
    dispatcher = house.dispatch(backend, seal=seal)
    done = house.until(job, Status.COMPLETED)
    assert (done.attempt, done.error_code, short) == (1, None, [])
    dispatcher.close()
    house.store.close()


def test_the_signing_key_is_not_to_blame_when_descriptors_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folders(tmp_path).signing
    SigningKey.load(folder)

    def read(*_: object, **__: object) -> str:
        raise lacking(errno.EMFILE)

    monkeypatch.setattr(Path, "read_text", read)
    with pytest.raises(SigningKeyUnusable) as raised:
        SigningKey.load(folder)
    assert is_shortage(raised.value)


def test_a_request_for_which_descriptors_are_missing_is_told_so(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = serve()
    upload = serving.add_upload()

    def ask(*_: object) -> None:
        raise lacking(errno.EMFILE)

    monkeypatch.setattr(Intake, "_ask_engine", ask)
    answer = serving.client().post("/api/detect-faces", json={"fileId": upload.id})
    assert (answer.status_code, answer.headers["X-FaceSwap-Error"]) == (503, "out_of_resources")
    assert int(answer.headers["Retry-After"]) > 0
    assert JobStore(serving.folders.store).upload(upload.id) == upload


def test_other_errors_are_no_shortage() -> None:
    assert is_shortage(MemoryError())
    assert not is_shortage(lacking(errno.ENOENT))
    assert not is_shortage(lacking(errno.ENOSPC)), "a full disk has an error of its own"
    assert not is_shortage(BadMedia())
