"""The consent statement and the record of who made it. Pure: no I/O, no clock.

Every job but a simulated one has a record. It proves who agreed to which words, for which files, and when.
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
    """SHA-256 over the version and the statement in every language: changes when one word does."""
    text = "\n".join([VERSION, *(f"{language}:{words}" for language, words in sorted(STATEMENT.items()))])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Consent:
    """What the owner of a job stated, for exactly these files (SHA-256, hex)."""

    owner: str
    sources_sha256: tuple[str, ...]
    """Of each source, in the order of their roles in the job; one but where several faces are swapped."""
    target_sha256: str
    stated_at: datetime
    version: str = VERSION
    statement_sha256: str = statement_hash()
