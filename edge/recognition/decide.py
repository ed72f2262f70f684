"""From candidates to one of three honest answers: this person, a stranger, or look again."""

from __future__ import annotations

from collections.abc import Sequence

from edge.recognition.types import Candidate, Decision, Known, LookAgain, Reason, Stranger


def decide(candidates: Sequence[Candidate], threshold: float, refusal: Reason | None) -> Decision:
    """candidates: best first. refusal: why the picture is too poor to tell, from the quality gate.

    A poor picture is never called a stranger or a person: the largest single lever on both kinds of error.
    """
    if refusal is not None:
        return LookAgain(refusal)
    if not candidates:
        return Stranger(float("-inf"))
    best = candidates[0]
    if best.score >= threshold:
        return Known(best.person, best.score, best.score - threshold)
    return Stranger(best.score)
