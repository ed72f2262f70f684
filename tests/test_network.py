"""The tests' own guard: a unit test that reaches for the network fails, one that is marked reaches loopback only."""

from __future__ import annotations

import socket

import pytest


def test_a_unit_test_has_no_network() -> None:
    with socket.socket() as probe, pytest.raises(AssertionError, match=r"127\.0\.0\.1: a unit test has no network"):
        probe.connect(("127.0.0.1", 9))


def test_a_unit_test_has_no_names() -> None:
    with pytest.raises(AssertionError, match="a unit test has no network"):
        socket.create_connection(("example.org", 80), timeout=1)


def test_a_unit_test_sends_no_datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe, pytest.raises(AssertionError, match="no network"):
        probe.sendto(b"x", ("192.0.2.1", 9))


def test_a_socket_of_this_machine_s_files_is_no_network(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "socket")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)


@pytest.mark.scenario
def test_a_marked_test_reaches_loopback_and_nothing_else() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            pass
    with socket.socket() as probe, pytest.raises(AssertionError, match=r"192\.0\.2\.1: tests reach loopback only"):
        probe.connect(("192.0.2.1", 9))
