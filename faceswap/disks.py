"""Finds out which file system a folder lies on. SQLite is safe on a local disk only.

On FUSE, NFS, 9P or CIFS a write may be acknowledged before it is stored, and a lock may hold on one machine
only: the store could lose jobs or be damaged.
"""

from __future__ import annotations

import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(r"fuse(\..*)?|nfs\d?|9p|cifs|smb\d?|smbfs")
"""Not `fuseblk`: that is a local disk behind a driver outside the kernel."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network or FUSE file system of `folder`, which need not exist; None for a local disk.

    Works on Linux. On other systems the answer is always None.

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
