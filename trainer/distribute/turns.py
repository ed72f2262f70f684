"""Whose request is next: every door in turn, one piece each, however much one of them asks for. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from edge.contract.update import MOST_UNDER_WAY, UpdateRequest

MOST_DOORS = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, or the number of one that cannot be read. words: why. correlation: to be echoed."""

    door: str
    correlation: bytes | None
    request: UpdateRequest | None
    words: str = ""


class Turns:
    """Each door has a queue of `MOST_UNDER_WAY`; who asks for more loses their own oldest requests, nobody else's."""

    def __init__(self, most_doors: int = MOST_DOORS) -> None:
        self._queues: OrderedDict[str, deque[Asked]] = OrderedDict()
        self._most_doors = most_doors
        self.dropped = 0

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def add(self, asked: Asked) -> None:
        """Put a request at the end of its door's queue. The same piece asked for again takes the older one's place."""
        queue = self._queues.get(asked.door)
        if queue is None:
            if len(self._queues) >= self._most_doors:
                self.dropped += 1
                return
            queue = self._queues[asked.door] = deque()
        same = next((one for one in queue if _same(one, asked)), None)
        if same is not None:
            queue[queue.index(same)] = asked
            return
        queue.append(asked)
        if len(queue) > MOST_UNDER_WAY:
            queue.popleft()
            self.dropped += 1

    def next(self) -> Asked | None:
        """The oldest request of the door that has waited longest for its turn; None where nobody waits."""
        if not self._queues:
            return None
        door, queue = self._queues.popitem(last=False)
        asked = queue.popleft()
        if queue:
            self._queues[door] = queue
        return asked

    def clear(self) -> None:
        """Forget them all: whoever still wants something asks again."""
        self._queues.clear()


def _same(one: Asked, other: Asked) -> bool:
    a, b = one.request, other.request
    return a is not None and b is not None and (a.file, a.offset) == (b.file, b.offset)
