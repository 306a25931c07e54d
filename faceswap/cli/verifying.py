"""The command `verify`, which tells who made a file and whether it was changed since."""

from __future__ import annotations

import argparse

from faceswap.cli.output import FAILED, require_files, say
from faceswap.provenance import Verdict, Verification
from faceswap.settings import Settings

_VERDICTS = {
    Verdict.GENUINE: "Made by this installation or one that you named, and unchanged.",
    Verdict.SIGNED: "Made by another faceswap installation, and unchanged. Its signer cannot be confirmed.",
    Verdict.OTHER: "Signed by another program, and unchanged. It was not made with faceswap.",
    Verdict.CHANGED: "CHANGED after it was signed, or damaged. Do not rely on what follows.",
    Verdict.STRIPPED: "STRIPPED: labelled as synthetic, but its signature is missing or destroyed.",
    Verdict.UNMARKED: "UNMARKED: none of the marks was found. That does not prove that it is a recording.",
}


def verify(given: argparse.Namespace, settings: Settings) -> int:
    from faceswap.provenance import verify

    require_files(given.file, *([given.ca] if given.ca else []))
    found = verify(given.file, settings, given.ca.read_text(encoding="utf-8") if given.ca else "")
    say(given, found.as_json() | {"unchanged": found.good}, _told(found))
    return 0 if found.good else FAILED


def _told(found: Verification) -> str:
    label = f"found ({found.label})" if found.label else "none"
    facts = {
        "made by": " of ".join(filter(None, (found.signer, found.producer))),
        "when": found.made_at,
        "with": ", ".join(filter(None, (found.generator, found.engine, found.source_type))),
        "task": found.job,
        "visible label": "left out on request" if found.label_left_out else label,
        "AIGC labels": str(found.aigc_count),
        **{f"{each.role} {number}": each.sha256 for number, each in enumerate(found.ingredients)},
        "file": found.sha256,
        "findings": ", ".join(found.problems),
    }
    lines = [f"{name + ':':<15} {value}" for name, value in facts.items() if value]
    return "\n".join([_VERDICTS[found.verdict], *lines])
