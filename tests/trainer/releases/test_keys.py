"""Key files: encrypted, private, found by their names, and clear words where one does not open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from securesystemslib.signer import CryptoSigner

from edge.errors import DoorwardError, RefusedError, SettingsError, StoreError
from trainer.releases.keys import KeyFolders, find_keys, key_names, new_signers, next_number, read_key, write_key
from trainer.releases.passphrases import Passphrases, at_terminal, read_descriptor, read_passphrase

SECRET = b"correct horse"


def written(folder: Path, name: str = "heads.pem", passphrase: bytes = SECRET) -> CryptoSigner:
    signer = CryptoSigner.generate_ed25519()
    write_key(folder / name, signer, passphrase)
    return signer


def test_a_key_is_encrypted_private_and_opens_with_its_passphrase(tmp_path: Path) -> None:
    signer = written(tmp_path / "keys")
    file = tmp_path / "keys" / "heads.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    opened = read_key(file, Passphrases([b"another one", SECRET]))
    assert opened.public_key.keyid == signer.public_key.keyid
    opened.public_key.verify_signature(opened.sign(b"text"), b"text")


def test_no_key_is_written_over_another(tmp_path: Path) -> None:
    written(tmp_path)
    before = (tmp_path / "heads.pem").read_bytes()
    with pytest.raises(RefusedError, match="a key is there already and is not replaced"):
        written(tmp_path)
    assert (tmp_path / "heads.pem").read_bytes() == before


def plain(file: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def another_kind(file: Path) -> None:
    key = generate_private_key(65537, 2048)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET)))


TROUBLES: dict[str, tuple[Callable[[Path], object], type[DoorwardError], str]] = {
    "readable by others": (lambda file: file.chmod(0o644), StoreError, "others may read this key; chmod 600"),
    "gone": (lambda file: file.unlink(), StoreError, "No such file or directory"),
    "empty": (lambda file: file.write_bytes(b""), StoreError, "is no key with a passphrase"),
    "without a passphrase": (plain, StoreError, "is no key with a passphrase"),
    "of another kind": (another_kind, StoreError, "is no Ed25519 key"),
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:90]), RefusedError, "the passphrase does not open it"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_key_file_with_something_wrong_is_told_in_one_line(tmp_path: Path, trouble: str) -> None:
    written(tmp_path)
    spoil, error, words = TROUBLES[trouble]
    spoil(tmp_path / "heads.pem")
    with pytest.raises(error, match=words) as caught:
        read_key(tmp_path / "heads.pem", Passphrases([SECRET]))
    assert str(caught.value).startswith(str(tmp_path / "heads.pem"))
    assert "\n" not in str(caught.value)


def test_a_wrong_passphrase_is_told_without_it(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(RefusedError, match="the passphrase does not open it") as caught:
        read_key(tmp_path / "heads.pem", Passphrases([b"wrong one"]))
    assert "wrong one" not in str(caught.value)


def test_keys_of_a_role_come_from_several_places(tmp_path: Path) -> None:
    safes = [tmp_path / str(number) for number in range(3)]
    signers = [written(safe, f"root-{number + 1}.pem") for number, safe in enumerate(safes)]
    ids = [signer.public_key.keyid for signer in signers]
    found = KeyFolders(safes, Passphrases([SECRET])).signers("root", ids, 2)
    assert [one.public_key.keyid for one in found] == ids[:2]
    with pytest.raises(RefusedError, match=r"root: 2 of its 3 keys must sign and 1 found in .*--keys"):
        KeyFolders(safes[:1], Passphrases([SECRET])).signers("root", ids, 2)
    with pytest.raises(RefusedError, match="0 found in no folder"):
        KeyFolders([], Passphrases()).signers("root", ids, 2)


def test_a_copy_of_a_key_is_no_second_key(tmp_path: Path) -> None:
    signer = written(tmp_path, "root-1.pem")
    (tmp_path / "root-2.pem").write_bytes((tmp_path / "root-1.pem").read_bytes())
    (tmp_path / "root-2.pem").chmod(0o600)
    with pytest.raises(RefusedError, match="1 found"):
        KeyFolders([tmp_path], Passphrases([SECRET])).signers("root", [signer.public_key.keyid, "other"], 2)


def test_only_files_that_are_called_so_are_keys(tmp_path: Path) -> None:
    for name in ("heads.pem", "heads-2.pem", "root-11.pem", "head.pem", "heads.pem.bak", "heads-.pem", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    keys = [(key.path.name, key.role) for key in find_keys([tmp_path, tmp_path / "none"])]
    assert sorted(keys) == [("heads-2.pem", "heads"), ("heads.pem", "heads"), ("root-11.pem", "root")]
    assert (next_number([tmp_path], "heads"), next_number([tmp_path], "root"), next_number([tmp_path], "targets")) == (
        3,
        12,
        1,
    )
    assert (key_names("heads", 1), key_names("heads", 1, 3), key_names("root", 2)) == (
        ["heads.pem"],
        ["heads-3.pem"],
        ["root-1.pem", "root-2.pem"],
    )


def test_every_role_has_keys_of_its_own() -> None:
    signers = new_signers()
    ids = [signer.public_key.keyid for some in signers.values() for signer in some]
    assert {role: len(some) for role, some in signers.items()} == {
        "root": 3,
        "targets": 1,
        "heads": 1,
        "snapshot": 1,
        "timestamp": 1,
    }
    assert len(set(ids)) == 7


def test_a_passphrase_is_a_private_file_s_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b"  correct horse \nsecond line\n")
    file.chmod(0o600)
    assert read_passphrase(file) == SECRET
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="others may read this passphrase; chmod 600"):
        read_passphrase(file)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_passphrase(file) == SECRET
    file.write_bytes(b"\n")
    with pytest.raises(SettingsError, match="its first line must be the passphrase, and is empty"):
        read_passphrase(file)
    with pytest.raises(SettingsError, match="No such file"):
        read_passphrase(tmp_path / "none")


def test_a_passphrase_comes_through_a_descriptor() -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET + b"\nmore")
    os.close(writing)
    assert read_descriptor(reading) == SECRET
    os.close(reading)
    with pytest.raises(SettingsError, match="Bad file descriptor"):
        read_descriptor(reading)


def test_a_new_passphrase_is_typed_twice_and_long_enough() -> None:
    def typing(*lines: str) -> Passphrases:
        left = iter(lines)
        return Passphrases(ask=lambda _words: next(left))

    assert typing("correct horse", "correct horse").new("keys") == SECRET
    with pytest.raises(RefusedError, match="the two passphrases differ"):
        typing("correct horse", "correct house").new("keys")
    with pytest.raises(RefusedError, match="8 characters at least"):
        typing("short", "short").new("keys")
    with pytest.raises(RefusedError, match="no passphrase; name a file with --passphrase-file"):
        Passphrases().new("keys")


def test_what_was_typed_once_is_tried_on_the_next_key(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(words: str) -> str:
        asked.append(words)
        return SECRET.decode()

    passphrases = Passphrases(ask=ask)
    for name in ("root-1.pem", "root-2.pem"):
        written(tmp_path, name)
        read_key(tmp_path / name, passphrases)
    assert asked == [f"passphrase of {tmp_path / 'root-1.pem'}: "]


def test_nobody_is_asked_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert at_terminal() is None
