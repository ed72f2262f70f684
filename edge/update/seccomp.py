"""A seccomp filter for the self-test's process: what it has no business with fails with "operation not permitted".

No sockets, no other programs or processes, no signals to others, no changes of files, nothing of the kernel's. Files
may be opened for reading alone; which ones is Landlock's to say, which a filter of calls cannot.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edge.update.syscalls import NEWEST, Calls, calls_of, machine_here

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2  # linux/prctl.h
_LOAD, _IS, _ABOVE, _FROM, _ANY_OF, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000  # linux/seccomp.h
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_WRITES = 0o3 | 0o100 | 0o1000  # O_WRONLY or O_RDWR, O_CREAT, O_TRUNC: the same on all three machines

_INSTRUCTION = struct.Struct("<HBBI")


@dataclass(frozen=True, slots=True)
class _Step:
    """An instruction. yes, no: the labels to go to; "" is the next one. label: its own."""

    code: int
    value: int
    yes: str = ""
    no: str = ""
    label: str = ""


def deny() -> str | None:
    """Put the filter over this process for good, which must have one thread alone; why it cannot be had, or None."""
    machine = machine_here()
    if machine is None:
        return "this kind of machine is not known"
    program = assemble(calls_of(machine), os.getpid())
    count = len(program) // _INSTRUCTION.size
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: an unsigned short, padded to a pointer, and the pointer.
    header = ctypes.create_string_buffer(struct.pack("@HP", count, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    # Without it a filter needs to be root's, and a program that runs as its file's owner could shake it off.
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, None, 0, 0) != 0:
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    if libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(header), 0, 0) != 0:
        return os.strerror(ctypes.get_errno())
    return None


def assemble(calls: Calls, own_pid: int) -> bytes:
    """The filter as the kernel takes it. own_pid: the one process that may be signalled."""
    looked_at = calls.looked_at
    steps = [_Step(_LOAD, _ARCH), _Step(_IS, calls.arch, no="kill"), _Step(_LOAD, _NUMBER)]
    if calls.own_from is not None:
        steps.append(_Step(_FROM, calls.own_from, yes="allow"))
    steps.append(_Step(_ABOVE, NEWEST, yes="unknown"))
    steps += [_Step(_IS, number, yes=name) for name, number in looked_at.items()]
    steps += [_Step(_IS, number, yes="deny") for number in calls.denied.values()]
    steps.append(_Step(_RETURN, _ALLOW, label="allow"))
    if "open" in looked_at:
        steps += [_Step(_LOAD, _low_half(1), label="open"), _Step(_ANY_OF, _WRITES, yes="deny", no="fine")]
    steps += [_Step(_LOAD, _low_half(2), label="openat"), _Step(_ANY_OF, _WRITES, yes="deny", no="fine")]
    # A process that aborts signals itself.
    steps += [_Step(_LOAD, _low_half(0), label="tgkill"), _Step(_IS, own_pid, yes="fine", no="deny")]
    # Its own limits it may look at; another process's it could tighten.
    steps += [_Step(_LOAD, _low_half(0), label="prlimit64"), _Step(_IS, 0, yes="fine", no="deny")]
    steps += [_Step(_RETURN, _ALLOW, label="fine"), _Step(_RETURN, _ERRNO | errno.EPERM, label="deny")]
    steps += [_Step(_RETURN, _ERRNO | errno.ENOSYS, label="unknown"), _Step(_RETURN, _KILL, label="kill")]
    return b"".join(_INSTRUCTION.pack(*_resolved(steps, place)) for place in range(len(steps)))


def _low_half(argument: int) -> int:
    """Where the lower 32 bits of an argument are; all machines here are little-endian."""
    return _ARGUMENTS + 8 * argument


def _resolved(steps: Sequence[_Step], place: int) -> tuple[int, int, int, int]:
    step = steps[place]
    jumps = []
    for label in (step.yes, step.no):
        to = next(n for n, other in enumerate(steps) if other.label == label) if label else place + 1
        jumps.append(to - place - 1 if step.yes or step.no else 0)
    if not all(0 <= jump < 256 for jump in jumps):
        raise ValueError("the filter is too long for one jump")
    return step.code, jumps[0], jumps[1], step.value
