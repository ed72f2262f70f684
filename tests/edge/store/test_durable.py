from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.store.durable import (
    FileLock,
    create_durably,
    leftovers,
    make_directory,
    shred,
    temporary_beside,
    write_durably,
)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_durably(path, b"old")
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_durably(tmp_path / "state", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        write_durably(target, b"a file cannot take a directory's place")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_creating_never_overwrites(tmp_path: Path) -> None:
    create_durably(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        create_durably(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    assert leftovers(tmp_path / "key") == []


def test_a_temporary_file_is_found_after_a_crash(tmp_path: Path) -> None:
    temporary = temporary_beside(tmp_path / "state")
    temporary.write_bytes(b"half")
    assert leftovers(tmp_path / "state") == [temporary]
    assert leftovers(tmp_path / "other") == []


def test_shredding_zeroes_the_bytes_that_another_name_still_shows(tmp_path: Path) -> None:
    path, other = tmp_path / "secret", tmp_path / "other name"
    path.write_bytes(b"secret" * 1000)
    os.link(path, other)
    shred(path)
    assert not path.exists()
    assert other.read_bytes() == bytes(6000)
    shred(path)


def test_a_made_directory_is_private_and_one_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "a").chmod(0o755)
    make_directory(tmp_path / "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


def test_a_lock_is_held_by_one_and_names_its_holder(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    assert second.holder == str(os.getpid())
    first.release()
    assert second.acquire()
    second.release()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = "import sys; from edge.store.durable import FileLock; from pathlib import Path\n"
    code += "lock = FileLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = FileLock(tmp_path / "lock")
        assert not lock.acquire()
        holder.kill()
        holder.wait()
    assert lock.acquire()
    lock.release()
