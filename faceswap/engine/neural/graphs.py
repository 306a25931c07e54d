"""Runs the user's ONNX graphs with onnxruntime, which is an optional install.

This module turns every exception of the runtime into a `FaceSwapError`.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from faceswap.engine.neural.providers import CPU, CUDA, installed
from faceswap.engine.neural.weights import WeightsFile
from faceswap.engine.planes import F32, as_f32
from faceswap.errors import (
    FaceSwapError,
    NeuralFailed,
    NeuralNotInstalled,
    NeuralOutOfMemory,
    NeuralWeightsDamaged,
    NeuralWeightsUnsuitable,
)

if TYPE_CHECKING:
    from onnxruntime import SessionOptions

log = logging.getLogger(__name__)

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    # By default cuDNN tries every algorithm at the start, which takes half a minute, and the runtime doubles
    # its memory arena whenever it is full, which wastes memory.
    CUDA: {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
}
_TYPES: Mapping[str, type[np.floating[Any]]] = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
_NO_MEMORY = ("alloc", "out of memory", "out_of_memory")


class Graph:
    """A loaded weights file. Two threads must not use it at the same time."""

    def __init__(self, weights: WeightsFile, provider: str) -> None:
        """Raises: NeuralNotInstalled, NeuralWeightsDamaged, NeuralOutOfMemory."""
        if not installed():
            raise NeuralNotInstalled
        import onnxruntime

        if provider == CUDA:
            onnxruntime.preload_dlls()  # CUDA and cuDNN may be installed as Python packages
        self.file = weights.path.name
        self._inputs = weights.signature.inputs
        chosen = [(provider, _OPTIONS.get(provider, {}))] if provider != CPU else []
        with self._in_our_words(NeuralWeightsDamaged(file=self.file)):
            self._session = onnxruntime.InferenceSession(
                str(weights.path), _session_options(), [*chosen, CPU]
            )
        self.provider = self._session.get_providers()[0]
        self._types = {each.name: _TYPES.get(each.type, np.float32) for each in self._session.get_inputs()}
        log.info("%s (%s) runs on %s", self.file, weights.model, self.provider)

    @property
    def takes_many(self) -> bool:
        """Whether one run can take several pictures."""
        return all(shape[0] is None for shape in self._inputs.values() if len(shape) > 1)

    def __call__(self, inputs: Sequence[F32], shape: tuple[int, ...], weight: float | None = None) -> F32:
        """Run the graph and return its first output, which must have `shape`.

        The first input is the target's pictures (N, 3, S, S). A second one is an embedding (N, 512) or the
        source's pictures (N, 3, S, S). Inputs with different numbers of dimensions go to the graph's inputs
        with the same numbers. Two inputs of pictures go to the names `target` and `source`, in this order.
        `weight` is the value of the input `weight`, for a graph that has one.

        Raises: NeuralWeightsUnsuitable, NeuralOutOfMemory, NeuralFailed.
        """
        arrays = [np.ascontiguousarray(one, np.float32) for one in inputs]
        by_rank = {one.ndim: one for one in arrays}
        if len(by_rank) < len(arrays):
            feed: dict[str, Any] = {"target": arrays[0], "source": arrays[1]}
        else:
            feed = {name: by_rank[len(wanted)] for name, wanted in self._inputs.items() if len(wanted) > 1}
        if weight is not None:
            feed["weight"] = np.full([1] * len(self._inputs["weight"]), weight)
        feed = {name: value.astype(self._types[name], copy=False) for name, value in feed.items()}
        with self._in_our_words(NeuralFailed(file=self.file)):
            found = as_f32(self._session.run(None, feed)[0])
        if found.shape != shape:
            log.error("%s: output %s instead of %s", self.file, found.shape, shape)
            raise NeuralWeightsUnsuitable(file=self.file)
        if not np.isfinite(found).all():
            log.error("%s: its output is no number", self.file)
            raise NeuralFailed(file=self.file)
        return found

    @contextmanager
    def _in_our_words(self, otherwise: FaceSwapError) -> Generator[None]:
        try:
            yield
        except MemoryError as error:
            raise NeuralOutOfMemory(file=self.file) from error
        except Exception as error:
            log.error("%s: %s: %s", self.file, type(error).__name__, str(error)[:500])
            if any(words in str(error).lower() for words in _NO_MEMORY):
                raise NeuralOutOfMemory(file=self.file) from error
            raise otherwise from error


def _session_options() -> SessionOptions:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    # A thread that spins while it waits takes CPU time from the decoder and the encoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
