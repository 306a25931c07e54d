"""Tiny ONNX graphs with the inputs and outputs of real weights, in place of the files a user brings.

Nothing in them was learned: what each one answers can be computed by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

EMBEDDER, INSWAPPER, GHOST, CROSSFACE, HYPERSWAP, ENHANCER = (
    "w600k_r50.onnx",
    "inswapper_128.onnx",
    "ghost_1_256.onnx",
    "crossface_ghost.onnx",
    "hyperswap_1a_256.onnx",
    "gfpgan_1.4.onnx",
)
Dims = tuple[int | str, ...]


def save(
    path: Path,
    nodes: Sequence[Any],
    inputs: dict[str, Dims],
    outputs: dict[str, Dims],
    constants: dict[str, Any],
) -> Path:
    """Write the graph. Constants keep their order, because inswapper's projection is the last one."""

    def infos(values: dict[str, Dims]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in values.items()]

    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", infos(inputs), infos(outputs), tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def embedder_matrix() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(147, 512): maps the mean colours of 7 x 7 squares of the aligned face, channel by channel."""
    return np.random.default_rng(0).standard_normal((147, 512)).astype(np.float32) * 0.1


def embedder(path: Path, *, stated: bool = True) -> Path:
    """`stated`: a sidecar says that it is the embedder of the swappers."""
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["683"]),
    ]
    constants = {"matrix": embedder_matrix()}
    save(path, nodes, {"input.1": ("None", 3, 112, 112)}, {"683": (1, 512)}, constants)
    return named(path, "arcface_112") if stated else path


def projection() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(512, 512) orthogonal."""
    random = np.random.default_rng(2).standard_normal((512, 512))
    return np.linalg.qr(random)[0].astype(np.float32)


def swapper(
    path: Path,
    side: int,
    *,
    tint: float = 0.0,
    batch: bool = False,
    mask: bool = False,
    answers: int | None = None,
    last: np.ndarray[Any, Any] | None = None,
) -> Path:
    """output = target * (1 - tint) + tint * (the first three numbers of `source`), in the range of the graph.

    With `tint` 0 the picture comes back unchanged. `batch`: the graph takes several pictures at once.
    `mask`: it has a second output. `answers`: the side of its output in px, if not the declared one.
    """
    many: int | str = "batch" if batch else 1
    nodes = [
        helper.make_node("Slice", ["source", "first", "third", "axis"], ["colour"]),
        helper.make_node("Reshape", ["colour", "shape"], ["pixel"]),
        helper.make_node("Mul", ["pixel", "share"], ["tinted"]),
        helper.make_node("Mul", ["target", "rest"], ["kept"]),
        helper.make_node("Add", ["kept", "tinted"], ["output" if answers is None else "full"]),
    ]
    if answers is not None:
        nodes.append(
            helper.make_node("AveragePool", ["full"], ["output"], kernel_shape=[2, 2], strides=[2, 2])
        )
    outputs: dict[str, Dims] = {"output": (many, 3, answers or side, answers or side)}
    if mask:
        nodes.append(helper.make_node("ReduceMean", ["target"], ["mask"], axes=[1], keepdims=1))
        outputs["mask"] = (many, 1, side, side)
    constants = {
        "first": np.array([0], np.int64),
        "third": np.array([3], np.int64),
        "axis": np.array([1], np.int64),
        "shape": np.array([-1, 3, 1, 1], np.int64),
        "share": np.float32(tint),
        "rest": np.float32(1 - tint),
    }
    if last is not None:
        constants["buff2fs"] = last
    return save(path, nodes, {"target": (many, 3, side, side), "source": (many, 512)}, outputs, constants)


def inswapper(path: Path, **options: Any) -> Path:
    return swapper(path, 128, last=projection(), **options)


def named(path: Path, model: str, **more: str) -> Path:
    """Write the sidecar that says which model a graph is."""
    lines = [f'{name} = "{value}"\n' for name, value in {"model": model, **more}.items()]
    path.with_suffix(".toml").write_text("".join(lines), encoding="utf-8")
    return path


def ghost(path: Path, **options: Any) -> Path:
    return named(swapper(path, 256, **options), "ghost_256")


def hyperswap(path: Path, **options: Any) -> Path:
    return swapper(path, 256, mask=True, **options)


def crossface(path: Path) -> Path:
    """output = 3 * input + 1"""
    nodes = [
        helper.make_node("Mul", ["input", "three"], ["larger"]),
        helper.make_node("Add", ["larger", "one"], ["output"]),
    ]
    constants = {"three": np.float32(3), "one": np.float32(1)}
    return named(save(path, nodes, {"input": (1, 512)}, {"output": (1, 512)}, constants), "crossface_ghost")


def enhancer(path: Path, gain: float = 1.0) -> Path:
    """output = gain * input"""
    nodes = [helper.make_node("Mul", ["input", "gain"], ["output"])]
    picture: Dims = (1, 3, 512, 512)
    return save(path, nodes, {"input": picture}, {"output": picture}, {"gain": np.float32(gain)})


def endless(path: Path) -> Path:
    """An inswapper that computes for hours."""
    state: Dims = (1, 3, 128, 128)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, state),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, state),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["source"], ["mean"], keepdims=0),
        helper.make_node("Add", ["target", "mean"], ["start"]),
        helper.make_node("Loop", ["times", "yes", "start"], ["output"], body=body),
    ]
    constants = {"times": np.array(10**12), "yes": np.array(True), "buff2fs": projection()}
    return save(path, nodes, {"target": state, "source": (1, 512)}, {"output": state}, constants)


def greedy(path: Path) -> Path:
    """An inswapper that wants 200 GB."""
    picture: Dims = (1, 3, 128, 128)
    nodes = [
        helper.make_node("Expand", ["target", "shape"], ["large"]),
        helper.make_node("ReduceMean", ["source"], ["mean"], keepdims=0),
        helper.make_node("ReduceMean", ["large"], ["small"], axes=[0], keepdims=1),
        helper.make_node("Add", ["small", "mean"], ["output"]),
    ]
    constants = {"shape": np.array([10**6, 3, 128, 128]), "buff2fs": projection()}
    return save(path, nodes, {"target": picture, "source": (1, 512)}, {"output": picture}, constants)


def folder(path: Path, **options: Any) -> Path:
    """A models folder with an inswapper and what it needs."""
    path.mkdir(exist_ok=True)
    embedder(path / EMBEDDER)
    inswapper(path / INSWAPPER, **options)
    return path


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inswapper that tints strongly, and an embedder. Not to be written to."""
    return folder(tmp_path_factory.mktemp("models"), tint=0.6)


@pytest.fixture(scope="session")
def still_models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inswapper that changes nothing, and an embedder. Not to be written to."""
    return folder(tmp_path_factory.mktemp("still"))
