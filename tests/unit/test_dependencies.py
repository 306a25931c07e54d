"""Which versions the app admits, and what is said about their weaknesses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.audit import judged

REPOSITORY = Path(__file__).parents[2]
OPENS_WHAT_STRANGERS_SEND = ("pillow", "cryptography", "filelock", "python-multipart", "starlette")
"""Earlier versions of these had weaknesses that an upload or a request could reach."""


def requirements(name: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in (REPOSITORY / name).read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {each.name: each for each in found}


def release(version: str) -> tuple[int, ...]:
    return Version(version).release[:2]


@pytest.mark.parametrize("package", OPENS_WHAT_STRANGERS_SEND)
def test_no_version_older_than_the_tested_one_is_admitted(package: str) -> None:
    admitted = requirements("requirements.txt")[package].specifier
    (tested,) = requirements("constraints.txt")[package].specifier
    (floor,) = [each.version for each in admitted if each.operator == ">="]
    assert admitted.contains(tested.version)
    exact = len(Version(floor).release) > 2
    assert (floor == tested.version) if exact else (release(floor) == release(tested.version))


def test_every_tested_version_is_admitted() -> None:
    tested = {
        name: next(iter(each.specifier)).version for name, each in requirements("constraints.txt").items()
    }
    for file in ("requirements.txt", "requirements/neural.txt", "requirements/gate.txt"):
        for name, admitted in requirements(file).items():
            if name in tested:
                assert admitted.specifier.contains(tested[name]), name


def test_no_comment_claims_that_every_weakness_is_fixed() -> None:
    for path in [*REPOSITORY.glob("requirements*.txt"), *REPOSITORY.glob("requirements/*.txt")]:
        assert not re.search(r"CVE", path.read_text()), path.name


def test_a_weakness_fails_the_audit_and_silence_is_said_to_be_silence() -> None:
    sound = {"name": "a", "version": "1", "vulns": []}
    weak = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    unknown = {"name": "c", "skip_reason": "not found"}
    assert judged({"dependencies": [sound]}) == (0, "1 versions have no known weakness.")
    assert judged({"dependencies": [sound, unknown]})[1].endswith("Not judged: c.")
    code, said = judged({"dependencies": [sound, weak, unknown]})
    assert (code, said.splitlines()[1]) == (1, "b 2: PYSEC-1, fixed in 3")
    for report in ([], [unknown]):
        code, said = judged({"dependencies": report})
        assert code == 0
        assert "NOT audited" in said
