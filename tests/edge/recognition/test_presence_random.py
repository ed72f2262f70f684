"""Whatever comes before the camera, in whatever order: what is said of it hangs together."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recognition.recognizer import ActiveModel
from edge.recognition.types import Known, LookAgain, Probe, Stranger
from edge.recognition.visit import VisitEvent
from tests.fakes.probes import SETTINGS, Actor, Door, active_model, plda_head

ADA, BOB, EVE, SAM = Actor("ada"), Actor("bob"), Actor("eve"), Actor("sam")
SISTER = Actor("sister", like=ADA, alike=0.7)
CAST = (ADA, BOB, EVE, SAM, SISTER)
HOUSE = active_model(ADA, BOB)
MODELS = (
    HOUSE,
    active_model(ADA, BOB, EVE),
    active_model(BOB),
    active_model(),
    active_model(ADA, BOB, head=plda_head()),
    active_model(ADA, BOB, head=plda_head(embedder="another")),
)

faces = st.tuples(
    st.sampled_from(CAST), st.integers(0, 640), st.sampled_from([25, 60, 110, 200]), st.sampled_from(["good", "poor"])
)
steps = st.tuples(
    st.sampled_from([0.05, 0.1, 0.1, 0.4, 1.0, 3.5, 20.0]),
    st.lists(faces, max_size=4),
    st.integers(1, 6),
    st.sampled_from([None, None, None, None, *MODELS]),
)
Face = tuple[Actor, int, int, str]
Step = tuple[float, list[Face], int, ActiveModel | None]


def shot(face: Face) -> Probe:
    who, x, width, kind = face
    return who.at(x, width) if kind == "good" else who.blurred(x, width)


@dataclass
class Ledger:
    """What a listener knows of the visits; fails at the first thing that cannot be."""

    open: dict[str, VisitEvent] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def take(self, event: VisitEvent, now_s: float) -> None:
        assert event.visit not in self.over, "nothing is said of a visit that has ended"
        assert (event.phase == "started") == (event.visit not in self.open), "a visit starts once, before all else"
        before = self.open.get(event.visit, event)
        assert before.started_s == event.started_s <= before.last_seen_s <= event.last_seen_s <= now_s
        assert before.frames <= event.frames
        assert 0 <= before.good_frames <= event.good_frames <= event.frames
        assert event.frames >= 2 or event.good_frames >= SETTINGS.decide_after_frames
        assert event.provisional == (event.good_frames < SETTINGS.decide_after_frames)
        self.check_answer(event)
        if event.phase == "ended":
            del self.open[event.visit]
            self.over.add(event.visit)
        else:
            self.open[event.visit] = event

    def check_answer(self, event: VisitEvent) -> None:
        if isinstance(event.decision, Known):
            assert event.stranger is None
            assert event.good_frames > 0
        elif isinstance(event.decision, Stranger):
            assert (event.stranger is None) == event.provisional
        else:
            assert isinstance(event.decision, LookAgain)
            assert event.good_frames == 0

    def check_frame(self) -> None:
        for name in ("person", "stranger"):
            told = [_identity(event, name) for event in self.open.values() if _identity(event, name) is not None]
            assert len(told) == len(set(told)), f"one {name} has two visits at once"


def _identity(event: VisitEvent, name: str) -> str | None:
    return event.stranger if name == "stranger" else getattr(event.decision, "person", None)


@settings(max_examples=80)
@given(st.lists(steps, min_size=1, max_size=25))
def test_any_coming_and_going_makes_a_story_that_hangs_together(story: list[Step]) -> None:
    door, ledger = Door(HOUSE), Ledger()
    for pause_s, present, frames, model in story:
        door.model = model or door.model
        for number in range(frames):
            told = door.frame(*(shot(face) for face in present), after_s=pause_s if number == 0 else 0.1)
            for event in told:
                ledger.take(event, door.now_s)
            ledger.check_frame()
            visits = door.presence.visits
            assert len({id(visit.latest) for visit in visits}) == len(visits)
            seen_now = [visit for visit in visits if visit.last_seen_s == door.now_s]
            assert len(seen_now) == len(present), "each face of a frame has a visit of its own"
    for event in door.presence.finish():
        ledger.take(event, door.now_s)
    assert not ledger.open


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.05, 0.1, 0.25, 0.7]), min_size=1, max_size=30), st.sampled_from(CAST), st.booleans())
def test_whoever_stays_is_told_once_and_within_the_time(pauses: list[float], who: Actor, clear: bool) -> None:
    door = Door(HOUSE)
    door.frame(who.at(320))
    first_s, told_s = door.now_s, None
    for pause_s in pauses:
        told = door.frame(who.at(320) if clear else who.blurred(320), after_s=pause_s)
        if told and told_s is None:
            told_s = door.now_s
    if door.now_s - first_s > SETTINGS.decide_within_s + 1e-6:
        assert told_s is not None
        # It can only be told at a frame, of which the slowest here comes after 0.7 s.
        assert told_s - first_s < SETTINGS.decide_within_s + 0.7 + 1e-6
    assert [phase for phase, _ in door.told].count("started") == (told_s is not None)
