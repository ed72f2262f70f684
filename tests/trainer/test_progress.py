"""Long work tells how far it is: a bar on a terminal, a line each tenth in a log."""

from __future__ import annotations

import io

from trainer.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_log_there_is_a_line_for_each_tenth() -> None:
    out = io.StringIO()
    bar = Bar("pooling", out, iter(range(1000)).__next__)
    for done in range(101):
        bar(done, 100)
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "pooling: 10 of 100"  # a second has not passed: nothing to tell of what is left
    assert lines[4] == "pooling: 50 of 100, 5 s left"
    assert lines[-1] == "pooling: 100 of 100"


def test_on_a_terminal_one_line_is_drawn_again_and_ends_with_the_work() -> None:
    out = Terminal()
    bar = Bar("pooling", out, iter(range(1000)).__next__)
    for done in (0, 50, 100):
        bar(done, 100)
    text = out.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 3
    assert "50 of 100, " in text


def test_a_terminal_is_not_drawn_on_more_often_than_eyes_can_follow() -> None:
    out = Terminal()
    bar = Bar("pooling", out, lambda: 5.0)
    for done in range(100):
        bar(done, 100)
    assert out.getvalue().count("\r") == 1


def test_work_of_nothing_is_done() -> None:
    out = io.StringIO()
    Bar("pooling", out)(0, 0)
    assert out.getvalue() == "pooling: 0 of 0\n"
