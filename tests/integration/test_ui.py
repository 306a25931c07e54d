"""What the pages' events answer when called without a page, and how the app starts and ends."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faceswap.engine.marks.marking import Label, Marking
from faceswap.media import aigc_text
from tests import graphs
from tests.browser.app import REPOSITORY, App
from tests.browser.tasks import finish, queue
from tests.marked import marked
from tests.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def public_app(start_app: Callable[..., App]) -> App:
    """An app for several users."""
    return start_app(FACESWAP_MULTI_USER="1")


REFUSED_AT_THE_DOOR = "refused at the door"


class Caller:
    """Calls Gradio's events over plain HTTP, as anyone can."""

    def __init__(self, app: App) -> None:
        self._api = app.api
        config = app.api.get("/config").json()
        self._names = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
        self._events = config["dependencies"]

    def call(self, element: str, event: str, data: list[Any], event_data: Any = None) -> Any:
        """Return the outputs of the first such event of any page, or None when it ended in an error."""
        return self._run(
            next(
                each["id"]
                for each in self._events
                for target, name in each["targets"]
                if (self._names.get(target), name) == (element, event) and each["backend_fn"]
            ),
            data,
            event_data,
        )

    def loaded(self, element: str, data: list[Any]) -> str:
        """Return what a page puts into an element when the page opens."""
        answer = self._run(
            next(
                each["id"]
                for each in self._events
                if [self._names.get(output) for output in each["outputs"]] == [element]
            ),
            data,
        )
        return answer if answer == REFUSED_AT_THE_DOOR else answer[0]

    def _run(self, wanted: int, data: list[Any], event_data: Any = None) -> Any:
        session = secrets.token_hex(8)
        body = {"data": data, "fn_index": wanted, "session_hash": session, "event_data": event_data}
        joined = self._api.post("/gradio_api/queue/join", json=body, headers={"Accept-Language": "zh-CN"})
        if joined.status_code == 401:
            return REFUSED_AT_THE_DOOR
        assert joined.is_success, joined.text
        with self._api.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return message["output"].get("data") if message["success"] else None
        raise AssertionError("the event never ended")


def file_data(path: Path | str, **more: object) -> dict[str, Any]:
    return {"path": str(path), "orig_name": "me.png", "meta": {"_type": "gradio.FileData"}} | more


@pytest.fixture(scope="module")
def caller(public_app: App) -> Caller:
    return Caller(public_app)


def form(token: object, source: str, target: str, who: object = "largest", quality: object = 80,
         engine: object = "auto", unlabelled: object = False) -> list[Any]:  # fmt: skip
    """Return what the form of a page sends, in the order of its components, with consent."""
    networks = [engine, "", 0, False, 0.8]
    chosen = [who, True, False, "", "", True, quality, "libx264", *networks, unlabelled]
    return [token, target, source, 0, "", "", True, *chosen]


def new_token(app: App) -> str:
    return app.api.post("/api/session").json()["data"]["token"]


def test_a_file_of_the_server_cannot_be_taken_in(public_app: App, caller: Caller, portrait: Path) -> None:
    token = new_token(public_app)
    key = public_app.data_dir / "server.key"
    inside = public_app.temporary / "x" / ".." / ".." / "server.key"
    attempts: list[Any] = [
        file_data(portrait),
        {"path": str(portrait)},
        file_data(key),
        file_data(inside),
        file_data("http://127.0.0.1:1/me.png"),
        file_data(portrait, url=str(portrait)),
        str(portrait),
        [file_data(portrait)],
        None,
        7,
    ]
    for attempt in attempts:
        answer = caller.call("fs-verify-file", "upload", [attempt, token])
        assert answer is None or "data-verdict" not in answer[1], attempt
    assert key.exists()
    assert portrait.exists()
    assert not list((public_app.data_dir / "uploads").glob("*"))


@pytest.mark.parametrize("token", [None, "", "local", "u" + "A" * 22 + "." + "B" * 43, {"owner": "local"}, 5])
def test_every_event_asks_who_is_calling(public_app: App, caller: Caller, token: object) -> None:
    for element, event, data in (
        ("fs-go", "click", form(token, "A" * 22, "B" * 22)),
        ("fs-search", "change", [token, "", "all", None]),
        ("fs-viewer-part", "select", [token]),
        ("fs-verify-file", "upload", [None, token]),
        ("fs-source-card", "select", [token]),
    ):
        assert caller.call(element, event, data, {"job": "A" * 22}) == REFUSED_AT_THE_DOOR, element
    sent = public_app.api.post("/gradio_api/upload", files={"files": ("me.png", b"\x89PNG not really")})
    assert sent.status_code == 401


def test_the_verify_page_tells_of_a_file_and_keeps_nothing(
    public_app: App, caller: Caller, tmp_path: Path
) -> None:
    labelled = marked(tmp_path / "labelled.png", Marking(Label(), aigc_text("<i>somebody</i>", "a-job")))
    for content, token, expected in (
        (labelled.read_bytes(), new_token(public_app), 'data-verdict="stripped"'),
        (b"no picture", new_token(public_app), "不支持这种"),
    ):
        (sent,) = public_app.api.post(
            "/gradio_api/upload",
            files={"files": ("me.png", content)},
            headers={"Authorization": f"Bearer {token}"},
        ).json()
        answer = caller.call("fs-verify-file", "upload", [file_data(sent, orig_name="<b>.png"), token])
        assert expected in answer[1]
        assert "<b>" not in answer[1]
        assert "<i>" not in answer[1]
        assert not (public_app.temporary / sent).exists()
    assert not list((public_app.data_dir / "uploads").glob("*"))


def test_another_owners_files_and_tasks_are_as_unknown_as_none(
    public_app: App, caller: Caller, portrait: Path, other_portrait: Path
) -> None:
    mine, theirs = new_token(public_app), new_token(public_app)
    public_app.api.headers["Authorization"] = f"Bearer {mine}"
    job = finish(public_app, queue(public_app, portrait, other_portrait, kind="image"))
    del public_app.api.headers["Authorization"]
    assert job["status"] == "completed"
    assert job["id"] in caller.call("fs-viewer-part", "select", [mine], {"job": job["id"]})[0]
    assert "<" not in json.dumps(caller.call("fs-viewer-part", "select", [theirs], {"job": job["id"]}))
    assert job["id"] in caller.call("fs-search", "change", [mine, "", "all", None])[1]
    assert job["id"] not in caller.call("fs-search", "change", [theirs, "", "all", None])[1]
    files = [job["source_file"], job["target_file"]]
    assert "找不到这个文件" in caller.call("fs-go", "click", form(theirs, *files))[0]
    for token, shown in ((mine, "fs-media"), (theirs, "找不到这个文件")):
        card, chosen = caller.call("fs-source-card", "select", [token], {"upload": files[0]})
        assert (shown in card, chosen) == (True, files[0] if token == mine else "")


@pytest.mark.parametrize(
    "options",
    [
        *({"quality": quality} for quality in (0, 101, "best")),
        {"who": "perhaps"},
        {"who": None, "quality": None, "engine": None},
        {"engine": "warp drive"},
        {"unlabelled": True},
    ],
)
def test_options_out_of_range_or_not_allowed_queue_nothing(
    public_app: App, caller: Caller, portrait: Path, options: dict[str, object]
) -> None:
    token = new_token(public_app)
    public_app.api.headers["Authorization"] = f"Bearer {token}"
    uploads = [
        public_app.api.post("/api/upload", files={"file": ("me.png", portrait.read_bytes())}).json()["data"]
        for _ in range(2)
    ]
    del public_app.api.headers["Authorization"]
    files = [upload["fileId"] for upload in uploads]
    answer = caller.call("fs-go", "click", form(token, *files, **options))
    assert answer is None or 'data-mood="bad"' in answer[0]
    public_app.api.headers["Authorization"] = f"Bearer {token}"
    assert public_app.tasks() == []
    del public_app.api.headers["Authorization"]


def test_a_taken_port_is_told_in_one_sentence(public_app: App, tmp_path: Path) -> None:
    second = App(tmp_path, GRADIO_SERVER_PORT=str(public_app.port))
    process = second.launch()
    assert process.wait(60 * PATIENCE) == 1
    last = second.log.read_text().strip().splitlines()[-1]
    assert last == (
        f"Port {public_app.port} of 127.0.0.1 is in use. "
        "Stop the other program, or set GRADIO_SERVER_PORT to another port."
    )
    second.close()


def test_a_terminated_app_ends_well_and_gives_its_run_back(
    start_app: Callable[..., App], portrait: Path, occluded_video: Path
) -> None:
    app = start_app()
    job_id = queue(app, portrait, occluded_video)

    def status() -> str:
        return app.api.get(f"/api/status/{job_id}").json()["data"]["status"]

    wait_until(lambda: status() == "processing", "it runs")
    assert app.stop(signal.SIGTERM) == 0
    assert "Traceback" not in app.log.read_text()
    app.start()
    assert app.api.get(f"/api/status/{job_id}").json()["data"]["attempt"] <= 1, "a hand-over costs no attempt"


def test_a_signal_that_the_system_gives_to_another_thread_ends_the_wait() -> None:
    program = """
import signal, threading, time
from faceswap.ui.serving import stop_signals
idle = threading.Thread(target=time.sleep, args=(60,), daemon=True)
idle.start()
with stop_signals() as wait:
    threading.Timer(0.5, signal.pthread_kill, (idle.ident, signal.SIGTERM)).start()
    wait()
"""
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True, timeout=30 * PATIENCE)


def test_a_page_says_which_models_are_there_under_which_terms_and_what_is_missing(
    start_app: Callable[..., App], tmp_path: Path
) -> None:
    """The page's load event answers in Chinese, the language of the caller."""
    graphs.inswapper(tmp_path / "my<model>.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    caller = Caller(start_app(FACESWAP_MODELS_DIR=str(tmp_path)))
    terms, said = (caller.loaded(element, [None]) for element in ("fs-terms", "fs-models"))
    assert "my&lt;model&gt;.onnx" in terms
    assert "以其发布者的条款为准" in terms
    assert "无法使用：broken.onnx" in said
    assert f"缺少：人脸特征模型。请把 .onnx 文件放进 {tmp_path}" in said


def test_a_server_for_many_does_not_show_where_its_files_lie(public_app: App, caller: Caller) -> None:
    said = caller.loaded("fs-models", [new_token(public_app)])
    assert "FACESWAP_MODELS_DIR 指定的文件夹" in said
    assert "/" not in said.replace("</", "").replace("<br>", "")
    assert caller.loaded("fs-models", [None]) == REFUSED_AT_THE_DOOR, "nobody is told anything"
