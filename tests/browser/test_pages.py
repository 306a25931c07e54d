"""What the pages say and do around the main job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from faceswap.engine.marks.marking import Label, Marking
from faceswap.media import aigc_text
from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, VideoPage, simulate
from tests.browser.tasks import finish, queue
from tests.marked import marked
from tests.waiting import wait_until

PAGES = ("/", "/video", "/image", "/multi", "/tasks", "/verify", "/diagnostics")
PHONE = {"width": 390, "height": 844}
NAMES = "一个相当长的文件名|模拟 .（600 秒）"
"""Text that is Chinese on every page."""
HOSTILE = '<img src=x onerror="window.hurt=1">${window.hurt=2}{{this}}.mp4'


@pytest.fixture
def many_visits(visit: Callable[..., Visitor], app: App) -> Callable[..., Page]:
    """`many_visits("/video", locale="en-US")`: the page in its own browser."""
    return lambda path, **options: visit(app, **options).open(path)


BAD_SOURCES: dict[str, tuple[Callable[[bytes], FilePayload], str]] = {
    "empty": (lambda real: payload("empty.jpg", b""), "文件是空的"),
    "no picture at all": (lambda real: payload("notes.jpg", b"not a picture " * 99), "不支持这种"),
    "broken": (lambda real: payload("half.jpg", real[: len(real) // 3]), "文件已损坏或不完整"),
}


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_a_bad_file_gets_a_sentence_before_anything_is_queued(
    visitor: Visitor, other_portrait: Path, case: str
) -> None:
    make, sentence = BAD_SOURCES[case]
    page = visitor.video()
    page.choose("source", make(other_portrait.read_bytes()))
    expect(page.card("source")).to_contain_text(sentence)
    page.consent.check()
    page.go.click()
    expect(page.said).to_have_text("请先选择一张人脸图片。")


def test_files_without_a_face_or_of_the_wrong_kind_are_refused_and_several_faces_are_told(
    visitor: Visitor, no_face_picture: Path, face_video: Path, portrait: Path, group_photo: Path
) -> None:
    page = visitor.video()
    page.choose("source", no_face_picture)
    expect(page.card("source")).to_contain_text("在人脸图片中没有找到人脸")
    page.choose("target", portrait)
    expect(page.card("target")).to_contain_text("这里需要视频，而这个文件是图片")
    page.choose("source", group_photo)
    expect(page.card("source")).to_contain_text("张人脸，将使用最大的一张")


def test_starting_without_consent_or_files_is_refused_in_words(
    visitor: Visitor, portrait: Path, face_video: Path, app: App
) -> None:
    page = visitor.video()
    page.go.click()
    expect(page.said).to_have_text("请先选择一张人脸图片。")
    page.choose("source", portrait)
    expect(page.card("source").locator(".fs-media")).to_be_visible()
    page.go.click()
    expect(page.said).to_have_text("请先选择目标文件。")
    page.choose("target", face_video)
    expect(page.card("target").locator(".fs-media")).to_be_visible()
    page.go.click()
    expect(page.said).to_contain_text("请先勾选声明")
    assert app.tasks() == []


def test_a_target_without_a_face_fails_and_says_so(
    app: App, visitor: Visitor, portrait: Path, no_face_video: Path
) -> None:
    page = visitor.video()
    finish(app, queue(app, portrait, no_face_video))
    expect(page.panel.finished.first).to_contain_text("失败")
    expect(page.panel.finished.first).to_contain_text("在目标中没有找到人脸，请换一个")


def test_a_hostile_name_stays_text_everywhere(
    app: App, visitor: Visitor, portrait: Path, face_video: Path
) -> None:
    page = visitor.video()
    page.choose("source", portrait)
    page.choose("target", {"name": HOSTILE, "mimeType": "video/mp4", "buffer": face_video.read_bytes()})
    expect(page.card("target").locator(".fs-name")).to_have_text(HOSTILE)
    page.start()
    expect(page.said).to_contain_text(HOSTILE)
    expect(page.panel.cell(0, 0)).to_contain_text(HOSTILE)
    expect(page.panel.finished.first.locator(".fs-title")).to_have_text(HOSTILE, timeout=TASK_MS)
    expect(page.result.locator("h2")).to_have_text(HOSTILE)
    history = visitor.open("/tasks")
    expect(history.locator(".fs-history b")).to_have_text(HOSTILE)
    for shown in (page.page, history):
        assert shown.evaluate("window.hurt") is None


def test_a_picture_is_swapped_and_compared_with_a_slider(
    visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.start()
    expect(page.result).to_be_visible(timeout=TASK_MS)
    pictures = page.result.locator(".fs-slider img")
    for index in range(2):
        wait_until(lambda index=index: pictures.nth(index).evaluate("i => i.naturalWidth > 0"), "it loads")
    page.result.locator("input[type=range]").fill("25")
    assert page.result.locator(".fs-slider").evaluate("s => s.style.getPropertyValue('--at')") == "25%"


def test_the_visible_label_is_left_out_only_where_somebody_asks_for_that(
    app: App, visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.page.locator("button.label-wrap", has_text="选项").click()
    choice = page.page.locator("#fs-unlabelled")
    expect(choice).to_contain_text("无法看出它是合成的")
    expect(choice).to_contain_text("这一选择会写入日志和任务回执；元数据标识和签名仍会写入文件")
    expect(choice.locator("input")).not_to_be_checked()
    choice.locator("input").check()
    occluders = page.page.locator("#fs-occlusion input")
    expect(occluders).to_be_checked()
    occluders.uncheck()
    page.start()
    expect(choice.locator("input")).not_to_be_checked()  # It must be chosen again for each task.
    expect(page.result.locator(".fs-remarks")).to_have_text("按要求未加可见标识", timeout=TASK_MS)
    (task,) = app.tasks()
    assert task["options"]["visible_label"] is False
    assert task["options"]["occlusion_mask"] is False
    assert task["id"] in (app.data_dir / "unlabelled.jsonl").read_text()
    with page.page.expect_download() as download:
        page.result.get_by_role("link", name="下载").click()
    verify = visitor.open("/verify")
    verify.locator("#fs-verify-file input[type=file]").set_input_files(download.value.path())
    told = verify.locator(".fs-verified")
    expect(told).to_have_attribute("data-verdict", "genuine")
    expect(told).to_contain_text("制作者要求不加")
    expect(told).to_contain_text("有，格式正确")


def test_a_server_that_wants_the_label_does_not_offer_to_leave_it_out(
    public_app: App, visit: Callable[..., Visitor]
) -> None:
    page = visit(public_app).open("/image")
    page.locator("button.label-wrap", has_text="选项").click()
    expect(page.locator("#fs-mouth")).to_be_visible()
    expect(page.locator("#fs-unlabelled")).to_have_count(0)


def test_the_history_finds_plays_retries_and_deletes(
    app: App, visitor: Visitor, portrait: Path, other_portrait: Path, no_face_video: Path
) -> None:
    finish(app, queue(app, portrait, no_face_video, "mountains.mp4"))
    finish(app, queue(app, portrait, other_portrait, "friend.jpg", "image"))
    page = visitor.open("/tasks")
    rows = page.locator(".fs-history li")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("在目标中没有找到人脸")
    expect(rows.nth(0).locator("time")).to_have_text(re.compile(r"\d{4}年\d{1,2}月\d{1,2}日 \d\d:\d\d"))

    page.locator("#fs-filter").get_by_label("已完成").check()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("friend.jpg")
    page.locator("#fs-filter").get_by_label("全部").check()
    expect(rows).to_have_count(2)
    page.locator("#fs-search textarea, #fs-search input").fill("mount")
    expect(rows).to_have_count(1)
    page.locator("#fs-search textarea, #fs-search input").fill("")
    expect(rows).to_have_count(2)

    rows.nth(0).get_by_role("button", name="查看").click()
    expect(page.locator(".fs-result[data-job] .fs-slider")).to_be_visible()
    rows.nth(1).get_by_role("button", name="重试").click()
    dialog = page.locator("dialog.fs-ask")
    expect(dialog).to_contain_text("每个人都已同意")
    dialog.get_by_role("button", name="我声明并开始").click()
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("失败", timeout=TASK_MS)

    rows.nth(1).get_by_role("button", name="删除").click()
    dialog.get_by_role("button", name="删除").click()
    expect(rows).to_have_count(2)
    assert "friend.jpg" not in [task["title"] for task in app.tasks()]


def test_tasks_are_told_apart_by_pictures_names_and_a_title_that_a_person_can_change(
    app: App, visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    job = finish(app, queue(app, portrait, other_portrait, "friend.jpg", "image"))
    page = visitor.open("/tasks")
    row, ended = page.locator(".fs-history li"), page.locator("#fs-finished li")
    names = f"{portrait.name} → friend.jpg"
    for place in (row, ended):
        expect(place).to_contain_text(names)
        for picture in place.locator(".fs-thumb").all():
            expect(picture).not_to_have_js_property("naturalWidth", 0)
        expect(place.locator(".fs-thumb")).to_have_count(2)
    row.get_by_role("button", name="改标题").click()
    page.keyboard.type("第二次")
    page.keyboard.press("Enter")
    for place in (row, ended):
        expect(place).to_contain_text("第二次")
        expect(place).to_contain_text(names)
    receipt = visitor.open(f"/receipt?job={job['id']}").locator(".fs-receipt")
    expect(receipt.locator("h1")).to_contain_text("第二次")
    expect(receipt.locator(".fs-files")).to_contain_text(names)
    with page.expect_download() as download:
        row.get_by_role("link", name="下载").click()
    assert download.value.suggested_filename.startswith(f"第二次-{portrait.stem}-swap-20")


@pytest.mark.parametrize(
    ("locale", "language", "button"),
    [
        ("zh-CN", "zh-CN", "开始视频换脸"),
        ("zh-HK", "zh-CN", "开始视频换脸"),
        ("zh-TW", "zh-CN", "开始视频换脸"),
        ("en-GB", "en", "Start the video swap"),
        ("de-DE", "en", "Start the video swap"),
    ],
)
def test_the_browser_chooses_the_language(
    many_visits: Callable[..., Page], locale: str, language: str, button: str
) -> None:
    page = many_visits("/video", locale=locale)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#fs-go")).to_have_text(button)
    page.locator("#fs-go").click()
    expected = "请先选择一张人脸图片。" if language == "zh-CN" else "Choose a face picture first."
    expect(page.locator("#fs-said")).to_have_text(expected)
    expect(page).to_have_title("视频换脸 · 换脸" if language == "zh-CN" else "Video face swap · FaceSwap")
    assert "__i18n__" not in page.content().split("window.gradio_config")[0]
    assert "translation_metadata" not in page.inner_text("body")


@pytest.mark.parametrize(("locale", "words"), [("zh-CN", "拖动可对比"), ("en-US", "Drag to compare")])
def test_the_start_page_shows_a_picture_before_and_after(
    app: App, visit: Callable[..., Visitor], locale: str, words: str
) -> None:
    page = visit(app, locale=locale).open("/")
    slider = page.get_by_role("slider", name=re.compile(words))
    expect(slider).to_be_in_viewport()
    pictures = page.locator(".fs-slider img")
    wait_until(
        lambda: pictures.evaluate_all("all => all.every((one) => one.naturalWidth === 400)"), "both are there"
    )
    slider.fill("20")
    assert page.locator(".fs-slider").evaluate("one => one.style.getPropertyValue('--at')") == "20%"


def test_an_open_tab_asks_once_a_second_and_a_hidden_one_not_at_all(visitor: Visitor) -> None:
    page = visitor.context.new_page()
    page.clock.install()
    asked: list[int] = []
    page.on("response", lambda got: asked.append(got.status) if "/api/tasks" in got.url else None)
    events: list[str] = []
    page.on("request", lambda sent: events.append(sent.url) if "/queue/join" in sent.url else None)
    page.goto(visitor.app.url + "/video")
    expect(page.locator("#fs-dock[data-active]")).to_be_visible()
    for _ in range(3):
        count = len(asked)
        page.clock.run_for(1_000)
        wait_until(lambda count=count: (page.title(), len(asked) > count)[1], "the tab asked again")
    assert asked[0] == 200
    assert set(asked[1:]) == {304}
    events.clear()
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    asked.clear()
    page.clock.run_for(10_000)
    assert (page.title(), asked) == (page.title(), [])
    assert events == []


@pytest.fixture
def busy_pages(
    app: App, many_visits: Callable[..., Page], portrait: Path, other_portrait: Path
) -> tuple[str, ...]:
    """Every page of the app, while tasks run and wait; /receipt shows a finished one with a long name."""
    name = "一个相当长的文件名 from the family holiday in summer.jpg"
    done = finish(app, queue(app, portrait, other_portrait, name, kind="image"))
    page = many_visits("/diagnostics")
    simulate(page, 600, 3)
    page.context.close()
    return *PAGES, f"/receipt?job={done['id']}"


def test_a_phone_shows_everything_without_scrolling_sideways(
    app: App, visit: Callable[..., Visitor], busy_pages: tuple[str, ...]
) -> None:
    visitor = visit(app, viewport=PHONE, has_touch=True)
    for path in busy_pages:
        page = visitor.open(path)
        expect(page.locator("#fs-body")).to_be_hidden()
        page.locator("#fs-pill").click()
        expect(page.locator("#fs-cancels button").last).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        box = page.locator("#fs-dock").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        page.evaluate("localStorage.clear()")  # Closed again, as on a first visit.
        page.close()


def test_the_panel_remembers_that_it_was_closed_and_is_seen_in_a_frame_that_grows(
    visitor: Visitor,
) -> None:
    page = visitor.open("/video")
    expect(page.locator("#fs-body")).to_be_visible()
    page.locator("#fs-pill").click()
    expect(page.locator("#fs-body")).to_be_hidden()
    page.add_init_script(
        "window.parentIFrame = { autoResize() {}, scrollTo() {}, sendMessage() {}, size() {}, "
        "getPageInfo: (tell) => tell({ scrollTop: 100, clientHeight: 400, offsetTop: 50 }) };"
    )
    page.goto(visitor.app.url + "/tasks")
    expect(page.locator("#fs-dock")).to_have_attribute("data-open", "false")
    expect(page.locator("#fs-dock")).to_have_css("bottom", f"{16 + 900 - 450}px")


@pytest.mark.parametrize(("locale", "scheme"), [("zh-CN", "light"), ("en-US", "dark")])
def test_no_page_has_a_serious_accessibility_finding_or_a_word_of_another_language(
    app: App, visit: Callable[..., Visitor], busy_pages: tuple[str, ...], locale: str, scheme: str
) -> None:
    visitor = visit(app, locale=locale, color_scheme=scheme)
    for path in busy_pages:
        page = visitor.open(path)
        # At least one: the simulated tasks may end before a slow machine has looked at every page.
        expect(page.locator("#fs-cancels button").last).to_be_visible()
        findings = Axe().run(page).response["violations"]
        words = re.sub(NAMES, "", page.title() + page.inner_text("body"))
        page.close()
        assert bool(re.search(r"[\u4e00-\u9fff]", words)) == (locale == "zh-CN"), f"{path}: {words}"
        serious = [finding for finding in findings if finding["impact"] in ("serious", "critical")]
        told = [(f["id"], [node["html"][:160] for node in f["nodes"]]) for f in serious]
        assert not told, f"{path}: {told}"


def test_a_task_that_is_over_before_the_panel_looks_is_told_and_shown_all_the_same(
    app: App, visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.page.route("**/api/tasks?*", lambda route: route.abort())
    page.start()
    finish(app, app.tasks()[0]["id"])
    page.page.unroute("**/api/tasks?*")
    expect(page.panel.toasts.filter(has_text="已完成")).to_have_count(1)
    expect(page.result.locator("img")).to_have_count(2)


def test_the_verify_page_tells_a_file_with_a_destroyed_signature_from_one_without_marks(
    visitor: Visitor, tmp_path: Path, no_face_picture: Path
) -> None:
    page = visitor.open("/verify")
    labelled = marked(tmp_path / "labelled.png", Marking(Label(), aigc_text("某某服务", "a-job")))
    page.locator("#fs-verify-file input[type=file]").set_input_files(labelled)
    shown = page.locator(".fs-verified")
    expect(shown).to_have_attribute("data-verdict", "stripped")
    expect(shown).to_contain_text("某某服务")
    expect(shown).to_contain_text(hashlib.sha256(labelled.read_bytes()).hexdigest())
    page.locator("#fs-verify-file input[type=file]").set_input_files(no_face_picture)
    expect(shown).to_have_attribute("data-verdict", "unmarked")
