"""Why an enrollment or its undoing was refused: one closed list, with a sentence for people and a class for the panel.

Knows neither the session nor the wire; a test holds the words of `contract/` to these.
"""

from __future__ import annotations

from typing import Literal, get_args

from edge.enrollment.panel_patterns import PatternName

Reason = Literal[
    "no_face",
    "several_faces",
    "too_small",
    "turned_away",
    "too_dark",
    "too_bright",
    "blurred",
    "low_quality",
    "too_alike",
    "different_person",
    "looks_like_photo",
    "already_enrolled",
    "not_allowed",
    "busy",
    "store_failed",
    "nothing_to_undo",
    "no_picture",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

# face: stand otherwise. light: another light. policy: ask somebody who may. store: the device is in trouble.
# known: the door knows this person.
Class = Literal["face", "light", "policy", "store", "known"]

_TABLE: dict[Reason, tuple[Class, str]] = {
    "no_face": ("face", "no face was seen; stand before the camera and look into it"),
    "several_faces": ("face", "several faces were seen; let the one who is to be enrolled stand there alone"),
    "too_small": ("face", "the face was too small; step closer"),
    "turned_away": ("face", "the face was turned away; look into the camera"),
    "too_dark": ("light", "the face was too dark; turn a light on, or enroll by day"),
    "too_bright": ("light", "the face was too bright; keep direct light off it"),
    "blurred": ("face", "the picture was blurred; hold still, and wipe the lens"),
    "low_quality": ("light", "the picture was too poor to tell this face later; use more light, and step closer"),
    "too_alike": ("face", "the pictures were all the same; turn your head a little from one to the next"),
    "different_person": ("face", "the pictures showed different people; stay before the camera until it is done"),
    "looks_like_photo": ("face", "this looks like a photograph; the person must come in person"),
    "already_enrolled": ("known", "this person is enrolled already"),
    "not_allowed": ("policy", "enrolling is not allowed now"),
    "busy": ("policy", "another enrollment is going on; wait for its end"),
    "store_failed": ("store", "the enrollment could not be kept; see the log of the door"),
    "nothing_to_undo": ("policy", "there is no enrollment to undo"),
    "no_picture": ("store", "the camera gave too few pictures; see the log of the door"),
}

_REFUSED: dict[Class, PatternName] = {
    "face": "refused_face",
    "light": "refused_light",
    "policy": "refused_policy",
    "store": "refused_store",
    "known": "refused_known",
}


def sentence(reason: Reason) -> str:
    """What went wrong and what to do, for a log line or a message; begins with a small letter, no full stop."""
    return _TABLE[reason][1]


def class_of(reason: Reason) -> Class:
    """Which of the panel's few patterns tells it."""
    return _TABLE[reason][0]


def refused_pattern(reason: Reason) -> PatternName:
    """What the panel plays once when a session ends for this reason."""
    return _REFUSED[class_of(reason)]


def hint_pattern(reason: Reason) -> PatternName:
    """What the panel shows while a session goes on and this is in its way."""
    return "hint_light" if class_of(reason) == "light" else "hint_face"
