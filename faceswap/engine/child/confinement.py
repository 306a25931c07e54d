"""What the child process takes away from itself before it opens a file of a stranger.

An exploited decoder must find no other file to read and no network to send it to. On Linux, Landlock leaves
only the request's own files and the installed programs readable, and the result's folder writable. A
seccomp filter refuses every way to open a socket. Both need no privileges and cannot be undone. The calls are
made with ctypes because Python has no binding of its own.

Source: https://docs.kernel.org/userspace-api/landlock.html; seccomp(2), `linux/landlock.h`, `linux/filter.h`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import site
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of system calls, the same on every architecture."""
_RULE_PATH_BENEATH, _ASK_VERSION = 1, 1
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files the kernel knows; all of them are taken away."""

_SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/self",
)
_SYSTEM_FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds on this machine."""

    files: bool
    """The child reads and writes its own files only (Landlock)."""
    network: bool
    """The child opens no socket (seccomp)."""


def available() -> Confinement:
    """What this machine's kernel offers. Changes nothing; may be asked by any process."""
    if sys.platform != "linux":
        return Confinement(files=False, network=False)
    filters = _libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    return Confinement(
        files=_landlock_version() > 0,
        network=filters == -1 and ctypes.get_errno() == errno.EFAULT and platform.machine() in _MACHINES,
    )


def lower_priority() -> None:
    """Let the app's threads run as soon as they wake, before a decoder goes on. Over a longer time both get
    the same share of the processor, so a swap takes no longer. Source: sched(7), SCHED_BATCH.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def confine(readable: Iterable[Path], written: Iterable[Path]) -> Confinement:
    """Take everything away from this process but what it needs, for good; returns what holds now.

    `readable` files and folders can be read. Of `written` files the folders can be written. Call it before
    another thread exists: Landlock and seccomp restrict the thread that asks and those that it starts.
    """
    if sys.platform != "linux":
        return Confinement(files=False, network=False)
    if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Confinement(files=False, network=False)
    files = _restrict_files((*_installed(), *readable), {path.parent for path in written})
    return Confinement(files=files, network=_forbid_sockets())


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _landlock_version() -> int:
    """0 where the kernel has no Landlock, or it is switched off."""
    return max(0, _libc().syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))


def _installed() -> list[Path]:
    """Where Python, this package and the libraries lie, and what they read of the system."""
    python = (sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), *sys.path)
    home = Path(__file__).parents[2]
    places = (*python, *_SYSTEM, *_SYSTEM_FACTS, *_library_folders())
    return [home, *(Path(place) for place in places if place)]


def _library_folders() -> set[str]:
    """Of the libraries that are loaded already: others of the same installation lie beside them."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
        return {os.path.dirname(line.split(maxsplit=5)[5]) for line in lines if ".so" in line and "/" in line}  # noqa: PTH120
    return set()


def _restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    version = _landlock_version()
    if version == 0:
        return False
    handled = (1 << _RIGHTS_OF_VERSION[min(version, max(_RIGHTS_OF_VERSION))]) - 1
    libc = _libc()
    attributes = struct.pack("=Q", handled)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(libc, rules, path, (_READ | _EXECUTE) & handled)
        for path in writable:
            _allow(libc, rules, path, (_WRITE | _TRUNCATE) & handled)
        _allow(libc, rules, Path("/dev/null"), (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled)
        return libc.syscall(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    """A path that does not exist needs no rule: opening it fails anyway."""
    with contextlib.suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not path.is_dir():
                rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
            libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
        finally:
            os.close(place)


_MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
"""Architecture as the kernel audits it, and the numbers of socket() and io_uring_setup(), which can open
sockets, too. Source: `linux/audit.h`, `asm/unistd.h`."""
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_X32_BIT = 0x40000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def _forbid_sockets() -> bool:
    """Install a filter under which socket() and io_uring_setup() fail with EACCES, and so does every call of
    another architecture's interface."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    architecture, socket, io_uring_setup = known
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_IF_AT_LEAST, 3, 0, _X32_BIT),
        (_JUMP_IF_EQUAL, 2, 0, socket),
        (_JUMP_IF_EQUAL, 1, 0, io_uring_setup),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    return _libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0) == 0
