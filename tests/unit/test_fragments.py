"""The markup that the pages show to a Chinese reader has no English words left in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from faceswap import ui
from faceswap.consent import Consent
from faceswap.errors import templates
from faceswap.jobs import Job, JobType, RemoteStop, Result, Status, SwapOptions
from faceswap.owners import Owners
from faceswap.provenance import Verdict, Verification
from faceswap.receipt import Receipt, receipt_of
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.store import Event
from faceswap.ui import diagnostics, history, people, slot, swap, verify, viewer
from faceswap.ui import receipt as receipts
from faceswap.ui.site import Site
from faceswap.ui.texts import CATALOGUES
from faceswap.uploads import DetectedFace
from tests.chinese import english_in
from tests.factories import NOON, make_job, make_upload

TEMPLATES = Path(ui.__file__).parent / "templates"
READ_ALOUD = ("aria-label", "alt", "title", "placeholder")
NO_END = ("img", "input", "br")


class Shown(HTMLParser):
    """Collects the text that a Chinese reader sees or hears, without code and text marked as English."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self._open: list[bool] = []
        self.text: list[str] = []
        self.feed(markup)
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        foreign = tag in ("code", "time") or known.get("lang") == "en"
        if not any(self._open):
            self.text += [known[name] or "" for name in READ_ALOUD if name in known]
        if tag not in NO_END:
            self._open.append(foreign)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.text.append(data)


def english(markup: str) -> set[str]:
    assert markup
    return english_in(" ".join(Shown(markup).text))


@pytest.fixture
def site(tmp_path: Path) -> Any:
    settings = Settings(data_dir=tmp_path, _env_file=None)  # pyright: ignore[reportCallIssue]
    with Service(settings) as service:
        yield Site(service, Owners.load(tmp_path, False))


def jobs() -> list[Job]:
    ended = {
        "started_at": NOON,
        "completed_at": NOON + timedelta(seconds=75),
    }
    each = [
        make_job(type=kind, status=status, title="照片", notes=tuple(CATALOGUES["zh"].notes), **ended)
        for kind in JobType
        for status in (Status.PENDING, Status.PROCESSING, Status.COMPLETED)
    ]
    failed = [
        make_job(status=Status.FAILED, title="照片", error_code=code, remote_stop=stop)
        for code in templates()
        for stop in (RemoteStop.NONE, RemoteStop.PENDING)
    ]
    return each + failed


def record() -> Receipt:
    source = make_upload(name="人脸", sha256="a" * 64, width=20, height=30)
    target = make_upload(name="视频", kind="video", duration_s=75.0, size_bytes=2_500_000, has_audio=True)
    job = make_job(
        title="照片",
        status=Status.COMPLETED,
        source_file=source.id,
        target_file=target.id,
        completed_at=NOON,
        engine="neural:inswapper_128",
        result=Result("c" * 64, 2_600_000, frames=72, swapped_frames=70),
        options=SwapOptions(
            many_faces=True,
            face_selector="reference",
            reference_frame_s=2.5,
            reference_face="face_1",
            swap_weight=0.5,
            enhancer_blend=0.5,
            enhancer_weight=0.25,
            pixel_boost=512,
            visible_label=False,
            mouth_mask=True,
            occlusion_mask=False,
            keep_fps=False,
            quality_percent=55,
            video_encoder="libx265",
            engine="neural",
            use_face_enhancer=True,
            execution_provider="cpu",
        ),
        notes=tuple(CATALOGUES["zh"].notes),
    )
    marks = {
        "label": "both",
        "aigc": {"Label": "1", "ContentProducer": "faceswap"},
        "manifest": "urn:c2pa:1",
        "signer": "faceswap ab",
        "source_type": "compositeCapture",
        "signed_at": "2026-06-01T12:00:00.000Z",
    }
    events = [Event(NOON, Status.PENDING, name) for name in CATALOGUES["zh"].events]
    consent = Consent("local", ("a" * 64,), "b" * 64, NOON)
    return receipt_of(job, events, consent, {upload.id: upload for upload in (source, target)}, marks)


def test_a_list_of_tasks_is_all_chinese(site: Site) -> None:
    for job in jobs():
        assert english(history._rows(site, [job], "local", "zh", False)) == set(), job
        assert english(diagnostics._rows([job], "zh")) == set(), job
        events = [Event(NOON, job.status, job.error_code or "claimed")]
        assert english(diagnostics._inspected(job, events, [], "zh")) == set(), job
    assert english(history._rows(site, [], "local", "zh", False)) == set()
    assert english(history._rows(site, [], "local", "zh", True)) == set()
    assert english(diagnostics._health(site, "zh")) == set()


def test_a_receipt_is_all_chinese() -> None:
    whole = record()
    assert english(receipts.receipt_markup(whole, "zh")) == set()
    for because in ("deleted", "revoked", "expired"):
        reduced = whole.reduced(NOON, because)
        assert english(receipts.receipt_markup(reduced, "zh")) == set()
        assert english(receipts._list([reduced], "zh")) == set()


def test_a_chosen_file_and_its_faces_are_told_in_chinese(site: Site) -> None:
    picture = make_upload(name="人脸", width=20, height=30, faces=2)
    clip = make_upload(name="视频", kind="video", width=20, height=30, duration_s=75.0)
    for upload in (picture, clip, replace(picture, faces=1)):
        assert english(slot.filled(site, "image", upload, "local", "zh")[0]) == set()
    face = DetectedFace(id="face_0", x=0, y=0, width=1, height=1, confidence=1, preview="AA", at_s=75.0)
    assert english(people._people("t", [face], "zh")) == set()
    assert english(people._people("t", [], "zh")) == set()


def test_a_result_and_a_preview_are_told_in_chinese(site: Site) -> None:
    for job in jobs():
        if job.status is Status.COMPLETED:
            assert english(viewer._viewed(site, job, "local", "zh", True)) == set()
    assert english(swap._shown(b"jpeg", "zh")) == set()


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_known_of_a_file_is_told_in_chinese(verdict: Verdict) -> None:
    found = Verification(
        verdict,
        format="png",
        sha256="1" * 64,
        size_bytes=1,
        made_at="2026-06-01T12:00:00Z",
        engine="mesh",
        source_type="compositeCapture",
        label_left_out=True,
        aigc_count=1,
    )
    assert english(verify._shown(found, "照片", "zh")) == set()


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda file: file.stem)
def test_a_template_has_no_words_of_its_own(template: Path) -> None:
    """All its words come from the catalogues, by `word` and `both`."""
    source = re.sub(r"\{[{%#].*?[}%#]\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)
    visible = re.findall(rf"""(?:{"|".join(READ_ALOUD)})="([^"]*)\"""", source) + re.findall(
        r">([^<]*)<", source
    )
    assert english_in(" ".join(visible)) == set()
