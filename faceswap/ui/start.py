"""The start page: what this is, in one screen, and the way in."""

from __future__ import annotations

from faceswap.ui.frame import PATHS
from faceswap.ui.site import both, markup


def start_page() -> None:
    steps = "".join(f"<li><b>{both(f'step_{n}')}</b>{both(f'step_{n}_why')}</li>" for n in (1, 2, 3))
    markup(
        f'<div class="fs-hero"><h1>{both("start_head")}</h1><p>{both("start_lead")}</p>'
        f'<div class="fs-buttons"><a class="fs-first" href="{PATHS["video"]}">{both("start_button")}</a>'
        f'<a class="fs-second" href="{PATHS["video"]}?example">{both("start_example")}</a>'
        f'<a class="fs-second" href="{PATHS["image"]}">{both("start_image_button")}</a></div>'
        f'<ol class="fs-steps">{steps}</ol><p class="fs-private">{both("start_private")}</p></div>'
    )
