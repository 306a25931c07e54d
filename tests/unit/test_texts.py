"""Every sentence exists in both languages and fits what it is filled with."""

from __future__ import annotations

import inspect
import json
import string

import pytest

from faceswap import errors
from faceswap.jobs import RemoteStop, Stage, Status
from faceswap.ui import texts
from faceswap.ui.texts import LANGUAGES, Text
from tests.factories import make_job

TABLES = {
    "words": texts.WORDS,
    "status": texts.STATUS,
    "stages": texts.STAGES,
    "remote stop": texts.REMOTE_STOP,
    "reasons": texts.REASONS,
    "notes": texts.NOTES,
    "events": texts.EVENTS,
}


def error_classes(
    root: type[errors.FaceSwapError] = errors.FaceSwapError,
) -> list[type[errors.FaceSwapError]]:
    return [root, *(each for child in root.__subclasses__() for each in error_classes(child))]


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("table", TABLES)
def test_both_languages_say_the_same_with_the_same_values(table: str) -> None:
    for key, text in TABLES[table].items():
        assert isinstance(text, Text), key
        assert text.zh.strip(), key
        assert text.en.strip(), key
        assert placeholders(text.zh) == placeholders(text.en), key


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.code)
def test_every_error_has_a_chinese_sentence_that_its_details_fill(kind: type[errors.FaceSwapError]) -> None:
    chinese = texts.CHINESE_ERRORS[kind.code]
    assert placeholders(chinese) <= placeholders(inspect.getdoc(kind) or "")
    if placeholders(chinese):
        without = texts.CHINESE_WITHOUT_DETAILS[kind.code]
        assert not placeholders(without), "a failed job has its code only"


def test_an_error_is_told_with_its_details_in_words() -> None:
    error = errors.NoFaceFound(role="source")
    assert texts.sentence(error, "zh") == "在人脸图片中没有找到人脸，请换一个人脸清晰、没有侧过去的。"
    assert texts.sentence(error, "en") == str(error)
    assert texts.sentence(errors.TooLarge(limit_mb=500), "zh") == "文件超过 500 MB，请先压缩或剪短。"


def test_a_failed_job_is_told_by_its_code() -> None:
    job = make_job(
        status=Status.FAILED,
        error_code="too_long",
        error_message=str(errors.TooLong(duration_s=9, limit_s=5)),
    )
    assert texts.job_sentence(job, "zh") == "视频太长，请先剪短。"
    assert texts.job_sentence(job, "en") == "This video lasts 9 s; the limit is 5 s. Cut it first."
    unheard_of = job.evolve(error_code="from_the_future", error_message="Words from the future.")
    assert texts.job_sentence(unheard_of, "zh") == texts.CHINESE_ERRORS["internal"]
    assert texts.job_sentence(unheard_of, "en") == "Words from the future."
    assert texts.job_sentence(make_job(), "zh") == ""


def test_a_cancelled_job_says_the_agreed_words() -> None:
    job = make_job(status=Status.FAILED, error_code="cancelled", error_message="任务已被用户取消")
    assert texts.job_sentence(job, "zh") == "任务已被用户取消"
    assert texts.job_sentence(job, "en") == "Cancelled by the user"


def test_a_change_of_state_is_told_by_its_reason_or_its_error() -> None:
    assert texts.event("submitted", "zh") == "已提交"
    assert texts.event("no_face", "zh") == texts.CHINESE_WITHOUT_DETAILS["no_face"]
    assert texts.event("cancelled", "en") == "Cancelled by the user"
    assert texts.event("engine_crashed", "en") == str(errors.EngineCrashed())
    assert texts.event("from the future", "zh") == texts.event("from the future", "en") == "from the future"


def test_the_states_have_the_agreed_words() -> None:
    assert [texts.STATUS[status].zh for status in Status] == ["等待中", "处理中", "已完成", "失败"]
    assert set(texts.STAGES) == set(Stage)
    assert set(texts.REMOTE_STOP) == set(RemoteStop) - {RemoteStop.NONE}


def test_the_stop_of_a_run_in_the_cloud_is_told_in_words() -> None:
    def told(stop: RemoteStop) -> list[list[str]]:
        job = make_job(backend="runpod", status=Status.FAILED, error_code="cancelled", remote_stop=stop)
        return [texts.remarks(job, language) for language in LANGUAGES]

    assert told(RemoteStop.NONE) == [[], []]
    assert told(RemoteStop.PENDING) == [["云端正在停止"], ["Stopping in the cloud"]]
    assert told(RemoteStop.CONFIRMED) == [["云端已停止"], ["Stopped in the cloud"]]
    assert "RunPod 控制台" in told(RemoteStop.GIVEN_UP)[0][0]
    panel = json.loads(json.dumps(texts.for_browser()))["zh"]["remoteStop"]
    assert (panel["pending"], panel["confirmed"]) == ("云端正在停止", "云端已停止")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-HK", "zh"),
        ("ZH-tw", "zh"),
        ("zh", "zh"),
        ("en-US,zh;q=0.5", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_any_chinese_is_chinese_and_the_rest_is_english(header: str | None, language: str) -> None:
    assert texts.language_of(header) == language


def test_the_browser_gets_every_word_in_both_languages_without_gaps() -> None:
    told = json.loads(json.dumps(texts.for_browser()))
    assert set(told) == set(LANGUAGES)
    for part in ("words", "status", "stages", "remoteStop"):
        assert set(told["zh"][part]) == set(told["en"][part])
    for language in LANGUAGES:
        assert not [text for text in told[language]["errors"].values() if placeholders(text)]


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(0.4, "0 秒", "0 s"), (59.4, "59 秒", "59 s"), (75, "1 分 15 秒", "1 min 15 s")],
)
def test_durations_are_told_in_minutes_and_seconds(seconds: float, zh: str, en: str) -> None:
    assert (texts.duration(seconds, "zh"), texts.duration(seconds, "en")) == (zh, en)
