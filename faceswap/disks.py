"""Finds out which file system a folder is on, and why a folder cannot be used. SQLite is safe on a local disk
only.

FUSE, NFS, 9P and CIFS may confirm a write before it is stored, and may enforce a lock on one machine only. So
the store could lose jobs or be damaged there.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = re.compile(r"fuse(\..*)?|nfs\d?|9p|cifs|smb\d?|smbfs")
"""`fuseblk` is not matched: it is a local disk whose driver runs outside the kernel."""
_OCTAL = re.compile(r"\\([0-7]{3})")


_REASONS = {
    errno.EROFS: "it is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EEXIST: "it is no folder",
    errno.ENOTDIR: "it is no folder",
    errno.ENOENT: "it does not exist and cannot be made",
}


def why_unusable(error: OSError) -> str:
    """Return why a folder cannot be used, as half a sentence without its path."""
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network or FUSE file system that `folder` is on, or None for a local disk.

    The folder need not exist. On systems other than Linux the answer is always None.

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
        if place.is_relative_to(point) and len(point.parts) >= best:  # the later of two mounts is seen
            best, found = len(point.parts), after.split(" ")[0]
    return found if _NETWORK.fullmatch(found) else None
