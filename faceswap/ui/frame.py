"""The frame of every page: head, docked panel of tasks, and the timer that refreshes it.

The panel's table is a Dataframe; `static/scripts/panel.js` draws everything else in it into elements that are
made here once. The timer's tick runs in the browser only: it fetches `/api/tasks` and costs no event.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.components.navbar import Navbar
from gradio.events import Dependency

from faceswap.errors import NotSignedIn
from faceswap.ui import texts
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, markup

PageName = Literal["start", "video", "image", "multi", "tasks", "receipt", "verify", "diagnostics"]
PATHS: dict[PageName, str] = {
    "start": "./",
    "video": "video",
    "image": "image",
    "multi": "multi",
    "tasks": "tasks",
    "receipt": "receipt",
    "verify": "verify",
    "diagnostics": "diagnostics",
}
REFRESH_S = 1
PUBLIC_SECRET = "faceswap"
"""BrowserState wants one and publishes it: what is stored with it proves nothing by itself."""
TICK = "(token) => window.faceswap.tick(token)"
QUEUED = "() => window.faceswap.queued()"
"""For after an event that answered with `message(…, job)`."""

i18n = gr.I18n(
    **{"en": texts.for_gradio("en"), "zh-CN": texts.for_gradio("zh"), "zh-TW": texts.for_gradio("zh")}
)


@dataclass(frozen=True, slots=True)
class Frame:
    token: gr.BrowserState
    """Names the owner when there are several users; "" on one's own machine."""
    signature: gr.Textbox
    """Changes when a task began, ended or vanished: its `change` event is the time to draw a list anew."""
    opened: Dependency
    """The page is there and `token` names somebody: `opened.then(…)` is where a page's own loading begins."""


@contextmanager
def frame(site: Site, page: gr.Blocks, name: PageName) -> Generator[Frame]:
    """Put a page's own parts inside the `with` block."""
    Navbar(visible=False)
    markup(_head(site, name))
    token = gr.BrowserState("", storage_key="faceswap-token", secret=PUBLIC_SECRET)
    signature = gr.Textbox(visible="hidden", elem_id="fs-signature")
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    if site.owners.multi_user:
        opened = page.load(_signer(site), token, token, queue=False, **quiet)
    else:
        opened = page.load(None, js="() => []", **quiet)
    yield Frame(token, signature, opened)
    with gr.Column(elem_id="fs-dock"):
        settings = site.service.settings
        pill = render("pill", limit_mb=settings.max_upload_mb, debug=settings.log_level == "DEBUG")
        markup(pill, js_on_load="window.faceswap.start()")
        with gr.Column(elem_id="fs-body"):
            markup('<p class="fs-notice" id="fs-notice" role="status" hidden></p>')
            with gr.Row(elem_id="fs-active"):
                markup('<ul id="fs-pictures"></ul>', elem_classes=["fs-pictures-column"], min_width=56)
                table = gr.Dataframe(
                    headers=["", "", "", ""],
                    datatype=["str", "str", "html", "str"],
                    column_widths=["31%", "30%", "20%", "19%"],
                    label=i18n("active"),
                    show_label=False,
                    interactive=False,
                    buttons=[],
                    wrap=True,
                    elem_id="fs-table",
                )
                markup('<ul id="fs-cancels"></ul>', elem_classes=["fs-cancels-column"], min_width=40)
            markup(render("below_table", tasks=PATHS["tasks"]))
    refresh = gr.Button(visible="hidden", elem_id="fs-refresh")
    looks: dict[str, Any] = {"inputs": token, "outputs": [table, signature], "js": TICK, **quiet}
    gr.Timer(REFRESH_S).tick(None, **looks)
    refresh.click(None, **looks)
    opened.then(None, **looks)


FIRST_TOKEN = "keep_or_make_token"
"""The event that gives a browser its token, and so the only one that needs none. See `door.py`."""


def _signer(site: Site) -> Callable[[object], object]:
    def keep_or_make_token(token: object) -> object:
        try:
            site.owner_of(token)
        except NotSignedIn:
            return site.owners.new_token()
        return UNCHANGED

    return keep_or_make_token


def _head(site: Site, current: PageName) -> str:
    shown: list[PageName] = ["start", "video", "image", "multi", "tasks", "verify"]
    if not site.owners.multi_user:
        shown.append("diagnostics")
    return render("head", current=current, shown=shown, paths=PATHS)
