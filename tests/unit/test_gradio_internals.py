"""The parts of Gradio that are not documented, but that our code uses, exist in the installed version.

If a new version of Gradio fails here, change `ui/gradio_internals.py`, `scripts/gradio.js` or
`styles/gradio.css`. `tests/browser/test_gradio_internals.py` tests the same on a real page.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import gradio as gr
import pytest
from gradio import http_server, queueing, route_utils, routes
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from faceswap.ui.assets import assets
from faceswap.ui.gradio_internals import (
    CORS_MIDDLEWARE,
    is_port_in_use,
    upload_folder,
    use_upload_folder,
    without_cors,
)

FRONT_END = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


@pytest.fixture(scope="module")
def front_end() -> str:
    """Return all scripts of Gradio's pages, as one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in FRONT_END.glob("*.js"))


def script() -> str:
    return assets().files["scripts/gradio.js"].decode()


def test_gradio_adds_its_cors_rules_under_the_name_that_we_leave_out() -> None:
    theirs = getattr(route_utils, CORS_MIDDLEWARE)
    assert f"add_middleware(\n            {CORS_MIDDLEWARE}" in inspect.getsource(routes.App.create_app)
    ours = Middleware(GZipMiddleware)
    assert without_cors([Middleware(theirs), ours]) == [ours]


def test_launch_takes_a_server_of_ours() -> None:
    assert "_app" in inspect.signature(gr.Blocks.launch).parameters


@pytest.mark.parametrize(
    ("pause", "loop"),
    [("sleep_when_free", "start_processing"), ("progress_update_sleep_when_free", "start_progress_updates")],
)
def test_the_queue_pauses_as_long_as_it_is_told(pause: str, loop: str) -> None:
    assert f"self.{pause} = " in inspect.getsource(queueing.Queue.__init__)
    assert f"asyncio.sleep(self.{pause})" in inspect.getsource(getattr(queueing.Queue, loop))


def test_an_error_about_the_port_has_no_number() -> None:
    told = re.search(r"raise OSError\(\s*(f\".*?\")\s*\)", inspect.getsource(http_server.start_server))
    assert told, "one argument: a sentence"
    assert is_port_in_use(OSError(told[1]))
    assert not is_port_in_use(FileNotFoundError(2, "No such file"))


def test_the_upload_folder_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/somewhere/else")
    assert upload_folder() == Path("/somewhere/else")
    use_upload_folder(Path("/data/.incoming"))
    assert upload_folder() == Path("/data/.incoming")


def test_one_module_of_the_front_end_changes_the_language() -> None:
    pattern = re.search(r"CORE_MODULE = /(.*?)/;", script())
    assert pattern
    cores = [path for path in FRONT_END.glob("*.js") if re.search(pattern[1], f"/{path.name}")]
    (core,) = cores
    assert re.search(r"export\{.*\bas changeLocale\b", core.read_text(encoding="utf-8"))


def test_a_lost_connection_is_told_in_the_words_that_we_look_for(front_end: str) -> None:
    phrase = re.search(r'LOST_CONNECTION = "(.*?)"', script())
    assert phrase
    assert phrase[1] in front_end


def test_every_class_that_our_scripts_look_for_is_in_the_front_end(front_end: str) -> None:
    classes = set(re.findall(r"[\"` ]\.([a-z-]+)", script()))
    assert {"toast-body", "toast-title", "toast-message-text", "virtual-body"} <= classes
    assert not {name for name in classes if name not in front_end}


def test_our_other_scripts_and_styles_know_nothing_of_it() -> None:
    names = {"gradio_config", "__type__", *re.findall(r"[\"` ]\.([a-z-]+)", script())}
    for file, content in assets().files.items():
        if file.startswith("pictures/"):
            continue
        text = re.sub(r"/\*.*?\*/", "", content.decode(), flags=re.S)
        if file.startswith("scripts/") and file != "scripts/gradio.js":
            assert not {name for name in names if name in text}, file
        if file.startswith("styles/") and file != "styles/gradio.css":
            classes = re.findall(r"\.([a-z][a-z-]*)", re.sub(r"\{[^{}]*\}", "", text))
            assert {name for name in classes if not name.startswith("fs-")} <= {"dark"}, file
