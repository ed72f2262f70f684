"""Lists of people in pages: a message over a broker holds some hundreds, an answer on this machine a whole house."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from edge.contract.codec import between, chars
from edge.errors import RefusedError
from edge.store.types import Person

# Of names as long as they may be, each letter of three bytes, this many fit into a message.
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """after: the id of the last one of the page before. limit: how many at most; None is all."""

    after: Annotated[str, chars(1, 100)] | None = None
    limit: Annotated[int, between(1, 100_000)] | None = None


def page_of(people: Iterable[Person], page: Page) -> dict[str, Any]:
    """Some people as an answer tells of them.

    `total` counts all; `next`, unless it is null, is to be given as `after` for those who follow, and `note` says so.

    Raises:
        RefusedError: the one of `after` is not among them any more.
    """
    everybody = list(people)
    begin = 0
    if page.after is not None:
        begin = next((number for number, one in enumerate(everybody, 1) if one.id == page.after), 0)
        if not begin:
            raise RefusedError(f"nobody of the id {page.after} is in the list any more; begin it anew, without `after`")
    end = len(everybody) if page.limit is None else begin + page.limit
    shown = everybody[begin:end]
    answer: dict[str, Any] = {"people": [describe(one) for one in shown], "total": len(everybody), "next": None}
    if end < len(everybody):
        answer["next"] = shown[-1].id
        answer["note"] = f"{len(shown)} of {len(everybody)}; ask for those who follow with after = {shown[-1].id}"
    return answer


def describe(person: Person) -> dict[str, Any]:
    """A person as answers tell of them: no embedding, ever."""
    return {
        "person": person.id,
        "name": person.name,
        "verified": person.verified,
        "exemplars": len(person.exemplars),
        "created_s": person.created_s,
        "seen_s": person.seen_s,
        "under_review": [exemplar.id for exemplar in person.under_review],
        "merged": list(person.origins),
    }
