"""What keeps the app from starting is told in one sentence, in the user's language, without a traceback."""

from __future__ import annotations

import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from faceswap.cli import main
from faceswap.errors import PortForbidden, UnsupportedMedia
from faceswap.private import private_file, private_folder
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.ui import places
from tests.ports import free_port

LANGUAGES = ("LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in LANGUAGES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FACESWAP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(free_port()))
    (tmp_path / "file").write_text("in the way", encoding="utf-8")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def told(capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    assert main(["serve"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.strip()


@pytest.mark.parametrize(
    ("name", "value", "code", "english", "chinese"),
    [
        (
            "FACESWAP_DATA_DIR",
            "{here}/file",
            1,
            "The data folder cannot be used: it is no folder. Choose another one with FACESWAP_DATA_DIR.",
            "数据目录不能使用：它不是目录。请用 FACESWAP_DATA_DIR 选择另一个目录。",
        ),
        (
            "GRADIO_SERVER_NAME",
            "no-such-host.invalid",
            1,
            "no-such-host.invalid is no name or address of this machine. "
            "Set GRADIO_SERVER_NAME to one, such as 127.0.0.1.",
            "no-such-host.invalid 不是本机的名称或地址。"
            "请把 GRADIO_SERVER_NAME 设为本机的名称或地址，例如 127.0.0.1。",
        ),
        (
            "GRADIO_SERVER_NAME",
            "203.0.113.7",  # RFC 5737: nobody's address
            1,
            "203.0.113.7 is no name or address of this machine. "
            "Set GRADIO_SERVER_NAME to one, such as 127.0.0.1.",
            "203.0.113.7 不是本机的名称或地址。"
            "请把 GRADIO_SERVER_NAME 设为本机的名称或地址，例如 127.0.0.1。",
        ),
        (
            "GRADIO_SERVER_PORT",
            "70000",
            2,
            "Setting GRADIO_SERVER_PORT: Input should be less than or equal to 65535.",
            "设置 GRADIO_SERVER_PORT 的值不能用：端口号应在 1 到 65535 之间。",
        ),
    ],
)
def test_the_cause_is_named_in_the_user_s_language(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    value: str,
    code: int,
    english: str,
    chinese: str,
) -> None:
    monkeypatch.setenv(name, value.format(here=tmp_path))
    assert told(capsys, code) == english
    monkeypatch.setenv("LANG", "zh_CN.GBK")
    assert told(capsys, code) == chinese
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert told(capsys, code) == english


def test_a_port_in_use_is_told_before_anything_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: int, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken))
    assert told(capsys) == (
        f"Port {taken} of 127.0.0.1 is in use. "
        "Stop the other program, or set GRADIO_SERVER_PORT to another port."
    )
    assert not (tmp_path / "data").exists()


def test_no_folder_for_temporary_files_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Python tries several folders and uses the first in which it can write."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "file")])
    assert told(capsys) == (
        "The folder for temporary files cannot be used: it does not exist and cannot be made. "
        "Choose another one with TMPDIR."
    )


def test_a_port_for_other_users_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortForbidden, match="This user may not use port 80"):
        places.require_address("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_an_address_of_this_machine_will_do(host: str) -> None:
    places.require_address(host, free_port())


@pytest.mark.parametrize("before", [None, "", "intranet.example,127.0.0.1"])
def test_requests_to_this_machine_go_round_a_proxy(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("NO_PROXY", "no_proxy"):
        if before is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, before)
    with HTTPServer(("localhost", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            places.reach_directly("localhost")
            for host in ("localhost", "127.0.0.1"):
                assert httpx.get(f"http://{host}:{server.server_port}/").status_code == 204
            with pytest.raises(httpx.ConnectError):
                httpx.get("http://elsewhere.example/")
        finally:
            server.shutdown()
            thread.join()


def modes(root: Path) -> dict[str, int]:
    names = ("uploads", "jobs", ".incoming", "jobs.sqlite3")
    return {name: stat.S_IMODE((root / name).stat().st_mode) for name in names}


PRIVATE = {"uploads": 0o700, "jobs": 0o700, ".incoming": 0o700, "jobs.sqlite3": 0o600}


def test_what_a_folder_that_was_open_to_all_contains_is_private(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(0o755)
    for _ in range(2):  # new, and again
        with Service(Settings(data_dir=root), dispatch=False) as service:
            with pytest.raises(UnsupportedMedia):
                service.upload(tmp_path / "file")
            service.cancel(service.simulate().id)
            for file in root.glob("jobs.sqlite3-[ws]*"):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert modes(root) == PRIVATE
        (root / "jobs.sqlite3").chmod(0o644)
        for name in ("jobs", "uploads"):
            (root / name).chmod(0o755)
    assert stat.S_IMODE(root.stat().st_mode) == 0o755, "the folder itself may have other uses"


def test_only_the_access_of_others_is_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_bytes(b"kept")
    file.chmod(0o464)
    private_file(file)
    private_folder(tmp_path / "new" / "folder")
    assert (stat.S_IMODE(file.stat().st_mode), file.read_bytes()) == (0o400, b"kept")
    assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) == 0o700
