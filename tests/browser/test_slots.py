"""The slots take a file that is chosen, dropped or pasted, and an upload can be stopped."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import VideoPage

GIVE = """([selector, kind, files]) => {
    const given = new DataTransfer();
    for (const [name, type, data] of files) {
        given.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
    }
    const options = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...options, clipboardData: given })
        : new DragEvent(kind, { ...options, dataTransfer: given });
    return !document.querySelector(selector).dispatchEvent(event);
}"""
"""Sends an event with files to an element. Returns whether the page keeps the browser from opening them."""


def give(page: Page, kind: str, selector: str, *files: Path) -> bool:
    sent = [
        (file.name, mimetypes.guess_type(file)[0], base64.b64encode(file.read_bytes()).decode())
        for file in files
    ]
    return page.evaluate(GIVE, [selector, kind, sent])


def test_files_are_dropped_anywhere_and_pasted(
    visitor: Visitor, portrait: Path, other_portrait: Path, face_video: Path
) -> None:
    page = VideoPage(visitor.open("/video"))
    name = {role: page.card(role).locator(".fs-name") for role in ("source", "target")}
    assert give(page.page, "dragover", "body", face_video)
    assert give(page.page, "drop", "body", face_video, portrait)
    expect(name["source"]).to_have_text(portrait.name)
    expect(name["target"]).to_have_text(face_video.name)
    assert give(page.page, "drop", "#fs-source .fs-media", other_portrait)
    expect(name["source"]).to_have_text(other_portrait.name)
    assert give(page.page, "paste", "body", portrait)
    expect(name["source"]).to_have_text(portrait.name)
    expect(name["target"]).to_have_text(face_video.name)
    for role, kinds in (("source", "image/"), ("target", "video/")):
        assert kinds in (page.card(role).locator("input[type=file]").get_attribute("accept") or "")


def test_an_upload_tells_its_share_and_can_be_stopped(
    app: App, visit: Callable[..., Visitor], portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visit(app, locale="en-US").open("/image"))
    page.choose("source", portrait)
    expect(page.card("source").locator(".fs-media")).to_be_visible()
    held: list[Route] = []
    page.page.route("**/api/upload*", lambda route: held.append(route))
    page.choose("source", other_portrait)
    sending = page.card("source").locator(".fs-sending")
    expect(sending).to_contain_text("Uploading")
    sending.get_by_role("button", name="Cancel").click()
    expect(sending).to_be_hidden()
    expect(page.card("source").locator(".fs-name")).to_have_text(portrait.name)
    page.page.unroute("**/api/upload*")
    page.choose("source", other_portrait)
    expect(page.card("source").locator(".fs-name")).to_have_text(other_portrait.name)
    page.page.locator("#fs-source-clear").click()
    expect(page.card("source").locator(".fs-zone > [data-do=choose]")).to_be_focused()
