"""Reads an ONNX file's inputs, outputs and last constant from its bytes.

onnxruntime cannot do this: it gives no access to constants, and the app must tell weights files apart even
when no runtime is installed. The `onnx` package would load half a gigabyte of weights to read one megabyte.
This module skips the weights, so it reads a file in milliseconds. In a file that is cut off, a length does
not fit, and the module raises `NotOnnx`.

Source: `onnx.proto` of ONNX and the encoding of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Shape = tuple[int | None, ...]
"""None stands for a dimension of any size."""

_GRAPH = 7  # of ModelProto
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12  # of GraphProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9  # of TensorProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_TYPES: dict[int, str] = {1: "<f4", 10: "<f2"}
_LONGEST_TEXT = 1 << 16


class NotOnnx(ValueError):
    """The file is cut off, or it is not an ONNX file."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor among the weights. Its values start at byte `start` of the file and take `size` bytes."""

    name: str
    shape: tuple[int, ...]
    type: str | None
    start: int
    size: int

    def read(self, path: Path) -> npt.NDArray[np.float32]:
        """The values as float32. Raises: NotOnnx if the file does not hold them as floating-point numbers."""
        if self.type is None or self.size != int(np.prod(self.shape)) * np.dtype(self.type).itemsize:
            raise NotOnnx(f"constant {self.name!r} is not stored as floating-point numbers")
        with path.open("rb") as file:
            file.seek(self.start)
            return np.frombuffer(file.read(self.size), self.type).reshape(self.shape).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Signature:
    inputs: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    outputs: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    last_constant: Constant | None = None


def read_signature(path: Path) -> Signature:
    """Raises: NotOnnx; OSError."""
    size = path.stat().st_size
    inputs: dict[str, Shape] = {}
    outputs: dict[str, Shape] = {}
    constants: set[str] = set()
    last: Constant | None = None
    with path.open("rb") as file:
        for number, end in _messages(file, size):
            if number != _GRAPH:
                continue
            for part, stop in _messages(file, end):
                if part == _INPUT:
                    inputs |= _value(file, stop)
                elif part == _OUTPUT:
                    outputs |= _value(file, stop)
                elif part == _INITIALIZER:
                    last = _constant(file, stop)
                    constants.add(last.name)
    if not inputs or not outputs:
        raise NotOnnx("it holds no graph")
    # Before version 4 of the format, the list of inputs contains the constants, too.
    return Signature({name: shape for name, shape in inputs.items() if name not in constants}, outputs, last)


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, wire type and value of each field up to the byte `end`.

    The value of a varint is its number. The value of any other field is the position of its end, and the file
    is at its start. The caller may read any part of the field: the next step moves the file behind it.
    """
    while (at := file.tell()) < end:
        key = _varint(file)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value = _varint(file)
            stop = file.tell()
        elif wire == _BYTES:
            length = _varint(file)
            value = stop = file.tell() + length
        elif wire in (_FIXED32, _FIXED64):
            value = stop = file.tell() + (4 if wire == _FIXED32 else 8)
        else:
            raise NotOnnx("it is not in the format of Protocol Buffers")
        if stop > end or number == 0 or stop <= at:
            raise NotOnnx("it is cut off")
        yield number, wire, value
        file.seek(stop)


def _messages(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    return ((number, stop) for number, wire, stop in _fields(file, end) if wire == _BYTES)


def _value(file: BinaryIO, end: int) -> dict[str, Shape]:
    """One ValueInfoProto: name 1, type 2 (tensor 1 (shape 2 (dimension 1 (value 1, name 2))))."""
    name, shape = "", ()
    for number, stop in _messages(file, end):
        if number == 1:
            name = _text(file, stop)
        elif number == 2:
            shape = tuple(
                next((value for one, wire, value in _fields(file, dim) if one == 1 and wire == _VARINT), None)
                for tensor in _inside(file, stop, 1)
                for shapes in _inside(file, tensor, 2)
                for dim in _inside(file, shapes, 1)
            )
    return {name: shape}


def _inside(file: BinaryIO, end: int, wanted: int) -> Iterator[int]:
    return (stop for number, stop in _messages(file, end) if number == wanted)


def _constant(file: BinaryIO, end: int) -> Constant:
    name, kind, start, size = "", 0, 0, 0
    dims: list[int] = []
    for number, wire, value in _fields(file, end):
        if number == _DIMS and wire == _VARINT:
            dims.append(value)
        elif number == _DIMS and wire == _BYTES:
            while file.tell() < value:
                dims.append(_varint(file))
        elif number == _TYPE and wire == _VARINT:
            kind = value
        elif number == _NAME and wire == _BYTES:
            name = _text(file, value)
        elif number in (_RAW, _FLOATS) and wire == _BYTES:
            start, size = file.tell(), value - file.tell()
    return Constant(name, tuple(dims), _TYPES.get(kind), start, size)


def _text(file: BinaryIO, stop: int) -> str:
    length = stop - file.tell()
    if length > _LONGEST_TEXT:
        raise NotOnnx("a name in it is too long")
    return file.read(length).decode(errors="replace")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise NotOnnx("it is cut off")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise NotOnnx("it is not in the format of Protocol Buffers")
