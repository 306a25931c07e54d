"""What a ZeroGPU Space asks of every app: a function that is marked as using its GPU.

The platform's package `spaces` wraps `gr.Blocks.launch` and reports the app as started only if there is one;
an app without is stopped. This app's engine runs in processes of its own on the CPU, or on RunPod: so the
function that it marks is never called, and nobody's GPU quota is used.

Source: spaces 0.51, `zero/__init__.py` and `zero/gradio.py`.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def declare() -> None:
    """Call it before `launch`; does nothing elsewhere than on a ZeroGPU Space."""
    on_zero_gpu = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    if on_zero_gpu and find_spec("spaces") is not None:
        spaces: Any = import_module("spaces")
        spaces.GPU(_unused)


def _unused() -> None:
    """Marked, never called."""
