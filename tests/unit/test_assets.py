"""The files that the pages load fit together, and no other file is served with them."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from faceswap.ui.assets import ENTRY, FOREVER, Assets, assets


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[assets().route()]))


def test_every_address_in_the_head_is_served_and_kept_forever(client: TestClient) -> None:
    addresses = re.findall(r'(?:href|data-entry)="\./([^"]+)"', assets().head())
    assert len(addresses) > 20
    for address in addresses:
        answer = client.get(f"/{address}")
        assert answer.status_code == 200, address
        assert answer.headers["Cache-Control"] == FOREVER
        expected = "text/css" if address.endswith(".css") else "text/javascript"
        assert answer.headers["Content-Type"].startswith(expected)


def test_the_head_is_small() -> None:
    """Scripts, styles and words are in separate files."""
    assert len(assets().head()) < 10_000


def test_scripts_import_only_what_is_served_beside_them() -> None:
    files = assets().files
    for name, content in files.items():
        if name.startswith("pictures/"):
            continue
        for imported in re.findall(r'^(?:import|export) .*? from "\./([^"]+)";$', content.decode(), re.M):
            assert f"scripts/{imported}" in files, f"{name} imports {imported}"


def test_the_page_waits_for_exactly_what_the_modules_export() -> None:
    files = assets().files
    doors = re.search(r"const DOORS = \[(.*?)\]", files["scripts/doors.js"].decode(), re.S)
    assert doors
    entry = files[ENTRY].decode()
    exported = re.findall(r"^export (?:async )?function (\w+)", entry, re.M)
    for names in re.findall(r"^export \{ (.*?) \} from", entry, re.M):
        exported += names.split(", ")
    assert sorted(re.findall(r'"(\w+)"', doors[1])) == sorted(exported)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_words_of_each_language_are_served_as_json(client: TestClient, language: str) -> None:
    words = client.get(f"/ui/{assets().version}/words/{language}.json").json()
    assert words["status"].keys() == {"pending", "processing", "completed", "failed"}
    assert words["words"]["tasks"] == ("任务" if language == "zh-CN" else "Tasks")


@pytest.mark.parametrize(
    "path",
    [
        "jsconfig.json",
        "scripts",
        "scripts/",
        "",
        "scripts/../jsconfig.json",
        "..%2fassets.py",
        "scripts/%2e%2e/%2e%2e/assets.py",
        "/etc/passwd",
        "words/de.json",
        "scripts/MAIN.js",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/ui/{assets().version}/{path}")
    assert (answer.status_code, answer.text) == (404, "Not found")


def test_another_version_is_not_answered_with_these_files(client: TestClient) -> None:
    assert client.get(f"/ui/0000000000000000/{ENTRY}").status_code == 404


def test_a_changed_file_has_another_address() -> None:
    before = Assets.of({"scripts/a.js": b"1", "scripts/b.js": b"2"})
    assert Assets.of({"scripts/a.js": b"1", "scripts/b.js": b"3"}).version != before.version
    assert Assets.of({"scripts/a.js": b"12", "scripts/b.js": b""}).version != before.version
    assert Assets.of({"scripts/b.js": b"2", "scripts/a.js": b"1"}).version == before.version
