"""Sets the limits of the child process. It runs before the process loads a native library."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

from faceswap.engine.child.contract import EngineLimits, ModelsSpec, PreviewSpec, Spec, SwapSpec

_MALLOC_OPTIONS = {-8: 1, -3: 256 << 20, -1: 512 << 20}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


def limit_resources(limits: EngineLimits, uses_gpu: Callable[[], bool] = lambda: False) -> None:
    """Apply the limits to this process, as far as the platform can. `uses_gpu` says that it may use a GPU.

    RLIMIT_AS also counts reserved addresses. glibc would reserve 64 MB for the heap of each thread, so one
    heap serves all threads. BLAS would reserve more for each core, so it gets one thread. glibc would also
    return every large array to the system. Getting the pages again for each frame takes more time than the
    frame's arithmetic, so the thresholds make glibc keep them.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if sys.platform == "win32":
        return
    import resource

    if sys.platform == "linux":
        mallopt: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for option, value in _MALLOC_OPTIONS.items():
                mallopt(option, value)
    if not uses_gpu():  # CUDA reserves addresses for all memory of all GPUs
        memory = limits.memory_mb * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.cpu_s:
        cpu_s = max(1, int(limits.cpu_s))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))


def may_use_gpu(spec: Spec[Any]) -> bool:
    """Whether neural networks may run on a GPU for this request. Loads no native library."""
    if isinstance(spec, ModelsSpec):
        folder = spec.models_dir
        wanted = ""
    elif isinstance(spec, (SwapSpec, PreviewSpec)) and spec.options.uses_networks:
        folder = spec.models_dir
        wanted = spec.options.execution_provider
    else:
        return False
    from faceswap.engine.neural.providers import CPU, provider_for

    return folder is not None and any(folder.glob("*.onnx")) and provider_for(wanted) != CPU
