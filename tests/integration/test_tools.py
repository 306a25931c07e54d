"""The tools for scripts and agents have names, types and documentation, and act for the owner only."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

from tests.browser.app import App
from tests.browser.tasks import finish
from tests.waiting import wait_until

NAMES = ["submit", "status", "cancel", "list"]
FIELDS = {
    "id", "status", "progress", "stage", "eta_s", "position", "title", "created_at", "error_code",
    "error_message", "result_url",
}  # fmt: skip


@pytest.fixture(scope="module")
def app(start_app: Callable[..., App]) -> App:
    """An app for several users, with MCP."""
    return start_app(FACESWAP_MULTI_USER="1", FACESWAP_MCP="1")


@pytest.fixture
def token(app: App) -> str:
    """The token of a new owner, who has no job."""
    return app.api.post("/api/session").json()["data"]["token"]


@pytest.fixture
def connect(app: App) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(**headers: str) -> Client:
        clients.append(Client(app.url, headers=headers, verbose=False, analytics_enabled=False))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Client], token: str) -> Client:
    return connect(Authorization=f"Bearer {token}")


def ended(client: Client, job_id: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        task = client.predict(job_id=job_id, api_name="/status")
        return task if task["status"] in ("completed", "failed") else None

    return wait_until(over, "the task is over", 60)


def test_only_these_tools_are_public_and_each_is_typed(app: App) -> None:
    for path in ("/gradio_api/info", "/gradio_api/info?all_endpoints=true"):
        described = app.api.get(path).json()
        assert sorted(described["named_endpoints"]) == sorted(f"/{name}" for name in NAMES)
        assert not described["unnamed_endpoints"]
    for name, endpoint in described["named_endpoints"].items():
        for parameter in endpoint["parameters"]:
            assert parameter["type"].get("type") in ("string", "boolean", "integer"), (name, parameter)
        (returned,) = endpoint["returns"]
        shape = returned["type"]["items"] if name == "/list" else returned["type"]
        assert set(shape["properties"]) == FIELDS
    listed = [
        event["api_name"]
        for event in app.api.get("/config").json()["dependencies"]
        if event["backend_fn"] and event["api_visibility"] != "private"
    ]
    assert sorted(listed) == sorted(NAMES)


def test_a_script_swaps_follows_lists_and_fetches(
    app: App, client: Client, portrait: Path, other_portrait: Path
) -> None:
    task = client.predict(
        source=handle_file(portrait), target=handle_file(other_portrait), consent=True, api_name="/submit"
    )
    assert set(task) == FIELDS
    assert task["status"] in ("pending", "processing")
    done = ended(client, task["id"])
    assert (done["status"], done["progress"], done["error_code"]) == ("completed", 100, None)
    assert client.predict(api_name="/list") == [done]
    assert client.predict(live=True, api_name="/list") == []
    assert app.api.get(done["result_url"]).content.startswith(b"\x89PNG")
    assert not list(app.temporary.rglob("*.png")), "no copy of a face stays with Gradio"
    assert not list(app.temporary.rglob("*.jpg"))


def test_a_script_cancels_what_it_submitted_by_file_ids(
    app: App, client: Client, token: str, portrait: Path, occluded_video: Path
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    source, target = (
        app.api.post("/api/upload", files={"file": (path.name, path.read_bytes())}, headers=headers).json()[
            "data"
        ]["fileId"]
        for path in (portrait, occluded_video)
    )
    task = client.predict(source=source, target=target, consent=True, quality_percent=50, api_name="/submit")
    cancelled = client.predict(job_id=task["id"], api_name="/cancel")
    assert (cancelled["status"], cancelled["error_code"]) == ("failed", "cancelled")
    assert cancelled["error_message"] == "任务已被用户取消"
    with pytest.raises(AppError, match="Job already failed"):
        client.predict(job_id=task["id"], api_name="/cancel")


def test_the_same_picture_may_be_both(client: Client, portrait: Path) -> None:
    both = handle_file(portrait)
    task = client.predict(source=both, target=both, consent=True, api_name="/submit")
    assert ended(client, task["id"])["status"] == "completed"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"consent": False}, "State that everyone shown"),
        ({"consent": "yes"}, "State that everyone shown"),
        ({"quality_percent": 0}, "quality_percent is 1 to 100"),
        ({"source": "A" * 22}, "File not found"),
        ({"source": None}, "File not found"),
        ({"source": {"path": "/etc/passwd", "meta": {"_type": "other"}}}, "File not found"),
        ({"source": ["a", "list"]}, "File not found"),
    ],
)
def test_what_cannot_be_swapped_is_told_and_queues_nothing(
    client: Client, portrait: Path, changes: dict[str, Any], told: str
) -> None:
    given = {"source": handle_file(portrait), "target": handle_file(portrait), "consent": True, **changes}
    with pytest.raises(AppError, match=told):
        client.predict(**given, api_name="/submit")
    assert client.predict(api_name="/list") == []


def test_a_file_of_the_server_is_no_source(app: App, token: str, portrait: Path) -> None:
    """The tool is called over plain HTTP, where no client replaces the path by an upload."""
    for path in (portrait, app.data_dir / "server.key", app.temporary / ".." / "server.key"):
        sent = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        answer = app.api.post("/gradio_api/run/submit", json={"data": [sent, sent, True, False, 80, token]})
        assert not answer.is_success
        assert path.name not in answer.text
    assert app.api.get("/api/tasks", headers={"Authorization": f"Bearer {token}"}).json()["data"] == []
    assert (app.data_dir / "server.key").exists()


def test_another_owners_task_is_as_unknown_as_none(
    app: App, client: Client, connect: Callable[..., Client], portrait: Path
) -> None:
    task = client.predict(
        source=handle_file(portrait), target=handle_file(portrait), consent=True, api_name="/submit"
    )
    other: str = app.api.post("/api/session").json()["data"]["token"]
    stranger = connect()
    for name in ("/status", "/cancel"):
        with pytest.raises(AppError, match="Job not found"):
            stranger.predict(job_id=task["id"], token=other, api_name=name)
        for nobody in ("", "local", other[:-1]):
            with pytest.raises(httpx.HTTPStatusError, match="401"):
                stranger.predict(job_id=task["id"], token=nobody, api_name=name)
    assert stranger.predict(token=other, api_name="/list") == []
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        stranger.predict(api_name="/list")
    assert ended(client, task["id"])["status"] == "completed"


@asynccontextmanager
async def agent(app: App, **headers: str) -> Any:
    address = f"{app.url}/gradio_api/mcp/"
    async with (
        httpx.AsyncClient(headers=headers, trust_env=False) as http,
        streamable_http_client(address, http_client=http) as (received, sent, _),
        ClientSession(received, sent) as session,
    ):
        await session.initialize()
        yield session


def said(result: Any) -> Any:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return ast.literal_eval(content.text)


def test_an_agent_finds_and_uses_the_tools_over_mcp(
    app: App, token: str, portrait: Path, other_portrait: Path
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    files = [
        app.api.post("/api/upload", files={"file": (path.name, path.read_bytes())}, headers=headers).json()[
            "data"
        ]["fileId"]
        for path in (portrait, other_portrait)
    ]

    async def work() -> str:
        async with agent(app, **headers) as session:
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert sorted(tools) == sorted(NAMES)
            for tool in tools.values():
                assert tool.description
                assert all(each["description"] for each in tool.inputSchema["properties"].values())
            assert tools["submit"].inputSchema["required"] == ["source", "target", "consent"]
            call = {"source": files[0], "target": files[1], "consent": True}
            task = said(await session.call_tool("submit", call))
            assert said(await session.call_tool("status", {"job_id": task["id"]}))["id"] == task["id"]
            assert [each["id"] for each in said(await session.call_tool("list", {}))] == [task["id"]]
            unknown = await session.call_tool("cancel", {"job_id": "of-nobody"})
            assert unknown.isError
            assert "Job not found" in unknown.content[0].text
        async with agent(app) as stranger:
            refused = await stranger.call_tool("list", {})
            assert refused.isError
            assert "Your session is missing" in refused.content[0].text
        return task["id"]

    job_id = asyncio.run(work())
    app.api.headers["Authorization"] = f"Bearer {token}"
    assert finish(app, job_id)["status"] == "completed"
    del app.api.headers["Authorization"]


def test_a_page_of_another_site_cannot_use_the_tools(app: App) -> None:
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    call = json.dumps({"data": [False, ""]})
    assert app.api.post("/gradio_api/run/list", content=call, headers=evil).status_code == 403
    assert app.api.post("/gradio_api/mcp/", content=call, headers=evil).status_code == 403
