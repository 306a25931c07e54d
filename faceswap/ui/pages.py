"""Puts all pages together and serves them."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before Gradio is imported: it asks then

import gradio as gr

from faceswap.folders import Folders
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.ui import texts
from faceswap.ui.assets import assets
from faceswap.ui.diagnostics import diagnostics_page
from faceswap.ui.frame import frame, i18n
from faceswap.ui.gradio_internals import launch_on, use_upload_folder
from faceswap.ui.history import history_page
from faceswap.ui.look import theme
from faceswap.ui.places import reach_directly
from faceswap.ui.receipt import receipt_page
from faceswap.ui.server import Server
from faceswap.ui.site import Site
from faceswap.ui.start import start_page
from faceswap.ui.swap import swap_page
from faceswap.ui.tools import offer_tools, require_mcp
from faceswap.ui.verify import verify_page
from faceswap.uploads import most_callers

SPARE_THREADS = 40
"""Threads for events of the pages that do not wait for an engine process."""


def build(service: Service, owners: Owners) -> gr.Blocks:
    """The pages as one Gradio app. Serve it with `launch`."""
    use_upload_folder(Folders(service.settings.data_dir).incoming)
    site = Site(service, owners)
    title = " ".join(texts.words("title_start", language) for language in texts.LANGUAGES)
    demo = gr.Blocks(title=title, analytics_enabled=False)
    with demo, frame(site, demo, "start"):
        start_page()
        offer_tools(site)
    with demo.route("视频换脸 Video", "/video") as page, frame(site, page, "video") as parts:
        swap_page(site, parts, "video")
    with demo.route("图片换脸 Picture", "/image") as page, frame(site, page, "image") as parts:
        swap_page(site, parts, "image")
    with demo.route("多人换脸 Faces", "/multi") as page, frame(site, page, "multi") as parts:
        swap_page(site, parts, "multi")
    with demo.route("任务 Tasks", "/tasks") as page, frame(site, page, "tasks") as parts:
        history_page(site, parts)
    with demo.route("回执 Receipt", "/receipt") as page, frame(site, page, "receipt") as parts:
        receipt_page(site, parts)
    with demo.route("验证 Verify", "/verify") as page, frame(site, page, "verify") as parts:
        verify_page(site, parts)
    if not owners.multi_user:
        with (
            demo.route("诊断 Diagnostics", "/diagnostics") as page,
            frame(site, page, "diagnostics") as parts,
        ):
            diagnostics_page(site, parts)
    return demo


def launch(demo: gr.Blocks, service: Service, owners: Owners, **options: Any) -> Any:
    """Serve pages and API from one server; `options` go to Gradio's `launch`, which this is at heart.

    Works as a script, in a notebook, and where a Space's start-up hook has wrapped `gr.Blocks.launch`.

    Raises:
        OSError: the port is taken.
        McpMissing: tools over MCP were asked for, and a package for it is missing.
    """
    settings = service.settings
    reach_directly(settings.server_name)
    chosen: dict[str, Any] = {
        "server_name": settings.server_name,
        "server_port": settings.server_port,
        "max_file_size": settings.max_upload_mb * 10**6,
        "max_threads": most_callers(settings) + SPARE_THREADS,
        "quiet": True,
    } | options
    use_upload_folder(Folders(settings.data_dir).incoming)
    return launch_on(
        Server.for_app(service, owners, settings, demo),
        demo,
        behind_proxy=settings.behind_proxy,
        mcp_server=require_mcp(settings),
        run_history=False,
        share=False,
        footer_links=[],
        i18n=i18n,
        theme=theme(),
        head=assets().head(),
        **chosen,
    )
