"""Button, LEDs and buzzer on a Raspberry Pi's pins, through gpiozero; and a panel that is not there.

What a pattern looks like is in `panel_patterns.py`; what a press does is left to the daemon. gpiozero is imported only
when a panel with pins starts.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge.adapters.player import Player
from edge.enrollment.gesture import Gesture, GestureRules
from edge.enrollment.panel_patterns import Channel, Colour, PatternName, lit
from edge.errors import PanelError
from edge.log import get_logger
from edge.ports import Panel, Press

_LOG = get_logger("panel")
# A driver may lose an edge; the level is looked at this often all the same.
_LOOK_EVERY_S = 0.25
_ENDS_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class PanelPins:
    """BCM numbers; None where nothing is wired. An RGB LED is three LEDs.

    button: to ground, pulled up. leds_to_plus: LEDs with a common anode, lit by a low pin.
    """

    button: int | None = None
    red: int | None = None
    green: int | None = None
    blue: int | None = None
    buzzer: int | None = None
    leds_to_plus: bool = False

    @property
    def leds(self) -> Mapping[Channel, int]:
        """The LEDs that are there."""
        all_three: dict[Channel, int | None] = {"red": self.red, "green": self.green, "blue": self.blue}
        return MappingProxyType({channel: pin for channel, pin in all_three.items() if pin is not None})

    @property
    def any(self) -> bool:
        return self.button is not None or self.buzzer is not None or bool(self.leds)


def panel_for(pins: PanelPins) -> Panel:
    """The panel for what is wired."""
    return GpioPanel(pins) if pins.any else SilentPanel()


class SilentPanel:
    """For a door without a button and LEDs, which is enrolled at from elsewhere."""

    def start(self, on_press: Callable[[Press], None]) -> None:
        """There is nothing to press."""

    def show(self, pattern: PatternName) -> None:
        """There is nobody to see it."""

    def stop(self) -> None:
        """There is nothing to give back."""


class GpioPanel:
    """A panel on pins, each of them optional."""

    def __init__(self, pins: PanelPins, rules: GestureRules | None = None, pin_factory: Any = None) -> None:
        """pin_factory: gpiozero's; None takes the one that gpiozero finds for this machine."""
        self._pins = pins
        self._rules = rules or GestureRules()
        self._factory = pin_factory
        self._button: Any = None
        self._leds: dict[Channel, Any] = {}
        self._buzzer: Any = None
        self._player = Player(self._shine)
        self._contact = _Contact()
        self._thread: threading.Thread | None = None

    def start(self, on_press: Callable[[Press], None]) -> None:
        """See `Panel.start`."""
        try:
            self._open(_gpiozero(), self._factory)
        except PanelError:
            self._close()
            raise
        self._player.start()
        if self._button is not None:
            self._watch(on_press)

    def show(self, pattern: PatternName) -> None:
        self._player.play(pattern)

    def stop(self) -> None:
        self._player.stop()
        self._contact.end()
        if self._thread is not None:
            self._thread.join(_ENDS_WITHIN_S)
            self._thread = None
        self._close()

    def _open(self, gpiozero: Any, factory: Any) -> None:
        pins, led = self._pins, {"active_high": not self._pins.leds_to_plus, "pin_factory": factory}
        if pins.button is not None:
            self._button = _device("button_pin", pins.button, gpiozero.Button, pull_up=True, pin_factory=factory)
        for channel, pin in pins.leds.items():
            self._leds[channel] = _device(f"{channel}_led_pin", pin, gpiozero.LED, **led)
        if pins.buzzer is not None:
            self._buzzer = _device("buzzer_pin", pins.buzzer, gpiozero.Buzzer, pin_factory=factory)

    def _close(self) -> None:
        for device in (self._button, *self._leds.values(), self._buzzer):
            if device is not None:
                device.close()
        self._button, self._leds, self._buzzer = None, {}, None

    def _shine(self, colour: Colour, buzzer: bool) -> None:
        """One step of a pattern. Called by the player alone."""
        shining = lit(colour, self._leds.keys())
        for channel, led in self._leds.items():
            led.value = channel in shining
        if self._buzzer is not None:
            self._buzzer.value = buzzer

    def _watch(self, on_press: Callable[[Press], None]) -> None:
        """Edges wake a thread that reads the level when the contact is quiet.

        gpiozero's own `bounce_time` and `hold_time` stay unused: the first does nothing on its mock pins, and a bounce
        restarts the second.
        """
        self._contact = _Contact()
        self._button.when_pressed = self._contact.moved
        self._button.when_released = self._contact.moved
        gesture = Gesture(self._rules, down=bool(self._button.is_pressed))
        arguments = (self._button, gesture, self._contact, on_press)
        self._thread = threading.Thread(target=_follow, args=arguments, name="panel-button", daemon=True)
        self._thread.start()


class _Contact:
    """Where a driver's thread leaves the time of the newest edge."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._moved_s: float | None = None
        self.ended = False

    def moved(self) -> None:
        self._moved_s = time.monotonic()
        self._event.set()

    def end(self) -> None:
        self.ended = True
        self._event.set()

    def wait(self, seconds: float) -> float | None:
        """The time of the newest edge, if there was one within so long."""
        self._event.wait(seconds)
        self._event.clear()
        moved_s, self._moved_s = self._moved_s, None
        return moved_s


def _follow(button: Any, gesture: Gesture, contact: _Contact, on_press: Callable[[Press], None]) -> None:
    """The button's thread, until the contact ends."""
    try:
        while not contact.ended:
            wait_s = gesture.wait_s(time.monotonic())
            moved_s = contact.wait(_LOOK_EVERY_S if wait_s is None else min(wait_s, _LOOK_EVERY_S))
            if moved_s is not None:
                gesture.edge(moved_s)
            kind = gesture.level(time.monotonic(), down=bool(button.is_pressed))
            if kind is not None:
                on_press(Press(kind, "button"))
    except Exception as error:  # noqa: BLE001  (a pin driver's own kinds; recognition goes on without a button)
        _LOG.error("the button does nothing any more", reason=str(error), kind=type(error).__name__)


def _gpiozero() -> Any:
    try:
        import gpiozero
    except ImportError as error:
        raise PanelError(
            "panel: gpiozero is not installed; install python3-gpiozero and python3-lgpio (or pip install gpiozero), "
            "or leave the pins out of [panel]"
        ) from error
    return gpiozero


def _device(key: str, pin: int, kind: Callable[..., Any], **options: Any) -> Any:
    """A gpiozero device on a pin."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one line for each driver that gpiozero tried; the error below tells
            return kind(pin, **options)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PanelError(
            f"panel: {key} {pin} cannot be had ({reason}); check the wiring and the key in [panel], that nothing else "
            f"uses the pin, and that this user may use /dev/gpiochip*"
        ) from error
