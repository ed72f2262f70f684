"""After an erasure nothing of the person is in any file of the state folder, in whatever form it might be there."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.outbox import Outbox
from edge.adapters.outbox_place import OutboxPlace, erase_from_file
from edge.store.codec import dequantize, quantize
from edge.store.templates import TemplateStore
from edge.store.types import NewExemplar, Person
from tests.fakes.templates import NOW, everything, memory_folder, open_store, picture

NAME = "Anna-Lena Unmistakable-Wörther"
OTHER = "Bertram Stays-Behind"
PIECE = 16  # longer than a receipt's marks, which are twelve bytes of what was sealed
REST_OF_DISK = "templates.db.damaged-000001"


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as made:
        yield made


def spellings(secret: bytes) -> set[bytes]:
    """A secret's pieces as they are, in hexadecimal digits, and in base64 at each of its three alignments."""
    cut = [secret[at : at + PIECE] for at in range(0, len(secret) - PIECE + 1, PIECE)] or [secret]
    pieces = {piece for piece in cut if len(set(piece[:8])) > 4}  # a run of zeros is everywhere
    spelled = set(pieces)
    for piece in pieces:
        spelled |= {piece.hex().encode(), piece.hex().upper().encode()}
        # At the ends the letters depend on the neighbours.
        spelled |= {base64.b64encode(bytes(pad) + piece)[4 if pad else 0 : -4] for pad in range(3)}
    return spelled


def places(folder: Path, *secrets: bytes) -> set[str]:
    """The files in which any piece of any of the secrets is, in any spelling."""
    by_beginning: dict[int, list[bytes]] = {}
    for piece in set().union(*map(spellings, secrets)):
        by_beginning.setdefault(int.from_bytes(piece[:8], "little"), []).append(piece)
    beginnings = np.array(sorted(by_beginning), dtype="<u8")

    def holds_any(data: bytes) -> bool:
        for start in range(min(8, len(data))):
            words = np.frombuffer(data[start : start + (len(data) - start) // 8 * 8], dtype="<u8")
            for at in np.flatnonzero(np.isin(words, beginnings)).tolist():
                if any(data.startswith(piece, start + 8 * at) for piece in by_beginning[int(words[at])]):
                    return True
        return False

    return {str(path.relative_to(folder)) for path, data in everything(folder).items() if holds_any(data)}


@dataclass(frozen=True)
class Secrets:
    """What is looked for. plain: may never be in any file. sealed: is there until the erasure."""

    plain: list[bytes]
    sealed: list[bytes]
    names: list[bytes]


def secrets_of(store: TemplateStore, people: list[str], shots: list[NewExemplar], *names: str) -> Secrets:
    """Embeddings in every precision, keys and sealed columns, names in the usual encodings."""
    vectors = [made.x for shot in shots for made in (shot.embedding, *(view.embedding for view in shot.views))]
    plain: list[bytes] = []
    for x in vectors:
        levels, scale = quantize(x)
        forms = (x, x.astype("float64"), x.astype("float16"), dequantize(levels, scale), levels)
        plain += [form.tobytes() for form in forms]
    sealed: list[bytes] = []
    for person in people:
        plain.append(store.session.rows.person(person).key.secret)
        query = "SELECT wrapped_key, card FROM people WHERE id = ?"
        sealed += store.session.connection.execute(query, (person,)).fetchone()
        query = "SELECT record, views FROM exemplars WHERE person = ?"
        for record, views in store.session.connection.execute(query, (person,)):
            sealed += [record, views]
    spelled = [name.encode(form) for name in names for form in ("utf-8", "utf-16-le", "utf-16-be")]
    return Secrets(plain, sealed, spelled)


def outbox_in(folder: Path, *events: tuple[str, str]) -> Path:
    """An outbox whose file and log hold an event a person, and beside it a damaged one that was set aside."""
    path = folder / "outbox.db"
    outbox = Outbox(path)
    outbox.open()
    for number, (person, name) in enumerate(events):
        outbox.put(f"event-{number}", "doorward/front/event", f'{{"name": "{name}"}}'.encode(), person)
        assert outbox.commit()
    outbox.close()
    (folder / "outbox.db.damaged").write_bytes(path.read_bytes()[100:])
    return path


def opened(folder: Path) -> TemplateStore:
    outbox = OutboxPlace(lambda person: erase_from_file(folder / "outbox.db", person))
    return open_store(folder, places=(outbox,))


def enroll(store: TemplateStore) -> tuple[Person, Person, list[NewExemplar]]:
    """Anna, from three pictures and under three names, with snapshots in between; and Bertram."""
    shots = [picture(1), picture(2), picture(3)]
    anna = store.add_person("Anna-Lena First-Spelled", shots[:1], wall_s=NOW)
    bertram = store.add_person(OTHER, [picture(9)], wall_s=NOW, verified=True)
    store.snapshot()
    store.add_exemplars(anna.id, shots[1:2], wall_s=NOW)
    store.rename(anna.id, NAME)
    store.snapshot()
    store.deny(anna.id, [shots[2]], [anna.exemplars[0].id], event="event-1")
    return anna, bertram, shots


def test_nothing_of_an_erased_person_is_left_in_any_file(folder: Path) -> None:
    with opened(folder) as store:
        anna, bertram, shots = enroll(store)
        # What a repair and a crash leave: a whole copy set aside, and a snapshot that was half written.
        (folder / REST_OF_DISK).write_bytes((folder / "templates.db").read_bytes())
        (folder / f"{REST_OF_DISK}-wal").write_bytes((folder / "templates.db-wal").read_bytes())
        newest = max((folder / "snapshots").iterdir())
        (folder / "snapshots" / ".templates-00000009.db.tmp-00c0ffee").write_bytes(newest.read_bytes())
        outbox_in(folder, (anna.id, NAME), (bertram.id, OTHER))
        secrets = secrets_of(store, [anna.id], shots, NAME, "Anna-Lena First-Spelled")
        bertrams = secrets_of(store, [bertram.id], [picture(9)], OTHER)

        assert places(folder, *secrets.plain) == set()
        held = places(folder, *secrets.sealed)
        assert {"templates.db-wal", f"{REST_OF_DISK}-wal", "snapshots/.templates-00000009.db.tmp-00c0ffee"} <= held
        assert sum(name.startswith("snapshots/templates-") for name in held) == 2
        assert places(folder, *secrets.names) == {"outbox.db", "outbox.db.damaged"}

        receipt = store.erase(anna.id, wall_s=NOW)
        assert receipt.complete
        assert places(folder, *secrets.plain, *secrets.sealed, *secrets.names) == set()
        assert places(folder, *bertrams.sealed) >= {"templates.db"}
        assert places(folder, *bertrams.names) == {"outbox.db"}
    assert places(folder, *secrets.plain, *secrets.sealed, *secrets.names) == set()
    with opened(folder) as store:
        assert [person.name for person in store.load().people.values()] == [OTHER]
        store.snapshot()
    assert places(folder, *secrets.plain, *secrets.sealed, *secrets.names) == set()


@pytest.mark.parametrize("kind", ["plain", "sealed", "names"])
@pytest.mark.parametrize("spell", [bytes, bytes.hex, base64.b64encode, lambda data: base64.b64encode(b"x" + data)])
def test_the_search_finds_what_is_put_into_a_file(
    folder: Path, kind: str, spell: Callable[[bytes], bytes | str]
) -> None:
    with opened(folder) as store:
        anna, _, shots = enroll(store)
        secrets = secrets_of(store, [anna.id], shots, NAME)
        assert store.erase(anna.id, wall_s=NOW).complete
    for secret in getattr(secrets, kind)[::4]:
        spelled = spell(secret)
        (folder / "odd").write_bytes(b"?" * 777 + (spelled.encode() if isinstance(spelled, str) else spelled))
        assert places(folder, secret) == {"odd"}


def test_who_was_merged_into_an_erased_person_goes_with_them(folder: Path) -> None:
    with opened(folder) as store:
        anna, _, shots = enroll(store)
        twin = store.add_person(None, [picture(5)], wall_s=NOW)
        store.merge(twin.id, anna.id)
        store.snapshot()
        outbox_in(folder, (twin.id, NAME))
        secrets = secrets_of(store, [anna.id, twin.id], [*shots, picture(5)], NAME)
        assert places(folder, *secrets.sealed)
        assert places(folder, *secrets.names)
        assert set(store.erase(anna.id, wall_s=NOW).people) == {anna.id, twin.id}
        assert places(folder, *secrets.plain, *secrets.sealed, *secrets.names) == set()


def test_nothing_of_an_undone_enrollment_is_left(folder: Path) -> None:
    with opened(folder) as store:
        enroll(store)
        late = store.add_person(None, [picture(7)], wall_s=NOW)
        store.snapshot()
        secrets = secrets_of(store, [late.id], [picture(7)])
        assert len(places(folder, *secrets.sealed)) == 2
        undone = store.undo_last_enrollment(wall_s=NOW)
        assert undone is not None
        assert undone.receipt is not None
        assert places(folder, *secrets.plain, *secrets.sealed) == set()


def test_nothing_of_a_rejected_picture_is_left(folder: Path) -> None:
    with opened(folder) as store:
        anna, _, shots = enroll(store)
        store.snapshot()
        query = "SELECT record, views FROM exemplars WHERE id = ?"
        sealed = store.session.connection.execute(query, (shots[1].id,)).fetchone()
        assert len(places(folder, *sealed)) >= 2
        store.reject_exemplar(shots[1].id, wall_s=NOW)
        assert places(folder, *sealed) == set()
        assert [kept.id for kept in store.load().people[anna.id].exemplars] == [shots[0].id]


def test_a_person_of_many_large_pictures_leaves_no_page_behind(folder: Path) -> None:
    """Their rows take pages of their own, which go back to the free list and not through a change of a row."""
    with opened(folder) as store:
        shots = [large(seed) for seed in range(6)]
        anna = store.add_person(NAME, shots, wall_s=NOW)
        bertram = store.add_person(OTHER, [large(30)], wall_s=NOW)
        store.snapshot()
        secrets = secrets_of(store, [anna.id], [], NAME)
        assert places(folder, *secrets.sealed)
        assert store.erase(anna.id, wall_s=NOW).complete
        assert places(folder, *secrets.plain, *secrets.sealed, *secrets.names) == set()
        assert set(store.load().people) == {bertram.id}
    with contextlib.closing(sqlite3.connect(folder / "templates.db")) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] > 10


def large(seed: int) -> NewExemplar:
    return picture(seed, dimensions=512, views=16)
