"""The documents agree with the code about settings, routes, options, commands, files and links."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from faceswap.api import router
from faceswap.api.documents import described
from faceswap.cli.parser import parser
from faceswap.jobs import SwapOptions
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
READ_ELSEWHERE = {"FACESWAP_FACE_LANDMARKER"}
"""The engine reads these variables. It does not use `Settings`."""


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def first_cells(document: str) -> list[str]:
    """Return the first column of every table."""
    return [line.split("|")[1].strip() for line in document.splitlines() if line.startswith("| `")]


def names_in(cells: list[str], pattern: str = r"`([^`]+)`") -> set[str]:
    return {found for cell in cells for found in re.findall(pattern, cell)}


def variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [str(alias or f"FACESWAP_{name.upper()}")]


def test_the_tables_list_every_setting_once_and_no_other() -> None:
    listed = re.findall(r"`([A-Z0-9_]+)`", " ".join(first_cells(text("docs/settings.md"))))
    known = {variable for item in Settings.model_fields.items() for variable in variables(*item)}
    assert sorted(listed) == sorted(known | READ_ELSEWHERE)


def test_plain_defaults_of_settings_are_as_listed() -> None:
    rows = [line.split("|") for line in text("docs/settings.md").splitlines() if line.startswith("| `")]
    shown = {names: cells.strip().strip("`") for _, names, cells, *_ in rows}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            (found,) = [
                default for names, default in shown.items() if f"`{variables(name, field)[0]}`" in names
            ]
            assert float(found) == field.default, name


def test_the_worker_lists_the_variables_that_it_reads() -> None:
    code = "".join(path.read_text() for path in (REPOSITORY / "faceswap" / "worker").glob("*.py"))
    listed = names_in(first_cells(text("docs/runpod.md")))
    assert listed - {"FACESWAP_LOG_LEVEL"} == set(re.findall(r"FACESWAP_WORKER_[A-Z_]+", code))


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[set[str]]:
    settings = Settings(data_dir=tmp_path / "data", multi_user=False)
    with Service(settings, dispatch=False) as service:
        document = described(cast("Any", router(service, Owners.load(settings.data_dir, False)).routes))
        yield {
            f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
        }


def test_the_table_lists_every_route_and_no_other(routes: set[str]) -> None:
    assert names_in(first_cells(text("docs/http.md")), r"`([A-Z]+ /api/[^`]+)`") == routes


def test_the_table_lists_every_option_with_its_default() -> None:
    table = text("docs/http.md").partition("## Options")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    listed = {name.strip(" `"): default.strip(" `") for _, name, default, *_ in rows}
    assert set(listed) == set(SwapOptions.model_fields)
    for name, field in SwapOptions.model_fields.items():
        if field.default not in ("", None):
            is_number = isinstance(field.default, float)
            assert listed[name] == (f"{field.default:g}" if is_number else str(field.default).lower())


def commands() -> dict[str, argparse.ArgumentParser]:
    whole = parser()
    (found,) = [action for action in whole._actions if isinstance(action, argparse._SubParsersAction)]
    return {"": whole, **cast("dict[str, argparse.ArgumentParser]", found.choices)}


def test_every_command_and_option_is_described_and_no_other() -> None:
    document = text("docs/command-line.md")
    known = commands()
    assert names_in(first_cells(document), r"`faceswap (\w+)") == known.keys() - {""}
    options = {
        option
        for command in known.values()
        for action in command._actions
        for option in action.option_strings
    }
    described_ones = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", document))
    assert described_ones == {option for option in options if option.startswith("--")}


def rooms_of(table: str) -> list[set[str]]:
    return [names_in([cell]) for cell in first_cells(table)]


def layers(container: str) -> list[set[str]]:
    """Return the layers that import-linter checks. The highest comes first."""
    linter = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]
    (found,) = [each for each in linter["contracts"] if each.get("containers") == [container]]
    return [set(layer.split(" | ")) for layer in found["layers"]]


def test_the_rooms_are_the_layers_that_are_checked() -> None:
    app, _, engine = text("ARCHITECTURE.md").partition("The rooms of `engine`")
    assert rooms_of(app) == layers("faceswap")
    assert rooms_of(engine.partition("\n## ")[0]) == layers("faceswap.engine")


def test_an_option_is_named_in_the_four_places_that_are_listed() -> None:
    walk = text("ARCHITECTURE.md").partition("## Adding an option")[2]
    listed = tuple(names_in(walk.splitlines(), r"`(faceswap/[^`]+)`"))
    files = [path for path in (REPOSITORY / "faceswap").rglob("*") if path.suffix in (".py", ".json", ".js")]
    named = [path.relative_to(REPOSITORY) for path in files if "mouth_mask" in path.read_text("utf-8")]
    assert [name for name in named if not str(name).startswith(listed)] == []
    assert len(re.findall(r"^\d\. ", walk, re.M)) == 4


def test_every_script_and_benchmark_that_is_named_exists() -> None:
    written = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    named = set(re.findall(r"(?<![\w/-])scripts/[a-z_-]+|benchmarks/[a-z_]+\.py", written))
    modules = re.findall(r"-m (benchmarks(?:\.[a-z_]+)+)", written)
    named |= {f"{name.replace('.', '/')}.py" for name in modules}
    assert {"scripts/run", "scripts/test", "scripts/check", "benchmarks/engine.py"} <= named
    assert [name for name in sorted(named) if not (REPOSITORY / name).is_file()] == []


def anchors(document: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for place in re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")):
        if "://" in place:
            continue
        name, _, head = place.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), place
        assert not head or head in anchors(target), place


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_document_is_found_from_the_readme(name: str) -> None:
    linked = {(REPOSITORY / place).resolve() for place in re.findall(r"\]\(([^)#]+)\)", text(name))}
    assert [path.name for path in DOCUMENTS if path not in linked and path.name != name] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_is_read_in_three_minutes(name: str) -> None:
    assert len(text(name).encode()) < 8_000


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    document = text("SECURITY.md")
    written = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", written))
    named = set(re.findall(r"`(test_\w+)`", document))
    assert named - there == set()
    threats = document.partition("| threat |")[2].partition("\n## ")[0].splitlines()[2:]
    promises = document.partition("## What is promised")[2].partition("\n## ")[0].split("\n* ")[1:]
    lines = [line for line in threats if line.startswith("| ")] + promises
    assert len(lines) >= 15
    assert [line[:60] for line in lines if not re.search(r"`test_\w+`", line)] == []
