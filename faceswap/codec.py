"""Turns frozen dataclasses into JSON values and back, with strict type checks.

The app, the engine's child process and the cloud worker send each other such values. The module is pure and
uses the standard library only.

A field may be: str, bool, int, float (an int is accepted), bytes (base64 in JSON), Path, None, Literal, a
union, `tuple[X, ...]`, `Mapping[str, X]`, another dataclass, or `object`, which is passed on unchanged.
"""

from __future__ import annotations

import base64
import binascii
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

JsonObject = dict[str, Any]

_NAMES: dict[Any, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    types.NoneType: "null",
}


class Malformed(ValueError):
    """A value does not have the type of its field. The message names the field and contains no value."""


def encode(value: Any) -> Any:
    """Return the JSON value of a dataclass, or of a value that its fields may have.

    Raises: TypeError: the value has another type.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): encode(each) for key, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [encode(each) for each in cast("tuple[object, ...]", value)]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decode(kind: type[T], raw: object, name: str = "") -> T:
    """Make a dataclass from the JSON value that `encode` returned for it.

    A field with a default may be missing. An unknown field is an error. `name` is put before the names of
    fields in error messages.

    Raises:
        Malformed: a field is missing, is unknown, or has another type.
    """
    given = _object(raw, name)
    known = _fields_of(kind)
    if unknown := set(given) - set(known):
        raise Malformed(f"{_join(name, min(unknown))} is unknown")
    values: dict[str, Any] = {}
    for field_name, (field, hint) in known.items():
        if field_name in given:
            values[field_name] = _decoded(hint, given[field_name], _join(name, field_name))
        elif _is_required(field):
            raise Malformed(f"{_join(name, field_name)} is missing")
    return kind(**values)


def decode_leniently(kind: type[T], raw: Mapping[str, object]) -> T:
    """Make a dataclass from JSON that another program sent. All its fields must have defaults.

    Unknown fields are ignored. A field that cannot be read keeps its default. In a list or mapping, only the
    entries that cannot be read are left out.
    """
    values: dict[str, Any] = {}
    for field_name, (_, hint) in _fields_of(kind).items():
        try:
            values[field_name] = _decoded(hint, raw[field_name], field_name, lenient=True)
        except (KeyError, Malformed):
            continue
    return kind(**values)


@cache
def _fields_of(kind: type[Any]) -> Mapping[str, tuple[Field[Any], Any]]:
    """Return the fields of a dataclass by name, each with its resolved type."""
    hints = get_type_hints(kind)
    return {field.name: (field, hints[field.name]) for field in fields(kind)}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _decoded(hint: Any, raw: Any, name: str, *, lenient: bool = False) -> Any:
    if hint is object or hint is Any:
        return raw
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, raw, name, lenient=lenient)
    if origin is Literal:
        if raw not in arguments or not isinstance(raw, str):
            raise Malformed(f"{name} must be one of {', '.join(map(str, arguments))}")
        return raw
    if origin is tuple:
        return tuple(_items(arguments[0], raw, name, lenient=lenient))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(arguments[1], raw, name, lenient=lenient)
    if is_dataclass(hint):
        kind = cast("type[Any]", hint)
        return decode_leniently(kind, _object(raw, name)) if lenient else decode(kind, raw, name)
    return _scalar(hint, raw, name)


def _scalar(kind: type[Any], raw: Any, name: str) -> Any:
    if kind is Path and isinstance(raw, str) and raw:
        return Path(raw)
    if kind is float and type(raw) is int:
        return float(raw)
    if kind is bytes and isinstance(raw, str):
        try:
            return base64.b64decode(raw, validate=True)
        except binascii.Error as error:
            raise Malformed(f"{name} must be base64") from error
    if kind in _NAMES and type(raw) is kind:
        return raw
    raise Malformed(f"{name} must be {_NAMES.get(kind, 'a text')}")


def _one_of(kinds: tuple[Any, ...], raw: Any, name: str, *, lenient: bool) -> Any:
    """Decode as the first type of a union that fits.

    If none fits, the error is that of the last type that is not None.
    """
    problem: Malformed | None = None
    for kind in kinds:
        try:
            return _decoded(kind, raw, name, lenient=lenient)
        except Malformed as error:
            problem = error if kind is not types.NoneType else problem
    raise problem or Malformed(f"{name} cannot be read")


def _items(kind: Any, raw: Any, name: str, *, lenient: bool) -> list[Any]:
    if not isinstance(raw, list):
        raise Malformed(f"{name} must be a list")
    items: list[Any] = []
    for number, each in enumerate(cast("list[object]", raw)):
        try:
            items.append(_decoded(kind, each, f"{name}[{number}]", lenient=lenient))
        except Malformed:
            if not lenient:
                raise
    return items


def _mapping(kind: Any, raw: Any, name: str, *, lenient: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, each in _object(raw, name).items():
        try:
            values[key] = _decoded(kind, each, _join(name, key), lenient=lenient)
        except Malformed:
            if not lenient:
                raise
    return values


def _object(raw: object, name: str) -> JsonObject:
    if not isinstance(raw, dict):
        raise Malformed(f"{name or 'it'} must be an object")
    return cast("JsonObject", raw)


def _join(name: str, field_name: str) -> str:
    return f"{name}.{field_name}" if name else field_name
