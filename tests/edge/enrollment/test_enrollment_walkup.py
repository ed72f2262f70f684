"""The session behind the real models: somebody walks up, as the demonstration's pictures play it, and is enrolled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edge.adapters.camera_options import CameraOptions
from edge.adapters.walkup import Walkup, WalkupCamera, in_turn
from edge.compose import active_model, face_finder, head_for, recognizer, typical_norm
from edge.enrollment.session import Enrollment, rules_for
from edge.enrollment.steps import Refused, Step, Store, Wish
from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Exemplar, Frame
from edge.settings.slices import RecognitionSettings

PICTURES = Path(__file__).resolve().parents[3] / "edge" / "demo" / "pictures"
VISIT_S, TIMEOUT_S = 6.0, 8.0
Enroll = Callable[..., list[Step]]


class NoClock:
    """Frames tell the time from the camera's opening."""

    def monotonic_s(self) -> float:
        return 0.0

    def wall_s(self) -> float:
        return 0.0


@cache
def film(picture: str, light: float) -> tuple[Frame, ...]:
    """Somebody comes from afar, stands there, and goes; four frames a second."""
    visits, length_s = in_turn([PICTURES / picture], VISIT_S, pause=0.5)
    script = Walkup(visits, length_s, frames_per_second=4.0, light=light)
    camera = WalkupCamera(script, CameraOptions(), NoClock(), find_face=face_finder())
    camera.open()
    return tuple(iter(camera.read, None))


@pytest.fixture(scope="module", params=["mobilefacenet_192_int8", "dlib_resnet_128_int8"])
def settings(request: pytest.FixtureRequest) -> RecognitionSettings:
    return RecognitionSettings(embedder=request.param)


@pytest.fixture(scope="module")
def enroll(settings: RecognitionSettings) -> Enroll:
    """Press as somebody begins to walk up; all steps of the session."""
    line = recognizer(settings)
    rules = rules_for(shots=4, timeout_s=TIMEOUT_S, min_interval_s=0.4, typical_norm=typical_norm(settings))
    nobody = active_model(settings, head_for(settings), [])

    def run(picture: str, model: ActiveModel = nobody, light: float = 1.0) -> list[Step]:
        session = Enrollment(rules)
        said = session.press(0.0, Wish())
        for frame in film(picture, light):
            if session.looking:
                said += session.faces(frame.time_s, line.probes(frame.pixels), model, (), frame)
        return said + session.tick(TIMEOUT_S)

    return run


def orders(said: list[Step]) -> list[Store]:
    return [step for step in said if isinstance(step, Store)]


def refusals(said: list[Step]) -> list[Refused]:
    return [step for step in said if isinstance(step, Refused)]


def test_a_walk_up_of_six_seconds_enrolls_and_who_comes_again_is_known(
    enroll: Enroll, settings: RecognitionSettings
) -> None:
    (order,) = orders(enroll("obama.jpg"))
    assert len(order.shots) == 4
    assert not order.provisional
    assert all(shot.frame is not None for shot in order.shots)

    exemplars = [Exemplar("person-1", shot.probe.embedding) for shot in order.shots]
    table = active_model(settings, head_for(settings), exemplars)
    (refused,) = refusals(enroll("obama2.jpg", table))
    assert (refused.reason, refused.person) == ("already_enrolled", "person-1")
    assert len(orders(enroll("biden.jpg", table))) == 1


def test_by_hardly_any_light_there_is_no_good_enrollment(enroll: Enroll) -> None:
    said = enroll("obama.jpg", light=0.02)
    assert all(order.provisional for order in orders(said))
    assert orders(said) or {refused.reason for refused in refusals(said)} <= {"too_dark", "low_quality", "no_face"}


def test_a_wall_is_not_enrolled(enroll: Enroll) -> None:
    said = enroll("brick.jpg")
    assert orders(said) == []
    assert [refused.reason for refused in refusals(said)] == ["no_face"]
