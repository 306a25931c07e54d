"""The page that says where a file comes from. An uploaded file is checked and removed at once."""

from __future__ import annotations

import gradio as gr

from faceswap.provenance import Verification
from faceswap.ui import texts
from faceswap.ui.arrival import arrived
from faceswap.ui.frame import Frame, i18n
from faceswap.ui.render import render
from faceswap.ui.site import Site, in_words, language_of, lead, markup, message
from faceswap.ui.texts import Language


def verify_page(site: Site, frame: Frame) -> None:
    lead("title_verify", "lead_verify")
    file = gr.File(label=i18n("verify_file"), file_count="single", height=220, elem_id="fs-verify-file")
    said = markup("", elem_id="fs-verified")

    def look(sent: object, token: object, request: gr.Request) -> list[object]:
        language = language_of(request)
        with in_words(language) as outcome:
            owner = site.owner_of(token)
            path, name = arrived(sent)
            try:
                found = site.service.verify(path, owner=owner, sender=site.sender_of(request))
                return [gr.File(value=None), _shown(found, name, language)]
            finally:
                path.unlink(missing_ok=True)
        return [gr.File(value=None), message(outcome.problem, "bad")]

    file.upload(
        look,
        [file, frame.token],
        [file, said],
        preprocess=False,
        concurrency_limit=None,
        show_progress_on=[file],
        api_visibility="private",
    )


def _shown(found: Verification, name: str, language: Language) -> str:
    def word(key: str) -> str:
        return texts.words(key, language)

    rows = [
        ("verify_made_by", " · ".join(filter(None, (found.signer, found.producer)))),
        ("verify_made_at", found.made_at.replace("T", " ").replace("Z", " UTC")),
        ("verify_made_with", texts.made_with(found.generator, found.engine, found.source_type, language)),
        ("verify_job", found.job),
        ("verify_label", word(_label_key(found))),
        ("verify_aigc", word(_aigc_key(found))),
        ("verify_sources", " · ".join(each.sha256 for each in found.ingredients)),
        ("verify_hash", found.sha256),
        ("verify_problems", " · ".join(found.problems)),
    ]
    return render("verified", language, found=found, name=name, facts=[row for row in rows if row[1]])


def _label_key(found: Verification) -> str:
    if found.label:
        return "verify_label_there"
    return "verify_label_left_out" if found.label_left_out else "verify_label_none"


def _aigc_key(found: Verification) -> str:
    if not found.aigc_count:
        return "verify_label_none"
    return "verify_aigc_one" if found.aigc_count == 1 and found.aigc else "verify_aigc_bad"
