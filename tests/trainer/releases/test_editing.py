"""The repository as clients see it: what is signed, what is published, and a kill between any two writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from edge.contract.release import ReleaseDescription
from edge.errors import RefusedError, StoreError
from tests.fakes.releases import make_release
from tests.fakes.tuf_folder import FolderClient, Signers
from trainer.releases.editing import Editor, Expiries, counter_of, create, withdrawn_in
from trainer.releases.keys import new_signers
from trainer.releases.repository import Repository, write_readable

NOW = datetime.now(UTC).replace(microsecond=0)  # python-tuf's client asks the real clock
EXPIRIES = Expiries()


class Killed(BaseException):
    """The process ends here."""


class House:
    """A repository with its keys, and a client that knew it from the beginning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers = Signers(new_signers())
        self.repository = Repository(folder / "repository")
        create(self.repository, self.signers.keys, EXPIRIES, NOW)
        self.client = FolderClient(self.repository.folder, folder / "client")
        self._number = 0

    def editor(self, writes: int | None = None, now: datetime = NOW) -> Editor:
        """writes: after so many the process is killed; the one that is cut leaves nothing under its name."""
        done = 0

        def write(path: Path, data: bytes) -> None:
            nonlocal done
            if done == writes:
                raise Killed
            done += 1
            write_readable(path, data)

        return Editor(Repository(self.repository.folder, write), self.signers, EXPIRIES, now)

    def release(self, name: str = "plda-1", counter: int = 1, **changes: Any) -> tuple[Path, ReleaseDescription]:
        self._number += 1
        folder = self.folder / f"made-{self._number}"
        return make_release(folder, seed=counter, release=name, counter=counter, at=NOW, **changes)

    def published(self, name: str = "plda-1", counter: int = 1) -> ReleaseDescription:
        bundle, description = self.release(name, counter)
        self.editor().add(description, bundle)
        self.editor().publish()
        return description


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_new_repository_is_accepted_and_holds_nothing(house: House) -> None:
    assert house.client.look("heads/plda-1.zip") is None
    assert not list(house.repository.folder.parent.glob(".repository*"))


def test_a_release_is_seen_once_it_is_published_and_not_before(house: House) -> None:
    bundle, description = house.release()
    house.editor().add(description, bundle)
    assert house.client.look(description.target) is None
    assert house.editor().publish()
    target = house.client.look(description.target)
    assert target is not None
    assert ReleaseDescription.from_custom(target.custom) == description
    assert house.client.fetch(description.target) == bundle.read_bytes()
    assert not house.editor().publish()


def test_a_renewal_publishes_nothing_that_was_only_signed(house: House) -> None:
    bundle, description = house.release()
    house.editor().add(description, bundle)
    for role in ("snapshot", "timestamp"):
        house.editor().renew(role)
    assert house.client.look(description.target) is None


def test_a_withdrawn_release_is_gone_and_signed_to_be(house: House) -> None:
    description = house.published()
    assert house.client.look(description.target) is not None
    house.editor().withdraw(description, 2)
    house.editor().publish()
    assert house.client.look(description.target) is None
    trusted = house.repository.read()
    assert (counter_of(trusted), withdrawn_in(trusted)) == (2, {"plda-1"})


def sign_as_a_thief(house: House, stolen: CryptoSigner, target: TargetFile) -> None:
    """What somebody who has the key and the folder does: the next heads, with a target of theirs, published."""
    heads = house.repository.read().heads
    heads.signed.targets[target.path] = target
    heads.signed.version += 1
    heads.signatures.clear()
    heads.sign(stolen)
    house.repository.put_metadata("heads", heads)
    house.editor().publish()


def test_the_key_of_heads_signs_heads_alone(house: House) -> None:
    bundle, description = house.release("net-1", kind="embedder", compatible="cd" * 32)
    target = TargetFile.from_data(description.target, bundle.read_bytes(), ["sha256"])
    sign_as_a_thief(house, house.signers.keys["heads"][0], target)
    assert description.target in house.repository.read().heads.signed.targets
    assert house.repository.read().published("heads") == 2
    assert house.client.look(description.target) is None


def test_an_embedder_needs_the_targets_key(house: House) -> None:
    bundle, description = house.release("net-1", kind="embedder", compatible="cd" * 32)
    del house.signers.keys["targets"]
    with pytest.raises(RefusedError, match="targets: 1 of its keys must sign"):
        house.editor().add(description, bundle)
    assert house.repository.read().targets.signed.version == 1


def test_one_key_of_root_is_not_enough(house: House) -> None:
    house.signers.keys["root"] = house.signers.keys["root"][:1]
    with pytest.raises(RefusedError, match="root: 2 of its keys must sign"):
        house.editor().renew("root")
    assert house.repository.highest("root") == 1


def test_a_role_is_renewed_until_later(house: House) -> None:
    later = NOW + timedelta(days=5)
    for role in ("root", "targets", "heads", "snapshot", "timestamp"):
        house.editor(now=later).renew(role)
        assert house.repository.read().of(role).signed.expires == later + EXPIRIES.of(role)
        house.client.look()


def test_old_metadata_is_pruned_and_clients_find_what_they_need(house: House) -> None:
    for _ in range(60):
        house.editor().renew("snapshot")
    house.editor().renew("root")
    house.published()
    names = sorted(file.name for file in house.repository.metadata.iterdir())
    assert sum(name.endswith("snapshot.json") for name in names) == 50
    assert {"1.root.json", "2.root.json", "1.targets.json"} <= set(names)
    house.client.look()


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"signed":{},"signatures":[]}'])
def test_a_signed_file_that_was_cut_is_passed_over_and_its_number_not_used_again(house: House, damage: bytes) -> None:
    (house.repository.metadata / "2.heads.json").write_bytes(damage)
    description = house.published()
    assert house.repository.read().heads.signed.version == 3
    assert house.client.look(description.target) is not None


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.heads.json", "1.targets.json"])
def test_a_published_file_that_is_damaged_is_named(house: House, name: str) -> None:
    file = house.repository.metadata / name
    body = json.loads(file.read_bytes())
    body["signed"]["version"] = 7
    file.write_text(json.dumps(body))
    with pytest.raises(StoreError, match=rf"{name}: is damaged .*restore the repository from a backup"):
        house.repository.read()


def test_no_second_repository_is_made_over_the_first(house: House) -> None:
    with pytest.raises(RefusedError, match="is there already"):
        create(house.repository, house.signers.keys, EXPIRIES, NOW)


def test_two_writers_take_turns(house: House) -> None:
    with house.repository.locked():
        assert (house.repository.folder / ".lock").exists()
    with house.repository.locked():
        pass


def replacement(role: str) -> Callable[[House, Editor], None]:
    def replace(house: House, editor: Editor) -> None:
        new = CryptoSigner.generate_ed25519()
        old = house.repository.read()
        delegator = old.targets.signed if role == "heads" else old.root.signed
        ids = delegator.get_delegated_role(role).keyids
        mine = [key for key in house.signers.keys[role] if key.public_key.keyid in ids]
        if len(mine) < len(ids):
            return  # the kill came after the last write: it is replaced already
        house.signers.keys[role].append(new)
        editor.replace_key(role, new, mine[0].public_key.keyid)

    return replace


def add_and_publish(house: House, editor: Editor) -> None:
    bundle, description = house.release("plda-2", 2)
    editor.add(description, bundle)
    editor.publish()


def withdraw_and_publish(house: House, editor: Editor) -> None:
    editor.withdraw(house.release("plda-1", 1)[1], 3)
    editor.publish()


def renewal(role: str) -> Callable[[House, Editor], None]:
    return lambda _house, editor: editor.renew(role)


WAYS: dict[str, Callable[[House, Editor], None]] = {
    "add": add_and_publish,
    "withdraw": withdraw_and_publish,
    **{f"renew {role}": renewal(role) for role in ("root", "targets", "heads", "snapshot", "timestamp")},
    **{f"replace {role}": replacement(role) for role in ("root", "heads", "targets", "snapshot", "timestamp")},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_between_any_two_writes_leaves_what_clients_accept(tmp_path: Path, way: str) -> None:
    for writes in range(10):
        house = House(tmp_path / str(writes))
        first = house.published()
        house.client.look()
        try:
            WAYS[way](house, house.editor(writes))
            killed = False
        except Killed:
            killed = True
        new = FolderClient(house.repository.folder, house.folder / "another")
        for client in (house.client, new):
            seen = client.look(first.target)
            assert seen is not None or way == "withdraw"
        WAYS[way](house, house.editor())  # begun again, it ends what was begun
        for client in (house.client, new):
            client.look()
        if not killed:
            assert writes > 1 or way in ("renew root", "renew timestamp", "replace root")
            return
    pytest.fail("never came to its end")


def test_a_key_that_was_replaced_signs_nothing_any_more(house: House) -> None:
    stolen, new = house.signers.keys["heads"][0], CryptoSigner.generate_ed25519()
    house.signers.keys["heads"] = [new]
    house.editor().replace_key("heads", new, stolen.public_key.keyid)
    bundle, description = house.release("evil-1", 9)
    sign_as_a_thief(house, stolen, TargetFile.from_data(description.target, bundle.read_bytes(), ["sha256"]))
    assert house.client.look(description.target) is None
    assert house.repository.read().heads.signatures.keys() == {new.public_key.keyid}


def test_a_repository_of_other_keys_is_refused(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.published()
    for file in other.repository.metadata.iterdir():
        (house.repository.metadata / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RepositoryError):
        house.client.look()
