"""Removes inputs from an ONNX file, without a library for Protocol Buffers.

The file of SFace on the package index has weights that were compressed. It still lists the weights that were
there before as inputs, so that no runtime can run it. Without these entries it runs.

Source: `onnx.proto` of ONNX and the encoding of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

_GRAPH = 7  # of ModelProto
_INPUT = 11  # of GraphProto
_NAME = 1  # of ValueInfoProto
_BYTES = 2  # a wire type


def only_input(name: str) -> Callable[[bytes], bytes]:
    """Return a function that takes all inputs but `name` out of the bytes of a model.

    That function raises ValueError if the bytes are no ONNX model.
    """

    def kept(model: bytes) -> bytes:
        parts: list[bytes] = []
        for number, whole, content in _fields(model):
            if number == _GRAPH:
                entries = [entry for key, entry, value in _fields(content) if key != _INPUT or is_it(value)]
                graph = b"".join(entries)
                parts.append(_encoded(_GRAPH << 3 | _BYTES) + _encoded(len(graph)) + graph)
            else:
                parts.append(whole)
        return b"".join(parts)

    def is_it(value: bytes) -> bool:
        return any(key == _NAME and text == name.encode() for key, _, text in _fields(value))

    return kept


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, all bytes and the content of each field. Only a field with a length has a content."""
    at = 0
    while at < len(message):
        start, content = at, b""
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                length, at = _varint(message, at)
                content = message[at : at + length]
                at += length
            case 5:
                at += 4
            case _:
                raise ValueError("it is not in the format of Protocol Buffers")
        if at > len(message):
            raise ValueError("it is cut off")
        yield key >> 3, message[start:at], content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("it is cut off")


def _encoded(number: int) -> bytes:
    """`number` as a varint."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes((*encoded, number))
