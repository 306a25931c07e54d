"""The consent statement and the record of who made it. Pure: no I/O, no clock.

Every job has a record, except a simulated one. It shows who agreed to which words, for which files, and when.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

VERSION = "2026-11"

STATEMENT = {
    "zh-CN": "我声明：素材中出现的每个人都已同意本次换脸，我有权使用这些素材，"
    "且不会用于欺骗、骚扰或违法用途。",
    "en": "I state that everyone shown in these files agreed to this face swap, that I may use the files, "
    "and that the result will not be used to deceive, to harass or to break the law.",
}


def statement_hash() -> str:
    """Return the SHA-256 (hex) of the version and of the statement in every language.

    It changes when one word changes.
    """
    text = "\n".join([VERSION, *(f"{language}:{words}" for language, words in sorted(STATEMENT.items()))])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Consent:
    """What the owner of a job stated, for exactly these files (SHA-256, hex)."""

    owner: str
    sources_sha256: tuple[str, ...]
    """One for each different source, in the order of the faces. A single swap has one source."""
    target_sha256: str
    stated_at: datetime
    version: str = VERSION
    statement_sha256: str = statement_hash()
