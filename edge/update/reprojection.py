"""Everybody under another head: all at once beside recognition, then what changed meanwhile, so that nobody is missed.

Pure but for the head's model, which one thread at a time may run: the one that projects here, until the table is handed
over. The order of people in a table depends on how it was made; each one's row and score, and the threshold, do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.recognition.recognizer import ActiveModel
from edge.roster import pictures_of
from edge.store.types import Person, StoredPeople
from edge.update.force import Force

People = Mapping[str, Person]


@dataclass(frozen=True, slots=True)
class Changes:
    """Between two looks at the people. changed: who came or is another. gone: ids."""

    changed: tuple[Person, ...]
    gone: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.changed) + len(self.gone)


def project_all(force: Force, people: People, target_fpir: float) -> ActiveModel:
    """The active model of a head over everybody, calibrated from scratch."""
    embedder = force.head.embedder_id
    model = ActiveModel.of(force.head, StoredPeople(people).gallery(embedder), target_fpir, force.release)
    for person in people.values():
        if person.denied:
            model = model.with_person(person.id, *pictures_of(person, embedder))
    return model


def changes(before: People, now: People) -> Changes:
    """A person is a value: whoever was changed is another one."""
    changed = tuple(person for person in now.values() if before.get(person.id) is not person)
    return Changes(changed, tuple(person for person in before if person not in now))


def caught_up(model: ActiveModel, since: Changes) -> ActiveModel:
    """The model with these changes in it."""
    for person in since.gone:
        model = model.without(person)
    embedder = model.gallery.head.embedder_id
    return model.with_people({person.id: pictures_of(person, embedder) for person in since.changed})
