from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DoorwardError
from trainer.bench.process import Launch, PeerProcess, start_peer, write_frames

WORKER = """
import os, sys, time
import numpy as np
from trainer.bench.workers.protocol import Worker, serve

def start(weights):
    if weights == "broken":
        raise RuntimeError("two\\nlines")
    print("a library that chats on standard output")
    threads = os.environ["OMP_NUM_THREADS"]
    return Worker("fake", {"threads": threads, "weights": weights}, "distance", embed)

def embed(frame):
    if frame.max() == 255:
        sys.exit("could not bear it")
    frame[:] = frame + 1  # a peer that spoils its frame must not spoil another's
    return frame.reshape(-1, 3).mean(axis=0) if frame.max() > 1 else None

sys.exit(serve(start))
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    file = tmp_path / "worker.py"
    file.write_text(WORKER)
    return [sys.executable, str(file)]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return tmp_path / "frames"


def frame(value: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((4, 6, 3), value, np.uint8)


def started(program: list[str], frames: Path, weights: str = "") -> PeerProcess:
    return start_peer(Launch("fake", program, weights), frames)


def test_a_peer_gets_each_frame_as_it_was_written_and_answers_in_order(program: list[str], frames: Path) -> None:
    peer = started(program, frames, "w")
    try:
        sent = [frame(7), frame(0), frame(9)]
        sent[0][..., 2] = 3
        write_frames(sent, frames)
        answer = peer.ask(sent)
        again = peer.ask(sent)
    finally:
        peer.stop()
    assert answer.embeddings[0] is not None
    assert answer.embeddings[0].tolist() == [8, 8, 4]
    assert answer.embeddings[1] is None
    assert again.embeddings[0] is not None
    assert again.embeddings[0].tolist() == [8, 8, 4]
    assert all(len(answer.times[clock]) == 3 and min(answer.times[clock]) >= 0 for clock in ("ms", "cpu_ms"))


def test_a_peer_runs_with_one_thread_and_tells_its_versions_and_measure(program: list[str], frames: Path) -> None:
    peer = started(program, frames, "w")
    try:
        assert peer.versions == {"threads": "1", "weights": "w"}
        assert peer.measure == "distance"
        assert peer.peak_mb() > 5
    finally:
        peer.stop()


def test_a_peer_that_cannot_start_says_why_in_one_line(program: list[str], frames: Path) -> None:
    with pytest.raises(DoorwardError, match=r"^fake: RuntimeError: two lines$"):
        started(program, frames, "broken")


def test_a_program_that_does_not_exist_is_named(frames: Path) -> None:
    with pytest.raises(DoorwardError, match=r"^fake: no-such-program cannot be started"):
        started(["no-such-program"], frames)


def test_a_program_that_is_no_peer_is_told_by_its_last_words(frames: Path) -> None:
    with pytest.raises(DoorwardError, match=r"ended or did not answer \(not me\)"):
        started([sys.executable, "-c", "import sys; sys.exit('not me')"], frames)


def test_a_peer_that_dies_at_work_is_told_by_its_last_words(program: list[str], frames: Path) -> None:
    peer = started(program, frames)
    try:
        write_frames([frame(255)], frames)
        with pytest.raises(DoorwardError, match=r"ended or did not answer \(could not bear it\)"):
            peer.ask([frame(255)])
    finally:
        peer.stop()
