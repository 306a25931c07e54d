"""Where a neural network can be computed on this machine. Light: nothing native is imported but the runtime
itself, and that only when it is there."""

from __future__ import annotations

import ctypes
import importlib.util

CUDA, COREML, CPU = "CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider"
_GPUS = (CUDA, COREML)


def installed() -> bool:
    """Whether there is a runtime, without loading it."""
    return importlib.util.find_spec("onnxruntime") is not None


def gpu() -> str | None:
    """The provider of the GPU that the runtime can use on this machine.

    The runtime names what it was built with, whether there is such a device or not.
    """
    if not installed():
        return None
    import onnxruntime

    built_with = onnxruntime.get_available_providers()
    for name in _GPUS:
        if name in built_with and (name != CUDA or _cuda_devices() > 0):
            return name
    return None


def _cuda_devices() -> int:
    """Source: CUDA driver API, `cuInit` and `cuDeviceGetCount`; both return 0 for success."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value
    return 0


def provider_for(wanted: str) -> str:
    """`wanted` is a client's word, such as `cpu` or `cuda`; what is not there becomes the best there is."""
    return CPU if wanted.lower().startswith("cpu") else gpu() or CPU
