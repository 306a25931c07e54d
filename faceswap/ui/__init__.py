"""The pages: `build` makes them, `launch` serves them together with the API."""

from faceswap.ui.pages import build, launch

__all__ = ["build", "launch"]
