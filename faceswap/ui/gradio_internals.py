"""All that our Python knows of Gradio beyond its documented interface.

A new version of Gradio may change any of it without notice: `tests/unit/test_gradio_internals.py` holds each
point against the installed version, which `requirements.txt` pins. Our scripts keep theirs in
`static/scripts/gradio.js`, our style sheets in `static/styles/gradio.css`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from faceswap.ui.connections import limit_connections

CORS_MIDDLEWARE = "CustomCORSMiddleware"
"""The class of Gradio's own CORS rules, by name: there is no public place to import it from."""

_EVENT_PAUSE_S = 0.02
"""Pause between two looks for new events."""
_PROGRESS_PAUSE_S = 0.1
"""Pause between two looks for the progress of events."""


def without_cors(middleware: list[Middleware]) -> list[Middleware]:
    """`middleware` without Gradio's CORS rules. On a public host they answer any origin, with credentials,
    and they stand outside of any middleware that an app adds."""
    return [item for item in middleware if getattr(item.cls, "__name__", "") != CORS_MIDDLEWARE]


def launch_on(server: gr.Server, demo: gr.Blocks, *, behind_proxy: bool, **options: Any) -> Any:
    """`demo.launch(…)` on a server of ours, which is what `gr.Server.launch()` itself does for its own pages.

    `_app` has no public name. Server-side rendering would answer our /api routes with pages. uvicorn reads
    the class of its connections from its configuration each time, so it can be set once the server runs.
    """
    # Gradio looks for new events a thousand times a second, which costs most of what an idle app takes.
    queue: Any = demo._queue  # pyright: ignore[reportPrivateUsage]
    queue.sleep_when_free = _EVENT_PAUSE_S
    queue.progress_update_sleep_when_free = _PROGRESS_PAUSE_S
    launched = demo.launch(_app=server, ssr_mode=False, **options)
    limit_connections(demo.server.config, behind_proxy=behind_proxy)
    return launched


def is_port_in_use(error: OSError) -> bool:
    """Whether `launch` found no free port: its own error has no `errno`, those of the system have one."""
    return error.errno is None


def use_upload_folder(folder: Path) -> None:
    """Make Gradio put what it receives into `folder`. It reads this variable when a component or a server is
    made."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def upload_folder() -> Path:
    """Where Gradio puts what a file component was sent."""
    return Path(get_upload_folder())
