"""Which file system a folder lies on: SQLite's locks and writes hold on a local disk only.

Over FUSE, NFS, 9P or CIFS a write may be acknowledged before it is anywhere, and a lock may bind one machine
only: the store would lose jobs, or be damaged.
"""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(r"fuse(\..*)?|nfs\d?|9p|cifs|smb\d?|smbfs")
"""Not `fuseblk`: that is a local disk behind a driver outside the kernel."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network or FUSE file system that `folder` is or would be on; None for a local disk.

    Linux only: elsewhere nothing is known, and the answer is None.

    Source: proc(5), mountinfo: `36 35 98:0 /root /mount/point options - type source options`.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = folder.resolve()
    best, found = -1, ""
    for line in lines:
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if place.is_relative_to(point) and len(point.parts) >= best:  # of two on one point the later is seen
            best, found = len(point.parts), after.split(" ")[0]
    return found if _NETWORK.fullmatch(found) else None
