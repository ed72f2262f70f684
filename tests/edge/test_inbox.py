from __future__ import annotations

import threading

from edge.inbox import Inbox


def test_commands_come_out_in_the_order_in_which_they_went_in_and_once() -> None:
    inbox: Inbox[int] = Inbox()
    assert all(inbox.put(number) for number in range(5))
    assert inbox.drain() == [0, 1, 2, 3, 4]
    assert inbox.drain() == []


def test_a_full_inbox_says_so_and_keeps_what_it_has() -> None:
    inbox: Inbox[int] = Inbox(most=2)
    assert [inbox.put(number) for number in range(3)] == [True, True, False]
    assert inbox.drain() == [0, 1]
    assert inbox.put(3)


def test_nothing_is_lost_between_many_writers_and_one_reader() -> None:
    inbox: Inbox[tuple[int, int]] = Inbox(most=10)

    def write(writer: int) -> None:
        for number in range(100):
            while not inbox.put((writer, number)):
                pass

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in writers:
        thread.start()
    read: list[tuple[int, int]] = []
    while len(read) < 400:
        read += inbox.drain()
    for thread in writers:
        thread.join()
    assert len(set(read)) == 400
    for writer in range(4):
        mine = [number for who, number in read if who == writer]
        assert mine == sorted(mine)
