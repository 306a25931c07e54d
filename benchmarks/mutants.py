"""Changes one module in every small way that mutmut knows, and counts the changes that no test notices.

    python -m benchmarks.mutants jobs [--show]        about three minutes on 2 cores; the others take longer

It works in a copy of the checkout. Only the fast tests of the module run, so others may notice a survivor.
Code in decorated functions and in constants is not changed. `--show` prints each survivor as a change.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
COPIED = ("faceswap", "tests", "benchmarks", "pyproject.toml")
TESTS = {
    "jobs": ("faceswap/jobs.py", ["tests/unit/test_jobs.py"]),
    "owners": ("faceswap/owners.py", ["tests/unit/test_owners.py"]),
    "store": (
        "faceswap/store/*.py",
        [
            "tests/unit/test_store.py",
            "tests/integration/test_half_done.py",
            "tests/integration/test_machine.py",
        ],
    ),
    "dispatcher": ("faceswap/dispatcher.py", ["tests/integration/test_dispatcher.py"]),
    "driving": ("faceswap/driving.py", ["tests/integration/test_dispatcher.py"]),
    "uploads": ("faceswap/uploads.py", ["tests/integration/test_hostile_uploads.py"]),
}
_MUTMUT = "import sys; from mutmut.__main__ import cli; sys.argv[0] = 'mutmut'; cli()"


def prepare(folder: Path, module: str) -> None:
    changed, tests = TESTS[module]
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    lines = [
        "[mutmut]",
        "source_paths=faceswap",
        f"only_mutate={changed}",
        "also_copy=\n    benchmarks",
        "pytest_add_cli_args=\n    -q\n    -p\n    no:cacheprovider\n    --hypothesis-profile\n    fast",
        "pytest_add_cli_args_test_selection=" + "".join(f"\n    {test}" for test in tests),
    ]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n")


def mutmut(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", _MUTMUT, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return done.stdout


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How many small changes of a module its tests notice.")
    parser.add_argument("module", choices=sorted(TESTS))
    parser.add_argument("--show", action="store_true", help="print what each survivor changes")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="faceswap-mutants-") as name:
        folder = Path(name)
        prepare(folder, chosen.module)
        mutmut(folder, "run")
        found = re.findall(r"^\s*(\S+): (.+)$", mutmut(folder, "results", "--all", "true"), re.M)
        outcomes = Counter(outcome for _, outcome in found)
        noticed = outcomes["killed"] + outcomes["timeout"]
        print(f"{chosen.module}: {noticed} of {len(found)} changes noticed ({noticed / len(found):.0%})")
        for mutant, outcome in found:
            if outcome in ("killed", "timeout"):
                continue
            print(f"{outcome}: {mutant}")
            if chosen.show:
                change = mutmut(folder, "show", mutant).splitlines()
                print("\n".join(line for line in change if re.match(r"[-+](?![-+])", line)))


if __name__ == "__main__":
    main()
