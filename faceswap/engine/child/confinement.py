"""Takes rights away from the child process before it opens an untrusted file.

An attacker who takes over a decoder must find no other file to read and no network to send it to. On Linux,
Landlock lets the process read only the request's files and the installed programs, and write only to the
result's folder. A seccomp filter refuses every way to open a socket. Both need no privileges and cannot be
undone. This module makes the calls with ctypes, because the standard library has no binding for them.

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
"""Numbers of system calls. They are the same on every architecture."""
_RULE_PATH_BENEATH, _ASK_VERSION = 1, 1
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Maps Landlock's version to the number of file rights that it knows. Each of them is taken away unless a
rule allows it."""

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
    """Which restrictions apply on this machine."""

    files: bool
    """Whether Landlock limits the child to its own files."""
    network: bool
    """Whether seccomp stops the child from opening sockets."""


def available() -> Confinement:
    """Which restrictions this machine's kernel offers. Changes nothing, so any process may call it."""
    if sys.platform != "linux":
        return Confinement(files=False, network=False)
    filters = _libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    return Confinement(
        files=_landlock_version() > 0,
        network=filters == -1 and ctypes.get_errno() == errno.EFAULT and platform.machine() in _MACHINES,
    )


def lower_priority() -> None:
    """Give this process the scheduling class for batch work. The app's threads then run as soon as they wake,
    and the decoder waits for them. Over a longer time both get the same share of the processor, so a swap
    takes no longer. Source: sched(7), SCHED_BATCH.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def confine(readable: Iterable[Path], written: Iterable[Path]) -> Confinement:
    """Limit this process for the rest of its life to what it needs. Returns which restrictions now apply.

    The process can still read the files and folders in `readable`, and write to the folders of the files in
    `written`. Call it before the process starts another thread, because Landlock and seccomp restrict only
    the calling thread and the threads that it starts later.
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
    """Landlock's version. 0 if the kernel has no Landlock or Landlock is switched off."""
    return max(0, _libc().syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))


def _installed() -> list[Path]:
    """The folders of Python, this package and the libraries, and the system files that they read."""
    python = (sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), *sys.path)
    home = Path(__file__).parents[2]
    places = (*python, *_SYSTEM, *_SYSTEM_FACTS, *_library_folders())
    return [home, *(Path(place) for place in places if place)]


def _library_folders() -> set[str]:
    """The folders of the libraries that this process has loaded. Other libraries of the same installation are
    in the same folders."""
    with contextlib.suppress(OSError):
        lines = os.fsdecode(Path("/proc/self/maps").read_bytes()).splitlines()
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
    """Add a rule that allows `rights` on a path. A path that does not exist needs no rule, because opening it
    fails anyway."""
    with contextlib.suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not path.is_dir():
                rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
            libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
        finally:
            os.close(place)


_MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
"""For each machine: the kernel's audit number of its architecture, and the system call numbers of socket()
and io_uring_setup(). With io_uring a process can open sockets, too. Source: `linux/audit.h`,
`asm/unistd.h`."""
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_X32_BIT = 0x40000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def _forbid_sockets() -> bool:
    """Install a filter that makes socket() and io_uring_setup() fail with EACCES. System calls through the
    interface of another architecture fail, too. Returns whether the filter is installed."""
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
