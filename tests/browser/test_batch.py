"""Several files in a slot: one start queues a task for each pair, and the panel shows them as one."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, VideoPage

WORDS = {
    "zh-CN": {
        "plan": "人脸 2 · 目标 2 · 任务 4",
        "paired": "人脸 2 · 目标 2 · 任务 2",
        "row": "批量：2 个任务",
        "queued": "已加入队列：2 个任务",
        "all": "全部下载（ZIP）",
        "yes": "全部取消",
        "refused": "没有任务加入队列",
    },
    "en-US": {
        "plan": "Faces: 2 · targets: 2 · tasks: 4",
        "paired": "Faces: 2 · targets: 2 · tasks: 2",
        "row": "Batch of 2 tasks",
        "queued": "Queued: 2 tasks",
        "all": "Download all (ZIP)",
        "yes": "Cancel them all",
        "refused": "Nothing was queued",
    },
}


@pytest.fixture
def faces(portrait: Path, other_portrait: Path, tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"face-{number}{portrait.suffix}" for number in range(2)]
    for file, original in zip(made, (portrait, other_portrait), strict=True):
        shutil.copy(original, file)
    return made


def choose(form: VideoPage, role: str, files: list[Path]) -> None:
    form.page.set_input_files(f"#fs-{role}-file input[type=file]", files)
    expect(form.card(role).locator(".fs-name")).to_have_text(files[0].name, timeout=TASK_MS)
    expect(form.page.locator(f"#fs-{role}-others li")).to_have_count(len(files) - 1, timeout=TASK_MS)


@pytest.mark.parametrize("locale", WORDS)
def test_pairs_are_queued_shown_as_one_and_downloaded_together(
    app: App, visit: Callable[..., Visitor], faces: list[Path], locale: str
) -> None:
    words = WORDS[locale]
    page = visit(app, locale=locale).open("/image")
    form = VideoPage(page)
    choose(form, "source", faces)
    choose(form, "target", faces)
    plan = page.locator("#fs-plan")
    expect(plan.locator("span").first).to_have_text(words["plan"])
    plan.locator("#fs-paired").check()
    expect(plan.locator("span").first).to_have_text(words["paired"])
    form.consent.check()
    form.go.click()
    expect(form.said).to_contain_text(words["queued"])
    expect(form.panel.cell(0, 0)).to_contain_text(words["row"])
    expect(form.panel.rows).to_have_count(1)
    page.locator(".fs-unfold").click()
    expect(form.panel.cell(1, 0)).to_contain_text("face-")
    expect(form.panel.finished).to_have_count(1, timeout=TASK_MS)
    expect(form.panel.finished).to_contain_text(words["row"], timeout=TASK_MS)
    expect(form.panel.toasts).to_have_count(1)
    with page.expect_download() as caught:
        form.panel.finished.get_by_role("link", name=words["all"]).click()
    assert caught.value.suggested_filename.startswith("faceswap-")
    assert Path(caught.value.path()).read_bytes()[:2] == b"PK"
    expect(page.locator("#fs-source-others li")).to_have_count(1)


def test_a_batch_is_cancelled_as_one(
    app: App, visit: Callable[..., Visitor], faces: list[Path], longer_video: Path, tmp_path: Path
) -> None:
    clips = [tmp_path / f"clip-{number}.mp4" for number in range(3)]
    for clip in clips:
        shutil.copy(longer_video, clip)
    page = visit(app, locale="en-US").open("/video")
    form = VideoPage(page)
    choose(form, "source", faces[:1])
    choose(form, "target", clips)
    form.consent.check()
    form.go.click()
    expect(form.panel.rows).to_have_count(1)
    form.panel.cancels.click()
    form.panel.dialog.get_by_role("button", name=WORDS["en-US"]["yes"]).click()
    expect(form.panel.rows).to_have_count(0)
    expect(form.panel.finished).to_contain_text("0 done, 3 failed")
    page.goto(page.url.replace("/video", "/tasks"))
    expect(page.locator("#fs-batches li").first).to_contain_text("0 done, 3 failed")


@pytest.mark.parametrize("locale", WORDS)
def test_the_file_that_cannot_be_used_is_named_and_the_others_stay(
    app: App, visit: Callable[..., Visitor], faces: list[Path], no_face_picture: Path, locale: str
) -> None:
    page = visit(app, locale=locale).open("/image")
    form = VideoPage(page)
    choose(form, "source", faces[:1])
    text = FilePayload(name="notes.png", mimeType="image/png", buffer=b"no picture")
    page.set_input_files(
        "#fs-target-file input[type=file]", [_payload(faces[0]), text, _payload(no_face_picture)]
    )
    expect(page.locator("#fs-target-file .fs-message")).to_contain_text("notes.png: ")
    expect(page.locator("#fs-target-others li")).to_have_count(1, timeout=TASK_MS)
    form.consent.check()
    form.go.click()
    expect(form.said).to_contain_text(no_face_picture.name)
    expect(form.said).to_contain_text(WORDS[locale]["refused"])
    expect(form.panel.rows).to_have_count(0)
    page.locator("#fs-target-others button").click()
    expect(page.locator("#fs-target-others li")).to_have_count(0)
    expect(page.locator("#fs-plan")).to_be_hidden()


def test_a_folder_is_dropped_and_its_files_stay_after_a_reload(
    app: App, visit: Callable[..., Visitor], faces: list[Path]
) -> None:
    visitor = visit(app, locale="en-US")
    page = visitor.open("/image")
    form = VideoPage(page)
    content = [base64.b64encode(file.read_bytes()).decode() for file in faces]
    page.locator("#fs-target-file").evaluate(
        """(zone, content) => {
            const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const file = (name, body) => ({
                isFile: true, isDirectory: false, name, file: (take) => take(new File([body], name)),
            });
            const inside = [
                file("b.png", bytes(content[1])), file("notes.txt", "x"), file("a.png", bytes(content[0])),
            ];
            const folder = { isFile: false, isDirectory: true, name: "folder", createReader() {
                return { readEntries: (take) => take(inside.splice(0, 2)) };
            } };
            DataTransferItem.prototype.webkitGetAsEntry = () => folder;
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["x"], "folder"));
            zone.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
        }""",
        content,
    )
    expect(form.card("target").locator(".fs-name")).to_have_text("a.png", timeout=TASK_MS)
    expect(page.locator("#fs-target-others li")).to_have_text(["b.png✕"], timeout=TASK_MS)
    page.reload()
    expect(form.card("target").locator(".fs-name")).to_have_text("a.png", timeout=TASK_MS)
    expect(page.locator("#fs-target-others li")).to_have_text(["b.png✕"])


def _payload(file: Path) -> FilePayload:
    return FilePayload(name=file.name, mimeType="image/png", buffer=file.read_bytes())
