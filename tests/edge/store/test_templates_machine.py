"""The store against a dictionary: whatever is done in whatever order, with openings in between, both tell the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.store.templates import TemplateStore
from edge.store.types import NewExemplar, StoreRefusedError
from tests.fakes.templates import NOW, open_store, outlines, picture


@dataclass
class Modelled:
    name: str
    verified: bool
    exemplars: list[str]
    denied: list[str] = field(default_factory=list)
    seen_s: float | None = None
    merged_into: str | None = None


class StoreMachine(RuleBasedStateMachine):
    # People are drawn in the order in which they came, since their ids are random and would not repeat.

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.store: TemplateStore = open_store(self.folder)
        self.people: dict[str, Modelled] = {}
        self.last: tuple[str, list[str], bool] | None = None
        self.pictures = self.names = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def shot(self) -> str:
        self.pictures += 1
        return f"{self.pictures:032x}"

    def holders(self) -> list[str]:
        return [person for person, entry in self.people.items() if entry.merged_into is None]

    def group(self, person: str) -> list[str]:
        found = [person]
        for member in found:
            found += [other for other, entry in self.people.items() if entry.merged_into == member]
        return found

    @initialize()
    def somebody(self) -> None:
        self.enroll(None, 1)

    @rule(name=st.sampled_from([None, "Anna", "Bea"]), count=st.integers(1, 2))
    def enroll(self, name: str | None, count: int) -> None:
        ids = [self.shot() for _ in range(count)]
        added = self.store.add_person(name, [enrolled(i) for i in ids], wall_s=NOW, verified=True)
        if name is None:
            self.names += 1
        self.people[added.id] = Modelled(name or f"Person {self.names}", name is not None, ids)
        self.last = (added.id, ids, True)

    @precondition(lambda self: self.holders())
    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.holders()))
        self.store.add_exemplars(person, [enrolled(identity := self.shot())], wall_s=NOW)
        self.people[person].exemplars.append(identity)
        self.last = (person, [identity], False)

    @precondition(lambda self: self.holders())
    @rule(data=st.data(), name=st.sampled_from(["Cleo", "Dora"]))
    def rename(self, data: st.DataObject, name: str) -> None:
        person = data.draw(st.sampled_from(self.holders()))
        self.store.rename(person, name)
        self.people[person].name, self.people[person].verified = name, True

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        source, into = (data.draw(st.sampled_from(list(self.people))) for _ in range(2))
        allowed = source != into and {source, into} <= set(self.holders())
        if allowed:
            self.store.merge(source, into)
            self.people[source].merged_into = into
        else:
            with pytest.raises(StoreRefusedError):
                self.store.merge(source, into)

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(list(self.people)))
        if self.people[source].merged_into is None:
            with pytest.raises(StoreRefusedError):
                self.store.unmerge(source)
        else:
            self.store.unmerge(source)
            self.people[source].merged_into = None

    @precondition(lambda self: self.holders())
    @rule(data=st.data())
    def deny(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.holders()))
        self.store.deny(person, [enrolled(identity := self.shot())], [], event="event")
        self.people[person].denied.append(identity)

    @precondition(lambda self: any(entry.exemplars for entry in self.people.values()))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        kept = sorted(identity for entry in self.people.values() for identity in entry.exemplars)
        identity = data.draw(st.sampled_from(kept))
        self.store.reject_exemplar(identity, wall_s=NOW)
        for entry in self.people.values():
            if identity in entry.exemplars:
                entry.exemplars.remove(identity)
        self.last = None

    @precondition(lambda self: self.holders())
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.holders()))
        group = self.group(person)
        receipt = self.store.erase(person, wall_s=NOW)
        assert set(receipt.people) == set(group)
        assert self.store.verify(receipt) == []
        for member in group:
            del self.people[member]
        self.last = None

    @rule()
    def undo(self) -> None:
        undone = self.store.undo_last_enrollment(wall_s=NOW)
        assert (undone is None) == (self.last is None)
        if self.last is None:
            return
        person, identities, new_person = self.last
        if new_person:
            del self.people[person]
            for entry in self.people.values():
                entry.merged_into = None if entry.merged_into == person else entry.merged_into
        else:
            entry = self.people[person]
            entry.exemplars = [identity for identity in entry.exemplars if identity not in identities]
        self.last = None

    @precondition(lambda self: self.people)
    @rule(data=st.data(), later=st.integers(0, 1000))
    def see(self, data: st.DataObject, later: int) -> None:
        person = data.draw(st.sampled_from(list(self.people)))
        self.store.touch(person, NOW + later)
        self.store.flush_seen()
        self.people[person].seen_s = max(NOW + later, self.people[person].seen_s or 0)

    @rule()
    def snapshot(self) -> None:
        self.store.snapshot()

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = open_store(self.folder)
        assert self.store.report == []

    @rule()
    def lose_the_database(self) -> None:
        """With a fresh snapshot, losing the file loses nothing but what may be undone."""
        self.store.snapshot()
        # A sighting alone is not worth a snapshot, so it may be an older one that comes back.
        seen = {person: entry.seen_s for person, entry in self.people.items()}
        self.store.close()
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"templates.db{suffix}").unlink(missing_ok=True)
        self.store = open_store(self.folder)
        assert len(self.store.report) == 1
        for person, wall_s in seen.items():
            if wall_s is not None:
                self.store.touch(person, wall_s)
        self.store.flush_seen()
        self.last = None

    @invariant()
    def both_tell_the_same(self) -> None:
        people = self.store.load()
        assert people.damage == people.repaired == ()
        assert outlines_sorted(outlines(people)) == {person: self.expected(person) for person in self.holders()}

    def expected(self, person: str) -> tuple[object, ...]:
        members = [self.people[member] for member in self.group(person)]
        seen = [member.seen_s for member in members if member.seen_s is not None]
        return (
            person,
            members[0].name,
            members[0].verified,
            max(seen, default=None),
            tuple(sorted(identity for member in members for identity in member.exemplars)),
            tuple(sorted(identity for member in members for identity in member.denied)),
            tuple(sorted(self.group(person)[1:])),
        )


def enrolled(identity: str) -> NewExemplar:
    return replace(picture(1, views=1, dimensions=16), id=identity)


def outlines_sorted(shown: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {
        person: tuple(tuple(sorted(part)) if isinstance(part, tuple) else part for part in outline)
        for person, outline in shown.items()
    }


StoreMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStore = StoreMachine.TestCase
