"""The error tree of the device. Leaves ordinary refusals (a poor picture, a stranger) to values with a reason.

Every error's text is one line that names the key, file or message and the way out, fit to be shown to a user.
Each inherits the builtin that it refines, so that a caller may catch either.
"""

from __future__ import annotations


class DoorwardError(Exception):
    """Base of every error that Doorward raises on purpose."""

    exit_code = 1


class SettingsError(DoorwardError, ValueError):
    """A settings file cannot be used: unknown key, wrong type, out of range, not TOML."""

    exit_code = 2


class ModelError(DoorwardError, ValueError):
    """A model file is missing, damaged, of another hash, or of a shape that its description does not promise."""

    exit_code = 3


class CameraError(DoorwardError, OSError):
    """A camera cannot be opened, or stopped giving frames."""

    exit_code = 4


class PictureError(DoorwardError, ValueError):
    """A picture file cannot be used: empty, truncated, too large, or not a picture."""

    exit_code = 5


class StoreError(DoorwardError, OSError):
    """The template store cannot be read or written."""

    exit_code = 6


class LinkError(DoorwardError, OSError):
    """The broker cannot be reached or refuses us."""

    exit_code = 7


class PanelError(DoorwardError, OSError):
    """A button, an LED, a buzzer or a terminal cannot be had."""

    exit_code = 8


class MessageError(DoorwardError, ValueError):
    """A message from the network does not have the form that the contract gives it."""


class RefusedError(DoorwardError, LookupError):
    """What was asked cannot be done: nobody of that name, nothing to undo, not allowed by the policy."""

    exit_code = 9


def error_of(code: int | None) -> type[DoorwardError]:
    """The branch of the tree that an exit code stands for; the trunk where it is nobody's own."""
    if code == DoorwardError.exit_code:
        return DoorwardError
    return next((branch for branch in DoorwardError.__subclasses__() if branch.exit_code == code), DoorwardError)
