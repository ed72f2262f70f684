"""Mutated releases by the thousand: a longer command than the test of the same name.

    python tests/fuzz/fuzz_bundles.py [COUNT] [SEED]

Ends with an error at the first that is accepted, or refused by anything but one clear line.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from edge.errors import ModelError
from edge.update.bundle import open_bundle
from tests.fakes.releases import make_release, mutated


def main(count: int, seed: int) -> None:
    """Mutate one release of about 70 kB, the size of a head's, `count` times."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path, description = make_release(Path(name))
        good = path.read_bytes()
        for number in range(count):
            path.write_bytes(mutated(good, chance))
            try:
                open_bundle(path, description)
            except ModelError as error:
                if "\n" in str(error):
                    raise SystemExit(f"mutant {number} of seed {seed} is refused in two lines") from error
            else:
                raise SystemExit(f"mutant {number} of seed {seed} was accepted")
    print(f"{count} mutated bundles, 0 accepted")


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], *["10000", "1"][len(sys.argv) - 1 :]]))
