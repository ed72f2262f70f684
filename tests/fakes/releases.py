"""Releases of made-up contents, as files to be unpacked, signed, damaged and sent. No model is in them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from edge.contract.release import ReleaseDescription
from edge.update.bundle import release_file, write_bundle
from tests.fakes.messages import AT

EMBEDDER = "ab" * 32


def describe(folder: Path, **changes: Any) -> ReleaseDescription:
    """A description of the files in `folder`; the first by name holds the canaries."""
    files = tuple(release_file(path) for path in sorted(folder.iterdir()))
    kept: dict[str, Any] = {
        "release": "plda-1",
        "kind": "head",
        "counter": 1,
        "compatible": EMBEDDER,
        "embedder_sha256": EMBEDDER,
        "dim": 128,
        "min_daemon": "0.1.0",
        "max_rss_mb": 64,
        "canary_sha256": files[0].sha256,
        "gate_sha256": None,
        "files": files,
        "at": AT,
    }
    return ReleaseDescription(**(kept | changes))


def make_release(folder: Path, *, size: int = 70_000, seed: int = 1, **changes: Any) -> tuple[Path, ReleaseDescription]:
    """A bundle in `folder`, and what it says of itself. size: of the larger of its two files, in bytes."""
    contents = folder / f"contents-{seed}"
    contents.mkdir(parents=True)
    (contents / "face.head.json").write_bytes(b'{"canaries":[]}')
    (contents / "face.head.tflite").write_bytes(random.Random(seed).randbytes(size))
    description = describe(contents, **changes)
    path = folder / f"{description.release}.zip"
    write_bundle(path, description, contents)
    return path, description


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with something wrong: bits, lengths, a part cut, doubled, moved, filled or put in; never the same."""
    while True:
        changed = _MUTATIONS[chance.randrange(len(_MUTATIONS))](bytearray(data), chance)
        if changed != data:
            return changed


def _flip(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _number(data: bytearray, chance: random.Random) -> bytes:
    width = chance.choice([1, 2, 4])
    at = chance.choice([chance.randrange(30), chance.randrange(len(data)), len(data) - 1 - chance.randrange(140)])
    at = max(0, min(at, len(data) - width))
    value = chance.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 65_535, chance.getrandbits(32)])
    data[at : at + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


def _span(data: bytearray, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, start + chance.randrange(1, 200)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    del data[start : chance.choice([end, len(data)])]
    return bytes(data)


def _double(data: bytearray, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return bytes(data[:end] + data[start:])


def _move(data: bytearray, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    part = data[start:end]
    del data[start:end]
    at = chance.randrange(len(data) + 1)
    return bytes(data[:at] + part + data[at:])


def _fill(data: bytearray, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    end = min(end, len(data))
    data[start:end] = bytes([chance.choice([0, 255])]) * (end - start)
    return bytes(data)


def _put_in(data: bytearray, chance: random.Random) -> bytes:
    at = chance.choice([0, len(data), chance.randrange(len(data))])
    return bytes(data[:at] + chance.randbytes(chance.randrange(1, 50)) + data[at:])


_MUTATIONS = (_flip, _flip, _number, _cut, _double, _move, _fill, _put_in)
