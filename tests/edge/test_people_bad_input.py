"""Bad input to the people's commands: one line on the error stream, the documented exit code, and nothing changed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.demo.story import PICTURES
from edge.errors import RefusedError, SettingsError, StoreError
from edge.store import archive_format
from edge.store.archive import export_people
from edge.store.archive_format import LARGEST_ARCHIVE, ScryptCost
from edge.store.keys import KeyPlace, obtain_device_key
from edge.store.templates import TemplateStore
from tests.fakes.templates import NOW, everything, memory_folder, outlines, picture, pictures

ROOT = Path(__file__).resolve().parents[2]
STORE, REFUSED = StoreError.exit_code, RefusedError.exit_code
PHRASE = "correct horse battery"
PATH_TRICKS = ["../../etc/passwd", "/dev/null", "..", "C:\\nul", "people.db", "'; DROP TABLE people; --", "%s%n", "-x"]


class Door:
    """A state folder in which Anna, Bea and two Carls live, with a snapshot; and its commands, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.settings = folder / "doorward.toml"
        self.settings.write_text('[store]\nfolder = "state"\n[mqtt]\nenabled = false\n', "utf-8")
        self.phrase = folder / "phrase"
        self.phrase.write_text(f"{PHRASE}\n", "utf-8")
        with self.store() as store:
            names = ("Anna", "Bea", "Carl", "Carl")
            added = [store.add_person(name, pictures(n), wall_s=NOW, verified=True) for n, name in enumerate(names)]
            store.snapshot()
        self.carls = [person.id for person in added if person.name == "Carl"]

    @property
    def key(self) -> Path:
        return self.state / "device.key"

    @property
    def database(self) -> Path:
        return self.state / "people.db"

    def store(self) -> TemplateStore:
        there = self.database.exists()
        key = obtain_device_key(KeyPlace(self.key, may_create=True, ours=True), store_exists=there)
        return TemplateStore.open(self.database, key)

    def run(self, *words: str | Path) -> tuple[int, str, str]:
        """Exit code, output and errors of a command."""
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                code = main(["--settings", str(self.settings), *map(str, words)])
            except SystemExit as ended:  # the parser's way
                code = int(ended.code or 0)
        return code, out.getvalue(), errors.getvalue()

    def refused(self, code: int, *words: str | Path) -> str:
        """The one line of a command that is expected to fail, having changed nothing."""
        before, people = self.files(), self.people()
        found, out, errors = self.run(*words)
        assert self.files() == before
        assert self.people() == people
        assert (found, out) == (code, ""), errors
        return one_line(errors)

    def files(self) -> dict[Path, bytes]:
        """All that is kept; without the lock's process number, and SQLite's own two files, empty between commands.

        That a command opened the database for writing counts up a number in its header (file format, 1.3.9).
        """
        kept = {path: data for path, data in everything(self.folder).items() if path.suffix != ".lock"}
        for suffix in ("-wal", "-shm"):
            assert not kept.pop(self.state / f"people.db{suffix}", b"") or suffix == "-shm"
        if data := kept.get(self.database):
            kept[self.database] = data[:24] + data[28:92] + data[96:]
        return kept

    def people(self) -> object:
        """Everybody, where they can be read."""
        try:
            key = obtain_device_key(KeyPlace(self.key, may_create=False, ours=True), store_exists=True)
            with TemplateStore.open(self.database, key, exclusive=False) as store:
                return outlines(store.load())
        except StoreError as error:
            return str(error)

    def import_words(self, file: Path) -> tuple[str | Path, ...]:
        return "people", "import", file, "--passphrase-file", self.phrase


def one_line(errors: str) -> str:
    assert errors.startswith("doorward: "), errors
    assert errors.endswith("\n")
    assert errors.count("\n") == 1, errors
    assert errors.rstrip("\n").isprintable()
    return errors.removeprefix("doorward: ").rstrip("\n")


@pytest.fixture
def door() -> Iterator[Door]:
    with memory_folder() as folder:
        yield Door(folder)


@pytest.mark.parametrize("name", ["An\x07na", "An\nna", "An\tna", "\x1b[2Jred", "a\x9bb", "\x00", "a\u2028b\x7f"])
def test_a_name_with_control_characters_is_refused(door: Door, name: str) -> None:
    words = "a person's name may not hold control characters, line breaks or tabs"
    assert door.refused(REFUSED, "people", "rename", "Anna", name) == words
    assert door.refused(REFUSED, "enroll", name, PICTURES / "biden.jpg") == words


@pytest.mark.parametrize("name", ["x" * 10_000, "\u00e9" * 5_000, "x" * 65])
def test_a_name_of_ten_kilobytes_is_refused_by_its_length(door: Door, name: str) -> None:
    for words in (("people", "rename", "Anna", name), ("enroll", name, PICTURES / "biden.jpg")):
        line = door.refused(REFUSED, *words)
        assert line.startswith(f"name: must have 1 to 64 characters, found {len(name)}")
    line = door.refused(REFUSED, "people", "show", name * 2)
    assert line.startswith(f"person: must have 1 to 100 characters, found {2 * len(name)}")


@pytest.mark.parametrize("name", ["", "  ", "\u2003"])
def test_an_empty_name_is_refused(door: Door, name: str) -> None:
    assert "name" in door.refused(REFUSED, "people", "rename", "Anna", name)


def test_a_name_of_bytes_that_are_no_text_is_refused(door: Door) -> None:
    assert "half of a character" in door.refused(REFUSED, "people", "rename", "Anna", os.fsdecode(b"\xff\xfe"))


@pytest.mark.parametrize("name", PATH_TRICKS)
def test_a_name_that_looks_like_a_path_is_a_name_and_nothing_more(door: Door, name: str) -> None:
    outside = {path for path in door.folder.rglob("*") if path.name != "people.db.lock"}
    code, out, errors = door.run("people", "rename", "--", "Anna", name)
    assert (code, errors) == (0, "")
    assert name in out
    assert door.run("people", "erase", "--yes", "--", name)[0] == 0
    made = {path for path in door.folder.rglob("*") if path.name != "people.db.lock"} - outside
    ours = re.compile(r"receipts(/000001\.json)?|snapshots(/templates-\d+\.db)?")
    assert all(ours.fullmatch(str(path.relative_to(door.state))) for path in made)
    assert not any(path.name == Path(name).name for path in made)


def test_a_name_that_two_bear_asks_for_an_id_and_the_id_does(door: Door) -> None:
    for words in (("erase", "--yes", "Carl"), ("rename", "carl", "Karl"), ("merge", "Anna", "CARL"), ("show", "Carl")):
        line = door.refused(REFUSED, "people", *words)
        assert line.startswith("several are called '")
        assert line.endswith("; use an id")
        assert all(person in line for person in door.carls)
    assert door.run("people", "rename", door.carls[1], "Karl")[0] == 0
    assert door.run("people", "show", "Carl")[0] == 0


def test_a_person_is_given_a_name_that_is_taken_only_by_force(door: Door) -> None:
    assert "is called Anna already" in door.refused(REFUSED, "people", "rename", "Bea", "anna")
    code, out, _ = door.run("people", "rename", "Bea", "Anna", "--force")
    assert code == 0
    assert "Anna" in out
    assert "several" in door.refused(REFUSED, "people", "show", "Anna")


@pytest.mark.parametrize("who", ["Nobody", "p_aaaaaaaa", "../people.db", "*", "%", "a\nb"])
def test_somebody_who_is_not_there_is_told_as_nobody(door: Door, who: str) -> None:
    for verb in ("show", "confirm", "erase"):
        line = door.refused(REFUSED, "people", verb, *(["--yes"] if verb == "erase" else []), who)
        assert line == f"nobody is called {who!r}; `doorward people list` shows everybody"


def test_erasing_without_a_yes_erases_nobody_where_nobody_can_be_asked(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "say --yes" in door.refused(REFUSED, "people", "erase", "Anna")


def header(cost: tuple[int, int, int], *, version: int = 1) -> bytes:
    """The beginning of an archive with any costs, its hash in order."""
    head = archive_format._HEADER.pack(b"DOORWARD-PEOPLE\n", version, *cost, b"s" * 16, b"p" * 7, b"c" * 16)
    return head + hashlib.sha256(head).digest()[:8] + b"x" * 100


def archive(door: Door) -> Path:
    """An export of the door's people and of one who is not there."""
    with memory_folder() as other:
        key = obtain_device_key(KeyPlace(other / "device.key", may_create=True, ours=True), store_exists=False)
        with TemplateStore.open(other / "people.db", key) as store:
            store.add_person("Dora", [picture(7)], wall_s=NOW)
            export_people(store, door.folder / "export", PHRASE, wall_s=NOW, cost=ScryptCost(10, 1, 1))
    return door.folder / "export"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: b"", "not an export of people, or only its beginning"),
        (lambda data: bytes(100_000), "not an export of people, or only its beginning"),
        (lambda data: (PICTURES / "biden.jpg").read_bytes(), "not an export of people, or only its beginning"),
        (lambda data: data[:40], "not an export of people, or only its beginning"),
        (lambda data: data[:66], "its header is damaged: take another copy"),
        (lambda data: data[:100], "damaged or cut off at chunk 0: take another copy"),
        (lambda data: data[:-1], "damaged or cut off at chunk 0: take another copy"),
        (lambda data: data + b"x", "damaged or cut off at chunk 0: take another copy"),
        (lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:], "damaged or cut off at chunk 0: take another"),
        (lambda data: header((16, 8, 2), version=2), "form 2 is not known here, only 1: a newer Doorward made it"),
    ],
)
def test_an_archive_that_is_cut_off_or_foreign_is_refused_by_its_own_name(
    door: Door, spoil: Callable[[bytes], bytes], words: str
) -> None:
    file = archive(door)
    file.write_bytes(spoil(file.read_bytes()))
    assert door.refused(STORE, *door.import_words(file)).startswith(f"{file}: {words}")


def test_a_whole_archive_is_taken_in_and_a_wrong_passphrase_is_told(door: Door) -> None:
    file = archive(door)
    door.phrase.write_text("incorrect horse battery\n", "utf-8")
    line = door.refused(REFUSED, *door.import_words(file))
    assert line == f"{file}: the passphrase is not the one that this export was made with"
    door.phrase.write_text(f"{PHRASE}\n", "utf-8")
    assert door.run(*door.import_words(file))[0] == 0
    assert door.run("people", "show", "Dora")[0] == 0


@pytest.mark.parametrize(
    "cost", [(63, 8, 1), (255, 65535, 65535), (22, 8, 1), (16, 65535, 1), (14, 8, 65535), (0, 0, 0)]
)
def test_an_archive_that_asks_for_absurd_memory_or_work_is_refused_before_either_is_spent(
    door: Door, monkeypatch: pytest.MonkeyPatch, cost: tuple[int, int, int]
) -> None:
    def spent(**_: object) -> None:
        raise AssertionError("scrypt was begun")

    monkeypatch.setattr(archive_format, "Scrypt", spent)
    file = door.folder / "export"
    file.write_bytes(header(cost))
    line = door.refused(STORE, *door.import_words(file))
    assert line == f"{file}: its key derivation {cost} is not one that is accepted"


def test_an_archive_that_is_larger_than_any_is_refused_by_its_size(door: Door) -> None:
    file = door.folder / "export"
    try:
        with file.open("wb") as sparse:
            sparse.truncate(LARGEST_ARCHIVE + 1)
        code, _, errors = door.run(*door.import_words(file))
    finally:
        file.unlink()
    assert code == STORE
    assert one_line(errors) == f"{file}: larger than 1024 MiB, so no export that can be taken in"


def test_a_source_without_end_is_no_archive_and_not_read_into_memory(door: Door) -> None:
    line = door.refused(STORE, *door.import_words(Path("/dev/zero")))
    assert line == "/dev/zero: not an export of people, or only its beginning"


def test_an_archive_from_a_pipe_is_told_the_way_out(door: Door) -> None:
    content = archive(door).read_bytes()
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    try:
        line = door.refused(STORE, *door.import_words(Path(f"/dev/fd/{read}")))
    finally:
        os.close(read)
    assert line == f"/dev/fd/{read}: a pipe, and an export is read twice: save it as a file first"


@pytest.mark.parametrize(
    ("file", "words"), [("none", "No such file or directory"), (".", "Is a directory"), ("x" * 300, "name too long")]
)
def test_an_archive_that_cannot_be_read_is_told_with_the_reason(door: Door, file: str, words: str) -> None:
    line = door.refused(STORE, *door.import_words(door.folder / file))
    assert line.startswith(f"{door.folder / file}: cannot be read: ")
    assert words in line


def test_an_export_never_overwrites_and_needs_a_passphrase_of_some_length(door: Door) -> None:
    taken = door.folder / "taken"
    taken.write_bytes(b"something")
    words = ("people", "export", taken, "--passphrase-file", door.phrase)
    assert "is there already" in door.refused(STORE, *words)
    door.phrase.write_text("short\n", "utf-8")
    words = ("people", "export", door.folder / "new", "--passphrase-file", door.phrase)
    assert "at least 10 characters" in door.refused(REFUSED, *words)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.unlink(), "no passphrase can be read: No such file or directory"),
        (lambda file: file.write_bytes(b""), "holds no passphrase; its first line must be one, as UTF-8"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "holds no passphrase; its first line must be one, as UTF-8"),
    ],
)
def test_a_file_without_a_passphrase_is_told_with_what_is_wrong(
    door: Door, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(door.phrase)
    export = ("people", "export", door.folder / "new", "--passphrase-file", door.phrase)
    assert door.refused(STORE, *export) == f"{door.phrase}: {words}"


def newer_schema(door: Door) -> None:
    with contextlib.closing(sqlite3.connect(door.database)) as connection, connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        connection.execute("PRAGMA user_version = 99")


def test_a_store_of_a_newer_schema_is_left_alone(door: Door) -> None:
    newer_schema(door)
    for words in (("list",), ("rename", "Anna", "Ann"), ("erase", "--yes", "Anna"), ("undo",)):
        line = door.refused(STORE, "people", *words)
        assert line.startswith(f"{door.database}: its schema is 99 and this Doorward knows up to ")
        assert line.endswith("install the newer Doorward again")


def spoil_key(content: bytes) -> Callable[[Path], None]:
    def act(key: Path) -> None:
        key.write_bytes(content)

    return act


def as_directory(key: Path) -> None:
    key.unlink()
    key.mkdir()


HEADER = b"doorward-device-key-1 "


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_key(HEADER + b"ab" * 31 + b"\n"), "not a key file (one line, "),
        (spoil_key(HEADER + b"ab" * 33 + b"\n"), "not a key file (one line, "),
        (spoil_key(HEADER + b"xy" * 32 + b"\n"), "not a key file (one line, "),
        (spoil_key(bytes(32)), "not a key file (one line, "),
        (spoil_key(b"\xff" * 5000), "not a key file (one line, "),
        (spoil_key(b""), "not a key file (one line, "),
        (as_directory, "cannot read the key file: Is a directory"),
        (Path.unlink, "the key of an existing template store is missing: put the key file back from a backup"),
        (lambda key: key.chmod(0o640), "other users can read the key (mode 0640): run chmod 600 on it"),
        (lambda key: key.chmod(0o604), "other users can read the key (mode 0604): run chmod 600 on it"),
    ],
)
def test_a_key_that_is_none_or_open_to_others_is_refused_by_its_file(
    door: Door, spoil: Callable[[Path], None], words: str
) -> None:
    whole = door.key.read_bytes()
    spoil(door.key)
    for command in (
        ("list",),
        ("erase", "--yes", "Anna"),
        ("export", door.folder / "new", "--passphrase-file", door.phrase),
    ):
        assert door.refused(STORE, "people", *command).startswith(f"{door.key}: {words}")
    if door.key.is_dir():
        door.key.rmdir()
    door.key.write_bytes(whole)
    door.key.chmod(0o600)
    assert door.run("people", "show", "Anna")[0] == 0


def test_another_doors_key_opens_nothing_and_changes_nothing(door: Door) -> None:
    door.key.write_bytes(HEADER + b"ab" * 32 + b"\n")
    for command in (("list",), ("erase", "--yes", "Anna")):
        line = door.refused(STORE, "people", *command)
        assert line.endswith("give the right key file; nothing was changed")


def test_a_lost_key_is_not_made_anew_while_a_snapshot_needs_the_old_one(door: Door) -> None:
    key, database = door.key.read_bytes(), door.database
    door.key.unlink()
    database.unlink()
    assert "the key of an existing template store is missing" in door.refused(STORE, "people", "list")
    door.key.write_bytes(key)
    door.key.chmod(0o600)
    code, out, errors = door.run("people", "list")
    assert code == 0
    assert all(name in out for name in ("Anna", "Bea", "Carl"))
    assert "snapshot templates-00000001.db was restored" in errors


def test_a_state_folder_that_is_a_file_is_told(door: Door) -> None:
    door.settings.write_text(f'[store]\nfolder = "{door.phrase}"\n', "utf-8")
    assert door.refused(STORE, "people", "list").startswith(f"{door.phrase}: ")


def test_wrong_use_has_a_code_of_its_own(door: Door) -> None:
    assert door.run("people", "rename", "Anna")[0] == SettingsError.exit_code
    assert door.run("people", "frobnicate")[0] == SettingsError.exit_code


@pytest.mark.scenario
def test_a_user_sees_one_line_and_the_code_and_no_trace_of_calls(door: Door) -> None:
    """The same as whole processes, as a shell starts them."""
    file = archive(door)
    file.write_bytes(file.read_bytes()[:-1])
    cases: list[tuple[int, tuple[str | Path, ...]]] = [
        (REFUSED, ("people", "rename", "Anna", "a\x1b[31mb")),
        (REFUSED, ("people", "show", "Carl")),
        (STORE, door.import_words(file)),
    ]
    for code, words in cases:
        assert process(door, *words) == code
    newer_schema(door)
    assert process(door, "people", "list") == STORE
    door.key.chmod(0o644)
    assert process(door, "people", "list") == STORE


def process(door: Door, *words: str | Path) -> int:
    command = [sys.executable, "-m", "edge", "--settings", str(door.settings), *map(str, words)]
    before = door.files()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    one_line(done.stderr)
    assert done.stdout == ""
    assert door.files() == before
    return done.returncode
