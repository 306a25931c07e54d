"""Start the app: `python app.py`, then open /video. What it takes is in `faceswap/ui/serving.py`."""

from __future__ import annotations

import sys

from faceswap.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve"]))
