"""All text is read and written with an encoding that is named: that of the user's locale may lack letters."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
METHODS = {"read_text": 0, "write_text": 1}
"""Methods of `Path`, and the place of their argument `encoding`."""


def names(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg}


def is_text(mode: ast.expr | None) -> bool:
    return mode is None or (isinstance(mode, ast.Constant) and "b" not in str(mode.value))


def calls_without_encoding(tree: ast.AST) -> Iterator[ast.Call]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or "encoding" in names(call):
            continue
        called = call.func
        match called:
            case ast.Attribute(attr=name) if name in METHODS and len(call.args) <= METHODS[name]:
                yield call
            case ast.Name(id="open") if is_text(call.args[1] if len(call.args) > 1 else None):
                yield call
            case ast.Attribute(attr="run" | "Popen" | "check_output") if "text" in names(call):
                yield call


def test_every_text_is_read_and_written_in_a_named_encoding() -> None:
    files = [REPOSITORY / "app.py", *(REPOSITORY / "faceswap").rglob("*.py")]
    found = [
        f"{file.relative_to(REPOSITORY)}:{call.lineno}"
        for file in files
        for call in calls_without_encoding(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_check_finds_what_it_looks_for() -> None:
    bad = "p.read_text()\np.write_text(x)\nopen(p)\nopen(p, 'w')\nsubprocess.run(c, text=True)\n"
    good = "p.read_text('utf-8')\nopen(p, 'rb')\nopen(p, encoding='utf-8')\nav.open(p)\nlead(text=words)\n"
    assert [call.lineno for call in calls_without_encoding(ast.parse(bad))] == [1, 2, 3, 4, 5]
    assert not list(calls_without_encoding(ast.parse(good)))
