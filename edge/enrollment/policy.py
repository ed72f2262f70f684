"""Who may enroll somebody now: the policies `open`, `window` and `sponsor`, decided from facts and the time.

A button stands where strangers are, so the policy holds for every press alike, wherever it comes from. That a name was
asked for or a person confirmed, which makes them verified, is left to the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PolicyName = Literal["open", "window", "sponsor"]

# Long enough to see that it was the wrong person, short enough that no stranger undoes yesterday's work.
UNDO_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """name: which one is in force. sponsor_within_s: how long ago a sponsor may have been recognized."""

    name: PolicyName = "open"
    sponsor_within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a policy looks at, in monotonic seconds; None where it never was.

    window_until_s: until when an operator opened a window.
    sponsor_seen_s: when somebody verified was last firmly recognized.
    """

    window_until_s: float | None = None
    sponsor_seen_s: float | None = None


def may_enroll(policy: Policy, facts: Facts, now_s: float) -> str | None:
    """Why nobody may be enrolled now, in words that say the way out; None if somebody may."""
    if policy.name == "window" and not _before(now_s, facts.window_until_s):
        return "no window is open; an operator can open one"
    if policy.name == "sponsor" and not _within(policy.sponsor_within_s, facts.sponsor_seen_s, now_s):
        return f"nobody verified was recognized in the last {policy.sponsor_within_s:g} s; let one look into the camera"
    return None


def may_undo(policy: Policy, facts: Facts, now_s: float, enrolled_s: float | None) -> str | None:
    """Why the last enrollment may not be undone from the panel; None if it may.

    enrolled_s: when it was made, monotonic seconds; None if that was before the daemon started.
    Who has just enrolled somebody may undo it even if the window has closed since.
    """
    if _within(UNDO_WITHIN_S, enrolled_s, now_s):
        return None
    return may_enroll(policy, facts, now_s)


def _before(now_s: float, until_s: float | None) -> bool:
    return until_s is not None and now_s < until_s


def _within(span_s: float, then_s: float | None, now_s: float) -> bool:
    return then_s is not None and 0 <= now_s - then_s <= span_s
