"""Whatever happens to a door and on the way, in any order: in the end the trainer holds what the store has to share."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.contract.fleet import PersonErased, PersonReport
from edge.inbox import Acknowledged
from edge.ports import Handover
from edge.roster import Roster
from edge.sharing.schedule import Pace
from edge.sharing.sharing import Shared, Sharing
from edge.store.templates import TemplateStore
from edge.store.told import ToldRows
from edge.store.types import Person
from tests.fakes.door import SetClock
from tests.fakes.enrollees import model
from tests.fakes.templates import EMBEDDER, NOW, memory_folder, open_store, picture

PACE = Pace(window=3, resend_s=5.0, resend_at_most_s=20.0)
Sent = PersonReport | PersonErased


class Way:
    """A broker and a trainer: messages come late, twice, in another order or never, and so do answers."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.connection: int | None = 1
        self.under_way: list[Sent] = []
        self.kept: dict[str, Sent] = {}
        self.answers: list[Sent] = []
        self.honest = False

    def send(self, message: Sent) -> Handover:
        if not self.honest and self.chance.random() < 0.05:
            return Handover.FULL
        copies = 1 if self.honest else self.chance.choice((0, 1, 1, 2))
        self.under_way += [type(message).from_json(message.to_json())] * copies
        return Handover.TAKEN

    def deliver(self) -> None:
        """Some of what is under way, in any order; the higher revision holds."""
        self.chance.shuffle(self.under_way)
        for _ in range(len(self.under_way) if self.honest else self.chance.randint(0, len(self.under_way))):
            message = self.under_way.pop()
            known = self.kept.get(message.person)
            if known is None or known.revision < message.revision:
                self.kept[message.person] = message
            if self.honest or self.chance.random() < 0.7:
                self.answers.append(message)

    @property
    def holds(self) -> dict[str, set[str]]:
        kept = [message for message in self.kept.values() if isinstance(message, PersonReport)]
        return {message.person: {entry.exemplar for entry in message.exemplars} for message in kept}


class Story:
    """A door that lives through a random story, again and again killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.clock = SetClock(wall=5.0 if seed % 3 == 0 else NOW)
        self.way = Way(self.chance)
        self.seeds = iter(range(1, 1000))
        self.noted = 0
        self.begin()

    def begin(self) -> None:
        self.store: TemplateStore = open_store(self.folder)
        self.roster = Roster(self.store, self.store.load(), lambda _people: model())
        shared = Shared("front", EMBEDDER, True, ToldRows(self.store.session), self.store.views)
        self.sharing = Sharing(shared, self.roster, self.way, self.clock, PACE)

    def step(self) -> None:
        coming = [self.enroll] * 3 + [self.add] * 2 + [self.merge, self.unmerge, self.keep, self.rename]
        going = [self.erase, self.review, self.reject, self.undo, self.reconnect, self.kill]
        if self.chance.random() < 0.7:
            self.chance.choice([*coming, *going])()
        self.turn()
        self.way.deliver()
        while self.way.answers and (self.way.honest or self.chance.random() < 0.6):
            answer = self.way.answers.pop()
            self.sharing.acknowledged(Acknowledged((answer.report,), self._note), self.clock.now_s)

    def turn(self) -> None:
        for _ in range(self.chance.randint(1, 5)):
            self.sharing.turn(self.clock.now_s)
        self.clock.now_s += self.chance.uniform(0, 4)
        self.clock.wall += self.chance.uniform(-3, 4)

    def enroll(self) -> None:
        self.roster.enroll(None, [picture(next(self.seeds), views=1)], NOW, verified=False)

    def add(self) -> None:
        if person := self.somebody():
            self.roster.add_exemplars(person.id, [picture(next(self.seeds), views=0)], NOW)

    def merge(self) -> None:
        if len(self.people) > 1:
            source, into = self.chance.sample(sorted(self.people), 2)
            self.roster.merge(source, into)

    def unmerge(self) -> None:
        if (person := self.somebody()) and person.origins:
            self.roster.unmerge(self.chance.choice(person.origins))

    def erase(self) -> None:
        if person := self.somebody():
            self.roster.erase(person.id, NOW)

    def review(self) -> None:
        if (person := self.somebody()) and person.exemplars:
            doubted = self.chance.choice(person.exemplars).id
            self.roster.deny(person.id, [picture(next(self.seeds), views=0)], [doubted], "event-1")

    def keep(self) -> None:
        if (person := self.somebody()) and person.under_review:
            self.roster.keep_exemplar(person.under_review[0].id)

    def reject(self) -> None:
        if (person := self.somebody()) and person.exemplars:
            self.roster.reject_exemplar(self.chance.choice(person.exemplars).id, NOW)

    def rename(self) -> None:
        if person := self.somebody():
            self.roster.rename(person.id, "Somebody")

    def undo(self) -> None:
        self.roster.undo(NOW)

    def reconnect(self) -> None:
        self.way.connection = None if self.way.connection else self.chance.randint(2, 10**6)

    def kill(self) -> None:
        self.store.close()
        self.begin()

    def settle(self) -> None:
        """Nothing more happens, and nothing more is lost."""
        self.way.honest, self.way.connection = True, 10**7
        for _ in range(400):
            self.turn()
            self.way.deliver()
            while self.way.answers:
                answer = self.way.answers.pop()
                self.sharing.acknowledged(Acknowledged((answer.report,), self._note), self.clock.now_s)

    @property
    def people(self) -> Mapping[str, Person]:
        return self.roster.people

    def somebody(self) -> Person | None:
        return self.people[self.chance.choice(sorted(self.people))] if self.people else None

    def _note(self) -> None:
        self.noted += 1


@pytest.mark.parametrize("seed", range(12))
def test_in_the_end_the_trainer_holds_what_the_store_has_to_share(seed: int) -> None:
    with memory_folder() as folder:
        story = Story(folder, seed)
        for _ in range(250):
            story.step()
        story.settle()
        expected = {
            person.id: {kept.id for kept in person.exemplars if kept.review is None} for person in story.people.values()
        }
        assert story.way.holds == {person: ids for person, ids in expected.items() if ids}
        assert story.sharing.waiting == 0
        assert story.noted > 20, "a story in which nothing was told says nothing"
        assert {receipt.complete for receipt in story.store.finish_erasures()} <= {True}
        rows = ToldRows(story.store.session)
        assert {person for person in rows.read() if rows.whereabouts(person) == "gone"} == set()
        story.store.close()
