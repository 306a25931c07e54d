"""What the worker's Dockerfile says, and the files of its image laid out without any Docker."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "faceswap" / "worker" / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    name: str
    rest: str


def instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    parts = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Instruction(name, rest) for name, rest in parts]


def all_of(name: str) -> list[str]:
    return [found.rest for found in instructions() if found.name == name]


def copies() -> list[tuple[list[str], str]]:
    """(sources, destination) of every COPY out of the repository, both as they are written."""
    plain = [shlex.split(rest) for rest in all_of("COPY") if not rest.startswith("--from")]
    return [(words[:-1], words[-1]) for words in plain]


def command() -> list[str]:
    """The CMD; fails unless it is in exec form."""
    (written,) = all_of("CMD")
    words = json.loads(written)
    assert all(isinstance(word, str) for word in words)
    return words


def environment() -> dict[str, str]:
    return dict(re.split("=", word, maxsplit=1) for rest in all_of("ENV") for word in shlex.split(rest))


def lay_out(app: Path) -> None:
    """Copy to `app` what the image has in its working folder, by the rules of COPY."""
    for sources, destination in copies():
        for source in sources:
            found, target = ROOT / source, app / destination
            if found.is_dir():
                shutil.copytree(
                    found, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
                continue
            target = target / found.name if destination.endswith("/") else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, target)
