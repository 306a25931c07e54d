"""Runs the command line for `python -m faceswap`, see `faceswap/cli`."""

from __future__ import annotations

import sys

from faceswap.cli import main

if __name__ == "__main__":
    sys.exit(main())
