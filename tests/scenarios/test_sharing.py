"""A daemon that shares, as a process, with a real Mosquitto and a trainer that answers when it is let."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.contract.fleet import FleetAck, PersonErased, PersonReport
from edge.contract.messages import DoorState
from edge.demo.story import PICTURES
from edge.store.receipts import read_receipt
from tests.fakes.broker import Broker
from tests.fakes.program import LONG_S, Program
from tests.fakes.world import World, wait_until

pytestmark = pytest.mark.scenario

BASE = "doorward/front"
PEOPLE, ERASED, ACK = f"{BASE}/fleet/people", f"{BASE}/fleet/erased", f"{BASE}/fleet/ack"


def settings(port: int, *, share: bool) -> str:
    return f"""
[door]
id = "front"
[camera]
url = "walkup:{PICTURES / "obama"}.jpg?seconds=1&pause=60&repeat=1000&fps=4"
width = 320
height = 240
[mqtt]
host = "127.0.0.1"
port = {port}
[fleet]
share = {json.dumps(share)}
"""


class House:
    """One door, its broker, and who is on the other side: the trainer has a session that the broker keeps."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder)
        self.program = Program(folder / "door", settings(self.broker.port, share=True))
        self.world = World(self.broker.port, f"{BASE}/#", name="trainer")

    @property
    def reports(self) -> list[PersonReport]:
        return [PersonReport.from_json(payload) for payload in self.world.on(PEOPLE)]

    @property
    def erased(self) -> list[PersonErased]:
        return [PersonErased.from_json(payload) for payload in self.world.on(ERASED)]

    @property
    def state(self) -> DoorState:
        return DoorState.from_json(self.world.on(f"{BASE}/state")[-1])

    def acknowledge(self, *messages: PersonReport | PersonErased) -> None:
        """And wait until the door has noted it."""
        self.world.publish(ACK, FleetAck(ids=tuple(one.report for one in messages), by="trainer").to_json())
        for one in messages:
            self.program.wait_for_log(f"the trainer acknowledged person={one.person} revision={one.revision}")
        wait_until(lambda: self.state.unshared == 0, f"nobody waits; {self.state}", LONG_S)

    def people(self, *arguments: str) -> Any:
        ran = self.program.run("people", *arguments, "--json")
        assert ran.code == 0, ran
        return ran.json

    def wait_for(self, *, reports: int = 0, erased: int = 0) -> None:
        what = f"{reports} reports and {erased} erasures; came {len(self.reports)} and {len(self.erased)}"
        wait_until(lambda: len(self.reports) >= reports and len(self.erased) >= erased, what, LONG_S)

    def start(self, *, share: bool = True) -> None:
        """A daemon that has told its state anew."""
        text = self.program.settings.read_text(encoding="utf-8")
        self.program.settings.write_text(
            text.replace(f"share = {json.dumps(not share)}", f"share = {json.dumps(share)}")
        )
        before = len(self.world.on(f"{BASE}/state"))
        self.program.start()
        wait_until(lambda: len(self.world.on(f"{BASE}/state")) > before, "the state", LONG_S)

    def close(self) -> None:
        self.program.kill()
        self.world.__exit__()
        self.broker.kill()


@pytest.fixture
def house(mosquitto: None, tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.close()


def ids_in(report: PersonReport) -> set[str]:
    return {entry.exemplar for entry in report.exemplars}


def enroll(house: House, name: str, picture: str, *options: str) -> None:
    ran = house.program.run("enroll", name, PICTURES / f"{picture}.jpg", *options)
    assert ran.code == 0, ran


def test_a_report_comes_again_after_a_kill_until_it_is_acknowledged_and_then_never(house: House) -> None:
    house.start()
    enroll(house, "Barack", "obama")
    house.wait_for(reports=1)
    (first,) = house.reports
    assert [len(entry.night) for entry in first.exemplars] == [2]
    assert first.verified
    wait_until(lambda: house.state.unshared == 1, "one person waits", LONG_S)

    house.program.end(signal.SIGKILL)
    house.start()
    house.wait_for(reports=2)
    assert (house.reports[1].report, house.reports[1].revision) == (first.report, first.revision)
    house.acknowledge(first)
    house.program.end(signal.SIGKILL)
    house.start()
    enroll(house, "Joe", "biden")
    house.wait_for(reports=3)
    joe = house.reports[2]
    assert joe.person != first.person
    assert joe.revision > first.revision
    house.acknowledge(joe)
    assert house.program.end() == 0
    assert (len(house.reports), house.erased) == (3, [])


def test_a_name_is_never_told_and_what_is_taken_back_is_told_until_it_is_acknowledged(house: House) -> None:
    house.start()
    enroll(house, "Barack", "obama")
    enroll(house, "Twin", "obama2", "--force")
    house.wait_for(reports=2)
    first, twin = house.reports
    house.acknowledge(first, twin)

    # A new name is not told; another picture is, under a higher revision, and whom it came from is taken back.
    house.people("rename", first.person, "Someone Else")
    house.people("merge", twin.person, first.person)
    house.wait_for(reports=3, erased=1)
    more, merged = house.reports[2], house.erased[0]
    assert (more.person, merged.person) == (first.person, twin.person)
    assert ids_in(more) == ids_in(first) | ids_in(twin)
    assert min(more.revision, merged.revision) > twin.revision > first.revision
    house.acknowledge(more, merged)

    # Erased: told until it is acknowledged, also by the next daemon; then the receipt is complete.
    assert not house.people("erase", first.person, "--yes")["receipt"]["complete"]
    house.wait_for(reports=3, erased=2)
    house.program.end(signal.SIGKILL)
    house.start()
    house.wait_for(reports=3, erased=3)
    gone, again = house.erased[1:]
    assert (gone.person, again.report, again.revision) == (first.person, gone.report, gone.revision)
    assert gone.revision > more.revision
    house.acknowledge(gone)
    file = house.program.state / "receipts" / "000002.json"
    wait_until(file.exists, "the second receipt", LONG_S)
    receipt = read_receipt(file)
    assert receipt.complete
    assert ("trainer", 2, 0) in {(place.place, place.items, place.left) for place in receipt.places}
    assert house.program.run("people", "verify", file).code == 0

    assert house.program.end() == 0
    assert (len(house.reports), len(house.erased)) == (3, 3)
    for word in ("Barack", "Twin", "Someone", more.exemplars[0].clean.x):
        assert word not in house.program.log


def test_a_door_that_is_not_told_to_share_sends_nothing_and_still_takes_back_what_it_shared(house: House) -> None:
    house.start(share=False)
    enroll(house, "Barack", "obama")
    wait_until(lambda: house.state.people == 1, "enrolled", LONG_S)
    assert house.state.unshared is None
    assert house.program.end() == 0
    assert (house.reports, house.erased) == ([], [])

    house.start()
    house.wait_for(reports=1)
    (report,) = house.reports
    house.acknowledge(report)
    assert house.program.end() == 0

    house.start(share=False)
    enroll(house, "Joe", "biden")
    house.people("erase", report.person, "--yes")
    house.wait_for(erased=1)
    assert house.erased[0].person == report.person
    assert house.program.end() == 0
    assert len(house.reports) == 1
