"""This machine's own way to the daemon, over a real socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.control import MAX_BYTES, ControlServer, ask_daemon, parse_local
from edge.contract.messages import Request, Response
from edge.errors import LinkError, MessageError, RefusedError, StoreError
from edge.inbox import Asked
from tests.fakes.world import wait_until

ECHO = Request(verb="echo", data={"words": "grüß"})
PERHAPS = "it may still do what was asked: look with `doorward people list` before you ask again"


def echo(asked: Asked) -> bool:
    assert asked.local
    data = dict(asked.request.data)
    asked.reply(Response(verb=asked.request.verb, status="ok", error=None, data=data, transaction=None))
    return True


@contextmanager
def serving(path: Path, ask: Callable[[Asked], bool] = echo) -> Iterator[ControlServer]:
    server = ControlServer(path, ask)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def opened_below(folder: Path) -> list[Path]:
    """What this process has open there."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists the folder is gone
            targets.append(link.readlink())
    return [target for target in targets if target.is_relative_to(folder)]


def raw(path: Path, sent: bytes) -> Response:
    """What comes back for these bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        parts = iter(lambda: client.recv(65536), b"")
        return Response.from_json(b"".join(parts).rstrip(b"\n"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_a_request_is_answered(path: Path) -> None:
    with serving(path):
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert (answer.status, answer.data) == ("ok", ECHO.data)


def test_the_socket_is_this_user_s_alone_and_gone_in_the_end(path: Path) -> None:
    before = os.umask(0o000)
    try:
        with serving(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert not path.exists()
    assert ask_daemon(path, ECHO) is None


def test_where_no_daemon_runs_nobody_answers(path: Path) -> None:
    assert ask_daemon(path, ECHO) is None
    assert ask_daemon(path.parent / "none" / "control.sock", ECHO) is None
    path.touch()
    assert ask_daemon(path, ECHO) is None
    assert ask_daemon(path / "control.sock", ECHO) is None


def test_the_socket_of_a_daemon_that_was_killed_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.is_socket()
    assert ask_daemon(path, ECHO) is None
    with serving(path):
        assert ask_daemon(path, ECHO) is not None


def test_a_path_longer_than_a_socket_may_have_is_reached_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 100) / ("b" * 100) / "control.sock"
    assert ask_daemon(path, ECHO) is None
    path.parent.mkdir(parents=True)
    assert ask_daemon(path, ECHO) is None
    with serving(path):
        assert path.is_socket()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert answer.data == ECHO.data
    assert not path.exists()
    assert opened_below(tmp_path) == []


def test_a_socket_that_cannot_be_made_is_one_line(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LinkError, match=r"control\.sock: no socket can be made there \(.+\); set \[store\] folder"):
        ControlServer(path, echo).start()


def test_stopping_ends_the_thread_and_may_be_done_twice(path: Path) -> None:
    before = threading.active_count()
    with serving(path) as server:
        assert threading.active_count() == before + 1
        server.stop()
        wait_until(lambda: threading.active_count() == before, "the thread ends")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "local request: not JSON"),
        (b"\n", "local request: not JSON"),
        (b"\xff\xfe\n", "local request: not JSON"),
        (b"[" * 100_000 + b"\n", "local request: not JSON"),
        (b"[]\n", "local request: must be an object, found a list"),
        (b"{}\n", "local request: key 'verb': is missing"),
        (b'{"verb": "x"}\n', "local request: key 'data': is missing"),
        (b'{"verb": 7, "data": {}}\n', "local request: key 'verb': must be text, found a number"),
        (b'{"verb": "Not A Verb", "data": {}}\n', "local request: key 'verb': must be 1 to 32 of a-z, 0-9, _"),
        (b'{"verb": "x", "data": []}\n', "local request: key 'data': must be an object, found a list"),
        (b'{"verb": "x", "data": {"n": NaN}}\n', "local request: key 'data.n': must be a finite number"),
        (b'{"verb": "x", "data": {"n": "\\udcff"}}\n', "local request: key 'data.n': holds half of a character"),
    ],
)
def test_what_is_no_request_is_answered_with_what_is_wrong(path: Path, line: bytes, words: str) -> None:
    with pytest.raises(MessageError) as refusal:
        parse_local(line)
    assert words in str(refusal.value)
    with serving(path):
        answer = raw(path, line)
        assert (answer.verb, answer.status) == ("unknown", "error")
        assert words in str(answer.error)


def test_an_answer_that_is_too_large_to_send_is_answered_with_that(path: Path) -> None:
    def ask(asked: Asked) -> bool:
        data = {"people": [{"name": "x" * 60}] * 500_000}
        asked.reply(Response(verb=asked.request.verb, status="ok", error=None, data=data, transaction=None))
        return True

    with serving(path, ask):
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert "the answer cannot be sent (response: has " in str(answer.error)
        assert ask_daemon(path, ECHO) is not None, "and the server goes on"


def test_the_list_of_a_whole_house_goes_through(path: Path) -> None:
    people = [{"name": "x" * 60, "number": number} for number in range(10_000)]

    def ask(asked: Asked) -> bool:
        data = {"people": people}
        asked.reply(Response(verb=asked.request.verb, status="ok", error=None, data=data, transaction=None))
        return True

    with serving(path, ask):
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert answer.data["people"] == people


def test_a_file_goes_with_a_request_and_is_read_by_who_takes_it(path: Path, tmp_path: Path) -> None:
    size = MAX_BYTES + 4096  # more than any request may have
    with (tmp_path / "export").open("wb") as sparse:
        sparse.truncate(size)

    def ask(asked: Asked) -> bool:
        assert asked.attached is not None
        with asked.attached as attached:
            data = {"size": len(attached.read()), "words": len(asked.request.data["words"])}
        asked.reply(Response(verb=asked.request.verb, status="ok", error=None, data=data, transaction=None))
        return True

    with serving(path, ask), (tmp_path / "export").open("rb") as file:
        (tmp_path / "export").unlink()  # a daemon that could not find it has it all the same
        answer = ask_daemon(path, Request(verb="size", data={"words": "y" * 1_000_000}), file)
    assert answer is not None
    assert answer.data == {"size": size, "words": 1_000_000}
    assert opened_below(tmp_path) == []


@pytest.mark.parametrize("line", [b"no request\n", b'{"verb": "x", "data": {}}\n', b"x" * (33 * 2**20)])
def test_a_file_of_a_request_that_is_not_taken_is_closed(path: Path, tmp_path: Path, line: bytes) -> None:
    (tmp_path / "export").write_bytes(b"x")
    with serving(path, lambda _: False):
        with socket.socket(socket.AF_UNIX) as client, (tmp_path / "export").open("rb") as file:
            client.connect(str(path))
            sent = socket.send_fds(client, [line], [file.fileno()])
            with contextlib.suppress(OSError):  # of the flood it takes only so much
                client.sendall(line[sent:])
            with contextlib.suppress(OSError):
                client.recv(65536)
        wait_until(lambda: opened_below(tmp_path) == [], "closed")


def test_progress_is_told_before_the_answer_and_keeps_the_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.adapters.control._ANSWER_S", 0.3)

    def work(asked: Asked) -> None:
        for number in range(4):
            time.sleep(0.2)
            asked.progress(f"{number} of 4")
        echo(asked)

    def ask(asked: Asked) -> bool:
        threading.Thread(target=work, args=(asked,)).start()
        return True

    told: list[str] = []
    with serving(path, ask):
        answer = ask_daemon(path, ECHO, progress=told.append)
    assert told == ["0 of 4", "1 of 4", "2 of 4", "3 of 4"]
    assert answer is not None
    assert answer.data == ECHO.data


def test_pictures_of_megabytes_go_through(path: Path) -> None:
    def ask(asked: Asked) -> bool:
        size = len(asked.request.data["content"])
        asked.reply(Response(verb="size", status="ok", error=None, data={"size": size}, transaction=None))
        return True

    with serving(path, ask):
        answer = ask_daemon(path, Request(verb="size", data={"content": "x" * 20_000_000}))
        assert answer is not None
        assert answer.data == {"size": 20_000_000}


def test_a_request_beyond_all_measure_is_refused_before_it_is_sent(path: Path) -> None:
    with serving(path), pytest.raises(RefusedError, match="size: more than 32 MiB at once; give fewer pictures"):
        ask_daemon(path, Request(verb="size", data={"content": "x" * (33 * 2**20)}))


def test_a_stranger_s_flood_costs_the_door_its_own_connection_only(path: Path) -> None:
    with serving(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            with pytest.raises(OSError, match=r"Broken pipe|reset"):
                client.sendall(b"x" * (64 * 2**20))
        assert ask_daemon(path, ECHO) is not None


def test_a_busy_door_says_so(path: Path) -> None:
    with serving(path, lambda _: False):
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert answer.error == "the door is too busy; try again"


def test_a_door_that_takes_the_request_and_never_answers_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.adapters.control._ANSWER_S", 0.2)
    with serving(path, lambda _: True):
        answer = ask_daemon(path, ECHO)
        assert answer is not None
        assert answer.error == f"the door has not answered for 0.2 s; {PERHAPS}"
        assert answer.code == LinkError.exit_code


def take_and_die(listening: socket.socket) -> None:
    for _ in range(2):  # the first is the one that was given up before
        listening.accept()[0].close()


def test_a_daemon_that_hangs_or_dies_meanwhile_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.adapters.control._ANSWER_S", 0.1)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        silent = f"the running daemon has not answered for 0.2 s; {PERHAPS}, and look at its log"
        with pytest.raises(LinkError, match=silent):
            ask_daemon(path, ECHO)
        dying = threading.Thread(target=take_and_die, args=(hung,))
        dying.start()
        with pytest.raises(LinkError, match="the running daemon does not answer"):
            ask_daemon(path, ECHO)
        dying.join()


def test_a_socket_of_another_user_is_one_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with serving(path):
        monkeypatch.setattr(socket.socket, "connect", denied)
        with pytest.raises(StoreError, match="belongs to another user; run this as that one"):
            ask_daemon(path, ECHO)


def test_many_at_once_are_all_answered(path: Path) -> None:
    answers: list[Response | None] = []
    with serving(path):
        clients = [threading.Thread(target=lambda: answers.append(ask_daemon(path, ECHO))) for _ in range(20)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert [answer.status for answer in answers if answer] == ["ok"] * 20


def test_a_line_is_one_object_as_any_program_may_send_it(path: Path) -> None:
    with serving(path):
        answer = raw(path, json.dumps({"verb": "echo", "data": {"n": 1}, "transaction": "t"}).encode())
        assert answer.data == {"n": 1}
