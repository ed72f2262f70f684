"""Numbers of the system calls that the self-test's process has no business with, on the three kinds of machine.

A list of what is denied, and not of what is allowed: what a C library calls for memory, time and threads differs from
one version to the next, and none of that does harm. A call that is newer than `NEWEST` is denied too, whatever it is.

Columns: name, x86-64, aarch64, arm; `-` where there is none. From Linux: arch/x86/entry/syscalls/syscall_64.tbl,
scripts/syscall.tbl (include/uapi/asm-generic/unistd.h), arch/arm/tools/syscall.tbl.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Machine: TypeAlias = Literal["x86_64", "aarch64", "arm"]

NEWEST = 467  # open_tree_attr, of Linux 6.15

_NETWORK = """
socket 41 198 281
socketpair 53 199 288
bind 49 200 282
connect 42 203 283
listen 50 201 284
accept 43 202 285
accept4 288 242 366
send - - 289
sendto 44 206 290
sendmsg 46 211 296
sendmmsg 307 269 374
"""
_PROCESSES = """
execve 59 221 11
execveat 322 281 387
fork 57 - 2
vfork 58 - 190
clone 56 220 120
clone3 435 435 435
ptrace 101 117 26
kill 62 129 37
tkill 200 130 238
rt_sigqueueinfo 129 138 178
rt_tgsigqueueinfo 297 240 363
pidfd_send_signal 424 424 424
pidfd_open 434 434 434
pidfd_getfd 438 438 438
process_vm_readv 310 270 376
process_vm_writev 311 271 377
process_madvise 440 440 440
kcmp 312 272 378
migrate_pages 256 238 400
move_pages 279 239 344
setpriority 141 140 97
ioprio_set 251 30 314
sched_setaffinity 203 122 241
sched_setscheduler 144 119 156
sched_setparam 142 118 154
sched_setattr 314 274 380
"""
_FILES = """
creat 85 - 8
truncate 76 45 92
truncate64 - - 193
rename 82 - 38
renameat 264 38 329
renameat2 316 276 382
mkdir 83 - 39
mkdirat 258 34 323
rmdir 84 - 40
unlink 87 - 10
unlinkat 263 35 328
link 86 - 9
linkat 265 37 330
symlink 88 - 83
symlinkat 266 36 331
mknod 133 - 14
mknodat 259 33 324
chmod 90 - 15
fchmod 91 52 94
fchmodat 268 53 333
fchmodat2 452 452 452
chown 92 - 182
fchown 93 55 95
lchown 94 - 16
fchownat 260 54 325
chown32 - - 212
fchown32 - - 207
lchown32 - - 198
utime 132 - -
utimes 235 - 269
utimensat 280 88 348
futimesat 261 - 326
setxattr 188 5 226
lsetxattr 189 6 227
fsetxattr 190 7 228
removexattr 197 14 235
lremovexattr 198 15 236
fremovexattr 199 16 237
setxattrat 463 463 463
removexattrat 466 466 466
openat2 437 437 437
name_to_handle_at 303 - 370
open_by_handle_at 304 - 371
memfd_create 319 279 385
utimensat_time64 - - 412
"""
_KERNEL = """
mount 165 40 21
umount2 166 39 52
pivot_root 155 41 218
chroot 161 51 61
setns 308 268 375
unshare 272 97 337
mount_setattr 442 442 442
open_tree 428 428 428
move_mount 429 429 429
fsopen 430 430 430
fsconfig 431 431 431
fsmount 432 432 432
fspick 433 433 433
bpf 321 280 386
perf_event_open 298 241 364
io_uring_setup 425 425 425
io_uring_enter 426 426 426
io_uring_register 427 427 427
io_setup 206 0 243
userfaultfd 323 282 388
fanotify_init 300 262 367
keyctl 250 219 311
add_key 248 217 309
request_key 249 218 310
init_module 175 105 128
finit_module 313 273 379
delete_module 176 106 129
kexec_load 246 104 347
kexec_file_load 320 294 401
reboot 169 142 88
swapon 167 224 87
swapoff 168 225 115
sethostname 170 161 74
setdomainname 171 162 121
syslog 103 116 103
acct 163 89 51
quotactl 179 60 131
quotactl_fd 443 443 443
settimeofday 164 170 79
clock_settime 227 112 262
adjtimex 159 171 124
clock_adjtime 305 266 372
iopl 172 - -
ioperm 173 - -
personality 135 92 136
clock_settime64 - - 404
clock_adjtime64 - - 405
"""
_IPC = """
shmget 29 194 307
shmat 30 196 305
msgget 68 186 303
msgsnd 69 189 301
msgrcv 70 188 302
semget 64 190 299
semop 65 193 298
mq_open 240 180 274
mq_unlink 241 181 275
"""
_ARGUMENTS = """
open 2 - 5
openat 257 56 322
tgkill 234 131 268
prlimit64 302 261 369
"""


@dataclass(frozen=True, slots=True)
class Calls:
    """Of one kind of machine. arch: as seccomp's filters see it (`linux/audit.h`).

    denied: by name. looked_at: those whose arguments decide. own_from: where the machine's own calls begin, which are
    no more than flushing caches and the like; None where it has none.
    """

    arch: int
    denied: Mapping[str, int]
    looked_at: Mapping[str, int]
    own_from: int | None


def machine_here() -> Machine | None:
    """Which this process is of; a 32-bit program on a 64-bit kernel is of the former. None: not known here."""
    name, bits = platform.machine(), struct.calcsize("P") * 8
    if name in ("x86_64", "AMD64"):
        return "x86_64" if bits == 64 else None
    if name == "aarch64":
        return "aarch64" if bits == 64 else "arm"
    return "arm" if name.startswith("arm") else None


def calls_of(machine: Machine) -> Calls:
    """The numbers of a kind of machine."""
    arch, own_from = _ARCHES[machine]
    column = list(_ARCHES).index(machine)
    denied = {name: n for table in (_NETWORK, _PROCESSES, _FILES, _KERNEL, _IPC) for name, n in _rows(table, column)}
    return Calls(arch, MappingProxyType(denied), MappingProxyType(dict(_rows(_ARGUMENTS, column))), own_from)


def _rows(table: str, column: int) -> list[tuple[str, int]]:
    rows = [line.split() for line in table.strip().splitlines()]
    return [(name, int(numbers[column])) for name, *numbers in rows if numbers[column] != "-"]


_ARCHES: Mapping[Machine, tuple[int, int | None]] = {
    "x86_64": (0xC000003E, None),
    "aarch64": (0xC00000B7, None),
    "arm": (0x40000028, 0x0F0000),
}
