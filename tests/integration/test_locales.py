"""Terminals that lack letters, and file names that are no text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceswap.folders import Folders
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.store import JobStore
from tests.factories import add_job

TITLE = "婚礼🎬.mp4"
LOCALES = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "ASCII": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "GBK": {"PYTHONIOENCODING": "gbk", "LANG": "zh_CN.GBK"},
    "Latin": {"PYTHONIOENCODING": "latin-1", "LANG": "de_DE.ISO-8859-1"},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_terminal_shows_what_it_can_and_programs_get_every_letter(tmp_path: Path, locale: str) -> None:
    store = JobStore(Folders(tmp_path).store)
    job = add_job(store, title=TITLE)
    store.close()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    code = (
        "import sys\nfrom faceswap.cli import main\n"
        f"main(['jobs']) or main(['jobs', '--json']) or sys.exit(main(['cancel', {job.id!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**kept, "FACESWAP_DATA_DIR": str(tmp_path), **LOCALES[locale]},
        capture_output=True,
        check=False,
    )
    encoding = LOCALES[locale].get("PYTHONIOENCODING", "utf-8")
    told, errors = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert (done.returncode, errors) == (0, "")
    shown, answer, _ = told.splitlines()
    assert ".mp4" in shown
    if locale in ("UTF-8", "GBK"):
        assert "婚礼" in shown
    assert [each["title"] for each in json.loads(answer)["data"]] == [TITLE]
    summary = (Folders(tmp_path).job(job.id) / "job.json").read_text(encoding="utf-8")
    assert json.loads(summary)["title"] == TITLE


def test_a_name_whose_bytes_are_no_utf_8_is_taken(
    landmark_model: Path, portrait: Path, tmp_path: Path
) -> None:
    """As the files of an archive that was packed on a Chinese Windows."""
    file = tmp_path / os.fsdecode("测试.png".encode("gbk"))
    file.write_bytes(portrait.read_bytes())
    with Service(Settings(data_dir=tmp_path / "data"), dispatch=False) as service:
        upload = service.upload(file)
        job = service.submit("single-image", upload, file, consent=True)
        assert (
            service.find_upload(upload.id).name == service.get(job.id).title == "\ufffd\ufffd\ufffd\ufffd.png"
        )
        assert json.dumps(service.get(job.id).public(), ensure_ascii=False).encode()
