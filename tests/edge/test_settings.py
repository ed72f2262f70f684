"""The settings file: what it takes, what it refuses and in which words, and that no text makes it crash."""

from __future__ import annotations

import dataclasses
import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SettingsError
from edge.settings import Settings, load_settings
from edge.settings.load import SLICES, door_id_of, parse_settings
from edge.settings.schema import Setting, accept, rows
from edge.settings.text import example_toml, settings_markdown

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("/etc/doorward/test.toml")
TABLE = [row for section, slice_type in SLICES.items() for row in rows(section, slice_type)]


def problems_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, FILE)
    return str(caught.value).splitlines()


# --- where they come from


def test_without_any_file_there_are_defaults_with_an_id_from_the_host_name() -> None:
    settings = load_settings(environ={}, hostname="Front_Door.lan")
    assert settings.door.id == "front-door"
    assert settings.door.name == "front-door"
    assert settings.store.folder == Path("/var/lib/doorward")
    assert settings.source is None
    assert settings.camera == Settings().camera


def test_systemd_s_state_directory_is_the_state_folder() -> None:
    settings = load_settings(environ={"STATE_DIRECTORY": "/var/lib/private/doorward:/other"}, hostname="a")
    assert settings.store.folder == Path("/var/lib/private/doorward")


def test_a_named_file_comes_before_the_variable_s_file(tmp_path: Path) -> None:
    named, variable = tmp_path / "named.toml", tmp_path / "variable.toml"
    named.write_text("[camera]\nfps = 5\n")
    variable.write_text("[camera]\nfps = 7\n")
    environ = {"DOORWARD_SETTINGS": str(variable)}
    assert load_settings(named, environ=environ).camera.fps == 5.0
    assert load_settings(environ=environ).camera.fps == 7.0


def test_the_files_own_values_win_over_what_would_be_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[door]\nid = "back"\nname = "Back door"\n[store]\nfolder = "state"\n')
    settings = load_settings(file, environ={"STATE_DIRECTORY": "/elsewhere"}, hostname="host")
    assert (settings.door.id, settings.door.name) == ("back", "Back door")
    assert settings.store.folder == tmp_path / "state"
    assert settings.source == file


@pytest.mark.parametrize(
    ("hostname", "door_id"),
    [
        ("raspberrypi", "raspberrypi"),
        ("Tür", "t-r"),
        ("---", "door"),
        ("", "door"),
        ("x" * 80, "x" * 32),
        ("a" * 31 + "-b", "a" * 31),
    ],
)
def test_any_host_name_gives_a_valid_door_id(hostname: str, door_id: str) -> None:
    assert door_id_of(hostname) == door_id
    assert parse_settings(f'[door]\nid = "{door_id}"', FILE).door.id == door_id


# --- files that cannot be read


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(SettingsError, match=rf"^{missing}: no such file; name another with --settings"):
        load_settings(missing)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no regular file"):
        load_settings(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="is no regular file"):
        load_settings(tmp_path / "pipe")


def test_an_endless_device_is_refused() -> None:
    with pytest.raises(SettingsError, match="/dev/zero: is no regular file"):
        load_settings(Path("/dev/zero"))


def test_a_file_name_with_a_nul_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(Path("a\0b"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge.toml"
    file.write_bytes(b"#" * (256 * 1024 + 1))
    with pytest.raises(SettingsError, match="is larger than 256 KiB"):
        load_settings(file)


def test_a_file_in_another_encoding_is_refused_with_the_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes('[door]\nname = "Tür"\n'.encode("latin-1"))
    with pytest.raises(SettingsError, match="byte 16 is not UTF-8"):
        load_settings(file)


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mark.toml"
    file.write_text('[door]\nname = "Tür"\n', encoding="utf-8-sig")
    assert load_settings(file).door.name == "Tür"


def test_text_that_is_not_toml_is_refused_with_its_line() -> None:
    [line] = problems_of("[door]\nid == 3\n")
    assert line.startswith(f"{FILE}: not TOML: ")
    assert "line 2" in line


@pytest.mark.parametrize("text", ["a = " + "[" * 20000, "a = " + "9" * 5000, "a = 0x" + "f" * 5000])
def test_toml_that_breaks_the_parser_or_the_printer_is_refused_in_one_line(text: str) -> None:
    [line] = problems_of(text)
    assert len(line) < 200


# --- keys


def test_every_mistake_of_a_file_is_named_in_a_line_of_its_own() -> None:
    lines = problems_of('[camera]\nfps = 0\nwith = 640\nurl = ""\n[recogniton]\n[mqtt]\nport = "1883"\n')
    assert lines == [
        f"{FILE}: [recogniton]: unknown section; did you mean recognition?",
        f"{FILE}: [camera] fps: found 0, must be a number from 0.5 to 60 (1/s)",
        f"{FILE}: [camera] with: unknown key; did you mean width?",
        f'{FILE}: [camera] url: found "", must be text that is not empty',
        f'{FILE}: [mqtt] port: found "1883", must be a whole number from 1 to 65535',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[camera]\nwidth = true", "[camera] width: found true, must be a whole number from 160 to 3840 (px)"),
        ("[camera]\nwidth = 640.0", "[camera] width: found 640.0, must be a whole number from 160 to 3840 (px)"),
        ("[camera]\nfps = nan", "[camera] fps: found nan, must be a number from 0.5 to 60 (1/s)"),
        ("[camera]\nfps = inf", "[camera] fps: found inf, must be a number from 0.5 to 60 (1/s)"),
        ("[camera]\nrotate = 45", "[camera] rotate: found 45, must be one of 0, 90, 180, 270 (degrees)"),
        ("[mqtt]\nenabled = 1", "[mqtt] enabled: found 1, must be true or false"),
        ("[mqtt]\nprotocol = 5", '[mqtt] protocol: found 5, must be one of "5", "3.1.1"'),
        ("[mqtt]\nca_file = true", "[mqtt] ca_file: found true, must be a path"),
        ('[mqtt]\nca_file = ""', '[mqtt] ca_file: found "", must be a path'),
        ("[mqtt]\nhost = [1]", "[mqtt] host: found a list, must be a host name or an address"),
        ('[mqtt]\npassword = "x"', "[mqtt] password: unknown key; did you mean password_file?"),
        ("[mqtt]\nbase = {}", "[mqtt] base: found a table, must be a-z, A-Z, 0-9, _ and -, parted by /"),
        (
            "[log]\nlevel = 2024-01-01",
            '[log] level: found a date or time, must be one of "debug", "info", "warning", "error"',
        ),
        ("[camera]\nthreads = 2", "[camera] threads: unknown key; it belongs under [recognition]"),
        ("[door]\nzzz = 2", "[door] zzz: unknown key; known are id, site, name"),
        ('[door]\nname = "a\\nb"', r'[door] name: found "a\nb", must be text of up to 64 characters'),
        ('[door]\n"a\\nb" = 1', "[door] a?b: unknown key; known are id, site, name"),
        ("camera = 3", "[camera]: found 3, must be a table"),
        ("fps = 3", "fps: found 3 outside any section; keys belong under a section such as [door]"),
        ("[[door]]", "[door]: found a list, must be a table"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(text: str, line: str) -> None:
    assert problems_of(text) == [f"{FILE}: {line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[recognition]\nmin_brightness = 230",
            "[recognition] min_brightness: found 230, must be below max_brightness, which is 225",
        ),
        (
            "[enrollment]\ntimeout_s = 5\nmin_interval_s = 2",
            "[enrollment] timeout_s: found 5, must be above 6, the least that 4 shots take",
        ),
        ("[panel]\nbutton_pin = 17\nbuzzer_pin = 17", "[panel] buzzer_pin: found 17, which button_pin has already"),
        ('[mqtt]\npassword_file = "p"', "[mqtt] password_file: is set without username; set that too"),
        ('[mqtt]\nkey_file = "k"', "[mqtt] key_file: is set alone; set cert_file and key_file, or neither"),
        (
            '[mqtt]\nkey_file = "k"\ncert_file = "c"',
            "[mqtt] cert_file: is set without ca_file; a certificate of the door's own needs TLS",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(text: str, line: str) -> None:
    assert problems_of(text) == [f"{FILE}: {line}"]


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.key.low is not None], ids=lambda row: f"{row.section}.{row.name}"
)
def test_numbers_are_taken_at_their_bounds_and_refused_beyond(row: Setting) -> None:
    assert row.key.low is not None
    assert row.key.high is not None
    step = 1 if row.kind is int else 1e-6
    for value in (row.key.low, row.key.high):
        assert not _refused(row, row.kind(value))
    for value in (row.key.low - step, row.key.high + step):
        assert _refused(row, row.kind(value))


def test_paths_start_from_the_files_folder_and_know_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/pi")
    mqtt = parse_settings('[mqtt]\nusername = "u"\nca_file = "ca.crt"\npassword_file = "~/pw"\n', FILE).mqtt
    assert mqtt.ca_file == Path("/etc/doorward/ca.crt")
    assert mqtt.password_file == Path("/home/pi/pw")
    assert parse_settings('[store]\nkey_file = "/run/key"', FILE).store.key_file == Path("/run/key")


# --- texts made from the table


def test_the_example_as_printed_changes_nothing() -> None:
    assert dataclasses.replace(parse_settings(example_toml(), FILE), source=None) == Settings()


def test_the_example_with_every_key_taken_in_is_valid_and_names_each_key_once() -> None:
    lines = [line if line.startswith("# ") else line.removeprefix("#") for line in example_toml().splitlines()]
    settings = parse_settings("\n".join(lines), FILE)
    for row in TABLE:
        assert sum(line.startswith(f"#{row.name} = ") for line in _section(row.section)) == 1
        shown = row.default if row.key.example is None else row.kind(row.key.example)
        assert getattr(getattr(settings, row.section), row.name) == shown


def test_every_key_is_explained_and_every_number_has_bounds() -> None:
    for row in TABLE:
        assert row.key.doc
        assert not row.key.doc.endswith("."), row
        if row.kind in (int, float) and not row.choices:
            assert row.key.low is not None
            assert row.key.high is not None
        assert row.default is not None or row.key.example is not None


def test_every_default_is_itself_allowed() -> None:
    for row in TABLE:
        if row.default is not None:
            assert not _refused(row, row.default)


def test_the_page_of_settings_is_current() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_markdown(), "write it again: python -m edge.settings.text > docs/settings.md"


# --- no text makes it crash


def _toml_text(text: str) -> str:
    plain = string.ascii_letters + string.digits + " /.-"
    return '"' + "".join(char if char in plain else f"\\U{ord(char):08x}" for char in text) + '"'


KEYS = st.sampled_from([(row.section, row.name) for row in TABLE])
SCALARS = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.integers(min_value=0).map(hex),
    st.floats().map(lambda value: {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), repr(value))),
    st.text(st.characters(codec="utf-8"), max_size=80).map(_toml_text),
    st.sampled_from(
        ["2024-02-30", "2024-01-01T00:00:00Z", "07:32:00", "[]", "[[1], {}]", "{a = 1}", "'~'", "'..'", "''"]
    ),
)
FRAGMENTS = st.sampled_from(
    [
        "[",
        "]",
        "[[",
        "=",
        '"',
        "'''",
        "\n",
        "#",
        ".",
        "{",
        "}",
        ",",
        "\\u0000",
        "0x",
        "1e400",
        "\t",
        "\r",
        *SLICES,
        *(row.name for row in TABLE),
    ]
)


def refused_in_clear_lines(text: str) -> None:
    for line in _lines_of_refusal(lambda: parse_settings(text, FILE)):
        assert line.startswith(f"{FILE}: ")
        assert line.isprintable()
        assert len(line) < 400


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_text_is_taken_or_refused_in_clear_lines(text: str) -> None:
    refused_in_clear_lines(text)


@given(st.lists(st.one_of(FRAGMENTS, SCALARS), max_size=40))
def test_any_string_of_toml_pieces_is_taken_or_refused_in_clear_lines(pieces: list[str]) -> None:
    refused_in_clear_lines(" ".join(pieces))


@given(st.dictionaries(KEYS, SCALARS, max_size=12))
def test_any_values_of_known_keys_are_taken_or_refused_in_clear_lines(values: dict[tuple[str, str], str]) -> None:
    text = "\n".join(f"{section}.{name} = {value}" for (section, name), value in values.items())
    refused_in_clear_lines(text)


@given(st.binary(max_size=200))
def test_any_bytes_in_a_file_are_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.toml"
    file.write_bytes(raw)
    for line in _lines_of_refusal(lambda: load_settings(file, environ={}, hostname="a")):
        assert line.startswith(f"{file}: ")


@given(st.text())
def test_any_host_name_is_turned_into_a_door_id_that_the_table_allows(hostname: str) -> None:
    row = next(row for row in TABLE if (row.section, row.name) == ("door", "id"))
    assert not _refused(row, door_id_of(hostname))


def _lines_of_refusal(load: Callable[[], Settings]) -> list[str]:
    try:
        load()
    except SettingsError as error:
        return str(error).splitlines() or ["an empty refusal"]
    return []


def _refused(row: Setting, value: Any) -> bool:
    try:
        accept(row, str(value) if isinstance(value, Path) else value, Path("/"))
    except ValueError:
        return True
    return False


def _section(name: str) -> list[str]:
    return example_toml().split(f"[{name}]\n")[1].split("\n[")[0].splitlines()
