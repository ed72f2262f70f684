"""Pieces of the repository's files, and of no other file of the server, whatever a door asks for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.update import LARGEST_REPOSITORY_FILE, ChunkStatus, UpdateRequest
from trainer.distribute.shelf import Shelf

BODY = bytes(range(256)) * 1_000
REQUEST = UpdateRequest(number=9, file="targets/heads/aa.x.zip", offset=0, length=65_536)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "repository"
    (made / "targets" / "heads").mkdir(parents=True)
    (made / "metadata").mkdir()
    (made / "targets" / "heads" / "aa.x.zip").write_bytes(BODY)
    (tmp_path / "root.pem").write_bytes(b"a key")
    return made


def test_pieces_put_together_are_the_file(folder: Path) -> None:
    shelf, got = Shelf(folder), bytearray()
    while len(got) < len(BODY):
        chunk = shelf.piece(replace(REQUEST, offset=len(got)))
        assert (chunk.status, chunk.number, chunk.total, chunk.offset) == (ChunkStatus.OK, 9, len(BODY), len(got))
        got += chunk.data
    assert bytes(got) == BODY


def test_beyond_the_end_there_is_nothing(folder: Path) -> None:
    chunk = Shelf(folder).piece(replace(REQUEST, offset=len(BODY) + 5))
    assert (chunk.status, chunk.total, chunk.data) == (ChunkStatus.OK, len(BODY), b"")
    assert chunk.from_json(chunk.to_json()) == chunk


def test_a_file_that_was_replaced_is_the_new_one_at_once(folder: Path) -> None:
    shelf = Shelf(folder)
    shelf.piece(REQUEST)
    (folder / "targets" / "heads" / "aa.x.zip").unlink()
    (folder / "targets" / "heads" / "aa.x.zip").write_bytes(b"new")
    assert shelf.piece(REQUEST).data == b"new"


@pytest.mark.parametrize("file", ["targets/heads/none.zip", "targets/none/x.zip", "metadata/7.root.json"])
def test_what_is_not_there_is_missing(folder: Path, file: str) -> None:
    assert Shelf(folder).piece(replace(REQUEST, file=file)).status is ChunkStatus.MISSING


# The contract lets none of these pass; the shelf does not count on it.
@pytest.mark.parametrize("file", ["../root.pem", "targets/../../root.pem", "/etc/passwd", "metadata/../../root.pem"])
def test_a_path_that_leads_out_gives_nothing(folder: Path, file: str) -> None:
    request = replace(REQUEST)
    object.__setattr__(request, "file", file)
    chunk = Shelf(folder).piece(request)
    assert (chunk.status, chunk.words) == (ChunkStatus.REFUSED, "not a file of the repository")


def test_a_link_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "targets" / "key.zip").symlink_to(folder.parent / "root.pem")
    (folder / "targets" / "out").symlink_to(folder.parent)
    for file in ("targets/key.zip", "targets/out/root.pem"):
        assert Shelf(folder).piece(replace(REQUEST, file=file)).status is ChunkStatus.REFUSED


def test_a_folder_a_pipe_and_a_huge_file_are_refused_and_none_is_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "targets" / "pipe.zip")
    with (folder / "targets" / "huge.zip").open("wb") as file:
        file.truncate(LARGEST_REPOSITORY_FILE + 1)
    for name in ("targets/heads", "targets/pipe.zip", "targets/huge.zip", "targets/heads/aa.x.zip/more"):
        assert Shelf(folder).piece(replace(REQUEST, file=name)).status is ChunkStatus.REFUSED, name


def test_the_repository_s_own_folder_may_be_a_link(folder: Path) -> None:
    link = folder.parent / "published"
    link.symlink_to(folder)
    assert Shelf(link).piece(REQUEST).data == BODY[:65_536]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_a_failure_and_may_be_asked_for_again(folder: Path) -> None:
    (folder / "targets" / "heads" / "aa.x.zip").chmod(0)
    assert Shelf(folder).piece(REQUEST).status is ChunkStatus.FAILED


def test_no_file_stays_open(folder: Path) -> None:
    shelf = Shelf(folder)
    (folder / "targets" / "key.zip").symlink_to(folder.parent / "root.pem")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for file in ("targets/heads/aa.x.zip", "targets/none.zip", "targets/key.zip", "targets/heads", "no/such"):
        for _ in range(20):
            shelf.piece(replace(REQUEST, file=file))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
