"""The published repository under kill -9: `python -m tests.crash.release_crash --kills 200`.

A process signs, publishes, withdraws and renews without end, and is killed at times of chance. After each kill a door
that has followed all along, and one that comes new, must accept what is there, and never see anything older.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from tests.fakes.releases import make_release
from tests.fakes.tuf_folder import FolderClient, Signers
from trainer.releases.editing import Editor, Expiries, create
from trainer.releases.keys import ROOT_KEYS
from trainer.releases.options import ROLES
from trainer.releases.repository import Repository

_LONGEST_S = 0.5


def signers() -> Signers:
    """The same keys in every process."""
    count = {role: ROOT_KEYS if role == "root" else 1 for role in ROLES}
    seeds = iter(bytes([number]) * 32 for number in range(1, 32))
    keys = {
        role: [CryptoSigner(Ed25519PrivateKey.from_private_bytes(next(seeds))) for _ in range(count[role])]
        for role in ROLES
    }
    return Signers(keys)


def write_for_ever(folder: Path, first: int) -> None:
    """What the process does that is killed. first: number of its first release, unlike any before."""
    repository = Repository(folder / "repository")
    print("ready", flush=True)
    for number in itertools.count(first):
        editor = Editor(repository, signers(), Expiries(), datetime.now(UTC))
        made = Path(tempfile.mkdtemp(dir=folder))
        bundle, description = make_release(made, size=2000, seed=number, release=f"plda-{number}", counter=number)
        older = [path for path in repository.read().heads.signed.targets if path != f"heads/plda-{number - 1}.zip"]
        editor.add(description, bundle, older)
        editor.publish()
        if number % 5 == 0:
            editor.withdraw(description, number)
            editor.publish()
        editor.renew(random.choice(ROLES))


def run(folder: Path, kills: int, seed: int) -> int:
    """Kill so often; how many releases were published on the way."""
    chance = random.Random(seed)
    create(Repository(folder / "repository"), signers().keys, Expiries(), datetime.now(UTC))
    faithful = FolderClient(folder / "repository", folder / "faithful")
    versions: tuple[int, ...] = (0,)
    for kill in range(kills):
        before = Repository(folder / "repository").read()
        first = max([0, *(int(path.partition("-")[2].partition(".")[0]) for path in before.heads.signed.targets)]) + 10
        command = [sys.executable, "-m", __spec__.name, "--write", str(folder), str(first)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, _LONGEST_S))
        assert process.poll() is None, "it ended before it was killed"
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait(10)
        trusted = Repository(folder / "repository").read()
        faithful.look()
        FolderClient(folder / "repository", folder / f"new-{kill}").look()
        now = (trusted.timestamp.signed.version, trusted.snapshot.signed.version, trusted.published("heads"))
        assert now >= versions, (now, versions)
        versions = now
    return versions[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", nargs=2, metavar=("FOLDER", "FIRST"))
    arguments = parser.parse_args()
    if arguments.write:
        write_for_ever(Path(arguments.write[0]), int(arguments.write[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        heads = run(Path(folder), arguments.kills, arguments.seed)
    print(f"{arguments.kills} kills, {heads} versions of heads published, 0 refused by a client")


if __name__ == "__main__":
    main()
