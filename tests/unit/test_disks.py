"""The file systems on which the app opens a store, and those on which it does not."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from faceswap.disks import network_file_system
from faceswap.errors import NetworkDisk
from faceswap.service import Service
from faceswap.settings import Settings

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /data rw,nosuid shared:1 - fuse.hf-mount bucket rw
31 22 0:26 / /mnt/my\\040disk rw - nfs4 server:/export rw
32 31 254:1 / /mnt/my\\040disk/local rw - xfs /dev/vdb rw
33 22 0:27 / /mnt/c rw - 9p drvfs rw
34 22 0:28 / /mnt/share rw master:1 propagate_from:2 - cifs //server/share rw
35 22 8:1 / /media/usb rw - fuseblk /dev/sda1 rw
36 22 0:29 / /data-too rw - tmpfs tmpfs rw
37 22 0:30 / /over rw - ext4 /dev/vdc rw
38 22 0:31 / /over rw - fuse overlay rw
a line that is no mount
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("folder", "file_system"),
    [
        ("/home/user/data", None),
        ("/data", "fuse.hf-mount"),
        ("/data/deep/inside", "fuse.hf-mount"),
        ("/data-too/x", None),
        ("/mnt/my disk/x", "nfs4"),
        ("/mnt/my disk/local/x", None),
        ("/mnt/c/Users", "9p"),
        ("/mnt/share", "cifs"),
        ("/media/usb/data", None),
        ("/over/x", "fuse"),
    ],
)
def test_a_folder_is_judged_by_the_innermost_mount(
    mounts: Path, folder: str, file_system: str | None
) -> None:
    assert network_file_system(Path(folder), mounts) == file_system


def test_a_link_is_followed(mounts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/data/mine")
    assert network_file_system(tmp_path / "link", mounts) == "fuse.hf-mount"


def test_this_machine_agrees_with_its_own_tool(tmp_path: Path) -> None:
    told = subprocess.run(
        ["stat", "--file-system", "--format=%T", tmp_path], capture_output=True, text=True, check=True
    )
    remote = told.stdout.strip() in ("nfs", "v9fs", "cifs", "smb2", "fuse")
    assert (network_file_system(tmp_path) is not None) == remote


def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path) -> None:
    assert network_file_system(Path("/data"), tmp_path / "no such file") is None


def test_a_store_on_a_network_disk_is_refused_unless_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text(
        f"22 1 0:1 / / rw - ext4 a rw\n23 22 0:2 / {tmp_path} rw - fuse b rw\n"
    )
    told = partial(network_file_system, mounts=tmp_path / "mountinfo")
    monkeypatch.setattr("faceswap.wiring.network_file_system", told)
    with pytest.raises(NetworkDisk, match=r"fuse.*FACESWAP_DATA_DIR.*FACESWAP_SNAPSHOT_DIR"):
        Service(Settings(data_dir=tmp_path / "data"), dispatch=False)
    assert not (tmp_path / "data").exists()
    Service(Settings(data_dir=tmp_path / "data", allow_network_disk=True), dispatch=False).close()
    assert (tmp_path / "data" / "jobs.sqlite3").exists()
