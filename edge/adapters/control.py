"""This machine's own way to a running daemon: a Unix socket in the state folder, with the requests of the contract.

One request a connection: a line of JSON each way. Whoever may open the state folder may ask; the socket's mode is 0600.
What a request does is left to the desk.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

from edge.adapters.answers import payload_of, refusal
from edge.contract.codec import from_object
from edge.contract.messages import Request, Response
from edge.errors import LinkError, MessageError, RefusedError, StoreError
from edge.inbox import Asked
from edge.log import get_logger

# Pictures of one enrollment travel in a line; the network's requests are far smaller.
MAX_BYTES = 32 * 2**20
_ANSWER_S = 30.0
_AT_ONCE = 4
_WAITING = 64  # connections that may wait for their turn; one more is sent away at once
_PAUSE_S = 1.0
_LONGEST_ADDRESS = 107  # sun_path of unix(7) has 108 bytes, the last of them a zero

_log = get_logger("control")


class ControlServer:
    """Listens on the socket and puts what is asked into the daemon's inbox."""

    def __init__(self, path: Path, ask: Callable[[Asked], bool]) -> None:
        """ask: hands a request to the daemon; False when it is too busy."""
        self._path = path
        self._ask = ask
        self._socket: socket.socket | None = None
        self._stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def start(self) -> None:
        """Begin to listen. The store's lock makes sure that no other daemon has this socket.

        Raises:
            LinkError: the socket cannot be made.
        """
        try:
            self._path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with _address(self._path) as address:
                self._socket.bind(address)
            self._path.chmod(0o600)  # nobody can connect before it listens
            self._socket.listen(_WAITING)
        except OSError as error:
            reason = error.strerror or error
            raise LinkError(f"{self._path}: no socket can be made there ({reason}); set [store] folder") from error
        threading.Thread(target=self._serve, args=(self._socket,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Close the socket and take its file away; harmless when it is closed."""
        self._stopping.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closing alone would leave the thread waiting in `accept`
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def _serve(self, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listening.accept()
            except OSError as error:
                if not self._stopping.wait(_PAUSE_S):  # too many open files, say: another time it may work
                    _log.warning("a local request could not be taken", error=error)
                continue
            self._slots.acquire()
            threading.Thread(target=self._answer, args=(connection,), name="control-one", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_ANSWER_S)
                response = self._response_to(_read_line(connection))
                connection.sendall(payload_of(response) + b"\n")
        except (OSError, MessageError) as error:
            _log.warning("a local request failed", error=error)
        finally:
            self._slots.release()

    def _response_to(self, line: bytes) -> Response:
        try:
            request = parse_local(line)
        except MessageError as error:
            return refusal("unknown", str(error))
        answers: Queue[Response] = Queue()
        if not self._ask(Asked(request, answers.put, local=True)):
            return refusal(request.verb, "the door is too busy; try again")
        try:
            return answers.get(timeout=_ANSWER_S)
        except Empty:
            return refusal(request.verb, f"the door did not answer within {_ANSWER_S:g} s; try again")


def ask_daemon(path: Path, request: Request) -> Response | None:
    """What the running daemon answers; None where none is running.

    Raises:
        LinkError: it is there and does not answer.
        RefusedError: the request is larger than it takes.
        StoreError: this user may not reach it.
    """
    line = json.dumps({"verb": request.verb, "data": request.data}).encode() + b"\n"
    if len(line) > MAX_BYTES:
        raise RefusedError(f"{request.verb}: more than {MAX_BYTES // 2**20} MiB at once; give fewer pictures")
    try:
        with _address(path) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2 * _ANSWER_S)
            connection.connect(address)
            connection.sendall(line)
            return Response.from_json(_read_line(connection).rstrip(b"\n"))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise StoreError(f"{path}: the door's state belongs to another user; run this as that one") from error
    except (OSError, MessageError) as error:
        raise LinkError(f"{path}: the running daemon does not answer ({error}); look at its log") from error


def parse_local(line: bytes) -> Request:
    """A request from this machine: like one from the network, but it may be as large as pictures are.

    Raises:
        MessageError: it is not one.
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"local request: not JSON ({type(error).__name__})") from error
    return from_object("local request", Request, body)


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """The socket's name as the system takes it: a longer path goes by way of its opened folder (proc(5))."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while not (parts and parts[-1].endswith(b"\n")):
        part = connection.recv(65536)
        if not part:
            break
        size += len(part)
        if size > MAX_BYTES:
            raise MessageError(f"local request: more than {MAX_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
