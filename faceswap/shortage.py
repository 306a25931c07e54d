"""Tells errors that say nothing about a file or a task, because this machine ran short of something."""

from __future__ import annotations

import errno

_NUMBERS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})


def is_shortage(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that descriptors, memory or processes have run out.

    A full disk is not among them: it is an error of its own, `DiskFull`.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _NUMBERS):
            return True
        cause = cause.__cause__
    return False
