"""Signing and publishing with real keys in files: what the gate refused, counters, withdrawal, rollback, kills."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.contract.release import ReleaseDescription
from edge.errors import DoorwardError, ModelError, RefusedError
from edge.inference.head import head_path, load_head
from edge.update.bundle import open_bundle
from tests.fakes.candidates import EMBEDDER, make_candidate, write_report
from tests.fakes.rollout import meet, said, say, statuses
from tests.fakes.tuf_folder import FolderClient, Signers
from trainer.releases.editing import Expiries, counter_of, create, withdrawn_in
from trainer.releases.keys import new_signers
from trainer.releases.published import published_head
from trainer.releases.releaser import Releaser, ReleaseRules
from trainer.releases.repository import Repository, write_readable
from trainer.releases.rollouts import RolloutRules, advance, wanted
from trainer.store.store import FleetStore

FACTORY = head_path(EMBEDDER)


class Office:
    """A trainer with everything that signing takes."""

    def __init__(self, state: Path, store: FleetStore) -> None:
        self.state, self.store = state, store
        self.now = datetime.now(UTC)
        self.signers = Signers(new_signers())
        self.repository = Repository(state / "repository")
        create(self.repository, self.signers.keys, Expiries(), self.now)
        rules = ReleaseRules(rings="door-a, rest")
        self.releaser = Releaser(store, self.repository, state / "released", self.signers, rules, lambda: self.now)
        self.client = FolderClient(self.repository.folder, state / "client")
        meet(store, ("door-a", "door-b", "door-c"))

    def candidate(self, head: str = "plda:0001", decision: str = "replace") -> Path:
        return make_candidate(self.state / "candidates" / head.replace(":", "-"), head, decision)

    def release(self, head: str = "plda:0001") -> str:
        description = self.releaser.sign(self.candidate(head))
        return self.releaser.publish(description.release).id

    def commit_all(self, release: str) -> None:
        say(self.store, *(said(door, release, "committed") for door in ("door-a", "door-b", "door-c")))
        with self.store.write() as writer:
            writer.releases.open_ring(release, 1)
            writer.releases.mark(release, "done")

    def told(self) -> dict[str, tuple[str, int, bool]]:
        """The release, counter and withdrawal in each door's notice."""
        with self.store.reading_releases() as kept:
            releases = kept.all()
            notices = wanted(releases, kept.doors_of(*(one.id for one in releases)))
        return {door: (one.release, one.counter, one.withdrawn) for door, one in notices.items()}


@pytest.fixture
def office(store: FleetStore, tmp_path: Path) -> Office:
    return Office(tmp_path / "trainer", store)


def test_a_signed_head_is_what_a_door_fetches_and_loads(office: Office) -> None:
    description = office.releaser.sign(office.candidate())
    assert office.client.look(description.target) is None
    released = office.releaser.publish()
    assert (released.id, released.counter, released.status, released.ring) == ("plda-0001", 1, "running", 0)
    file = office.state / "got.zip"
    file.write_bytes(office.client.fetch(description.target))
    target = office.client.look(description.target)
    assert target is not None
    signed = ReleaseDescription.from_custom(target.custom)
    open_bundle(file, signed).unpack(office.state / "unpacked")
    assert load_head(office.state / "unpacked" / FACTORY.name, EMBEDDER.sha256).id == "plda:0001"
    assert (signed.kind, signed.compatible, signed.dim) == ("head", EMBEDDER.sha256, 192)
    assert (
        published_head(office.store, office.state, EMBEDDER.sha256)
        == office.state / "released/plda-0001" / FACTORY.name
    )


@pytest.mark.parametrize("decision", ["refuse", "keep"])
def test_what_the_gate_did_not_let_through_is_not_signed_unless_somebody_answers_for_it(
    office: Office, decision: str
) -> None:
    folder = office.candidate(decision=decision)
    with pytest.raises(RefusedError, match=f"the gate says {decision}: .*--even-refused REASON"):
        office.releaser.sign(folder)
    assert office.repository.read().heads.signed.targets == {}
    assert office.store.releases() == []
    office.releaser.sign(folder, even_refused="a trial at the back door")
    assert [one.even_refused for one in office.store.releases()] == ["a trial at the back door"]


def damage_model(folder: Path) -> None:
    model = next(folder.glob("*.head.tflite"))
    model.write_bytes(model.read_bytes()[:-100] + bytes(100))


def forge_report(folder: Path) -> None:
    body = json.loads((folder / "gate.json").read_text())
    body["decision"] = "refuse"
    (folder / "gate.json").write_text(json.dumps(body))


DAMAGES: dict[str, tuple[Callable[[Path], object], type[DoorwardError], str]] = {
    "no head": (lambda f: next(f.glob("*.head.json")).unlink(), RefusedError, "holds 0 heads"),
    "no model": (lambda f: next(f.glob("*.head.tflite")).unlink(), ModelError, "No such file"),
    "another model": (damage_model, ModelError, "head.tflite"),
    "two heads": (lambda f: (f / "b.head.json").write_text("{}"), RefusedError, "holds 2 heads"),
    "a stray file": (lambda f: (f / "x.bin").write_text("x"), RefusedError, "x.bin belongs to no head"),
    "no report": (lambda f: (f / "gate.json").unlink(), RefusedError, "nobody judged it"),
    "a forged decision": (forge_report, DoorwardError, "its own figures say replace"),
    "another head's report": (
        lambda f: write_report(f / "gate.json", "plda:0001", "replace", {"head_sha256": "00" * 32}),
        RefusedError,
        "is the report of another head",
    ),
    "an empty report": (lambda f: (f / "gate.json").write_text(""), DoorwardError, "no gate report"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_candidate_with_something_wrong_is_not_signed_and_costs_no_counter(office: Office, damage: str) -> None:
    folder = office.candidate()
    spoil, error, words = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(error, match=words) as caught:
        office.releaser.sign(folder)
    assert "\n" not in str(caught.value)
    assert office.repository.highest("heads") == 1
    with office.store.write() as writer:
        assert writer.releases.next_counter(0) == 1


def test_a_report_of_another_head_does_not_help_by_answering_for_it(office: Office) -> None:
    folder = office.candidate()
    write_report(folder / "gate.json", "plda:0002", "replace", {"head_sha256": "00" * 32})
    with pytest.raises(RefusedError, match="is the report of another head"):
        office.releaser.sign(folder, even_refused="trust me")


def test_a_dry_run_signs_nothing_and_says_what_it_would(office: Office) -> None:
    description = office.releaser.sign(office.candidate(), dry_run=True)
    assert (description.release, description.counter) == ("plda-0001", 1)
    assert office.store.releases() == []
    assert not (office.state / "released").exists()


def test_counters_only_rise_also_over_a_store_that_lost_its_memory(office: Office, tmp_path: Path) -> None:
    office.release("plda:0001")
    office.release("plda:0002")
    with FleetStore.open(f"sqlite:///{tmp_path}/other.db", office.store._vault._key) as fresh:
        meet(fresh, ("door-a",))
        other = Releaser(
            fresh, office.repository, office.state / "released", office.signers, ReleaseRules(), lambda: office.now
        )
        assert other.sign(office.candidate("plda:0003")).counter == 3
        assert [one.counter for one in fresh.releases()] == [3, 2, 1]


def test_a_release_signed_before_one_that_is_published_is_not_published_after_it(office: Office) -> None:
    first = office.releaser.sign(office.candidate("plda:0001"))
    office.release("plda:0002")
    with pytest.raises(RefusedError, match="plda-0001: was signed before plda-0002, which is published; sign it anew"):
        office.releaser.publish(first.release)


def test_what_a_kill_left_out_of_the_store_is_taken_from_the_repository(office: Office) -> None:
    description = office.releaser.sign(office.candidate())
    with office.store.write() as writer:
        writer._connection.exec_driver_sql("DELETE FROM releases")
    assert office.releaser.publish().id == description.release
    assert statuses(office.store, description.release) == dict.fromkeys(("door-a", "door-b", "door-c"), "scheduled")


def test_nothing_is_published_where_no_door_can_take_it(office: Office) -> None:
    meet(office.store, ("door-a", "door-b", "door-c"), embedder_sha256="99" * 32)
    office.releaser.sign(office.candidate())
    with pytest.raises(RefusedError, match="no door is known that can take it"):
        office.releaser.publish()
    assert office.client.look("heads/plda-0001.zip") is None


def test_only_the_first_ring_is_told(office: Office) -> None:
    first = office.release("plda:0001")
    assert office.told() == {"door-a": (first, 1, False)}
    office.commit_all(first)
    second = office.release("plda:0002")
    assert office.told() == {"door-a": (second, 2, False), "door-b": (first, 1, False), "door-c": (first, 1, False)}


def test_a_withdrawn_release_is_told_to_those_who_were_told_of_it_under_a_higher_counter(office: Office) -> None:
    first = office.release("plda:0001")
    office.commit_all(first)
    second = office.release("plda:0002")
    found = office.releaser.withdraw(None, "it names the wrong people")
    assert (found.id, found.status, found.why) == (second, "withdrawn", "it names the wrong people")
    assert office.told() == {"door-a": (second, 3, True), "door-b": (first, 1, False), "door-c": (first, 1, False)}
    assert statuses(office.store, second)["door-a"] == "cancelled"
    assert office.client.look(f"heads/{second}.zip") is None
    assert office.client.look(f"heads/{first}.zip") is not None
    trusted = office.repository.read()
    assert (withdrawn_in(trusted), counter_of(trusted)) == ({second}, 3)
    assert (
        published_head(office.store, office.state, EMBEDDER.sha256) == office.state / "released" / first / FACTORY.name
    )
    with pytest.raises(RefusedError, match="is withdrawn already"):
        office.releaser.withdraw(second, "again")


def test_a_rollback_is_the_former_head_under_a_higher_counter_to_everybody(office: Office) -> None:
    first = office.release("plda:0001")
    office.commit_all(first)
    second = office.release("plda:0002")
    back = office.releaser.roll_back(FACTORY, "doors complain")
    assert (back.id, back.counter, back.rings) == (f"{first}.4", 4, "rest")
    assert office.told() == dict.fromkeys(("door-a", "door-b", "door-c"), (back.id, 4, False))
    assert office.client.look(f"heads/{second}.zip") is None
    file = office.state / "got.zip"
    file.write_bytes(office.client.fetch(f"heads/{back.id}.zip"))
    former = open_bundle(file).description
    assert [one.sha256 for one in former.files] == [one.sha256 for one in office.releaser.find(first).description.files]


def test_a_rollback_of_the_first_release_brings_the_shipped_head(office: Office) -> None:
    office.release("plda:0001")
    back = office.releaser.roll_back(FACTORY, "doors complain")
    assert back.counter == 3
    folder = office.state / "released" / back.id
    assert (folder / FACTORY.name).read_bytes() == FACTORY.read_bytes()


def test_nothing_to_go_back_from_is_said(office: Office) -> None:
    with pytest.raises(RefusedError, match="nothing was published yet"):
        office.releaser.roll_back(FACTORY, "?")


@pytest.mark.parametrize("what", ["sign", "withdraw", "roll_back"])
def test_without_the_key_of_heads_nothing_changes(office: Office, what: str) -> None:
    office.release("plda:0001")
    before = {file: file.read_bytes() for file in office.repository.metadata.iterdir()}
    del office.signers.keys["heads"]
    candidate = office.candidate("plda:0002")
    acts: dict[str, Callable[[], object]] = {
        "sign": lambda: office.releaser.sign(candidate),
        "withdraw": lambda: office.releaser.withdraw(None, "x"),
        "roll_back": lambda: office.releaser.roll_back(FACTORY, "x"),
    }
    with pytest.raises(RefusedError, match="heads"):
        acts[what]()
    assert {file: file.read_bytes() for file in office.repository.metadata.iterdir()} == before
    assert [(one.id, one.status) for one in office.store.releases()] == [("plda-0001", "running")]


def test_signatures_are_due_in_time_and_renewed(office: Office) -> None:
    assert office.releaser.due() == []
    office.now += timedelta(days=4)
    assert office.releaser.due() == ["snapshot", "timestamp"]
    office.releaser.renew(office.releaser.due())
    assert office.releaser.due() == []
    office.now += timedelta(days=70)
    assert office.releaser.due() == ["snapshot", "timestamp", "heads"]


def test_what_no_door_is_told_of_any_more_leaves_the_repository(office: Office) -> None:
    for number in range(1, 5):
        office.commit_all(office.release(f"plda:000{number}"))
    named = set(office.repository.read().heads.signed.targets)
    assert named == {"heads/plda-0003.zip", "heads/plda-0004.zip"}
    assert sorted(file.name[65:] for file in office.repository.targets.rglob("*.zip")) == [
        "plda-0003.zip",
        "plda-0004.zip",
    ]


def test_a_release_that_replaces_another_calls_off_who_had_not_begun(office: Office) -> None:
    first = office.release("plda:0001")
    say(office.store, said("door-a", first, "committed"))
    office.release("plda:0002")
    assert statuses(office.store, first) == {"door-a": "closed success", "door-b": "cancelled", "door-c": "cancelled"}
    assert office.releaser.find(first).status == "superseded"
    with office.store.write() as writer:
        assert advance(writer.releases, RolloutRules()) == []


@pytest.fixture
def embedder_folder(office: Office) -> Path:
    folder = office.candidate()
    (folder / EMBEDDER.path.name).write_bytes(EMBEDDER.path.read_bytes())
    (folder / "adapter.npz").write_bytes(b"an adapter")
    return folder


def test_an_embedder_release_names_the_embedder_that_goes(office: Office, embedder_folder: Path) -> None:
    description = office.releaser.sign(embedder_folder, replaces="99" * 32)
    assert (description.kind, description.compatible) == ("embedder", "99" * 32)
    assert {file.name for file in description.files} > {EMBEDDER.path.name, "adapter.npz", FACTORY.name}
    assert description.target in office.repository.read().targets.signed.targets
    with pytest.raises(RefusedError, match="is the embedder that this release brings"):
        office.releaser.sign(embedder_folder, replaces=EMBEDDER.sha256)
    (embedder_folder / EMBEDDER.path.name).unlink()
    with pytest.raises(ModelError, match="is not in it"):
        office.releaser.sign(embedder_folder, replaces="99" * 32)


class Killed(BaseException):
    """The process ends here."""


def dying(office: Office, writes: int) -> Releaser:
    """A releaser whose process is killed at a write to the repository."""
    left = [writes]

    def write(path: Path, data: bytes) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        write_readable(path, data)

    repository = Repository(office.repository.folder, write)
    rules = ReleaseRules(rings="door-a, rest")
    return Releaser(office.store, repository, office.state / "released", office.signers, rules, lambda: office.now)


def sign_and_publish(releaser: Releaser, office: Office) -> None:
    folder = office.state / "candidates" / "plda-0002"
    releaser.sign(folder if folder.exists() else office.candidate("plda:0002"))
    releaser.publish()


ACTS: dict[str, Callable[[Releaser, Office], object]] = {
    "publish": sign_and_publish,
    "withdraw": lambda releaser, _: releaser.withdraw("plda-0001", "x"),
    "rollback": lambda releaser, _: releaser.roll_back(FACTORY, "x"),
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the kill is in the files
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("writes", range(7))
def test_killed_at_any_write_it_is_ended_by_the_same_command_again(office: Office, act: str, writes: int) -> None:
    first = office.release("plda:0001")
    before = office.releaser.find(first).counter
    with contextlib.suppress(Killed):
        ACTS[act](dying(office, writes), office)
    office.client.look()
    with contextlib.suppress(RefusedError):  # it was done before the kill
        ACTS[act](office.releaser, office)
    releases = office.store.releases()
    assert len({one.counter for one in releases}) == len(releases)
    for door, (release, counter, withdrawn) in office.told().items():
        assert counter >= before, door
        assert (office.client.look(f"heads/{release}.zip") is None) == withdrawn
    newest = max(releases, key=lambda one: one.counter)
    assert newest.status == ("withdrawn" if act == "withdraw" else "running")
