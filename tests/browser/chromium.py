"""The Chromium that the browser tests drive: `python -m tests.browser.chromium` prints its path or fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

# The headless shell is Chromium without its windows. It starts in half the time of the whole browser.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def find_chromium() -> Path | None:
    """`CHROMIUM`, one on PATH, or the build that Playwright installed."""
    for name in filter(None, (os.environ.get("CHROMIUM"), *NAMES)):
        if found := shutil.which(name):
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


if __name__ == "__main__":
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium found")
    print(chromium)
