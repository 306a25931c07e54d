"""Upload what a Space needs, after checking the front matter of README.md. Run it by `scripts/deploy-space`.

Only files that git tracks are uploaded. The login is that of `hf auth login`, or `HF_TOKEN`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, SpaceCard, SpaceCardData, SpaceHardware, Volume
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
NOT_NEEDED = ("tests/", "benchmarks/", "typings/", ".ci/", ".github/")
"""What a Space does not need. All other files that git tracks are uploaded."""
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SHORT = 60
"""Source: huggingface.co/docs/hub/spaces-config-reference, like the list of colours."""
BUCKET_AT = "/data"
SNAPSHOT_DIR = f"{BUCKET_AT}/faceswap"


def main() -> int:
    given = _arguments()
    card = SpaceCard.load(REPOSITORY / "README.md")
    problems = front_matter_problems(card.data)
    for problem in problems:
        print(f"README.md: {problem}", file=sys.stderr)
    missing = [name for name in given.secret if not os.environ.get(name)]
    for name in missing:
        print(f"{name} is not set in this shell.", file=sys.stderr)
    if problems or missing:
        return 1
    files = wanted_files()
    if given.dry_run:
        size_kb = sum((REPOSITORY / name).stat().st_size for name in files) / 1000
        print("\n".join(files))
        print(f"{given.space}: {len(files)} files, {size_kb:.0f} kB, Gradio {card.data.sdk_version}.")
        print(f"Secrets: {', '.join(given.secret) or 'none'}. Bucket: {given.bucket or 'none'}.")
        return 0
    try:
        print(deploy(HfApi(), given, card, files))
    except LocalTokenNotFoundError:
        print("Log in first: hf auth login, or set HF_TOKEN.", file=sys.stderr)
        return 1
    except (HfHubHTTPError, ValueError) as error:
        print(f"The Hub refused: {error}", file=sys.stderr)
        return 1
    return 0


def front_matter_problems(data: SpaceCardData) -> list[str]:
    """What is wrong with the front matter, one sentence each; an empty list when a Space would start."""
    found: dict[str, Any] = data.to_dict()
    gradio = next(
        line for line in (REPOSITORY / "requirements.txt").read_text("utf-8").splitlines() if "gradio" in line
    )
    allowed = Requirement(gradio.partition("#")[0].strip()).specifier
    sdk_version = str(found.get("sdk_version"))
    rules = {
        "title is missing": bool(found.get("title")),
        "emoji is missing": bool(found.get("emoji")),
        "sdk must be gradio": found.get("sdk") == "gradio",
        f"sdk_version must fit gradio{allowed} of requirements.txt": bool(
            re.fullmatch(r"\d+\.\d+\.\d+", sdk_version) and allowed.contains(sdk_version)
        ),
        f"sdk_version must be the tested one, {version('gradio')}": sdk_version == version("gradio"),
        'python_version must be a string such as "3.12"': isinstance(found.get("python_version"), str),
        "app_file does not exist": (REPOSITORY / str(found.get("app_file"))).is_file(),
        f"colorFrom and colorTo must be of {sorted(COLORS)}": {found.get("colorFrom"), found.get("colorTo")}
        <= COLORS,
        f"short_description must have 1 to {SHORT} characters": 0
        < len(found.get("short_description") or "")
        <= SHORT,
        "license is missing": bool(found.get("license")),
        "tags are missing": bool(found.get("tags")),
        "suggested_hardware is unknown": found.get("suggested_hardware")
        in {str(kind.value) for kind in SpaceHardware},
    }
    return [sentence for sentence, holds in rules.items() if not holds]


def wanted_files() -> list[str]:
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=True
    )
    names = filter(None, told.stdout.split("\0"))
    return [name for name in names if not name.startswith(NOT_NEEDED) and (REPOSITORY / name).is_file()]


def deploy(api: HfApi, given: argparse.Namespace, card: SpaceCard, files: list[str]) -> str:
    """Upload the files and return the Space's address. Secrets come first: the first build needs them."""
    card.validate(repo_type="space")
    url = api.create_repo(
        given.space, repo_type="space", space_sdk="gradio", private=given.private or None, exist_ok=True
    )
    for name in given.secret:
        api.add_space_secret(given.space, name, os.environ[name])
    if given.bucket:
        api.set_space_volumes(given.space, [Volume(type="bucket", source=given.bucket, mount_path=BUCKET_AT)])
        api.add_space_variable(given.space, "FACESWAP_SNAPSHOT_DIR", SNAPSHOT_DIR)
    api.upload_folder(
        repo_id=given.space,
        repo_type="space",
        folder_path=REPOSITORY,
        allow_patterns=files,
        delete_patterns="*",
        commit_message="Deploy",
    )
    return str(url)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/deploy-space", description=__doc__)
    parser.add_argument("space", metavar="OWNER/NAME", help="made when it does not exist")
    parser.add_argument("--dry-run", action="store_true", help="check and list; no network")
    parser.add_argument("--private", action="store_true", help="make a new Space private")
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="VARIABLE",
        help="make a secret of this shell's variable, e.g. RUNPOD_API_KEY; may be repeated",
    )
    parser.add_argument(
        "--bucket", metavar="OWNER/BUCKET", help=f"mount this bucket at {BUCKET_AT} and keep snapshots in it"
    )
    given = parser.parse_args()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", given.space):
        parser.error("name the Space as OWNER/NAME")
    return given


if __name__ == "__main__":
    sys.exit(main())
