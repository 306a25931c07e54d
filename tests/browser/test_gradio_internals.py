"""What our scripts and styles know of Gradio beyond its documented interface still holds on a real page.

A failure here comes with a new Gradio: change `scripts/gradio.js` or `styles/gradio.css`.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, VideoPage, simulate

UNMATCHED = """(unmatched) => {
    const selectors = (rules) => [...rules].flatMap((rule) =>
        rule.selectorText ? rule.selectorText.split(/,(?![^(]*\\))/) : selectors(rule.cssRules));
    const sheet = [...document.styleSheets].find((each) => each.href?.endsWith("/styles/gradio.css"));
    const wanted = unmatched ?? [...new Set(selectors(sheet.cssRules).map((each) => each.trim()))];
    return wanted.filter((each) => !document.querySelector(each));
}"""
"""Those of `unmatched`, or of all selectors of gradio.css, that nothing on the page matches."""


def unmatched(page: Page, before: list[str] | None = None) -> list[str]:
    return page.evaluate(UNMATCHED, before)


def test_every_rule_about_gradios_elements_finds_one(visitor: Visitor, portrait: Path) -> None:
    page = visitor.open("/diagnostics")
    simulate(page, 60)
    expect(Panel(page).cancels).to_have_count(1)
    left = unmatched(page)
    form = VideoPage(visitor.open("/video"))
    form.choose("source", portrait)
    expect(form.card("source").locator(".fs-media")).to_be_visible()
    assert unmatched(form.page, left) == []


def test_the_page_stays_invisible_until_our_styles_are_there(visitor: Visitor) -> None:
    page = visitor.context.new_page()
    held: list[Route] = []
    page.route("**/styles/panel.css", lambda route: held.append(route))
    page.goto(f"{visitor.app.url}/verify", wait_until="commit")
    pill = page.locator("#fs-pill")
    expect(pill).to_be_attached()
    expect(pill).to_be_hidden()
    assert held
    for route in held:
        route.continue_()
    expect(pill).to_be_visible()
    expect(page.locator("#fs-dock")).to_have_css("position", "fixed")
