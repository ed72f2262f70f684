"""This machine's own way to a running daemon: a Unix socket in the state folder, with the requests of the contract.

One request a connection: a line of JSON each way, with lines of progress before the answer of what takes long. A file
that the request is about goes with it as an open descriptor, so that it may be as large as it likes, and the daemon
need not be able to find or open it. Whoever may open the state folder may ask; the socket's mode is 0600. What a
request does is left to the desk.
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
from typing import BinaryIO

from edge.adapters.answers import BUSY, payload_of, refusal
from edge.contract.codec import from_object
from edge.contract.messages import Request, Response
from edge.errors import LinkError, MessageError, RefusedError, StoreError
from edge.inbox import Asked
from edge.log import get_logger

# Pictures of one enrollment travel in a line, and the list of a whole house; the network's messages are far smaller.
MAX_BYTES = 32 * 2**20
_ANSWER_S = 30.0
_AT_ONCE = 4
_WAITING = 64  # connections that may wait for their turn; one more is sent away at once
_PAUSE_S = 1.0
_LONGEST_ADDRESS = 107  # sun_path of unix(7) has 108 bytes, the last of them a zero
_PROGRESS = b'{"progress":'
_PERHAPS = "it may still do what was asked: look with `doorward people list` before you ask again"

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
                for payload in self._answers_to(*_read_request(connection)):
                    connection.sendall(payload + b"\n")
        except (OSError, MessageError) as error:
            _log.warning("a local request failed", error=error)
        finally:
            self._slots.release()

    def _answers_to(self, line: bytes, attached: BinaryIO | None) -> Iterator[bytes]:
        """The lines that go back: of progress, and last the response."""
        news: Queue[Response | str] = Queue()
        verb = self._hand_in(line, attached, news)
        told: Response | str = ""
        while not isinstance(told, Response):
            try:
                told = news.get(timeout=_ANSWER_S)
            except Empty:
                silent = f"the door has not answered for {_ANSWER_S:g} s; {_PERHAPS}"
                told = refusal(verb, silent, code=LinkError.exit_code)
            if isinstance(told, str):
                yield _PROGRESS + json.dumps(told).encode() + b"}"
        yield payload_of(told, MAX_BYTES)

    def _hand_in(self, line: bytes, attached: BinaryIO | None, news: Queue[Response | str]) -> str:
        """Give the daemon the request; where it does not take it, the refusal is the news. Answers the verb."""
        try:
            request = parse_local(line)
        except MessageError as error:
            verb, refused = "unknown", refusal("unknown", str(error))
        else:
            verb, refused = request.verb, refusal(request.verb, BUSY, code=LinkError.exit_code)
            if self._ask(Asked(request, news.put, local=True, attached=attached, progress=news.put)):
                return verb
        if attached is not None:
            attached.close()
        news.put(refused)
        return verb


def ask_daemon(
    path: Path, request: Request, attached: BinaryIO | None = None, progress: Callable[[str], None] | None = None
) -> Response | None:
    """What the running daemon answers; None where none is running.

    attached: an open file that the request is about. progress: takes lines of what takes long.

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
            _send(connection, line, attached)
            return _answer_on(connection, progress)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise StoreError(f"{path}: the door's state belongs to another user; run this as that one") from error
    except TimeoutError as error:
        silent = f"the running daemon has not answered for {2 * _ANSWER_S:g} s"
        raise LinkError(f"{path}: {silent}; {_PERHAPS}, and look at its log") from error
    except (OSError, MessageError) as error:
        raise LinkError(f"{path}: the running daemon does not answer ({error}); look at its log") from error


def _send(connection: socket.socket, line: bytes, attached: BinaryIO | None) -> None:
    """The line, and with its first bytes the file."""
    sent = 0 if attached is None else socket.send_fds(connection, [line], [attached.fileno()])
    connection.sendall(memoryview(line)[sent:])


def _answer_on(connection: socket.socket, progress: Callable[[str], None] | None) -> Response:
    with connection.makefile("rb") as lines:
        while (line := lines.readline(MAX_BYTES + 1)).startswith(_PROGRESS):
            if progress is not None:
                progress(str(json.loads(line)["progress"]))
        return Response.from_json(line.rstrip(b"\n"), MAX_BYTES)


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


def _read_request(connection: socket.socket) -> tuple[bytes, BinaryIO | None]:
    """A line, and the file that came with its first bytes.

    Raises:
        MessageError: it is too long.
    """
    part, descriptors, *_ = socket.recv_fds(connection, 65536, 1, socket.MSG_CMSG_CLOEXEC)
    with contextlib.ExitStack() as until_read:
        attached = until_read.enter_context(os.fdopen(descriptors[0], "rb")) if descriptors else None
        parts, size = [part], len(part)
        while part and not part.endswith(b"\n"):
            part = connection.recv(65536)
            size += len(part)
            if size > MAX_BYTES:
                raise MessageError(f"local request: more than {MAX_BYTES} bytes")
            parts.append(part)
        until_read.pop_all()
        return b"".join(parts), attached
