"""How long the template store takes: `python tests/edge/store/bench_templates.py [people] [exemplars] [folder]`.

Prints one line a figure, the median of several runs. A folder on the card that matters gives that card's figures.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from edge.store.transfer import take_in, take_out  # noqa: E402  # the path above comes first
from tests.fakes.templates import NOW, open_store, picture  # noqa: E402  # as above

VIEWS = 8


def timed(what: str, act: Callable[[], object], runs: int) -> None:
    """Print the median time of some runs, ms."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1000)
    print(f"{what}: {statistics.median(times):.1f} ms")


def main(people: int, exemplars: int, folder: Path) -> None:
    """Fill a store and time what the daemon does with it."""
    with tempfile.TemporaryDirectory() as elsewhere, open_store(Path(elsewhere)) as source:
        start = time.perf_counter()
        source.session.connection.execute("PRAGMA synchronous = OFF")
        for number in range(people):
            source.add_person(None, [picture(number * 10 + i, views=VIEWS) for i in range(exemplars)], wall_s=NOW)
        print(f"filled with {people} people, {exemplars} exemplars each, in {time.perf_counter() - start:.0f} s")
        with open_store(folder) as store:
            take_in(store, take_out(source, []))
    print(f"file: {(folder / 'templates.db').stat().st_size / 1e6:.1f} MB")
    timed("open and check", lambda: open_store(folder).close(), 5)
    seeds = iter(range(10**6, 10**7))
    with open_store(folder) as store:
        timed("load everybody", store.load, 5)
        shots = [[picture(next(seeds), views=VIEWS) for _ in range(exemplars)] for _ in range(60)]
        ids = []
        timed("add one person", lambda: ids.append(store.add_person(None, shots.pop(), wall_s=NOW).id), 50)
        timed("take a snapshot", store.snapshot, 1)
        timed("rename", lambda: store.rename(ids[0], "Anna"), 20)
        timed("erase one person", lambda: store.erase(ids.pop(), wall_s=NOW), 5)


if __name__ == "__main__":
    given = sys.argv[1:]
    with tempfile.TemporaryDirectory() as default:
        main(
            int(given[0]) if given else 1000,
            int(given[1]) if len(given) > 1 else 5,
            Path(given[2]) if len(given) > 2 else Path(default),
        )
