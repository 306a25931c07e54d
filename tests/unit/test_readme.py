"""The README says what is true: settings, commands, files."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from faceswap.settings import Settings

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
READ_ELSEWHERE = {"FACESWAP_FACE_LANDMARKER"}
"""Read by the engine, which knows no settings."""


def variables(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [str(alias or f"FACESWAP_{name.upper()}")]


def test_the_table_lists_every_setting_and_no_other() -> None:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {found for row in rows for found in re.findall(r"`([A-Z0-9_]+)`", row)}
    known = {variable for item in Settings.model_fields.items() for variable in variables(*item)}
    assert listed == known | READ_ELSEWHERE


def test_every_script_and_benchmark_that_it_names_exists() -> None:
    named = set(re.findall(r"scripts/[a-z-]+|benchmarks/[a-z_]+\.py", README))
    named |= {f"benchmarks/{name}.py" for name in re.findall(r"-m benchmarks\.([a-z_]+)", README)}
    assert {"scripts/run", "scripts/test"} <= named
    assert [name for name in sorted(named) if not (REPOSITORY / name).is_file()] == []


def test_its_links_lead_somewhere() -> None:
    heads = {
        re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^#+ (.+)$", README, re.M)
    }
    for place in re.findall(r"\]\(([^)]+)\)", README):
        if place.startswith("#"):
            assert place[1:] in heads, place
        elif "://" not in place:
            assert (REPOSITORY / place).exists(), place
