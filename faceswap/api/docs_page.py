"""Makes the page /api/docs from the OpenAPI document. It is HTML without scripts and loads nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, cast

Schema = Mapping[str, Any]

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #8886; padding-top: 1rem; font-size: 1.1rem; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { background: #8882; padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td { vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; }
:root { color-scheme: light dark; }
"""


def page(document: Schema) -> str:
    """Return the whole HTML page for an OpenAPI document."""
    info = document["info"]
    operations = "".join(
        _operation(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} API</h1><p>{escape(info['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{operations}</html>'
    )


def _operation(document: Schema, method: str, path: str, operation: Schema) -> str:
    parts = [f"<h2><code>{method.upper()} {escape(path)}</code></h2>", f"<p>{escape(operation['summary'])}"]
    if "description" in operation:
        parts.append(". " + escape(operation["description"]).replace("\n\n", "</p><p>"))
    parts.append("</p>")
    if operation.get("security"):
        parts.append("<p>Needs <code>Authorization: Bearer &lt;token&gt;</code>.</p>")
    parameters = [
        (one["name"], f"{one['in']}, {_type(document, one['schema'])}", one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    parts.append(_table(parameters))
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body, {escape(media_type)}</h3>" + _schema(document, body["schema"]))
    parts.append("<h3>Answers</h3>")
    parts.append(_table((code, answer["description"], "") for code, answer in operation["responses"].items()))
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json")
    if answer:
        parts.append(
            "<h3>data</h3>" + _schema(document, _resolved(document, answer["schema"])["properties"]["data"])
        )
    return "".join(parts)


def _schema(document: Schema, schema: Schema) -> str:
    """Return HTML with the fields of an object, or of the objects in a list, and with its example."""
    inner = _resolved(document, schema.get("items", schema))
    example = inner.get("example")
    shown = f"<pre>{escape(json.dumps(example, ensure_ascii=False, indent=2))}</pre>" if example else ""
    return (_table(_fields(document, inner)) or f"<p>{_type(document, schema)}</p>") + shown


def _fields(document: Schema, schema: Schema, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield name, type and description of each field, and of the fields of inner objects."""
    for name, field in schema.get("properties", {}).items():
        yield prefix + name, _type(document, field), field.get("description", "")
        for option in field.get("anyOf", [field]):
            inner = _resolved(document, option.get("items", option))
            yield from _fields(document, inner, f"{prefix}{name}.")


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(words)}</td></tr>"
        for name, kind, words in rows
    )
    return f"<table>{cells}</table>" if cells else ""


def _type(document: Schema, schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(document, option) for option in schema["anyOf"])
    schema = _resolved(document, schema)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(document, schema['items'])}"
    return str(schema.get("type", "any"))


def _resolved(document: Schema, schema: Schema) -> Schema:
    name = cast("str | None", schema.get("$ref"))
    return document["components"]["schemas"][name.rpartition("/")[2]] if name else schema
