"""`python -m faceswap.engine` is the engine's child process, see `child/main.py`."""

from __future__ import annotations

import sys

from faceswap.engine.child.main import main

if __name__ == "__main__":
    sys.exit(main())
