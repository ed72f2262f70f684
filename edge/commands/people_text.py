"""What `doorward people …` prints for people to read. What is asked, and the JSON, are `people.py`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.store.receipts import receipt_file

_HEADINGS = ("id", "name", "verified", "pictures", "enrolled", "last seen")
_NOBODY = {"unseen": "nobody was unseen for so long", "provisional": "nobody is provisional"}

Answer = Mapping[str, Any]


def lines_of(what: str, answer: Answer, receipts: Path) -> Iterator[str]:
    """An answer as lines. what: the word that asked for it. receipts: the folder with the receipts of erasures."""
    if what == "erase":
        yield from _erased(f"erased {answer['name']}", answer["receipt"], receipts)
    elif what == "undo":
        yield from _undone(answer, receipts)
    elif what == "import":
        yield from _taken_in(answer)
    elif what == "reject-exemplar":
        yield "rejected"
        if answer["person"] is not None:
            yield from lines_of("show", answer["person"], receipts)
    elif isinstance(answer.get("people"), list):
        yield from _table(answer["people"]) if answer["people"] else (_nobody(what),)
    elif "name" in answer:
        yield from _table([answer])
        yield from _about(answer)
    else:
        # Of damage there was a complaint.
        yield from (f"{key}: {value}" for key, value in answer.items() if key != "damage")


def _nobody(what: str) -> str:
    return _NOBODY.get(what, "nobody; press the enroll button, or `doorward enroll NAME IMAGE…`")


def _about(person: Answer) -> Iterator[str]:
    """What there is to be done about somebody, by the ids that it takes."""
    if person["merged"]:
        yield f"merged into them: {', '.join(person['merged'])} (`doorward people unmerge ID`)"
    if person["under_review"]:
        verbs = "`doorward people keep-exemplar ID` or `reject-exemplar ID`"
        yield f"under review: {', '.join(person['under_review'])} ({verbs})"


def _undone(answer: Answer, receipts: Path) -> Iterator[str]:
    if answer["receipt"] is None:
        yield f"took back the pictures that {answer['person']} was last given"
    else:
        yield from _erased("took back the last enrollment", answer["receipt"], receipts)


def _taken_in(answer: Answer) -> Iterator[str]:
    came = f"took in {_count(answer['people'], 'person', 'people')} and {_count(answer['exemplars'], 'picture')}"
    yield f"{came}; there already: {answer['already_there']}"
    if erased := answer["erased"]:
        yield f"left out, as they were erased here: {', '.join(erased)} (`--revive` takes them in)"


def _erased(done: str, receipt: Answer, receipts: Path) -> Iterator[str]:
    places = receipt["places"]
    items = sum(place["items"] for place in places)
    found = sum(place["items"] > 0 for place in places)
    numbers = f"{_count(items, 'thing')} in {_count(found, 'place')}"
    yield f"{done} ({_ids(receipt['people'])}): {numbers}; {_rest(places)}"
    yield f"receipt: {(file := receipt_file(receipts, receipt['number']))} (`doorward people verify {file}`)"


def _rest(places: Sequence[Answer]) -> str:
    left = [f"{place['left']} in {place['place']}{_note(place)}" for place in places if place["left"]]
    return f"still left: {', '.join(left)}" if left else "complete"


def _note(place: Answer) -> str:
    return f" ({place['note']})" if place["note"] else ""


def _ids(people: Sequence[str]) -> str:
    return f"{'id' if len(people) == 1 else 'ids'} {', '.join(people)}"


def _count(number: int, of: str, several: str | None = None) -> str:
    return f"{number} {of if number == 1 else several or f'{of}s'}"


def _table(people: Sequence[Answer]) -> Iterator[str]:
    rows = [_HEADINGS, *(_row(person) for person in people)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(person: Answer) -> tuple[str, str, str, str, str, str]:
    return (
        person["person"],
        person["name"],
        "yes" if person["verified"] else "no",
        str(person["exemplars"]),
        _day(person["created_s"]),
        _day(person["seen_s"]),
    )


def _day(wall_s: float | None) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M") if wall_s else "never"
