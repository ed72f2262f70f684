"""Landlock, Linux's sandbox for files, by its three system calls: only what lies below some folders can be read.

Nothing can be written, made, removed or renamed anywhere; from later versions on no TCP connection is made, no abstract
socket reached and no other process signalled either. What was opened before stays open.

Interface: https://docs.kernel.org/userspace-api/landlock.html; the calls have the same numbers on all machines.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_ONLY, _PATH_BENEATH = 1, 1
_SET_NO_NEW_PRIVS = 38
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
# How many rights over files each version knows: 13 at first, then REFER, TRUNCATE and IOCTL_DEV.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP = 0b11  # BIND_TCP, CONNECT_TCP, from version 4
_SCOPES = 0b11  # ABSTRACT_UNIX_SOCKET, SIGNAL, from version 6


def confine(readable: Iterable[Path], loadable: Iterable[Path]) -> str | None:
    """Confine this process for good, which must have one thread alone; why it cannot be, or None.

    readable: folders and files that may be read. loadable: the same whose libraries may be loaded, too. One that is
    not there is passed over.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_ONLY))
    if version < 1:
        return f"not in this kernel ({os.strerror(ctypes.get_errno())})"
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    wanted = (rights, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    known = 1 if version < 4 else 2 if version < 6 else 3
    attributes = struct.pack(f"<{known}Q", *wanted[:known])
    rules = libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if rules < 0:
        return os.strerror(ctypes.get_errno())
    try:
        for path in readable:
            _allow(libc, rules, path, _READ_FILE | _READ_FOLDER)
        for path in loadable:
            _allow(libc, rules, path, _READ_FILE | _READ_FOLDER | _EXECUTE)
        if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(_RESTRICT, rules, ctypes.c_uint32(0)) != 0:
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(rules)
    return None


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what cannot be found needs no right
    try:
        # A file takes no right that is about a folder's entries.
        rights &= ~0 if path.is_dir() else ~_READ_FOLDER
        rule = struct.pack("<Qi", rights, descriptor)
        libc.syscall(_ADD, rules, ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(descriptor)
