"""Exports: people move to another door, and nothing but the right passphrase and an undamaged file opens one."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import StoreError
from edge.store.archive import export_people, portions
from edge.store.archive_format import CHUNK, Archive, ArchiveError, ScryptCost, WrongPassphraseError, encrypt
from edge.store.keys import DeviceKey
from edge.store.templates import TemplateStore
from edge.store.transfer import take_in
from edge.store.types import AddedRecords
from tests.fakes.templates import KEY, NOW, OTHER_KEY, memory_folder, open_store, outlines, picture, pictures, vectors

PASSPHRASE = "a long passphrase"
CHEAP = ScryptCost(log2_n=10, r=1, p=1)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


def import_file(store: TemplateStore, path: Path, passphrase: str, *, revive: bool = False) -> AddedRecords:
    added = AddedRecords()
    with path.open("rb") as file:
        for portion in portions(file, passphrase):
            added += take_in(store, portion.records, revive=revive)
    return added


def lived_in(store: TemplateStore) -> None:
    """People of every sort: named, provisional, merged twice over, under review, denied, seen."""
    anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW, verified=True)
    twin = store.add_person(None, pictures(3), wall_s=NOW)
    other = store.add_person(None, pictures(4), wall_s=NOW)
    store.add_person("Zoë 李", [picture(5, views=0)], wall_s=NOW)
    store.merge(other.id, twin.id)
    store.merge(twin.id, anna.id)
    store.deny(anna.id, [picture(6)], [anna.exemplars[0].id], event="event-1")
    store.touch(anna.id, NOW + 77)
    store.flush_seen()


def test_the_people_of_a_dead_door_move_to_a_new_one_with_another_key(tmp_path: Path) -> None:
    with open_store(tmp_path / "old") as old:
        lived_in(old)
        before = old.load()
        merged = {name for person in before.people.values() for name in person.origins}
        exported = export_people(old, tmp_path / "people.doorward", PASSPHRASE, wall_s=NOW)
        views = {kept.id: len(old.views(kept.id)) for person in before.people.values() for kept in person.exemplars}
    assert (exported.people, exported.exemplars, exported.damage) == (4, 6, ())
    with open_store(tmp_path / "new", key=OTHER_KEY) as new:
        added = import_file(new, tmp_path / "people.doorward", PASSPHRASE)
        assert added == AddedRecords(people=4, exemplars=6, already_there=0, erased=())
    with open_store(tmp_path / "new", key=OTHER_KEY) as new:
        after = new.load()
        assert outlines(after) == outlines(before)
        assert vectors(after) == vectors(before)
        reviews = [[kept.review for kept in person.exemplars] for person in after.people.values()]
        assert reviews == [[kept.review for kept in person.exemplars] for person in before.people.values()]
        assert {kept: len(new.views(kept)) for kept in views} == views
        assert len(merged) == 2
        for name in sorted(merged):
            new.unmerge(name)
        assert len(new.load().people) == 4


def test_importing_twice_adds_nothing_and_changes_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        lived_in(store)
        export_people(store, tmp_path / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        anna = next(iter(store.load().people))
        store.rename(anna, "Anne")
        before = outlines(store.load())
        assert import_file(store, tmp_path / "people", PASSPHRASE) == AddedRecords(0, 0, 10, ())
        assert outlines(store.load()) == before


def test_an_import_adds_what_is_missing_of_somebody_who_is_there(tmp_path: Path) -> None:
    with open_store(tmp_path / "a") as a, open_store(tmp_path / "b") as b:
        anna = a.add_person("Anna", pictures(1), wall_s=NOW)
        export_people(a, tmp_path / "first", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        import_file(b, tmp_path / "first", PASSPHRASE)
        b.rename(anna.id, "Anne")
        a.add_exemplars(anna.id, pictures(2), wall_s=NOW)
        export_people(a, tmp_path / "second", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        assert import_file(b, tmp_path / "second", PASSPHRASE) == AddedRecords(0, 1, 2, ())
        (person,) = b.load().people.values()
        assert (person.name, len(person.exemplars)) == ("Anne", 2)


def test_only_those_named_are_exported(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        bea = store.add_person("Bea", pictures(2), wall_s=NOW)
        exported = export_people(store, tmp_path / "bea", PASSPHRASE, wall_s=NOW, only={bea.id}, cost=CHEAP)
        assert (exported.people, exported.exemplars) == (1, 1)
        with open_store(tmp_path / "new") as new:
            import_file(new, tmp_path / "bea", PASSPHRASE)
            assert list(new.load().people) == [bea.id]


def test_what_was_erased_or_rejected_stays_away_unless_it_is_asked_for(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1), wall_s=NOW)
        bea = store.add_person("Bea", pictures(2, 3), wall_s=NOW)
        export_people(store, tmp_path / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        receipt = store.erase(anna.id, wall_s=NOW)
        rejected = bea.exemplars[0].id
        store.reject_exemplar(rejected, wall_s=NOW)
        added = import_file(store, tmp_path / "people", PASSPHRASE)
        assert added == AddedRecords(0, 0, 2, (anna.id, rejected))
        assert store.verify(receipt) == []
        assert import_file(store, tmp_path / "people", PASSPHRASE, revive=True) == AddedRecords(1, 2, 2, ())
        assert set(store.load().people) == {anna.id, bea.id}
        assert store.verify(receipt) != []


def test_a_damaged_exemplar_is_left_out_and_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        anna = store.add_person("Anna", pictures(1, 2), wall_s=NOW)
        bea = store.add_person("Bea", pictures(3), wall_s=NOW)
        store.session.connection.execute(
            f"UPDATE exemplars SET record = zeroblob(99) WHERE id = '{anna.exemplars[0].id}'"
        )
        store.session.connection.execute(f"UPDATE people SET card = zeroblob(99) WHERE id = '{bea.id}'")
        exported = export_people(store, tmp_path / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP)
    assert (exported.people, exported.exemplars) == (1, 1)
    assert [line.split(":")[0] for line in exported.damage] == [anna.exemplars[0].id, bea.id]


def test_an_export_is_private_never_overwrites_and_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "people"
    with open_store(tmp_path) as store:
        store.add_person("Unmistakable", pictures(1), wall_s=NOW)
        export_people(store, path, PASSPHRASE, wall_s=NOW, cost=CHEAP)
        data = path.read_bytes()
        with pytest.raises(StoreError, match="people: is there already: name a new file"):
            export_people(store, path, PASSPHRASE, wall_s=NOW, cost=CHEAP)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"Unmistakable" not in data
    assert b"exemplars" not in data
    assert data.startswith(b"DOORWARD-PEOPLE\n")


def test_a_short_passphrase_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, pytest.raises(StoreError, match="at least 10 characters"):
        export_people(store, tmp_path / "people", "short", wall_s=NOW)
    assert not (tmp_path / "people").exists()


def test_an_export_to_nowhere_says_so(tmp_path: Path) -> None:
    with (
        open_store(tmp_path) as store,
        pytest.raises(StoreError, match=r"none/people: cannot write the export: No such"),
    ):
        export_people(store, tmp_path / "none" / "people", PASSPHRASE, wall_s=NOW)


def test_a_wrong_passphrase_is_told_from_damage_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "people"
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        export_people(store, path, PASSPHRASE, wall_s=NOW, cost=CHEAP)
        whole = path.read_bytes()
        with open_store(tmp_path / "new") as new:
            with pytest.raises(WrongPassphraseError, match="the passphrase is not the one"):
                import_file(new, path, "another passphrase")
            for at in range(0, len(whole), 7):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
                with pytest.raises(ArchiveError) as caught:
                    import_file(new, path, PASSPHRASE)
                assert not isinstance(caught.value, WrongPassphraseError)
                assert "\n" not in str(caught.value)
            for end in range(0, len(whole), 11):
                path.write_bytes(whole[:end])
                with pytest.raises(ArchiveError):
                    import_file(new, path, PASSPHRASE)
            assert new.load().people == {}
            path.write_bytes(whole)
            assert import_file(new, path, PASSPHRASE).people == 1


def test_the_same_letters_typed_otherwise_open_it() -> None:
    target = io.BytesIO()
    encrypt(target, [b"text"], "Zoe\u0308 at the door", CHEAP)
    target.seek(0)
    assert b"".join(Archive(target, "Zo\u00eb at the door").plain()) == b"text"


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3 * CHUNK), max_size=3), st.integers(-1, 1))
def test_any_lengths_come_back_also_at_the_edges_of_chunks(lengths: list[int], near: int) -> None:
    pieces = [bytes([number]) * length for number, length in enumerate([*lengths, CHUNK + near])]
    target = io.BytesIO()
    encrypt(target, pieces, PASSPHRASE, CHEAP)
    target.seek(0)
    assert b"".join(Archive(target, PASSPHRASE).plain()) == b"".join(pieces)


def test_chunks_can_be_neither_swapped_nor_dropped_nor_doubled_nor_cut_at_their_edges() -> None:
    target = io.BytesIO()
    encrypt(target, [bytes(CHUNK), b"\1" * CHUNK, b"\2" * CHUNK, b"end"], PASSPHRASE, CHEAP)
    whole = target.getvalue()
    size, start = CHUNK + 16, len(whole) - 3 * (CHUNK + 16) - 19
    head, a, b, c, d = (
        whole[:start],
        *(whole[start + i * size : start + (i + 1) * size] for i in range(3)),
        whole[start + 3 * size :],
    )
    for wrong in ([a, b, c], [a, c, b, d], [b, c, d], [a, b, c, d, d], [a, a, b, c, d], [], [a, b, c, d, b"x"]):
        with pytest.raises(ArchiveError, match="damaged or cut off at chunk"):
            list(Archive(io.BytesIO(b"".join([head, *wrong])), PASSPHRASE).plain())


@pytest.mark.parametrize(
    "cost",
    [
        (30, 8, 1),
        (63, 1, 1),
        (65535, 8, 1),
        (16, 65535, 1),
        (14, 1, 65535),
        (9, 8, 1),
        (16, 0, 1),
        (16, 8, 0),
        (18, 9, 1),
    ],
)
def test_an_archive_that_asks_for_much_memory_or_time_is_refused_before_it_gets_any(cost: tuple[int, int, int]) -> None:
    target = io.BytesIO()
    encrypt(target, [b"text"], PASSPHRASE, CHEAP)
    data = bytearray(target.getvalue())
    for at, value in zip((18, 20, 22), cost, strict=True):
        data[at : at + 2] = value.to_bytes(2, "little")
    length = len(data) - 8 - len(b"text") - 16
    data[length : length + 8] = hashlib.sha256(data[:length]).digest()[:8]
    with pytest.raises(ArchiveError, match=r"key derivation .* is not one that is accepted"):
        list(Archive(io.BytesIO(bytes(data)), PASSPHRASE).plain())


def test_the_default_cost_is_accepted_and_so_is_the_largest_allowed() -> None:
    ScryptCost().check()
    ScryptCost(18, 8, 1).check()


def forged(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """An archive made with the right passphrase by somebody who means ill, or by another program."""
    with memory_folder() as folder, open_store(folder, key=DeviceKey(bytes(32))) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        export_people(store, folder / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        with (folder / "people").open("rb") as file:
            lines = b"".join(Archive(file, PASSPHRASE).plain()).splitlines()
    documents = [json.loads(line) for line in lines]
    change(documents)
    with path.open("wb") as file:
        encrypt(file, [json.dumps(document).encode() + b"\n" for document in documents], PASSPHRASE, CHEAP)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d[0].update(version=2), "holds form 2, which is not known here"),
        (lambda d: d[0].clear(), "holds form None"),
        (lambda d: d.pop(), "ends too early"),
        (lambda d: d.pop(1), "another number of people"),
        (lambda d: d[1].pop("name"), "KeyError: 'name'"),
        (lambda d: d[1].update(name=7), "not a text"),
        (lambda d: d[1].update(name="a\0b"), "may not hold control characters"),
        (lambda d: d[1].update(id="../../etc"), "is no person's record"),
        (lambda d: d[1].update(created_s=float("nan")), "is no person's record"),
        (lambda d: d[1].update(exemplars=7), "is not one"),
        (lambda d: d[1]["exemplars"][0].update(id="x"), "'x' is no exemplar's id"),
        (lambda d: d[1]["exemplars"][0].update(kind="other"), "is not a valid Kind"),
        (lambda d: d[1]["exemplars"][0].update(record="AAAA"), "exemplar .* of p_.*: "),
        (lambda d: d[1]["exemplars"][0].update(record="*"), "is not one"),
        (lambda d: d[1]["exemplars"][0].update(views="AAAA"), "exemplar .* of p_.*: "),
        (lambda d: d.insert(1, [1]), "not an object"),
    ],
)
def test_a_forged_archive_is_refused_in_words_and_nobody_is_added(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], reason: str
) -> None:
    forged(tmp_path / "people", change)
    with open_store(tmp_path) as store:
        with pytest.raises(StoreError, match=reason) as caught:
            import_file(store, tmp_path / "people", PASSPHRASE)
        assert "\n" not in str(caught.value)
        assert store.load().people == {}
        assert store.session.connection.in_transaction is False


def test_merges_in_a_ring_or_into_nobody_do_not_come_in(tmp_path: Path) -> None:
    def change(documents: list[dict[str, Any]]) -> None:
        first = documents[1]
        second = {**first, "id": "p_22222222", "exemplars": [], "merged_into": first["id"]}
        third = {**first, "id": "p_33333333", "exemplars": [], "merged_into": "p_99999999"}
        first["merged_into"] = "p_22222222"
        documents[2:] = [second, third, {"people": 3, "exemplars": 1}]

    forged(tmp_path / "people", change)
    with open_store(tmp_path) as store:
        import_file(store, tmp_path / "people", PASSPHRASE)
        people = store.load()
    assert set(people.people) == {"p_22222222", "p_33333333"}
    assert people.damage == ()


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_any_other_file_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="not an export of people"):
        list(Archive(io.BytesIO(data), PASSPHRASE).plain())


def test_an_import_while_only_reading_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        export_people(store, tmp_path / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP)
        with (
            open_store(tmp_path, exclusive=False) as reader,
            pytest.raises(StoreError, match="opened for reading only"),
        ):
            import_file(reader, tmp_path / "people", PASSPHRASE)


def test_exporting_beside_a_running_daemon_works(tmp_path: Path) -> None:
    with open_store(tmp_path, key=KEY) as store, open_store(tmp_path, exclusive=False) as reader:
        store.add_person("Anna", pictures(1), wall_s=NOW)
        assert export_people(reader, tmp_path / "people", PASSPHRASE, wall_s=NOW, cost=CHEAP).people == 1
