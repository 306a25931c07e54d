"""Runs TensorFlow Lite graphs that take one picture, with LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np

from faceswap.engine.planes import F32, U8


class LiteGraph:
    """A graph with one RGB input. Not for use by two threads at once. It computes in one thread."""

    def __init__(self, graph: bytes) -> None:
        # Typed as Any: the package has no annotations.
        from ai_edge_litert import interpreter  # pyright: ignore[reportMissingTypeStubs]

        self._run: Any = interpreter.Interpreter(model_content=graph, num_threads=1)
        self._run.allocate_tensors()
        self._input: int = self._run.get_input_details()[0]["index"]
        self._outputs: dict[str, int] = {one["name"]: one["index"] for one in self._run.get_output_details()}

    def __call__(self, picture: U8, gain: float, offset: float) -> dict[str, F32]:
        """Run the graph on picture * gain + offset. `picture` is (S, S, 3) uint8 RGB."""
        values = picture.astype(np.float32)
        values *= gain
        if offset:
            values += offset
        self._run.set_tensor(self._input, values[None])
        self._run.invoke()
        return {name: self._run.get_tensor(index) for name, index in self._outputs.items()}


def sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(value, -80, 80)))
