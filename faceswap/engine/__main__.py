"""`python -m faceswap.engine` is the engine's child process, see `child/main.py`."""

from __future__ import annotations

import os
import sys

from faceswap.engine.child.main import main

if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # The result is written and reported. The destructors of native libraries and the threads that they
    # started could only delay the end of this process, or keep it from ending.
    os._exit(status)
