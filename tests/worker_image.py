"""What the Dockerfiles of the worker say, and the files of its images laid out without any Docker."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Instruction:
    name: str
    rest: str


@dataclass(frozen=True)
class Image:
    dockerfile: Path

    def instructions(self) -> list[Instruction]:
        lines = self.dockerfile.read_text().splitlines()
        joined = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
        parts = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
        return [Instruction(name, " ".join(rest.split())) for name, rest in parts]

    def all_of(self, name: str) -> list[str]:
        return [found.rest for found in self.instructions() if found.name == name]

    def copies(self) -> list[tuple[list[str], str]]:
        """(sources, destination) of every COPY out of the repository, both as they are written."""
        plain = [shlex.split(rest) for rest in self.all_of("COPY") if not rest.startswith("--from")]
        return [(words[:-1], words[-1]) for words in plain]

    def copied_files(self) -> set[Path]:
        """Python files below a folder that is copied, and every file that is copied by its name."""
        paths = [ROOT / source for sources, _ in self.copies() for source in sources]
        return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}

    def command(self) -> list[str]:
        """The CMD; fails unless it is in exec form."""
        (written,) = self.all_of("CMD")
        words = json.loads(written)
        assert all(isinstance(word, str) for word in words)
        return words

    def entry(self) -> Path:
        """The file in the repository that the command runs."""
        python, *rest = self.command()
        assert python == "python"
        if rest[0] == "-m":
            (module,) = rest[1:]
            return ROOT / Path(*module.split(".")).with_suffix(".py")
        (script,) = rest
        ((source,),) = (
            sources for sources, to in self.copies() if to == "./" and sources[0].endswith(script)
        )
        return ROOT / source

    def environment(self) -> dict[str, str]:
        words = [word for rest in self.all_of("ENV") for word in shlex.split(rest)]
        return dict(re.split("=", word, maxsplit=1) for word in words)

    def lay_out(self, app: Path) -> None:
        """Copy to `app` what the image has in its working folder, by the rules of COPY."""
        for sources, destination in self.copies():
            for source in sources:
                found, target = ROOT / source, app / destination
                if found.is_dir():
                    ignored = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(found, target, dirs_exist_ok=True, ignore=ignored)
                    continue
                target = target / found.name if destination.endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, target)


OWN = Image(ROOT / "faceswap" / "worker" / "Dockerfile")
HUB = Image(ROOT / ".runpod" / "Dockerfile")
"""As RunPod's Hub builds it."""
