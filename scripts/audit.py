"""Asks an advisory source about the versions in constraints.txt: `python scripts/audit.py`.

Exit code 1 means that one of them has a known weakness. Where no source can be reached, this says so and ends
with 0, because that is no finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
TOOL = "pip-audit==2.10.1"
_OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def judged(report: dict[str, Any]) -> tuple[int, str]:
    """Return the exit code and what to print for a report of pip-audit."""
    packages: list[dict[str, Any]] = report["dependencies"]
    weak = [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions'])}"
        for each in packages
        for found in each.get("vulns", [])
    ]
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    if len(unknown) == len(packages):
        return 0, "No advisory source could be reached: the versions in constraints.txt were NOT audited."
    if weak:
        return 1, "\n".join(["Versions with known weaknesses:", *weak])
    missing = f" Not judged: {', '.join(unknown)}." if unknown else ""
    return 0, f"{len(packages) - len(unknown)} versions have no known weakness.{missing}"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "uv", "tool", "run", "--from", TOOL, "pip-audit", *_OPTIONS]
        run = subprocess.run(
            [*command, "--requirement", str(CONSTRAINTS), "--output", str(report)],
            capture_output=True,
            text=True,
            check=False,
        )
        found = json.loads(report.read_text()) if report.exists() else {"dependencies": []}
    if not found["dependencies"]:
        print(run.stderr.strip()[-500:], file=sys.stderr)
    code, said = judged(found)
    print(said, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
