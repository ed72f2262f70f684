"""Who the door knows, in memory and on disk at once: every change is committed first and then swapped in.

Adding somebody touches their row and the table's threshold alone. The table is made when it is first asked for, so that
a command that recognizes nobody does not calibrate it. One thread owns it: the daemon's, or a command's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from edge.errors import StoreError
from edge.events import PersonLabel
from edge.recognition.recognizer import ActiveModel, Pictures
from edge.store.receipts import Receipt
from edge.store.templates import TemplateStore, Undone
from edge.store.transfer import take_in
from edge.store.types import AddedRecords, NewExemplar, Person, PersonRecord, StoredPeople


class Roster:
    """The people of one door under one active model."""

    def __init__(
        self, store: TemplateStore, people: StoredPeople, model_over: Callable[[StoredPeople], ActiveModel]
    ) -> None:
        """model_over: makes the model that is active over exactly these people."""
        self._store = store
        self._people = dict(people.people)
        self.damage = people.damage
        self._model_over = model_over
        self._model: ActiveModel | None = None
        self.changed = True
        self._generation = 0

    @property
    def generation(self) -> int:
        """Another one after each change of anybody."""
        return self._generation

    @property
    def model(self) -> ActiveModel:
        """Made here, if it was not yet; see `ready`."""
        if self._model is None:
            self._model = self._model_over(StoredPeople(self._people))
            for person in self._people.values():
                if person.denied:
                    self._project(person)
        return self._model

    def ready(self) -> ActiveModel:
        """The model, made now, so that no frame waits for it."""
        return self.model

    def adopt(self, model: ActiveModel) -> None:
        """Recognize by another model from now on. It must be of exactly these people, see `update/reprojection.py`."""
        self._model = model

    @property
    def people(self) -> Mapping[str, Person]:
        return self._people

    @property
    def labels(self) -> dict[str, PersonLabel]:
        """What events may say of each, by id."""
        return {person.id: PersonLabel(person.name, person.verified) for person in self._people.values()}

    @property
    def refusal(self) -> str | None:
        """Why nobody can be enrolled just now (disk full, read-only), or None."""
        return self._store.refusal

    @property
    def unusable(self) -> str | None:
        """That some cannot be recognized, since nothing of theirs is by the embedder in use; or None."""
        return unusable(self._people, self.model.gallery.head.embedder_id)

    def find(self, text: str) -> tuple[Person, ...]:
        """Those whom an id or a name may mean."""
        return StoredPeople(self._people).find(text)

    def enroll(self, name: str | None, exemplars: Sequence[NewExemplar], wall_s: float, *, verified: bool) -> Person:
        """Add somebody; when it returns they are on disk, and the next frame recognizes them.

        Raises:
            StoreError: nothing was written.
        """
        return self._took(self._store.add_person(name, exemplars, wall_s=wall_s, verified=verified))

    def add_exemplars(self, person: str, exemplars: Sequence[NewExemplar], wall_s: float) -> Person:
        """More pictures of somebody enrolled."""
        return self._took(self._store.add_exemplars(person, exemplars, wall_s=wall_s))

    def renew(self, person: str, exemplars: Sequence[NewExemplar], wall_s: float) -> Person:
        """Better pictures in the place of all that there are. The new ones are on disk before an old one goes."""
        old = [kept.id for kept in self._people[person].exemplars]
        renewed = self.add_exemplars(person, exemplars, wall_s)
        for exemplar in old:
            renewed = self.reject_exemplar(exemplar, wall_s) or renewed
        return renewed

    def rename(self, person: str, name: str) -> Person:
        return self._took(self._store.rename(person, name))

    def confirm(self, person: str) -> Person:
        return self._took(self._store.confirm(person))

    def merge(self, source: str, into: str) -> Person:
        """Make two people one, under the second's name; `unmerge` parts them again."""
        person = self._store.merge(source, into)
        self._lost(source)
        return self._took(person)

    def unmerge(self, source: str) -> tuple[Person, Person]:
        """Part somebody from whom they were merged into; both."""
        parted, holder = self._store.unmerge(source)
        return self._took(parted), self._took(holder)

    def deny(self, person: str, probes: Sequence[NewExemplar], behind: Sequence[str], event: str) -> Person:
        """Somebody says "that is not me" of an event; see `TemplateStore.deny`."""
        return self._took(self._store.deny(person, probes, behind, event=event))

    def keep_exemplar(self, exemplar: str) -> Person:
        """An exemplar under review is right."""
        return self._took(self._store.keep_exemplar(exemplar))

    def reject_exemplar(self, exemplar: str, wall_s: float) -> Person | None:
        """An exemplar under review goes; None where its person's own row is damaged."""
        person = self._store.reject_exemplar(exemplar, wall_s=wall_s)
        return self._took(person) if person is not None else None

    def take_in(self, records: Iterable[PersonRecord], *, revive: bool) -> AddedRecords:
        """People of an export, all of these or nobody; see `transfer.take_in`."""
        added = take_in(self._store, records, revive=revive)
        if added.changed:
            self._refresh(added.changed, self._store.some(added.changed))
        return added

    def unseen_since(self, wall_s: float) -> tuple[Person, ...]:
        """Those last about before then."""
        return StoredPeople(self._people).unseen_since(wall_s)

    def erase(self, person: str, wall_s: float) -> Receipt:
        """Everywhere; see `TemplateStore.erase`."""
        with self._seeing_what_failed(self._circle(person)):
            receipt = self._store.erase(person, wall_s=wall_s)
        self._lost(person)
        return receipt

    def last_enrolled(self) -> str | None:
        """The person whom `undo` would take back, or whose pictures; None when there is nothing to undo."""
        last = self._store.last_enrollment()
        return last.person if last else None

    def undo(self, wall_s: float) -> Undone | None:
        """Take the last enrollment back; None when there is none."""
        circle = self._circle(self.last_enrolled() or "")
        with self._seeing_what_failed(circle):
            undone = self._store.undo_last_enrollment(wall_s=wall_s)
        if undone is not None:
            self._refresh(circle, self._store.some(circle))
        return undone

    def saw(self, person: str, wall_s: float) -> None:
        """Somebody was recognized; written later, so that no frame waits for the disk."""
        self._store.touch(person, wall_s)

    def tend(self) -> None:
        """Write who was seen, finish erasures that something stood in the way of, and snapshot what was changed.

        Raises:
            StoreError: the disk does not take it; nothing is lost by trying later.
        """
        self._store.flush_seen()
        self._store.finish_erasures()
        if self.changed:
            self._store.snapshot()
            self.changed = False

    def tend_soon(self) -> None:
        """Something that an erasure waits for has come: `tend` before it is due."""
        self.changed = True

    def close(self) -> None:
        self._store.close()

    def _note_change(self) -> None:
        self.changed = True
        self._generation += 1

    def _took(self, person: Person) -> Person:
        self._people[person.id] = person
        self._note_change()
        self._project(person)
        return person

    def _project(self, person: Person) -> None:
        if self._model is not None:
            embedder = self._model.gallery.head.embedder_id
            self._model = self._model.with_person(person.id, *pictures_of(person, embedder))

    def _lost(self, person: str) -> None:
        self._people.pop(person, None)
        self._note_change()
        if self._model is not None:
            self._model = self._model.without(person)

    def _circle(self, person: str) -> frozenset[str]:
        """The ids of somebody, of whom they go by, and of all who were merged with them."""
        for one in self._people.values():
            if person == one.id or person in one.origins:
                return frozenset({one.id, *one.origins})
        return frozenset({person})

    @contextmanager
    def _seeing_what_failed(self, circle: frozenset[str]) -> Iterator[None]:
        """An erasure that raises may be committed all the same, with its receipt alone still to be filed."""
        try:
            yield
        except StoreError:
            with suppress(StoreError):  # a disk that cannot even be read changes nothing of who is known
                now = self._store.some(circle)
                if now.keys() != circle & self._people.keys():
                    self._refresh(circle, now)
            raise

    def _refresh(self, circle: Collection[str], now: Mapping[str, Person]) -> None:
        """Take over how it stands with some. circle: all their ids, before and after. now: those who are there."""
        for person in circle:
            if person in self._people and person not in now:
                self._lost(person)
        self._people |= now
        self._note_change()
        if self._model is not None:
            embedder = self._model.gallery.head.embedder_id
            self._model = self._model.with_people({p.id: pictures_of(p, embedder) for p in now.values()})


def pictures_of(person: Person, embedder: str) -> Pictures:
    """Somebody's by one embedder (its sha256), as a table takes them."""
    theirs = tuple(exemplar.embedding for exemplar in person.gallery(embedder))
    return theirs, tuple(kept.embedding for kept in person.denied if kept.embedder == embedder)


def unusable(people: Mapping[str, Person], embedder: str) -> str | None:
    """That some of these cannot be recognized by `embedder` (its sha256), and the way out; None where all can."""
    without = sum(not person.gallery(embedder) for person in people.values())
    if not without:
        return None
    several = f"{without} of {len(people)} cannot be recognized"
    return f"{several}: nothing of theirs is by the embedder in use; set that back, or enroll them again"
