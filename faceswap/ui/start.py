"""The start page: what this is, in one screen, and the way in."""

from __future__ import annotations

from faceswap.ui.frame import PATHS
from faceswap.ui.render import render
from faceswap.ui.site import markup


def start_page() -> None:
    markup(render("start", paths=PATHS))
