"""This machine's own way to a running daemon: a Unix socket in the state folder, with the requests of the contract.

One request a connection: a line of JSON each way. Whoever may open the state folder may ask; the socket's mode is 0600.
What a request does is left to the desk.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue

from edge.contract.messages import Request, Response
from edge.errors import LinkError, MessageError
from edge.inbox import Asked
from edge.log import get_logger

# Pictures of one enrollment travel in a line; the network's requests are far smaller.
MAX_BYTES = 32 * 2**20
_ANSWER_S = 30.0
_AT_ONCE = 4

_log = get_logger("control")


class ControlServer:
    """Listens on the socket and puts what is asked into the daemon's inbox."""

    def __init__(self, path: Path, ask: Callable[[Asked], bool]) -> None:
        """ask: hands a request to the daemon; False when it is too busy."""
        self._path = path
        self._ask = ask
        self._socket: socket.socket | None = None
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def start(self) -> None:
        """Begin to listen. The store's lock makes sure that no other daemon has this socket.

        Raises:
            LinkError: the socket cannot be made.
        """
        try:
            self._path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            before = os.umask(0o177)
            try:
                self._socket.bind(str(self._path))
            finally:
                os.umask(before)
            self._socket.listen(_AT_ONCE)
        except OSError as error:
            raise LinkError(f"{self._path}: no socket can be made there ({error.strerror or error})") from error
        threading.Thread(target=self._serve, args=(self._socket,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Close the socket and take its file away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._slots.acquire()
            threading.Thread(target=self._answer, args=(connection,), name="control-one", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_ANSWER_S)
                response = self._response_to(_read_line(connection))
                connection.sendall(response.to_json() + b"\n")
        except (OSError, MessageError) as error:
            _log.warning("a local request failed", error=error)
        finally:
            self._slots.release()

    def _response_to(self, line: bytes) -> Response:
        try:
            request = parse_local(line)
        except MessageError as error:
            return _error("unknown", str(error))
        answers: Queue[Response] = Queue()
        if not self._ask(Asked(request, answers.put, local=True)):
            return _error(request.verb, "the door is too busy; try again")
        try:
            return answers.get(timeout=_ANSWER_S)
        except Empty:
            return _error(request.verb, f"the door did not answer within {_ANSWER_S:g} s; try again")


def ask_daemon(path: Path, request: Request) -> Response | None:
    """What the running daemon answers; None where none is running.

    Raises:
        LinkError: it is there and does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2 * _ANSWER_S)
            connection.connect(str(path))
            connection.sendall(_local_line(request))
            return Response.from_json(_read_line(connection))
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except (OSError, MessageError) as error:
        raise LinkError(f"{path}: the running daemon does not answer ({error}); look at its log") from error


def parse_local(line: bytes) -> Request:
    """A request from this machine: like one from the network, but it may be as large as pictures are.

    Raises:
        MessageError: it is not one.
    """
    try:
        body = json.loads(line)
        verb, data = body["verb"], body["data"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageError(f"local request: not an object with verb and data ({type(error).__name__})") from error
    if not isinstance(verb, str) or not isinstance(data, dict):
        raise MessageError("local request: verb must be text and data an object")
    return Request(verb=verb, data=data)


def _local_line(request: Request) -> bytes:
    return json.dumps({"verb": request.verb, "data": request.data}).encode() + b"\n"


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


def _error(verb: str, text: str) -> Response:
    return Response(verb=verb, status="error", error=text, data={}, transaction=None)
