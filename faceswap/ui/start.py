"""The start page: what this is, in one screen, and the way in."""

from __future__ import annotations

from faceswap.ui.assets import assets
from faceswap.ui.frame import PATHS
from faceswap.ui.render import render
from faceswap.ui.site import markup


def start_page() -> None:
    before, after = (assets().address(f"pictures/{name}.webp") for name in ("before", "after"))
    markup(render("start", paths=PATHS, before=before, after=after))
