"""The page for an address that does not exist."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from faceswap.ui import texts
from faceswap.ui.render import render

_STYLE = (
    ":root { color-scheme: light dark } "
    "body { display: grid; place-content: center; min-height: 90vh; margin: 0 24px; "
    "font: 16px/1.6 system-ui, sans-serif; text-align: center }"
)
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def missing_page(scope: Scope) -> Response:
    """In the language of the browser, with a link to the start page."""
    language = texts.language_of(Headers(scope=scope).get("accept-language"))
    start = f"{scope.get('root_path', '')}/"
    page = render("missing", language, lang=texts.HTML_LANG[language], start=start, style=_STYLE)
    return HTMLResponse(page, 404, _HEADERS)
