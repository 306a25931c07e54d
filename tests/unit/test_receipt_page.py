"""The receipt page is complete, is in the reader's language, and contains nothing that a browser runs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from markupsafe import escape

from faceswap.consent import STATEMENT, VERSION, Consent, statement_hash
from faceswap.costs import Cost
from faceswap.jobs import Result, Status, SwapOptions
from faceswap.receipt import Receipt, receipt_of
from faceswap.store import Event
from faceswap.ui import texts
from faceswap.ui.receipt import _choice, _list, receipt_markup
from faceswap.ui.render import render
from faceswap.ui.texts import LANGUAGES, Language
from tests.factories import NOON, make_job, make_upload

HOSTILE = '<img src=x onerror="hurt()">'
MARKS = {"c2pa": {"signed": True, "ingredients": ["a" * 64]}, HOSTILE: HOSTILE}


def made(**changes: object) -> Receipt:
    source = make_upload(name=HOSTILE, sha256="a" * 64)
    target = make_upload(
        name="clip.mp4", kind="video", duration_s=75.0, size_bytes=2_500_000, has_audio=True, sha256="b" * 64
    )
    job = make_job(
        title=HOSTILE,
        status=Status.COMPLETED,
        source_file=source.id,
        target_file=target.id,
        completed_at=NOON + timedelta(minutes=1),
        result=Result("c" * 64, 2_600_000, frames=72, swapped_frames=70),
        options=SwapOptions(many_faces=True, quality_percent=55),
        **changes,
    )
    events = [
        Event(NOON, Status.PENDING, "submitted"),
        Event(NOON, Status.PROCESSING, "claimed by host:1:ab"),
        Event(NOON, Status.FAILED, "engine_crashed"),
        Event(NOON, Status.FAILED, HOSTILE),
    ]
    consent = Consent("local", ("a" * 64,), "b" * 64, NOON)
    return receipt_of(job, events, consent, {upload.id: upload for upload in (source, target)}, MARKS)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "zh",
            [
                "回执",
                STATEMENT["zh-CN"],
                "共 72 帧，70 帧换了脸",
                "原样保留",
                "开始运行",
                "替换所有人脸：是; 画质：55",
            ],
        ),
        (
            "en",
            [
                "Receipt",
                STATEMENT["en"],
                "72, of which 70 were swapped",
                "Kept as it was",
                "Every face swapped: yes; Quality: 55",
            ],
        ),
    ],
)
def test_a_receipt_is_told_in_ones_own_language(language: Language, words: list[str]) -> None:
    shown = receipt_markup(made(), language)
    for word in [
        *words,
        VERSION,
        statement_hash(),
        "a" * 64,
        "b" * 64,
        "c" * 64,
        "2.6 MB",
        '<span data-seconds="75.0"></span>',
        "clip.mp4",
    ]:
        assert word in shown, word
    assert "host:1:ab" not in shown
    assert "<img" not in shown
    assert shown.count(escape(HOSTILE)) == 6
    assert (
        re.findall(
            r"<(?!/?(?:article|div|h1|h2|p|span|button|section|dl|dt|dd|ol|li|b|br|code|time)\b)", shown
        )
        == []
    )


def test_a_forgotten_receipt_says_when_and_why_and_no_name() -> None:
    receipt = made().reduced(NOON + timedelta(days=1), "revoked")
    shown = receipt_markup(receipt, "en")
    assert "Deleted task" in shown
    assert "Consent revoked; files and result deleted" in shown
    assert 'datetime="2026-06-02T12:00:00.000Z"' in shown
    assert "clip.mp4" not in shown
    assert "a" * 64 in shown
    listed = _list([receipt], "zh")
    assert f'href="receipt?job={receipt.job_id}"' in listed
    assert "同意已撤回" in listed
    assert _list([], "zh") == ""


def test_several_faces_are_several_sources_each_with_its_hash() -> None:
    first, second = make_upload(sha256="1" * 64), make_upload(sha256="2" * 64, name="second.png")
    job = make_job(
        source_file=first.id, face_mappings={"face_0": first.id, "face_1": second.id, "face_2": first.id}
    )
    consent = Consent("local", (first.sha256, second.sha256), "b" * 64, NOON)
    receipt = receipt_of(job, [], consent, {second.id: second}, None)
    assert [(source.sha256, source.name) for source in receipt.sources] == [
        ("1" * 64, None),
        ("2" * 64, "second.png"),
    ]
    assert (receipt.target.sha256, receipt.result) == ("b" * 64, None)


def test_words_that_are_not_todays_are_not_shown_as_what_was_agreed_to() -> None:
    job = make_job()
    consent = Consent("local", ("a" * 64,), "b" * 64, NOON, "2025-01", "d" * 64)
    receipt = receipt_of(job, [], consent, {}, None)
    assert receipt.consent.statement is None
    shown = receipt_markup(receipt, "en")
    assert "an earlier version of the statement" in shown
    assert "d" * 64 in shown
    assert STATEMENT["en"] not in shown


def test_a_receipt_names_the_engine_and_the_terms_of_each_model() -> None:
    files = (
        {"name": "w600k_r50", "file": "r50.onnx", "sha256": "d" * 64, "licence": "insightface"},
        {"name": HOSTILE, "file": HOSTILE, "sha256": HOSTILE, "licence": HOSTILE},
    )
    receipt = made(engine="neural:inswapper_128", weights=files)
    assert receipt.weights == list(files)
    shown = receipt_markup(receipt, "en")
    assert "neural:inswapper_128" in shown
    assert "w600k_r50 (r50.onnx) · InsightFace's terms: non-commercial research only" in unescape(shown)
    assert "d" * 64 in shown
    assert "<img" not in shown
    assert "Engine" not in receipt_markup(made(), "en"), "a task that made nothing has none"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_without_a_task_offers_the_tasks_that_have_a_receipt(language: Language) -> None:
    real, simulated = make_job(title=HOSTILE), make_job(source_file="", target_file="")
    shown = _choice([real, simulated], language)
    assert f'href="receipt?job={real.id}"' in shown
    assert simulated.id not in shown
    assert "<img" not in shown
    assert texts.words("all_tasks", language) in shown
    assert 'href="video"' in _choice([], language)


@pytest.mark.parametrize(
    ("language", "cost", "words"),
    [
        ("zh", Cost(12.0, None), 'GPU 用时 <span data-seconds="12.0"></span>'),
        ("en", Cost(12.0, 0.5), '<span data-seconds="12.0"></span> of GPU time, $0.50'),
        ("en", Cost(12.0, 0.0021), '<span data-seconds="12.0"></span> of GPU time, $0.0021'),
    ],
)
def test_what_the_cloud_billed_is_told(language: Language, cost: Cost, words: str) -> None:
    assert words in receipt_markup(made(backend="runpod", billed_s=12.0), language, cost=cost)


def test_a_target_says_what_it_will_probably_cost_in_the_cloud() -> None:
    values = {"upload": make_upload(), "role": "target", "url": "", "single": True, "notes": ()}
    expected = render("card", "en", cost=Cost(36.0, 0.25), **values)
    assert 'In the cloud: about <span data-seconds="36.0"></span> of GPU time, $0.25' in expected
    assert "cloud" not in render("card", "en", cost=None, **values)
