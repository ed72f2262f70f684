"""The commands as an operator types them: keys, signing, publishing, steering, the fleet; clear words for mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.candidates import make_candidate
from tests.fakes.rollout import meet, said, say
from tests.fakes.tuf_folder import FolderClient
from trainer.cli import main
from trainer.settings import load_trainer_settings
from trainer.store.open import open_fleet_store
from trainer.store.store import FleetStore

Out = pytest.CaptureFixture[str]


class Office:
    """A trainer's state folder, a stick with the keys that were carried away, and what is typed."""

    def __init__(self, folder: Path, capsys: Out, mode: str = "approve") -> None:
        self.folder, self._capsys = folder, capsys
        self.settings = folder / "trainer.toml"
        self.settings.write_text(f'[store]\nfolder = "state"\n[releases]\nmode = "{mode}"\nrings = "door-a, rest"\n')
        self.state, self.stick = folder / "state", folder / "stick"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text("correct horse\n")
        self.passphrase.chmod(0o600)

    def type(self, *words: str | Path) -> tuple[int, str, str]:
        code = main([*map(str, words), "--settings", str(self.settings)])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def json(self, *words: str | Path) -> dict[str, Any]:
        code, out, err = self.type(*words, "--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def refusal(self, *words: str | Path) -> tuple[int, str]:
        code, _, err = self.type(*words)
        assert err.count("\n") == 1, err
        return code, err

    @property
    def keys(self) -> tuple[str | Path, ...]:
        return "--keys", self.stick, "--passphrase-file", self.passphrase

    def init(self) -> dict[str, Any]:
        return self.json("keys", "init", "--offline", self.stick, "--passphrase-file", self.passphrase)

    def candidate(self, head: str = "plda:0001", decision: str = "replace") -> Path:
        return make_candidate(self.state / "candidates" / head.replace(":", "-"), head, decision)

    def store(self) -> FleetStore:
        return open_fleet_store(load_trainer_settings(self.settings).store)

    def doors(self, *doors: str) -> None:
        with self.store() as store:
            meet(store, doors)

    def client(self) -> FolderClient:
        return FolderClient(self.state / "repository", self.folder / "client")


@pytest.fixture
def office(tmp_path: Path, capsys: Out) -> Office:
    return Office(tmp_path, capsys)


@pytest.fixture
def opened(office: Office) -> Office:
    """Keys are made and two doors are known."""
    office.init()
    office.doors("door-a", "door-b")
    return office


def test_keys_are_made_where_they_belong(office: Office) -> None:
    made = office.init()
    assert sorted(file.name for file in office.stick.iterdir()) == [
        "heads.pem",
        "root-1.pem",
        "root-2.pem",
        "root-3.pem",
        "targets.pem",
    ]
    here = office.state / "keys"
    assert sorted(file.name for file in here.iterdir()) == ["passphrase", "snapshot.pem", "timestamp.pem"]
    assert {file.stat().st_mode & 0o777 for file in (*office.stick.iterdir(), *here.iterdir())} == {0o600}
    assert made["root"] == str(office.state / "repository" / "metadata" / "1.root.json")
    office.client().look()


def test_in_mode_auto_the_key_of_heads_stays(tmp_path: Path, capsys: Out) -> None:
    office = Office(tmp_path, capsys, mode="auto")
    office.init()
    assert (office.state / "keys" / "heads.pem").exists()
    assert not (office.stick / "heads.pem").exists()


def test_a_dry_run_makes_no_key(office: Office) -> None:
    told = office.json("keys", "init", "--offline", office.stick, "--dry-run")
    assert (told["made"], len(told["carry_away"]), len(told["stay"])) == (False, 5, 2)
    assert not office.stick.exists()
    assert not office.state.exists()


def test_keys_are_not_made_twice(opened: Office) -> None:
    code, line = opened.refusal("keys", "init", "--passphrase-file", opened.passphrase)
    assert (code, "repository: is there already" in line) == (9, True)


def test_without_a_passphrase_no_key_is_made(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, line = office.refusal("keys", "init", "--offline", office.stick)
    assert (code, "no passphrase; name a file with --passphrase-file" in line) == (9, True)
    assert not office.stick.exists()


@pytest.mark.parametrize(
    "words",
    [("sign", "folder"), ("publish",), ("promote",), ("withdraw",), ("rollback",), ("status",), ("renew",), ("pause",)],
)
def test_before_keys_init_every_command_says_so(office: Office, words: tuple[str, ...]) -> None:
    code, line = office.refusal("release", *words)
    assert (code, "no repository is there yet; `doorward-trainer keys init` makes it" in line) == (9, True)


def test_a_head_is_signed_published_promoted_and_seen(opened: Office) -> None:
    signed = opened.json("release", "sign", opened.candidate(), *opened.keys)
    assert (signed["release"], signed["counter"], signed["signed"]) == ("plda-0001", 1, True)
    assert opened.client().look("heads/plda-0001.zip") is None
    plan = opened.json("release", "publish", "--dry-run")
    assert plan["plan"] == {"door-a": 0, "door-b": 1}
    published = opened.json("release", "publish")
    assert (published["status"], published["ring"], published["doors"]) == ("running", 0, {"scheduled": 2})
    assert opened.client().look("heads/plda-0001.zip") is not None
    with opened.store() as store:
        say(store, said("door-a", "plda-0001", "downloading", progress=0.5))
    code, out, _ = opened.type("fleet")
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("door-a"))
    assert row.split()[:6] == ["door-a", "factory-1", "plda-0001", "0", "downloading", "downloading"]
    assert "50%" in row
    assert opened.json("release", "promote")["ring"] == 1
    assert opened.refusal("release", "promote")[0] == 9


def test_what_the_gate_refused_is_refused_with_the_way_out(opened: Office) -> None:
    folder = opened.candidate(decision="refuse")
    code, line = opened.refusal("release", "sign", folder, *opened.keys)
    assert code == 9
    assert "the gate says refuse: size: 2,097,152 of 1,048,576 bytes; --even-refused REASON" in line
    assert opened.json("release", "sign", folder, *opened.keys, "--even-refused", "a trial")["counter"] == 1
    code, out, _ = opened.type("release", "status")
    assert "signed on somebody's word: a trial" in out


def test_a_key_that_is_not_there_is_told(opened: Office) -> None:
    code, line = opened.refusal("release", "sign", opened.candidate())
    assert (code, "heads: 1 of its 1 keys must sign and 0 found in" in line) == (9, True)
    wrong = opened.folder / "wrong"
    wrong.write_text("another passphrase\n")
    wrong.chmod(0o600)
    code, line = opened.refusal(
        "release", "sign", opened.state / "candidates" / "plda-0001", "--keys", opened.stick, "--passphrase-file", wrong
    )
    assert (code, "heads.pem: the passphrase does not open it" in line) == (9, True)


def test_a_passphrase_file_that_others_may_read_is_told(opened: Office) -> None:
    opened.passphrase.chmod(0o644)
    code, line = opened.refusal("release", "sign", opened.candidate(), *opened.keys)
    assert (code, "others may read this passphrase" in line) == (2, True)


def test_paused_and_resumed(opened: Office) -> None:
    opened.json("release", "sign", opened.candidate(), *opened.keys)
    opened.json("release", "publish", "--rings", "50%, rest")
    assert opened.json("release", "pause")["status"] == "paused"
    assert opened.refusal("release", "pause")[0] == 9
    assert opened.json("release", "resume")["status"] == "running"
    assert opened.json("release", "status")["releases"][0]["rings"] == "50%, rest"


def test_rings_that_are_none_are_told(opened: Office) -> None:
    opened.json("release", "sign", opened.candidate(), *opened.keys)
    code, line = opened.refusal("release", "publish", "--rings", "door-a")
    assert (code, "the last ring must be rest" in line) == (9, True)


def test_withdrawn_and_rolled_back(opened: Office) -> None:
    opened.json("release", "sign", opened.candidate(), *opened.keys)
    opened.json("release", "publish")
    dry = opened.json("release", "rollback", "--dry-run", *opened.keys)
    assert (dry["withdraw"], dry["published"]) == ("plda-0001", False)
    assert opened.json("release", "withdraw", "--dry-run")["withdrawn"] is False
    gone = opened.json("release", "withdraw", "--why", "doors complain", *opened.keys)
    assert (gone["status"], gone["next"]) == ("withdrawn", "doors complain")
    back = opened.json("release", "rollback", *opened.keys)
    assert (back["status"], back["counter"], back["rings"]) == ("running", 3, "rest")
    assert opened.client().look(f"heads/{back['release']}.zip") is not None


def test_signatures_are_shown_and_renewed(opened: Office) -> None:
    told = opened.json("release", "status")
    assert set(told["roles"]) == {"root", "targets", "heads", "snapshot", "timestamp"}
    assert 6.9 < told["roles"]["timestamp"]["days"] <= 7
    assert told["due"] == []
    assert opened.json("release", "renew", "--dry-run")["roles"] == []
    assert opened.json("release", "renew", "timestamp")["roles"] == ["timestamp"]
    assert opened.json("release", "renew", "root", *opened.keys)["renewed"] is True
    after = opened.json("release", "status")["roles"]
    assert (after["root"]["version"], after["timestamp"]["version"]) == (2, 2)
    opened.client().look()


def test_an_unknown_role_is_told(opened: Office) -> None:
    code, line = opened.refusal("release", "renew", "head")
    assert (code, "head: is no role; there are root, targets, heads, snapshot, timestamp" in line) == (9, True)


@pytest.mark.parametrize("role", ["root", "targets", "heads", "snapshot", "timestamp"])
def test_a_key_is_replaced_and_doors_go_on(opened: Office, role: str) -> None:
    client = opened.client()
    client.look()
    words: list[str | Path] = ["keys", "replace", role, "--offline", opened.stick, *opened.keys]
    if role == "root":
        code, line = opened.refusal(*words)
        assert (code, "root: name one of its keys with --key-id" in line) == (9, True)
        words += ["--key-id", line.rpartition(" ")[2].strip()]
    made = opened.json(*words)
    assert Path(made["file"]).parent == (opened.state / "keys" if role in ("snapshot", "timestamp") else opened.stick)
    client.look()
    opened.json("release", "renew", role, *opened.keys)
    client.look()
    opened.json("release", "sign", opened.candidate(), *opened.keys)
    opened.json("release", "publish")
    assert client.look("heads/plda-0001.zip") is not None


def test_an_unwell_fleet_is_shown_alone(opened: Office) -> None:
    opened.json("release", "sign", opened.candidate(), *opened.keys)
    opened.json("release", "publish")
    assert opened.json("fleet", "--unwell")["doors"] == []
    with opened.store() as store:
        say(store, said("door-a", "plda-0001", "refused", reason="2 people would be forgotten"))
    shown = opened.json("fleet", "--unwell")["doors"]
    assert [(door["door"], door["status"], door["reason"]) for door in shown] == [
        ("door-a", "rejected", "2 people would be forgotten")
    ]


def test_a_fleet_without_a_store_is_one_line(office: Office) -> None:
    code, line = office.refusal("fleet")
    assert (code, "no store is there yet" in line) == (6, True)
