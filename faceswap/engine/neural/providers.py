"""Finds the devices on this machine that can run a neural network.

This module is cheap to import. It imports onnxruntime only when a caller asks for the GPU and the runtime is
installed.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

CUDA, COREML, CPU = "CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider"
ROCM, MIGRAPHX = "ROCMExecutionProvider", "MIGraphXExecutionProvider"
DIRECTML, OPENVINO = "DmlExecutionProvider", "OpenVINOExecutionProvider"
_GPUS = (CUDA, MIGRAPHX, ROCM, DIRECTML, COREML)
"""The first that can be used is taken."""
_AMD_DRIVER = Path("/dev/kfd")


def installed() -> bool:
    """Whether onnxruntime is installed. Does not import it."""
    return importlib.util.find_spec("onnxruntime") is not None


def gpu() -> str | None:
    """The provider of a GPU that the runtime can use on this machine, or None.

    The runtime lists the providers that it was built with, even when the machine has no such device. So this
    function also counts the CUDA devices, and looks for the driver of AMD's.
    """
    if not installed():
        return None
    import onnxruntime

    built_with = onnxruntime.get_available_providers()
    for name in _GPUS:
        if name in built_with and _has_device(name):
            return name
    return None


def is_gpu(provider: str) -> bool:
    return provider in _GPUS


def _has_device(provider: str) -> bool:
    if provider == CUDA:
        return _cuda_devices() > 0
    return provider not in (ROCM, MIGRAPHX) or _AMD_DRIVER.exists()


def _cuda_devices() -> int:
    """Count the CUDA devices with the driver alone.

    Source: CUDA driver API, `cuInit` and `cuDeviceGetCount`; both return 0 for success.
    """
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
    """The provider for a client's word, such as `cpu` or `cuda`.

    Any word that does not begin with `cpu` gets the GPU that is there, or the CPU when there is none.
    OpenVINO is a faster way to use the CPU.
    """
    return CPU if wanted.lower().startswith("cpu") else gpu() or _fastest_on_cpu()


def _fastest_on_cpu() -> str:
    if not installed():
        return CPU
    import onnxruntime

    return OPENVINO if OPENVINO in onnxruntime.get_available_providers() else CPU
