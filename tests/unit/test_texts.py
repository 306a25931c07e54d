"""Every sentence exists in both languages and has the same placeholders."""

from __future__ import annotations

import inspect
import json
import re
import string
from pathlib import Path

import pytest

from faceswap import errors, ui
from faceswap.jobs import RemoteStop, Stage, Status
from faceswap.ui import texts
from faceswap.ui.texts import CATALOGUES, LANGUAGES
from tests.chinese import english_in

TABLES = ("words", "status", "stages", "remote_stop", "events", "notes", "values")
PAGES = Path(ui.__file__).parent


def table(name: str, language: texts.Language) -> dict[str, str]:
    catalogue = CATALOGUES[language]
    return catalogue.words() if name == "words" else dict(getattr(catalogue, name))


def error_classes(
    root: type[errors.FaceSwapError] = errors.FaceSwapError,
) -> list[type[errors.FaceSwapError]]:
    return [root, *(each for child in root.__subclasses__() for each in error_classes(child))]


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("name", TABLES)
def test_both_languages_say_the_same_with_the_same_values(name: str) -> None:
    chinese, english = table(name, "zh"), table(name, "en")
    assert list(chinese) == list(english)
    for key in chinese:
        assert chinese[key].strip(), key
        assert english[key].strip(), key
        assert placeholders(chinese[key]) == placeholders(english[key]), key


def test_a_key_stands_in_one_group_only() -> None:
    for catalogue in CATALOGUES.values():
        assert len(catalogue.words()) == sum(map(len, catalogue.pages.values()))
    assert list(CATALOGUES["zh"].pages) == list(CATALOGUES["en"].pages)


def sources() -> str:
    """Return all code and markup of the pages, as one text."""
    files = [file for file in sorted(PAGES.rglob("*")) if file.suffix in {".py", ".js", ".html"}]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_sentence_of_the_pages_is_used_and_none_is_missing() -> None:
    """The code may use a whole key, or build it from a prefix and a name."""
    code = sources()
    prefixes = tuple(re.findall(r"""["'`]([a-z_]+_)(?:\{|\$\{|["'] ~)""", code))
    said = set(CATALOGUES["en"].words())
    unused = {
        key for key in said if not re.search(rf"""["'`]{key}["'`]""", code) and not key.startswith(prefixes)
    }
    assert unused == set()
    asked = set(re.findall(r"""(?:\bi18n|\bboth|\bword)\(["'](\w+)["'][,)]""", code))
    assert asked <= set(texts.for_gradio("en"))
    assert all(any(key.startswith(prefix) for key in said | {"status_"}) for prefix in prefixes)


def test_every_note_and_event_of_the_app_has_words() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in PAGES.parent.rglob("*.py"))
    for name in [*CATALOGUES["en"].notes, *CATALOGUES["en"].events]:
        told = name.removeprefix("mesh_instead_").removeprefix("remote stop ").removeprefix("submitted, ")
        assert told in code, f"nothing says {name}"


@pytest.mark.parametrize("name", [*TABLES, "errors"])
def test_no_english_is_left_in_chinese(name: str) -> None:
    for key, text in table(name, "zh").items():
        assert english_in(text) == set(), key


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.code)
def test_every_error_has_a_chinese_sentence_that_its_details_fill(kind: type[errors.FaceSwapError]) -> None:
    chinese = texts.for_browser()["zh"]["errors"][kind.code]
    assert placeholders(chinese) <= placeholders(inspect.getdoc(kind) or "")


def test_the_catalogues_name_no_error_that_does_not_exist() -> None:
    codes = {kind.code for kind in error_classes()} | {"cancelled"}
    assert set(CATALOGUES["zh"].errors) | {"cancelled"} == codes
    assert set(CATALOGUES["en"].errors) <= codes


def test_an_error_is_told_with_its_details_in_words() -> None:
    error = errors.NoFaceFound(role="source")
    assert texts.sentence(error, "zh") == "在人脸图片中没有找到人脸，请换一个人脸清晰、没有侧过去的。"
    assert texts.sentence(error, "en") == str(error)
    assert texts.sentence(errors.TooLarge(limit_mb=500), "zh") == "文件超过 500 MB，请先压缩或剪短。"


def test_the_states_have_the_agreed_words() -> None:
    assert [CATALOGUES["zh"].status[status] for status in Status] == ["等待中", "处理中", "已完成", "失败"]
    assert set(CATALOGUES["zh"].stages) == set(Stage)
    assert set(CATALOGUES["zh"].remote_stop) == set(RemoteStop) - {RemoteStop.NONE}


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
    for part in ("words", "status", "stages", "remoteStop", "values", "errors"):
        assert set(told["zh"][part]) == set(told["en"][part])
