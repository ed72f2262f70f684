"""Which of several faces a picture is about: the one nearest its centre, as LFW is labelled. One rule for all."""

from __future__ import annotations

from collections.abc import Iterable


def nearest_to_centre(centres: Iterable[tuple[float, float]], width: int, height: int) -> int | None:
    """Place of the centre that is nearest to the middle of a `width` x `height` picture; None where there is none."""
    distances = [(x - width / 2) ** 2 + (y - height / 2) ** 2 for x, y in centres]
    return min(range(len(distances)), key=distances.__getitem__) if distances else None
