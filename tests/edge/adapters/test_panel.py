from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPin

from edge.adapters.panel import GpioPanel, PanelPins, SilentPanel, panel_for
from edge.enrollment.gesture import GestureRules
from edge.errors import PanelError
from edge.ports import Press
from tests.fakes.world import wait_until

BUTTON, RED, GREEN, BLUE, BUZZER = 17, 27, 22, 24, 23
ALL = PanelPins(BUTTON, RED, GREEN, BLUE, BUZZER)
RULES = GestureRules(settle_s=0.06, hold_s=0.6)
PRESSED = Press("press", "button")
HELD = Press("hold", "button")


@pytest.fixture
def board() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.close()


@pytest.fixture
def make(board: MockFactory) -> Iterator[Callable[..., tuple[GpioPanel, list[Press]]]]:
    panels: list[GpioPanel] = []

    def start(pins: PanelPins = ALL) -> tuple[GpioPanel, list[Press]]:
        panel, presses = GpioPanel(pins, RULES, board), []  # type: tuple[GpioPanel, list[Press]]
        panels.append(panel)
        panel.start(presses.append)
        return panel, presses

    yield start
    for panel in panels:
        panel.stop()


def press(pin: MockPin, seconds: float = 0.15) -> None:
    pin.drive_low()
    time.sleep(seconds)
    pin.drive_high()


def levels(pin: MockPin) -> list[bool]:
    """What a pin was driven to, one entry a change."""
    return [bool(state.state) for state in pin.states]


def test_a_press_at_the_button_is_told_once(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    _, presses = make()
    press(board.pin(BUTTON))
    wait_until(lambda: presses == [PRESSED], "the press")
    time.sleep(0.2)
    assert presses == [PRESSED]


def test_five_bounces_are_one_press(board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]) -> None:
    _, presses = make()
    button = board.pin(BUTTON)
    for _ in range(5):
        button.drive_low()
        button.drive_high()
    button.drive_low()
    time.sleep(0.2)
    assert presses == [], "a press is told as it is let go"
    for _ in range(5):
        button.drive_high()
        button.drive_low()
    button.drive_high()
    wait_until(lambda: bool(presses), "the press")
    time.sleep(0.2)
    assert presses == [PRESSED]


def test_a_hold_is_told_while_the_button_is_down_and_is_no_press(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    _, presses = make()
    board.pin(BUTTON).drive_low()
    wait_until(lambda: presses == [HELD], "the hold")
    board.pin(BUTTON).drive_high()
    time.sleep(0.2)
    assert presses == [HELD]


def test_a_button_that_is_stuck_at_the_start_enrolls_nobody(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    board.pin(BUTTON).drive_low()
    board.pin(BUTTON)._set_pull = lambda _: None  # the wire is stronger than the pull-up
    _, presses = make()
    time.sleep(0.7)
    assert presses == []


def test_a_picture_taken_flashes_white_and_beeps_and_goes_dark(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make()
    pins = [board.pin(number) for number in (RED, GREEN, BLUE, BUZZER)]
    for pin in pins:
        pin.clear_states()
    panel.show("shot_taken")
    wait_until(lambda: all(levels(pin) == [False, True, False] for pin in pins), "flash and beep")


def test_while_a_session_looks_blue_goes_on_blinking(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make()
    board.pin(BLUE).clear_states()
    panel.show("looking")
    wait_until(lambda: levels(board.pin(BLUE))[:5] == [False, True, False, True, False], "two blinks")
    assert not board.pin(RED).state
    assert not board.pin(BUZZER).state


def test_after_a_picture_the_panel_goes_on_as_before(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make()
    panel.show("looking")
    panel.show("shot_taken")
    wait_until(lambda: bool(board.pin(BUZZER).state), "the beep")
    wait_until(lambda: board.pin(BLUE).state and not board.pin(RED).state, "blue alone again")


def test_done_is_not_cut_short_by_the_session_that_ends(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make()
    panel.show("looking")
    panel.show("done")
    panel.show("idle")
    wait_until(lambda: bool(board.pin(BUZZER).state), "the tone")
    wait_until(lambda: not board.pin(BUZZER).state, "its end")
    time.sleep(0.5)
    assert board.pin(GREEN).state
    assert not board.pin(BLUE).state
    wait_until(lambda: not board.pin(GREEN).state, "dark")
    board.pin(BLUE).clear_states()
    time.sleep(0.6)
    assert levels(board.pin(BLUE)) == [False], "idle is dark, looking is over"


def test_a_single_led_shows_every_colour(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make(PanelPins(green=GREEN))
    panel.show("camera_lost")
    wait_until(lambda: bool(board.pin(GREEN).state), "red, on the LED that is there")


def test_leds_to_plus_are_dark_when_their_pin_is_high(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make(PanelPins(green=GREEN, leds_to_plus=True))
    wait_until(lambda: bool(board.pin(GREEN).state), "dark")
    panel.show("done")
    wait_until(lambda: not board.pin(GREEN).state, "green")


def test_a_panel_that_stops_is_dark_and_gives_its_pins_back(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, presses = make()
    panel.show("done")
    wait_until(lambda: bool(board.pin(BUZZER).state), "the tone")
    panel.stop()
    assert levels(board.pin(BUZZER))[-1] is False
    assert board.pin(BUZZER).function == "input"
    press(board.pin(BUTTON))
    time.sleep(0.1)
    assert presses == []
    _, again = make()
    press(board.pin(BUTTON))
    wait_until(lambda: again == [PRESSED], "the press at the new panel")


def test_a_panel_of_a_buzzer_alone_has_no_button(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    panel, _ = make(PanelPins(buzzer=BUZZER))
    panel.show("shot_taken")
    wait_until(lambda: bool(board.pin(BUZZER).state), "the beep")


def test_an_led_that_breaks_leaves_the_button_working(
    board: MockFactory,
    make: Callable[..., tuple[GpioPanel, list[Press]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    panel, presses = make()
    time.sleep(0.05)
    board.pin(GREEN).function = "input"
    panel.show("done")
    wait_until(lambda: "shows nothing any more" in caplog.text, "the log line")
    press(board.pin(BUTTON))
    wait_until(lambda: presses == [PRESSED], "the press")


def test_a_pin_that_is_in_use_is_named_and_the_others_are_given_back(
    board: MockFactory, make: Callable[..., tuple[GpioPanel, list[Press]]]
) -> None:
    make(PanelPins(buzzer=BUZZER))
    with pytest.raises(PanelError, match=r"buzzer_pin 23 .*in use") as caught:
        make(ALL)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 8
    make(PanelPins(button=BUTTON, green=GREEN))


def test_a_pin_that_no_pi_has_is_named(make: Callable[..., tuple[GpioPanel, list[Press]]]) -> None:
    with pytest.raises(PanelError, match="green_led_pin 99"):
        make(PanelPins(green=99))


def test_a_machine_without_pins_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "none-at-all")
    with pytest.raises(PanelError, match=r"button_pin 17 .*\[panel\]") as caught:
        GpioPanel(PanelPins(button=BUTTON)).start(lambda _: None)
    assert "\n" not in str(caught.value)
    assert not recwarn.list


def test_without_gpiozero_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(PanelError, match="python3-gpiozero"):
        GpioPanel(PanelPins(button=BUTTON)).start(lambda _: None)


def test_a_door_without_pins_has_a_silent_panel_that_needs_no_gpiozero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    panel = panel_for(PanelPins())
    panel.start(lambda _: None)
    panel.show("done")
    panel.stop()
    assert isinstance(panel, SilentPanel)
    assert isinstance(panel_for(PanelPins(buzzer=BUZZER)), GpioPanel)


def test_stopping_a_panel_that_never_started_is_harmless() -> None:
    GpioPanel(ALL).stop()
