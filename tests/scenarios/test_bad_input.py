"""Whatever is given to the program as a process: one clear line or a counted skip each, and never a stack trace."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from edge.demo.story import PICTURES
from tests.fakes.program import LONG_S, ROOT, Program
from tests.fakes.world import wait_until

pytestmark = pytest.mark.scenario

FACE = PICTURES / "obama.jpg"
NO_BROKER = "[mqtt]\nenabled = false\n"


def face(mode: str = "RGB") -> Pillow.Image:
    return Pillow.open(FACE).convert(mode)


def twenty_megapixels(file: Path) -> None:
    """As a telephone takes them."""
    sheet = Pillow.new("RGB", (5400, 3800), (90, 90, 90))
    sheet.paste(face().resize((4 * face().width, 4 * face().height), Pillow.Resampling.BILINEAR))
    sheet.save(file, quality=85)


def bomb(file: Path) -> None:
    """Few bytes, many pixels."""
    Pillow.new("1", (15_000, 15_000)).save(file)


def deep_grey(file: Path) -> None:
    """16 bits a pixel, as scanners write them."""
    Pillow.fromarray(np.asarray(face("L")).astype(np.uint16) * 257).save(file)


def animated(file: Path) -> None:
    face("P").save(file, save_all=True, append_images=[Pillow.new("P", face().size)] * 2)


# What makes each file; those that are usable all the same, and the words for those that are not.
GOOD: dict[str, Callable[[Path], object]] = {
    "grey.jpg": lambda file: face("L").save(file),
    "cmyk.jpg": lambda file: face("CMYK").save(file),
    "deep.png": deep_grey,
    "animated.gif": animated,
    "large.jpg": twenty_megapixels,
}
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.jpg": (Path.touch, "empty; send the picture again"),
    "truncated.jpg": (lambda file: file.write_bytes(FACE.read_bytes()[:5000]), "damaged ("),
    "one.png": (lambda file: Pillow.new("RGB", (1, 1)).save(file), "1 x 1 pixels show no face; use one of at least"),
    "words.jpg": (lambda file: file.write_text("not a picture"), "not a picture of a known kind; use one of JPEG"),
    "folder.jpg": (Path.mkdir, "not a file; name a picture file"),
    "missing.jpg": (lambda _: None, "cannot be read (No such file or directory)"),
    "bomb.png": (bomb, "too large to decode; reduce it below 50 megapixels"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    made = {name: folder / name for name in (*GOOD, *BAD)}
    for name, make in GOOD.items():
        make(made[name])
    for name, (make, _) in BAD.items():
        make(made[name])
    return made


def lines_for_the_bad(files: dict[str, Path], err: str) -> None:
    """One line for each bad picture, with its name and its words, and nothing else but that nobody is enrolled."""
    lines = [line for line in err.splitlines() if not line.startswith("doorward: nobody is enrolled yet in ")]
    assert len(lines) == len(BAD)
    for line, (name, (_, words)) in zip(lines, BAD.items(), strict=True):
        assert line.startswith(f"doorward: skipped: {files[name]}: ")
        assert words in line


def test_each_bad_picture_is_skipped_with_a_line_and_each_odd_one_is_looked_at(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    doorward = Program(tmp_path, NO_BROKER)
    ran = doorward.run("identify", *files.values())
    assert ran.code == 5
    assert [line.partition("  ")[0] for line in ran.out.splitlines()] == [f"{files[name]}: stranger" for name in GOOD]
    lines_for_the_bad(files, ran.err)

    ran = doorward.run("enroll", "Barack", *files.values())
    assert ran.code == 5
    assert ran.out.endswith(f" from {len(GOOD)} pictures\n")
    lines_for_the_bad(files, ran.err)

    only_bad = [files[name] for name in BAD]
    ran = doorward.run("enroll", "Nobody", *only_bad)
    assert (ran.code, ran.out) == (9, "")
    assert ran.err.splitlines()[-1] == "doorward: no picture can be read; nobody was enrolled"
    assert [person["name"] for person in doorward.run("people", "list", "--json").json["people"]] == ["Barack"]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[camera]\nurl = 7\n", "[camera] url: found 7, must be text"),
        ("[mqtt]\nport = 70000\n", "[mqtt] port: found 70000, must be a whole number from 1 to 65535"),
    ],
)
def test_bad_settings_end_the_start_with_a_line_for_each_mistake(tmp_path: Path, toml: str, words: str) -> None:
    ran = Program(tmp_path, toml).run("run")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert words in ran.err


def test_a_damaged_model_ends_the_start_with_its_name(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "edge", tmp_path / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    doorward = Program(tmp_path / "door", NO_BROKER, package=tmp_path)
    file = tmp_path / "edge" / "models" / "mobilefacenet_192_int8.tflite"
    file.write_bytes(file.read_bytes()[:100_000])
    ran = doorward.run("run")
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert ran.err.startswith(f"doorward: {file}: sha256 is ")
    assert "the file is damaged or another one: reinstall Doorward" in ran.err


def camera(url: str, more: str = "") -> str:
    return f'[camera]\nurl = "{url}"\nwidth = 640\nheight = 480\n{more}{NO_BROKER}'


def test_a_camera_that_was_never_there_ends_the_start_with_its_name(tmp_path: Path) -> None:
    ran = Program(tmp_path, camera(f"folder:{tmp_path}/none")).run("run")
    assert ran.code == 4
    assert ran.err.splitlines()[-1] == (
        f"doorward: camera folder:{tmp_path}/none: No such file or directory; check the folder and its permissions"
    )


def test_a_folder_of_good_and_bad_pictures_is_seen_to_its_end(tmp_path: Path, files: dict[str, Path]) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        shutil.copyfile(FACE, folder / f"{number}.jpg")
    for name in ("empty.jpg", "truncated.jpg", "words.jpg"):
        shutil.copyfile(files[name], folder / f"1-{name}")
    doorward = Program(tmp_path / "door", camera(f"folder:{folder}", "fps = 4\n"))
    ran = doorward.run("run")
    assert ran.code == 0
    for name in ("empty.jpg", "truncated.jpg", "words.jpg"):
        assert ran.err.count(f"skipped {folder / f'1-{name}'}: ") == 1
    assert "visit phase=started" in ran.err
    assert "visit phase=ended" in ran.err


def test_a_film_that_vanishes_while_it_is_watched_ends_the_daemon_with_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(200):
        shutil.copyfile(FACE, folder / f"{number:03}.jpg")
    doorward = Program(tmp_path / "door", camera(f"folder:{folder}", "fps = 4\n"))
    doorward.start()
    try:
        doorward.wait_for_log("visit phase=started")
        shutil.rmtree(folder)
        assert doorward.wait() == 0  # each picture that is gone is skipped
        assert doorward.log.count(": cannot be read (No such file or directory)") > 0
        assert "visit phase=ended" in doorward.log
    finally:
        doorward.kill()


def test_no_broker_is_one_line_and_recognition_goes_on(tmp_path: Path) -> None:
    mqtt = '[mqtt]\nhost = "127.0.0.1"\nport = 9\n'
    toml = camera(f"walkup:{FACE}?seconds=3&pause=1&repeat=1&fps=4&pace=0").replace(NO_BROKER, mqtt)
    doorward = Program(tmp_path, toml)
    ran = doorward.run("run")
    assert ran.code == 0
    assert ran.err.count("trying again, events wait") == 1
    assert ran.err.count("visit phase=started") == ran.err.count("visit phase=ended") == 1
    assert (doorward.state / "outbox.db").exists()


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    doorward = Program(tmp_path, NO_BROKER)
    doorward.state.touch()
    ran = doorward.run("run")
    assert (ran.code, ran.out, ran.err.count("\n")) == (6, "", 1)
    assert ran.err.startswith(f"doorward: {doorward.state}: File exists; set [store] folder")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_door_is_still_put_together_ends_it_politely(tmp_path: Path, number: signal.Signals) -> None:
    doorward = Program(tmp_path, camera(f"walkup:{FACE}"))
    doorward.start()
    try:
        wait_until((doorward.state / "people.db").exists, "the store is made, the models are next", LONG_S)
        assert doorward.end(number) == 0
    finally:
        doorward.kill()
