from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.store.keys import (
    CREDENTIAL,
    DeviceKey,
    KeyPlace,
    PersonKey,
    SealError,
    bind,
    create_device_key,
    key_place,
    obtain_device_key,
    read_device_key,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_the_key_file_is_made_at_the_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    place = key_place(None, tmp_path / "state", {})
    key = obtain_device_key(place, store_exists=False)
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert obtain_device_key(place, store_exists=True).key_id == key.key_id


def test_two_keys_are_two_and_a_key_file_holds_all_of_one(tmp_path: Path) -> None:
    first = create_device_key(tmp_path / "first")
    second = create_device_key(tmp_path / "second")
    assert first.key_id != second.key_id
    sealed = first.wrap(person := PersonKey.generate(), "p_a")
    again = read_device_key(KeyPlace(tmp_path / "first", may_create=True, ours=True))
    assert again.unwrap(sealed, "p_a").secret == person.secret


def test_the_missing_key_of_a_store_is_an_error_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"device\.key: the key of an existing template store is missing: put"):
        obtain_device_key(key_place(None, tmp_path, {}), store_exists=True)
    assert list(tmp_path.iterdir()) == []


def test_a_key_given_by_path_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"mine\.key: the key file is not there"):
        obtain_device_key(key_place(tmp_path / "mine.key", tmp_path, {}), store_exists=False)
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "device.key").write_text("not a key")
    with pytest.raises(StoreError, match="never overwritten"):
        create_device_key(tmp_path / "device.key")
    assert (tmp_path / "device.key").read_text() == "not a key"


def test_the_key_comes_from_the_settings_before_credentials_before_the_state_directory(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert key_place(None, tmp_path, environ).path == tmp_path / "device.key"
    (credentials / CREDENTIAL).write_text(DeviceKey(bytes(32)).to_text())
    place = key_place(None, tmp_path, environ)
    assert (place.path, place.may_create) == (credentials / CREDENTIAL, False)
    assert key_place(tmp_path / "given", tmp_path, environ).path == tmp_path / "given"


def test_a_credential_may_show_group_bits_and_our_own_file_may_not(tmp_path: Path) -> None:
    path = tmp_path / CREDENTIAL
    path.write_text(DeviceKey(bytes(32)).to_text())
    path.chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert obtain_device_key(key_place(None, tmp_path, environ), store_exists=True).matches(DeviceKey(bytes(32)).key_id)
    with pytest.raises(StoreError, match=r"other users can read the key \(mode 0440\): run chmod 600"):
        obtain_device_key(key_place(path, tmp_path, {}), store_exists=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"doorward-device-key-1",
        b"doorward-device-key-1 abcd",
        b"doorward-device-key-2 " + b"00" * 32,
        b"doorward-device-key-1 " + b"zz" * 32,
        DeviceKey(bytes(32)).to_text().encode()[:-3],
        b"\xff" * 90,
        b"x" * 5000,
    ],
)
def test_a_damaged_key_file_is_refused_by_name_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=r"device\.key: not a key file") as caught:
        obtain_device_key(key_place(None, tmp_path, {}), store_exists=True)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_key_that_is_a_directory_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "device.key").mkdir()
    with pytest.raises(StoreError, match=r"device\.key: cannot read the key file"):
        obtain_device_key(key_place(None, tmp_path, {}), store_exists=True)


@given(st.binary(max_size=300), TEXTS, TEXTS, TEXTS)
def test_what_is_sealed_opens_in_its_place(plain: bytes, person: str, row: str, column: str) -> None:
    key = PersonKey(bytes(32))
    sealed = key.seal(plain, bind(person, row, column))
    assert key.open(sealed, bind(person, row, column)) == plain
    assert plain not in sealed or len(plain) < 4


@given(st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS))
def test_two_places_never_share_a_binding(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (bind(*one) == bind(*other)) == (one == other)


def test_places_that_look_alike_have_bindings_of_their_own() -> None:
    alike = [
        ("a", "b", "c"),
        ("a", "b", "d"),
        ("a", "c", "c"),
        ("b", "b", "c"),
        ("ab", "", "c"),
        ("a", "bc", ""),
        ("abc", "", ""),
    ]
    assert len({bind(*place) for place in alike}) == len(alike)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_sealed_value_with_one_byte_changed_does_not_open(where: int, change: int) -> None:
    key, place = PersonKey(bytes(32)), bind("p", "r", "c")
    sealed = bytearray(key.seal(b"twenty bytes of text", place))
    sealed[where % len(sealed)] ^= change
    with pytest.raises(SealError):
        key.open(bytes(sealed), place)


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_cut_wrapped_key_does_not_open(length: int) -> None:
    key = DeviceKey(bytes(32))
    with pytest.raises(SealError):
        key.unwrap(key.wrap(PersonKey.generate(), "p_a")[:length], "p_a")


def test_a_wrapped_key_opens_for_its_person_and_under_its_device_key_alone() -> None:
    key = DeviceKey(bytes(32))
    wrapped = key.wrap(PersonKey.generate(), "p_a")
    for other, person in ((key, "p_b"), (DeviceKey(bytes(31) + b"\1"), "p_a")):
        with pytest.raises(SealError):
            other.unwrap(wrapped, person)


def test_the_same_text_is_sealed_otherwise_each_time() -> None:
    key = PersonKey(bytes(32))
    assert len({key.seal(b"same", b"place") for _ in range(100)}) == 100


def test_keys_do_not_print_themselves() -> None:
    secret = bytes(range(32))
    shown = repr(DeviceKey(secret)) + repr(PersonKey(secret)) + str(DeviceKey(secret))
    assert secret.hex()[:8] not in shown
    assert "\\x01" not in shown
