"""The pages' scripts, styles, pictures and words, as files that a browser may keep forever.

All of them are read once, and one hash over all stands in their addresses: `ui/HASH/scripts/main.js`. Scripts
import each other by relative addresses, so a page gets one set of files that belong together, and a new
version has new addresses. Only what was read at the start is served: no request reaches the disk.

The addresses are relative to the page, as those of Gradio's own files are. They work wherever the app is
mounted: under GRADIO_ROOT_PATH, in a notebook, in a Space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from faceswap.ui import texts

STYLES = ("page", "form", "trim", "people", "result", "records", "panel", "notices", "gradio")
"""In this order: where two rules are equally specific, the later one holds."""
IN_THE_PAGE = ("storage", "doors")
"""Scripts that stand in the page itself, because they run before Gradio draws it."""
ENTRY = "scripts/main.js"
FOREVER = "public, max-age=31536000, immutable"

_STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".webp": "image/webp",
}
_PATTERNS = ("scripts/*.js", "styles/*.css", "pictures/*.webp")


@dataclass(frozen=True, slots=True)
class Assets:
    files: Mapping[str, bytes]
    """By the path below the folder that `version` names: `scripts/main.js`, `words/en.json`, …"""
    version: str

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Assets:
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return cls(files, digest.hexdigest()[:16])

    def address(self, name: str) -> str:
        """Relative to any page."""
        return f"./ui/{self.version}/{name}"

    def head(self) -> str:
        """For `launch(head=…)`. Gradio puts these elements into the page's head before it draws the page, and
        does not wait for what they load: `scripts/doors.js` does that."""
        modules = [name for name in self.files if name.startswith("scripts/") and name != ENTRY]
        scripts = [self.files[f"scripts/{name}.js"].decode("utf-8") for name in IN_THE_PAGE]
        return "".join(
            [
                '<style id="fs-unstyled">gradio-app { visibility: hidden; }</style>',
                *(
                    f'<link rel="stylesheet" data-faceswap href="{self.address(f"styles/{name}.css")}">'
                    for name in STYLES
                ),
                *(
                    f'<link rel="modulepreload" href="{self.address(name)}">'
                    for name in sorted(modules)
                    if Path(name).stem not in IN_THE_PAGE
                ),
                *(f'<script data-entry="{self.address(ENTRY)}">{script}</script>' for script in scripts),
            ]
        )

    def route(self) -> Route:
        """Open to everybody: these files are the same for all and hold nothing of anybody."""
        return Route("/ui/{version}/{name:path}", self._answer, methods=["GET"])

    async def _answer(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        content = self.files.get(name) if request.path_params["version"] == self.version else None
        if content is None:
            return PlainTextResponse("Not found", 404)
        return Response(
            content, media_type=_MEDIA_TYPES[Path(name).suffix], headers={"Cache-Control": FOREVER}
        )


@cache
def assets() -> Assets:
    """Those of this installation."""
    files = {
        path.relative_to(_STATIC).as_posix(): path.read_bytes()
        for pattern in _PATTERNS
        for path in _STATIC.glob(pattern)
    }
    for language, words in texts.for_browser().items():
        tag = texts.HTML_LANG[language]
        files[f"words/{tag}.json"] = json.dumps(words, ensure_ascii=False).encode()
    return Assets.of(files)
