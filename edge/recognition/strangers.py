"""Strangers who come back: a stable id for a day, in memory only; never enrolled, stored or sent as embeddings."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from edge.recognition.calibration import threshold_for
from edge.recognition.gallery import Gallery
from edge.recognition.scoring import Head
from edge.recognition.types import Embedding, Exemplar

# Stricter than the table's: taking two strangers for one hides a visitor.
_FALSE_REUNION = 0.001
_MOST = 64  # strangers remembered at once; the one unseen for longest goes first


@dataclass(slots=True)
class _Remembered:
    embedding: Embedding
    last_seen_s: float


class StrangerMemory:
    """Who was here today without being enrolled."""

    def __init__(self, memory_s: float, new_id: Callable[[], str]) -> None:
        self._memory_s = memory_s
        self._new_id = new_id
        self._strangers: dict[str, _Remembered] = {}
        self._head_and_threshold: tuple[Head, float] | None = None

    def identify(self, embedding: Embedding, head: Head, now_s: float, apart: Container[str] = ()) -> str:
        """The id of this stranger: the one they had, or a new one. apart: ids of others who are here now."""
        self._forget(now_s)
        known = self._match(embedding, head, apart)
        if known is None:
            known = self._new_id()
        self._strangers[known] = _Remembered(embedding, now_s)
        return known

    def drop(self, stranger: str) -> None:
        """Forget one, who has become somebody known."""
        self._strangers.pop(stranger, None)

    def clear(self) -> None:
        """Forget all, as when the embedder changes."""
        self._strangers.clear()

    def _match(self, embedding: Embedding, head: Head, apart: Container[str]) -> str | None:
        away = [Exemplar(name, r.embedding) for name, r in self._strangers.items() if name not in apart]
        if not away:
            return None
        gallery = Gallery.build(head, away)
        best = gallery.candidates(head.project(embedding), limit=1)[0]
        return best.person if best.score >= self._threshold(head, gallery) else None

    def _threshold(self, head: Head, gallery: Gallery) -> float:
        """Calibrated once a head on a table of one: drawing strangers anew for each visitor would cost a frame."""
        if self._head_and_threshold is None or self._head_and_threshold[0] is not head:
            one = Gallery(head, gallery.people[:1], gallery.rows[:1])
            self._head_and_threshold = (head, threshold_for(one, _FALSE_REUNION))
        return self._head_and_threshold[1]

    def _forget(self, now_s: float) -> None:
        fresh = {k: v for k, v in self._strangers.items() if now_s - v.last_seen_s <= self._memory_s}
        newest = sorted(fresh.items(), key=lambda item: -item[1].last_seen_s)[: _MOST - 1]
        self._strangers = dict(newest)
