"""What holds for every test: no network in unit tests, loopback alone in others, and how long property tests search.

Also the fixtures that several folders use: a real broker, and the research pictures that are never shipped.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.fakes.broker import Broker, find_mosquitto

# A slow machine is no failure, hence no deadline; `make fuzz` takes the second.
settings.register_profile("doorward", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("doorward")

_ON_LOOPBACK = ("broker", "scenario", "device")


class NetworkUsedError(AssertionError):
    """A test reached for the network that its markers do not allow."""


class _Guard:
    """Stands in front of the calls of `socket` that reach out."""

    loopback = False

    def check_address(self, address: object) -> None:
        """An address of a socket; a Unix socket's, which is text, is no network.

        Raises:
            NetworkUsedError: it is not for the test that runs.
        """
        if isinstance(address, tuple):
            self.check_host(address[0])

    def check_host(self, host: object) -> None:
        """Raises:
        NetworkUsedError: see `check_address`.
        """
        if not self.loopback:
            raise NetworkUsedError(f"{host}: a unit test has no network; mark it {' or '.join(_ON_LOOPBACK)}")
        if host not in ("localhost", None) and not _is_loopback(str(host)):
            raise NetworkUsedError(f"{host}: tests reach loopback only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _after(check: Callable[[Any], None], call: Callable[..., Any], position: int) -> Callable[..., Any]:
    """`call` with one of its arguments looked at first."""

    def guarded(*args: Any, **kwargs: Any) -> Any:
        check(args[position])
        return call(*args, **kwargs)

    return guarded


_GUARD = _Guard()


@pytest.fixture(scope="session", autouse=True)
def guarded_network() -> Iterator[None]:
    """For the whole run: what a test may reach is decided by its markers."""
    with pytest.MonkeyPatch.context() as patch:
        for name, position in (("connect", 1), ("connect_ex", 1), ("sendto", -1)):
            patch.setattr(socket.socket, name, _after(_GUARD.check_address, getattr(socket.socket, name), position))
        patch.setattr(socket, "getaddrinfo", _after(_GUARD.check_host, socket.getaddrinfo, 0))
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _GUARD.loopback = any(item.get_closest_marker(name) for name in _ON_LOOPBACK)


@pytest.fixture(scope="session")
def facedata() -> Path:
    """The folder of research pictures, shaped as its README tells."""
    named = os.environ.get("DOORWARD_FACEDATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "lists").is_dir():
        pytest.skip(f"no research pictures in {folder}; DOORWARD_FACEDATA may name their folder")
    return folder


@pytest.fixture(scope="session")
def mosquitto() -> None:
    """A test that needs the broker's program; where all tests must run (CI=true) it may not be missing."""
    if find_mosquitto() is None:
        words = "mosquitto is not installed (Debian: apt install mosquitto)"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@pytest.fixture
def make_broker(mosquitto: None, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """`make_broker(*lines, tls=..., port=...)` starts one; all are ended with the test."""
    brokers: list[Broker] = []

    def make(*lines: str, **options: Any) -> Broker:
        folder = tmp_path / f"broker{len(brokers)}"
        folder.mkdir()
        brokers.append(Broker(folder, *lines, **options))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.kill()


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    """A plain broker that anybody may talk to."""
    return make_broker()
