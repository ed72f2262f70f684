from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.enrollment.policy import Facts, Policy, PolicyName, may_enroll, may_undo

NOBODY = Facts()
POLICIES = st.sampled_from([Policy(name) for name in ("open", "window", "sponsor")])
TIMES = st.none() | st.floats(0, 1e6)


def test_an_open_door_lets_anybody_enroll() -> None:
    assert may_enroll(Policy("open"), NOBODY, 100.0) is None


def test_without_a_window_nobody_enrolls_and_is_told_who_can_open_one() -> None:
    refusal = may_enroll(Policy("window"), NOBODY, 100.0)
    assert refusal is not None
    assert "operator" in refusal


def test_a_window_closes_by_itself_to_the_second() -> None:
    facts = Facts(window_until_s=700.0)
    assert may_enroll(Policy("window"), facts, 699.9) is None
    assert may_enroll(Policy("window"), facts, 700.0) is not None


def test_a_sponsor_vouches_for_a_while() -> None:
    facts = Facts(sponsor_seen_s=100.0)
    policy = Policy("sponsor", sponsor_within_s=60.0)
    assert may_enroll(policy, facts, 160.0) is None
    refusal = may_enroll(policy, facts, 160.5)
    assert refusal is not None
    assert "60 s" in refusal


def test_a_sponsor_who_was_never_seen_vouches_for_nobody() -> None:
    assert may_enroll(Policy("sponsor"), NOBODY, 5.0) is not None


def test_a_window_is_no_sponsor_and_a_sponsor_is_no_window() -> None:
    assert may_enroll(Policy("sponsor"), Facts(window_until_s=1e9), 1.0) is not None
    assert may_enroll(Policy("window"), Facts(sponsor_seen_s=1.0), 1.0) is not None


def test_an_enrollment_can_be_undone_after_its_window_has_closed() -> None:
    facts = Facts(window_until_s=130.0)
    assert may_undo(Policy("window"), facts, 200.0, enrolled_s=120.0) is None


def test_a_stranger_does_not_undo_yesterdays_enrollment() -> None:
    assert may_undo(Policy("window"), NOBODY, 90_000.0, enrolled_s=120.0) is not None
    assert may_undo(Policy("sponsor"), NOBODY, 90_000.0, enrolled_s=None) is not None


def test_with_a_sponsor_an_old_enrollment_can_be_undone() -> None:
    assert may_undo(Policy("sponsor"), Facts(sponsor_seen_s=89_990.0), 90_000.0, enrolled_s=120.0) is None


@given(POLICIES, TIMES, TIMES, st.floats(0, 1e6), st.floats(0.001, 1e6))
def test_what_is_refused_now_is_not_allowed_by_waiting(
    policy: Policy, window: float | None, sponsor: float | None, now_s: float, later_s: float
) -> None:
    past_sponsor = None if sponsor is None else min(sponsor, now_s)
    facts = Facts(window, past_sponsor)
    if may_enroll(policy, facts, now_s) is not None:
        assert may_enroll(policy, facts, now_s + later_s) is not None


@given(st.sampled_from(["open", "window", "sponsor"]), TIMES, TIMES, st.floats(0, 1e6))
def test_every_refusal_is_one_line(name: PolicyName, window: float | None, sponsor: float | None, now_s: float) -> None:
    refusal = may_enroll(Policy(name), Facts(window, sponsor), now_s)
    assert refusal is None or (refusal and "\n" not in refusal)
